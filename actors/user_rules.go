package actors

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/chatkitd/chatkitd"
)

// cleanLine makes one line of s: runs of white space and control characters
// become one space, none at the ends. Invalid UTF-8 becomes U+FFFD.
func cleanLine(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r)
	}), " ")
}

// cleanText drops control characters other than line breaks and tabs.
func cleanText(s string) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\r\n", "\n")
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, s)
}

func cleanTitle(s string) (string, error) {
	s = cleanLine(s)
	if s == "" {
		return "", chatkitd.Errorf(chatkitd.CodeInvalid, "title: a task needs a title of 1 to %d characters", chatkitd.MaxTaskTitle)
	}
	if n := utf8.RuneCountInString(s); n > chatkitd.MaxTaskTitle {
		return "", chatkitd.Errorf(chatkitd.CodeInvalid, "title: %d characters are too many, at most %d are allowed", n, chatkitd.MaxTaskTitle)
	}
	return s, nil
}

func cleanDescription(s string) (string, error) {
	s = strings.TrimSpace(cleanText(s))
	if n := utf8.RuneCountInString(s); n > chatkitd.MaxTaskDescription {
		return "", chatkitd.Errorf(chatkitd.CodeInvalid, "description: %d characters are too many, at most %d are allowed", n, chatkitd.MaxTaskDescription)
	}
	return s, nil
}

func cleanPriority(p chatkitd.Priority) (chatkitd.Priority, error) {
	switch p {
	case "", chatkitd.PriorityLow, chatkitd.PriorityMedium, chatkitd.PriorityHigh:
		return p, nil
	}
	return "", chatkitd.Errorf(chatkitd.CodeInvalid, "priority: must be low, medium or high")
}

// cleanTags trims, drops a leading "#" and repeats (case ignored), and keeps the
// order.
func cleanTags(tags []string) ([]string, error) {
	var out []string
	seen := make(map[string]bool, len(tags))
	for _, t := range tags {
		t = cleanLine(strings.TrimPrefix(strings.TrimSpace(t), "#"))
		if t == "" || seen[strings.ToLower(t)] {
			continue
		}
		if n := utf8.RuneCountInString(t); n > chatkitd.MaxTaskTag {
			return nil, chatkitd.Errorf(chatkitd.CodeInvalid, "tags: a tag of %d characters is too long, at most %d are allowed", n, chatkitd.MaxTaskTag)
		}
		seen[strings.ToLower(t)] = true
		out = append(out, t)
	}
	if len(out) > chatkitd.MaxTaskTags {
		return nil, chatkitd.Errorf(chatkitd.CodeInvalid, "tags: %d are too many, at most %d are allowed", len(out), chatkitd.MaxTaskTags)
	}
	return out, nil
}

// cleanDue cuts to whole seconds and refuses years that JSON cannot carry.
func cleanDue(t time.Time) (time.Time, error) {
	if y := t.Year(); y < 1970 || y > 9999 {
		return time.Time{}, chatkitd.Errorf(chatkitd.CodeInvalid, "due_at: the year must be between 1970 and 9999")
	}
	return t.UTC().Truncate(time.Second), nil
}
