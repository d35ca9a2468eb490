package offline

import (
	"regexp"
	"strings"

	"github.com/chatkitd/chatkitd"
)

var (
	overdueRE = regexp.MustCompile(`(?i)\b(?:overdue|past due|past their due date|late)\b`)
	undatedRE = regexp.MustCompile(`(?i)\b(?:without (?:a |any )?(?:due )?dates?|with no (?:due )?dates?|no (?:due )?dates?|undated|have no (?:due )?date)\b`)
	weekRE    = regexp.MustCompile(`(?i)\b(?:(?:due |for |in )?(this|next|the) week)\b`)
	aboutRE   = regexp.MustCompile(`(?i)\b(?:about|containing|contain|mentioning|mention|matching|that say|related to|regarding)\s+(.+)$|\b(?:with|named|called)\s+(?:the word\s+)?((?:"|“).+)$`)
	doneRE    = regexp.MustCompile(`(?i)\b(?:completed?|done|finished|closed|ticked off|checked off|accomplished|already did)\b`)
	openRE    = regexp.MustCompile(`(?i)\b(?:left|open|pending|remaining|remains?|outstanding|incomplete|unfinished|uncompleted|undone|active|still|current|upcoming|not done|to do|todo|next|due|need to do|have to do|should i do)\b`)
	allWordRE = regexp.MustCompile(`(?i)\b(?:all|everything|every|whole|entire|both)\b`)
	countRE   = regexp.MustCompile(`(?i)\b(?:how many|how much|count|number of)\b`)
	urgentWRE = regexp.MustCompile(`(?i)\b(?:urgent|important|critical)\b`)
	fillerRE  = regexp.MustCompile(`(?i)\b(?:tasks?|to-?dos?|todos|items?|things?|ones?|my|me|the|a|an|that|which|what|what's|whats|is|are|was|were|there|on|of|in|at|to|do|for|i|i've|got|have|has|had|list|lists|please|show|with|tagged|tag|labelled|labeled|priority|any|anything|some|us|our|be|it|its|by|from|so|far|also|only|just|and|or|did|does|now|right|currently|today's|tomorrow's|s|still|yet|up|coming|going|plate|agenda|work|done|should|need|must|most|go|get|see|view|display|again|day|week|first|status|look|like|overview|summary|am|supposed|you|can|we|date|dates|deadline|deadlines|tell|give|read|out|check|count|number|how|many|much|them|those|these)\b`)
)

// selection reads which tasks of a list are meant. It is not ok if words are
// left that it does not know, for then they may be a name.
func (p *dateParser) selection(s string) (filter, bool) {
	f := filter{status: chatkitd.TaskPending}
	f.count = countRE.MatchString(s)
	if m := aboutRE.FindStringSubmatchIndex(s); m != nil {
		for g := 1; g <= 2; g++ {
			if m[2*g] >= 0 {
				f.query = cutWords(unquote(strings.Trim(s[m[2*g]:m[2*g+1]], " ?.!")), chatkitd.MaxTaskTitle)
			}
		}
		s = s[:m[0]]
	}
	var tags []string
	if s, tags = cutTags(strings.TrimRight(s, " ?.!")); len(tags) > 0 {
		f.tag = tags[0]
	}
	s, f.priority = cutPriority(s)
	if f.priority == "" && urgentWRE.MatchString(s) {
		s, f.priority = urgentWRE.ReplaceAllString(s, ""), chatkitd.PriorityHigh
	}
	s = p.when(s, &f)
	switch {
	case strings.Contains(strings.ToLower(s), "not done"), regexp.MustCompile(`(?i)\bto be done\b`).MatchString(s):
	case doneRE.MatchString(s):
		f.status = chatkitd.TaskCompleted
	case allWordRE.MatchString(s) && !openRE.MatchString(s):
		f.everything = true
	}
	s = doneRE.ReplaceAllString(openRE.ReplaceAllString(allWordRE.ReplaceAllString(s, ""), ""), "")
	s = fillerRE.ReplaceAllString(s, "")
	return f, strings.Trim(s, " ,.!?'’:-") == ""
}

// widen makes a filter that was only told "all" one of completed tasks too.
func (f filter) widen(words string) filter {
	if f.status == chatkitd.TaskPending && allWordRE.MatchString(words) && !openRE.MatchString(words) {
		f.everything = true
	}
	return f
}

// when reads which due dates are meant.
func (p *dateParser) when(s string, f *filter) string {
	switch {
	case overdueRE.MatchString(s):
		f.when = when{words: "overdue", to: p.now}
		return overdueRE.ReplaceAllString(s, "")
	case undatedRE.MatchString(s):
		f.when = when{words: "without a due date", undated: true}
		return undatedRE.ReplaceAllString(s, "")
	case weekRE.MatchString(s):
		m := weekRE.FindStringSubmatch(s)
		from := p.monday()
		f.when = when{words: "due this week", from: from, to: midnight(from, 7)}
		if strings.EqualFold(m[1], "next") {
			f.when = when{words: "due next week", from: midnight(from, 7), to: midnight(from, 14)}
		}
		return weekRE.ReplaceAllString(s, "")
	}
	rest, day, _, ok := p.findDay(s)
	if !ok {
		return s
	}
	day = midnight(day, 0)
	f.when = when{words: "due " + dayWords(day, p.now), from: day, to: midnight(day, 1)}
	return rest
}

var pluralRE = regexp.MustCompile(`(?i)\b(?:tasks|items|todos|to-dos|things|ones)\b`)

// plural reads "completed tasks", "the overdue ones".
func (p *dateParser) plural(s string) (filter, bool) {
	if !pluralRE.MatchString(s) {
		return filter{}, false
	}
	f, ok := p.selection(s)
	return f, ok
}

// matches reports whether a task is one that the filter selects, as far as the
// tool has not seen to it.
func (f filter) matches(t chatkitd.Task) bool {
	switch {
	case f.when.words == "":
		return true
	case f.when.undated:
		return t.DueAt == nil
	case t.DueAt == nil:
		return false
	}
	return !t.DueAt.Before(f.when.from) && t.DueAt.Before(f.when.to)
}
