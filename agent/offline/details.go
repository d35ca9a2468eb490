package offline

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/chatkitd/chatkitd"
)

var (
	tagRE      = regexp.MustCompile(`(?:^|[\s,(])#([\p{L}\p{N}][\p{L}\p{N}_/-]*)`)
	taggedRE   = regexp.MustCompile(`(?i)[\s,]+(?:and\s+)?(?:tagged|labell?ed|with (?:the )?tags?|tags?:)(?: as| with)?:? ((?:#?[\p{L}\p{N}_-]+)(?:(?:, ?| and | & )#?[\p{L}\p{N}_-]+)*)\s*$`)
	priorityRE = regexp.MustCompile(`(?i)(?:^|[\s,(]+)(?:(?:with|at|as|of|and|it'?s|it is) )?(?:a )?(?:(high|highest|top|low|lowest|medium|normal)[ -]prio(?:rity)?|prio(?:rity)?[ :]+(?:is )?(high|low|medium|normal)|!(high|low|medium)|\((high|low|medium)\))(?:$|[\s,.;:!)])`)
	urgentRE   = regexp.MustCompile(`(?i)(?:[\s,;(-]+(?:(?:and )?(?:it'?s|it is|this is|that'?s) )?(?:very |really |super )?(?:urgent|urgently|asap|important|critical|!{2,})[)!.]*\s*$)|(?:^(?:urgent|urgently|asap|important|critical)[:,!-]+\s*)|(?:[!]{2,}\s*$)`)
	notesRE    = regexp.MustCompile(`(?i)[\s,;(-]+(?:with (?:the |a )?)?(?:notes?|description|details?|desc)\s*[:：]\s*(.+)$|[\s,;]+with (?:the |a )?(?:note|description) (.+)$`)
	spacesRE   = regexp.MustCompile(`\s+`)
)

// cutNotes takes notes off the end of s.
func cutNotes(s string) (rest, notes string) {
	m := notesRE.FindStringSubmatchIndex(s)
	if m == nil {
		return s, ""
	}
	for _, g := range []int{1, 2} {
		if m[2*g] >= 0 {
			notes = unquote(strings.Trim(s[m[2*g]:m[2*g+1]], " )"))
		}
	}
	return strings.TrimSpace(s[:m[0]]), notes
}

// cutTags takes tags out of s.
func cutTags(s string) (rest string, tags []string) {
	for range 2 * chatkitd.MaxTaskTags {
		m := tagRE.FindStringSubmatchIndex(s)
		if m == nil {
			break
		}
		tag := s[m[2]:m[3]]
		if strings.Trim(tag, "0123456789") == "" {
			break // "#3" is a place in a list
		}
		tags = appendNew(tags, tag)
		s = strings.TrimSpace(strings.TrimRight(s[:m[0]], " ,") + " " + strings.TrimSpace(s[m[1]:]))
	}
	if m := taggedRE.FindStringSubmatchIndex(s); m != nil {
		for _, t := range regexp.MustCompile(`,\s*| and | & `).Split(s[m[2]:m[3]], -1) {
			tags = appendNew(tags, strings.TrimPrefix(strings.TrimSpace(t), "#"))
		}
		s = strings.TrimSpace(s[:m[0]])
	}
	return s, tags
}

func appendNew(tags []string, t string) []string {
	if t == "" || slices.Contains(tags, t) {
		return tags
	}
	return append(tags, t)
}

// cutPriority takes a priority out of s.
func cutPriority(s string) (rest string, p chatkitd.Priority) {
	if m := priorityRE.FindStringSubmatchIndex(s); m != nil {
		for g := 1; g <= 4; g++ {
			if m[2*g] >= 0 {
				p = priorityOf(s[m[2*g]:m[2*g+1]])
			}
		}
		left, right := strings.TrimRight(s[:m[0]], " ,("), strings.TrimLeft(s[m[1]:], " ,:)")
		return strings.TrimSpace(left + " " + right), p
	}
	if m := urgentRE.FindStringIndex(s); m != nil && m[1]-m[0] < len(s) {
		return strings.TrimSpace(s[:m[0]] + s[m[1]:]), chatkitd.PriorityHigh
	}
	return s, ""
}

func priorityOf(word string) chatkitd.Priority {
	switch strings.ToLower(strings.Trim(word, "!")) {
	case "high", "highest", "top", "urgent", "important", "critical", "asap":
		return chatkitd.PriorityHigh
	case "low", "lowest", "unimportant":
		return chatkitd.PriorityLow
	case "medium", "normal":
		return chatkitd.PriorityMedium
	}
	return ""
}

// read takes everything that is not the title out of the words for a new task.
func (p *dateParser) read(s string) details {
	var d details
	s, d.notes = cutNotes(s)
	if m := quoteRE.FindStringIndex(s); m != nil && m[0] == 0 {
		d.title = unquote(s[m[0]:m[1]])
		s = s[m[1]:]
	}
	s, d.tags = cutTags(s)
	s, d.priority = cutPriority(s)
	if rest, due, ok := p.find(s); ok {
		s, d.due = rest, &due
	}
	if d.title == "" {
		d.title = cleanTitle(s)
	}
	return d.fit()
}

// fit makes a title of what is too long for one: the whole text goes into the
// notes.
func (d details) fit() details {
	if n := utf8.RuneCountInString(d.title); n > chatkitd.MaxTaskTitle {
		whole := d.title
		d.title = cutWords(whole, chatkitd.MaxTaskTitle)
		if d.notes == "" {
			d.notes = whole
		}
	}
	d.notes = cutWords(d.notes, chatkitd.MaxTaskDescription)
	if len(d.tags) > chatkitd.MaxTaskTags {
		d.tags = d.tags[:chatkitd.MaxTaskTags]
	}
	for i, t := range d.tags {
		d.tags[i] = cutWords(t, chatkitd.MaxTaskTag)
	}
	return d
}

// cutWords cuts s to n characters, at a space if there is one near the end.
func cutWords(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	r := []rune(s)[:n-1]
	out := string(r)
	if i := strings.LastIndexByte(out, ' '); i > len(out)*3/4 {
		out = out[:i]
	}
	return strings.TrimRight(out, " ,;:") + "…"
}

var (
	titleHeadRE = regexp.MustCompile(`(?i)^(?:(?:that i (?:need|have|want) to|i (?:need|have|want) to|not forget to|to|that|for me to)\s+)+`)
	titleTailRE = regexp.MustCompile(`(?i)[\s,]+(?:(?:to|on|onto|in|into) (?:my|the|our) (?:(?:to-?do|task|shopping|tasks|todos)[ -]?)?(?:list|tasks|to-?dos)|as (?:a |an )?(?:new )?(?:task|to-?do|reminder)|(?:and )?(?:due|by|on|at|for|until|before|with|and)|please|thanks|for me)$`)
)

// cleanTitle leaves of the words what a person would write as a title.
func cleanTitle(s string) string {
	s = strings.TrimSpace(spacesRE.ReplaceAllString(s, " "))
	s = settle(s, func(s string) string {
		s = strings.TrimRight(strings.Trim(s, " ,;:–—-\t"), ".!")
		return titleTailRE.ReplaceAllString(titleHeadRE.ReplaceAllString(s, ""), "")
	})
	if q := unquote(s); q != "" {
		s = q
	}
	return s
}

// settle repeats f until it changes nothing more. It gives up after 20 times:
// nobody means the other eight thousand "and".
func settle(s string, f func(string) string) string {
	for range 20 {
		t := f(s)
		if t == s {
			break
		}
		s = t
	}
	return s
}

// unquote takes quotes off that go around the whole.
func unquote(s string) string {
	s = strings.TrimSpace(s)
	if loc := quoteRE.FindStringIndex(s); loc != nil && loc[0] == 0 && loc[1] == len(s) {
		_, first := utf8.DecodeRuneInString(s)
		_, last := utf8.DecodeLastRuneInString(s)
		return strings.TrimSpace(s[first : len(s)-last])
	}
	if len(s) > 2 && s[0] == '\'' && s[len(s)-1] == '\'' && strings.Count(s, "'") == 2 {
		return s[1 : len(s)-1]
	}
	return s
}
