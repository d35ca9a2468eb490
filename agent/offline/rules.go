package offline

import (
	"regexp"
	"strings"
	"time"

	"github.com/chatkitd/chatkitd"
)

// classify reads one clause. Before is what the clause before it wanted.
func (p *dateParser) classify(clause string, before action) intent {
	question := questionRE.MatchString(clause)
	c := strings.Trim(strip(clause), " ,;:")
	bare := strings.TrimRight(c, " .!?,;")
	in := intent{text: clause}
	for _, r := range social { // before politeness is taken off: it may be all there is
		if r.re.MatchString(strings.Trim(clause, " .!?,;:")) {
			in.do = r.do
			return in
		}
	}
	for _, r := range rules {
		if m := r.re.FindStringSubmatch(bare); m != nil && r.read(p, &in, m, question) {
			return in
		}
		in = intent{text: clause}
	}
	switch {
	case bare == "":
	case before == add || beginsLikeTask(bare) && !question:
		return p.adding(in, c)
	case before == complete || before == remove || before == reopen:
		in.do, in.ref = before, p.parseRef(bare)
	default:
		if r, ok := p.place(bare); ok {
			in.do, in.ref = choose, r
		} else {
			in.ref = p.parseRef(bare) // the answer to "which one?" may be a name
		}
	}
	return in
}

func (p *dateParser) adding(in intent, words string) intent {
	in.do, in.details = add, p.read(words)
	if in.details.priority == "" && strings.HasSuffix(strings.TrimSpace(in.text), "!!") {
		in.details.priority = chatkitd.PriorityHigh
	}
	return in
}

// reader fills in an intent from a match, or says that it is not one after all.
type reader func(p *dateParser, in *intent, m []string, question bool) bool

type phrase struct {
	re   *regexp.Regexp
	read reader
}

// social is small talk.
var social = []struct {
	re *regexp.Regexp
	do action
}{{greetRE, greet}, {byeRE, bye}, {thankRE, thank}, {helpRE, help}}

// refer is a rule whose group g says which task.
func refer(a action, g int) reader {
	return func(p *dateParser, in *intent, m []string, question bool) bool {
		in.do, in.ref = a, p.parseRef(m[g])
		return !question && (len(in.ref.names) > 0 || in.ref.points())
	}
}

// points reports whether r says which tasks other than by name.
func (r ref) points() bool {
	return len(r.numbers) > 0 || r.first > 0 || r.final > 0 || r.all || r.it || len(r.parts) > 0
}

// updating is a rule that changes the task of group g.
func updating(g int, set func(p *dateParser, in *intent, m []string) bool) reader {
	return func(p *dateParser, in *intent, m []string, question bool) bool {
		if question || !set(p, in, m) {
			return false
		}
		in.do, in.ref = update, p.parseRef(m[g])
		return len(in.ref.names) > 0 || in.ref.points()
	}
}

// rules is the table of what is understood; the first that matches wins.
var rules = []phrase{
	{addNoteRE, updating(1, setNotes)},
	{setNoteRE, updating(1, setNotes)},
	{describeRE, updating(1, setNotes)},
	{addTagRE, updating(2, func(_ *dateParser, in *intent, m []string) bool {
		_, in.change.addTags = cutTags(m[1])
		return len(in.change.addTags) > 0
	})},
	{addTag2RE, updating(2, func(_ *dateParser, in *intent, m []string) bool {
		in.change.addTags = []string{m[1]}
		return true
	})},
	{dropTagRE, updating(2, func(_ *dateParser, in *intent, m []string) bool {
		in.change.dropTags = []string{m[1]}
		return true
	})},
	{untagRE, func(p *dateParser, in *intent, m []string, _ bool) bool {
		in.do, in.change.clearTags, in.ref = update, true, p.parseRef(m[1]+m[2])
		return true
	}},
	{clearRE2, updating(2, func(_ *dateParser, in *intent, m []string) bool {
		switch strings.ToLower(m[1]) {
		case "priority":
			in.change.clearPriority = true
		case "note", "notes", "description", "details":
			in.change.clearNotes = true
		default:
			in.change.clearDue = true
		}
		return true
	})},
	{noDueRE, updating(1, func(_ *dateParser, in *intent, _ []string) bool {
		in.change.clearDue = true
		return true
	})},

	{reopenRE, refer(reopen, 1)},
	{markOpenRE, refer(reopen, 1)},
	{notDoneRE, refer(reopen, 1)},
	{haveNotRE, refer(reopen, 1)},
	{notDoneWith, refer(reopen, 1)},

	{regexp.MustCompile(`(?s)^.*$`), func(p *dateParser, in *intent, m []string, question bool) bool {
		body := addBody(m[0])
		if body == "" || question && !strings.HasPrefix(strings.ToLower(m[0]), "add") {
			return false
		}
		*in = p.adding(*in, body)
		return true
	}},

	{regexp.MustCompile(`(?s)^.*$`), func(p *dateParser, in *intent, m []string, question bool) bool {
		rest, due, ok := p.find(m[0]) // "tomorrow I need to …"
		body := addBody(strip(rest))
		if !ok || question || body == "" {
			return false
		}
		*in = p.adding(*in, body)
		if in.details.due == nil {
			in.details.due = &due
		}
		return true
	}},

	{setPrioRE, updating(1, func(_ *dateParser, in *intent, m []string) bool {
		in.details.priority = priorityOf(m[2])
		return true
	})},
	{prioriseRE, updating(2, func(_ *dateParser, in *intent, m []string) bool {
		in.details.priority = chatkitd.PriorityHigh
		if strings.HasPrefix(strings.ToLower(m[1]), "de") {
			in.details.priority = chatkitd.PriorityLow
		}
		return true
	})},
	{renameRE, updating(1, func(_ *dateParser, in *intent, m []string) bool {
		in.details.title = cutWords(cleanTitle(m[2]), chatkitd.MaxTaskTitle)
		return in.details.title != ""
	})},
	{markRE, refer(complete, 1)},
	{takeRE, refer(remove, 1)},
	{deleteRE, refer(remove, 1)},
	{clearRE, func(p *dateParser, in *intent, m []string, _ bool) bool {
		f, ok := p.selection(m[1])
		in.do, in.ref = remove, ref{all: true, filter: f.widen(m[1])}
		return ok
	}},
	{shiftRE, updating(1, func(_ *dateParser, in *intent, m []string) bool {
		n := numbers[strings.ToLower(m[2])]
		if n == 0 {
			n = atoi(m[2])
		}
		switch strings.ToLower(m[3]) {
		case "minute":
			in.change.shift = time.Duration(n) * time.Minute
		case "hour":
			in.change.shift = time.Duration(n) * time.Hour
		case "day":
			in.change.shiftDays = n
		case "week":
			in.change.shiftDays = 7 * n
		case "month":
			in.change.shiftDays = 30 * n
		}
		return n > 0
	})},
	{changeRE, func(p *dateParser, in *intent, m []string, question bool) bool {
		if question {
			return false
		}
		in.do = update
		to := strings.TrimSpace(m[2])
		if rest, due, ok := p.find(to); ok && strings.Trim(rest, " .") == "" {
			in.details.due = &due
			in.ref = p.parseRef(dueOfRE.ReplaceAllString(m[1], ""))
			return true
		}
		if pr := priorityOf(strings.TrimSuffix(strings.ToLower(to), " priority")); pr != "" {
			in.details.priority = pr
			in.ref = p.parseRef(prioOfRE.ReplaceAllString(m[1], ""))
			return true
		}
		in.details.title = cutWords(cleanTitle(to), chatkitd.MaxTaskTitle)
		in.ref = p.parseRef(m[1])
		return in.details.title != ""
	}},
	{moveRE, updateDue(func(m []string) (string, string) { return "", m[1] })},
	{tagRefRE, updating(1, func(_ *dateParser, in *intent, m []string) bool {
		for _, t := range regexp.MustCompile(`[\s,]+`).Split(m[2], -1) {
			if t = strings.TrimPrefix(t, "#"); t != "and" {
				in.change.addTags = appendNew(in.change.addTags, t)
			}
		}
		return len(in.change.addTags) > 0
	})},
	{makePrioRE, updating(1, func(_ *dateParser, in *intent, m []string) bool {
		word, _, _ := strings.Cut(strings.ReplaceAll(strings.ToLower(m[2]), "-", " "), " ")
		in.details.priority = priorityOf(word)
		first := strings.ToLower(firstWord(m[1]))
		return in.details.priority != "" && (makesRE.MatchString(m[0]) || !verbs[first]) && !listWords[first]
	})},
	{nextRE, func(_ *dateParser, in *intent, _ []string, _ bool) bool {
		in.do, in.filter = list, filter{status: chatkitd.TaskPending, first: true}
		return true
	}},
	{listRE, func(p *dateParser, in *intent, m []string, _ bool) bool {
		var ok bool
		in.filter, ok = p.selection(m[0])
		in.do = list
		return ok
	}},
	{regexp.MustCompile(`^.*$`), func(p *dateParser, in *intent, m []string, _ bool) bool {
		var ok bool
		in.filter, ok = p.selection(listHeadRE.ReplaceAllString(m[0], ""))
		in.do, in.filter = list, in.filter.widen("all "+m[0])
		return ok && listHeadRE.MatchString(m[0])
	}},
	{findRE, func(_ *dateParser, in *intent, m []string, _ bool) bool {
		first := strings.ToLower(firstWord(m[0]))
		if first == "find" && !strings.Contains(strings.ToLower(m[0]), "task") && beginsLikeTask(m[0]) && strings.Contains(strings.ToLower(m[0]), "find a ") {
			return false // "find a plumber" is a thing to do
		}
		in.do, in.filter = list, filter{everything: true, query: cutWords(unquote(strings.Trim(m[1], " ?.")), chatkitd.MaxTaskTitle)}
		return in.filter.query != ""
	}},
	{doneWithRE, refer(complete, 1)},
	{tickRE, refer(complete, 1)},
	{isDoneRE, refer(complete, 1)},
	{dueRE, updateDue(func(m []string) (string, string) { return m[1] + m[3], m[2] + m[4] })},
	{didRE, func(p *dateParser, in *intent, m []string, question bool) bool {
		if _, ok := base(m[1]); !ok || question {
			return false
		}
		in.do, in.ref = complete, p.parseRef(m[1]+" "+m[2])
		return true
	}},
}

var (
	dueOfRE    = regexp.MustCompile(`(?i)^(?:the )?(?:due date|due|date|deadline|time)\s+(?:of|for|on)\s+|\s+(?:due date|deadline)$`)
	prioOfRE   = regexp.MustCompile(`(?i)^(?:the )?priority\s+(?:of|for|on)\s+|(?:'s)?\s+priority$`)
	listHeadRE = regexp.MustCompile(`(?i)^(?:find|search(?: for)?|look (?:for|up))\s+`)
	moveTailRE = regexp.MustCompile(`(?i)[\s,]+(?:to|until|till|for|by|on|from|due|back|forward|is|be)$`)
	makesRE    = regexp.MustCompile(`(?i)^(?:make|mark|set|flag|give|change|put|move|update)\s`)
	listWords  = set("what what's whats show list which how any anything do is are all my")
)

func setNotes(_ *dateParser, in *intent, m []string) bool {
	in.details.notes = cutWords(unquote(strings.TrimSpace(m[2])), chatkitd.MaxTaskDescription)
	return in.details.notes != ""
}

// updateDue is a rule that gives a task a due date. Words returns the name and
// the date, or, with an empty name, both in one.
func updateDue(split func(m []string) (name, date string)) reader {
	return func(p *dateParser, in *intent, m []string, question bool) bool {
		name, date := split(m)
		rest, due, ok := p.find(" " + date)
		if question {
			return false
		}
		if name == "" {
			name = rest
			if !ok {
				if !movesRE.MatchString(m[0]) {
					return false
				}
				in.change.incomplete = "To when?"
			}
		} else if !ok || strings.Trim(rest, " .") != "" {
			return false
		}
		name = settle(name, func(s string) string { return moveTailRE.ReplaceAllString(strings.TrimSpace(s), "") })
		in.do, in.ref = update, p.parseRef(name)
		if ok {
			in.details.due = &due
		}
		return len(in.ref.names) > 0 || in.ref.points()
	}
}

// movesRE are verbs that can mean nothing else than a new due date.
var movesRE = regexp.MustCompile(`(?i)^(?:postpone|reschedule|defer|snooze|push back|put off)\b`)
