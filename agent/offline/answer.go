package offline

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/tools"
)

const examples = "For example:\n\n" +
	"- “Add buy milk tomorrow, and call Anna”\n" +
	"- “What is left?” or “What's due today?”\n" +
	"- “Done with the milk”\n" +
	"- “Move call Anna to Friday at 5pm”\n" +
	"- “Delete the second one”"

// maxShown is how many tasks an answer lists.
const maxShown = 25

// answer says what became of everything that was wanted.
func (r *round) answer(told []outcome, more bool) string {
	var parts []string
	for i := 0; i < len(told); {
		n := i + 1
		if groups(told[i].in.do) {
			for n < len(told) && told[n].in.do == told[i].in.do {
				n++
			}
		}
		if s := r.tell(told[i:n]); s != "" && !slices.Contains(parts, s) {
			parts = append(parts, s)
		}
		i = n
	}
	if s := r.before(); s != "" {
		parts = append(parts, s)
	}
	if more {
		parts = append(parts, fmt.Sprintf("That was a lot: I did the first %d things. Please send me the rest again.", maxIntents))
	}
	if len(parts) == 0 {
		return "I did not catch anything to do in that. " + examples
	}
	if len(parts) > 1 { // a greeting or a stray word beside something useful needs no answer of its own
		parts = slices.DeleteFunc(parts, func(s string) bool { return strings.HasPrefix(s, notUnderstood) && len(told) > 1 && !allUnclear(told) })
	}
	return strings.Join(parts, "\n\n")
}

func groups(do action) bool {
	return do == add || do == complete || do == reopen || do == remove || do == unclear
}

func allUnclear(told []outcome) bool {
	return !slices.ContainsFunc(told, func(o outcome) bool { return o.in.do != unclear })
}

// before tells of calls that were made for this message, before an interruption,
// and that the message read again did not lead to.
func (r *round) before() string {
	var did []string
	for _, e := range r.made {
		if !e.used && e.out.Success && e.name != tools.ListTasks && e.name != tools.FindTaskByName {
			did = append(did, escape(e.out.Message))
		}
	}
	if len(did) == 0 {
		return ""
	}
	return "Before I was interrupted: " + strings.Join(did, "; ") + "."
}

// notUnderstood begins the answer to words that mean nothing here.
const notUnderstood = "I did not understand"

// tell tells of one wish, or of several of one kind that follow each other.
func (r *round) tell(told []outcome) string {
	var all outcome
	for _, o := range told {
		all.tasks = append(all.tasks, o.tasks...)
		all.same = append(all.same, o.same...)
		all.failed = append(all.failed, o.failed...)
		all.ask = append(all.ask, o.ask...)
		all.none = append(all.none, o.none...)
		all.empty = all.empty || o.empty
		all.beyond = all.beyond || o.beyond
		all.total = max(all.total, o.total)
	}
	in := told[0].in
	var parts []string
	put := func(s string) {
		if s != "" {
			parts = append(parts, s)
		}
	}
	switch in.do {
	case greet:
		return "Hello! I look after your tasks. Tell me what you have to do. " + examples
	case thank:
		return "You're welcome!"
	case bye:
		return "See you! Your tasks are safe with me."
	case help:
		return "I keep your to-do list: I add, list, complete, change and delete tasks, with due dates, priorities, #tags and notes. " + examples
	case choose:
		return "I am not sure what to do with that one. Tell me, for example, “complete the first” or “delete the last one”."
	case unclear:
		return notUnderstood + " that. " + examples
	case list:
		if len(all.failed) == 0 {
			put(r.tellList(in.filter, all))
		}
	case add:
		if len(all.tasks)+len(all.failed) == 0 {
			return "What shall I add? " + examples
		}
		put(r.sum("Added", all.tasks, true))
	case complete:
		put(r.sum("Done:", all.tasks, false))
		put(r.already(all.same, "was done already."))
	case reopen:
		put(r.sum("Reopened", all.tasks, true))
		put(r.already(all.same, "is open already."))
	case remove:
		put(r.sum("Deleted", all.tasks, false))
		if all.total > len(all.tasks) && len(all.tasks) >= tools.MaxListed {
			put(fmt.Sprintf("I do %d at a time; there are %d more.", tools.MaxListed, all.total-len(all.tasks)))
		}
	case update:
		put(r.changed(in, all.tasks))
		put(r.already(all.same, "was like that already."))
	}
	r.trouble(in, all, put)
	return strings.Join(parts, "\n\n")
}

// trouble tells what could not be done, and asks.
func (r *round) trouble(in intent, o outcome, put func(string)) {
	if in.change.incomplete != "" {
		put(in.change.incomplete + " For example: “move it to Friday at 5pm”.")
	}
	if len(o.ask) > 0 {
		var b strings.Builder
		b.WriteString("Which one do you mean?\n")
		for i, t := range o.ask {
			fmt.Fprintf(&b, "\n%d. %s", i+1, r.line(t, true))
		}
		put(b.String())
	}
	if len(o.none) > 0 {
		names := make([]string, len(o.none))
		for i, n := range o.none {
			names[i] = "“" + escape(cutWords(n, 80)) + "”"
		}
		put("I can't find a task called " + join(names, "or") + ". Ask me “what is left?” to see your tasks.")
	}
	switch {
	case o.beyond && o.total == 0:
		put("Your list is empty.")
	case o.beyond:
		put(fmt.Sprintf("There are only %s on the list.", count(o.total)))
	case o.empty:
		put("There are no such tasks.")
	}
	for _, f := range o.failed {
		put("That did not work: " + escape(upperFirst(strings.TrimRight(f, "."))) + ".")
	}
}

// sum tells what was done to some tasks.
func (r *round) sum(did string, tasks []chatkitd.Task, due bool) string {
	switch len(tasks) {
	case 0:
		return ""
	case 1:
		return did + " " + r.line(tasks[0], due) + "."
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s:\n", strings.TrimSuffix(did, ":"), count(len(tasks)))
	for i, t := range tasks {
		if i == maxShown {
			fmt.Fprintf(&b, "\n- and %d more", len(tasks)-i)
			break
		}
		b.WriteString("\n- " + r.line(t, due))
	}
	return b.String()
}

func (r *round) already(tasks []chatkitd.Task, what string) string {
	if len(tasks) == 0 {
		return ""
	}
	names := make([]string, len(tasks))
	for i, t := range tasks {
		names[i] = bold(t)
	}
	return join(names, "and") + " " + what
}

// changed tells what an update did.
func (r *round) changed(in intent, tasks []chatkitd.Task) string {
	if len(tasks) == 0 {
		return ""
	}
	if len(tasks) > 1 {
		return r.sum("Changed", tasks, true)
	}
	t, d, c := tasks[0], in.details, in.change
	switch {
	case d.title != "":
		return "Renamed it to " + bold(t) + "."
	case c.clearDue:
		return bold(t) + " has no due date any more."
	case c.clearPriority:
		return bold(t) + " has no priority any more."
	case c.clearNotes:
		return bold(t) + " has no notes any more."
	case c.clearTags, len(c.dropTags) > 0, len(c.addTags) > 0:
		if len(t.Tags) == 0 {
			return bold(t) + " has no tags any more."
		}
		return bold(t) + " is tagged " + tagWords(t.Tags) + "."
	case d.due != nil, c.shift != 0, c.shiftDays != 0:
		if t.DueAt != nil {
			return bold(t) + " is now due " + dueWords(*t.DueAt, r.now) + "."
		}
	case d.priority != "":
		return bold(t) + " has " + string(t.Priority) + " priority now."
	case d.notes != "":
		return "Noted with " + bold(t) + ": " + escape(t.Description)
	}
	return "Changed " + r.line(t, true) + "."
}

// tellList tells the tasks of a list.
func (r *round) tellList(f filter, o outcome) string {
	what := listWordsOf(f)
	n := len(o.tasks)
	if f.when.words == "" {
		n = max(n, o.total)
	}
	if n == 0 {
		switch {
		case f.when.words == "overdue":
			return "Nothing is overdue. 🎉"
		case what == "open" && f == (filter{status: f.status, count: f.count, first: f.first}):
			return "Nothing is left to do. 🎉"
		}
		return "You have no " + nounOf(what, f, 2) + "."
	}
	if f.count {
		return fmt.Sprintf("You have %d %s.", n, nounOf(what, f, n))
	}
	if f.first {
		return "Next is " + r.line(o.tasks[0], true) + "."
	}
	var b strings.Builder
	fmt.Fprintf(&b, "You have %d %s:\n", n, nounOf(what, f, n))
	for i, t := range o.tasks {
		if i == maxShown {
			break
		}
		fmt.Fprintf(&b, "\n%d. %s", i+1, r.line(t, true))
		if f.everything && t.Completed {
			b.WriteString(" ✓")
		}
	}
	if shown := min(len(o.tasks), maxShown); shown < n {
		fmt.Fprintf(&b, "\n\n…and %d more. Ask for a tag, a priority or a word to narrow it down.", n-shown)
	}
	return b.String()
}

func listWordsOf(f filter) string {
	switch {
	case f.everything:
		return ""
	case f.status == chatkitd.TaskCompleted:
		return "completed"
	}
	return "open"
}

// nounOf returns "open tasks tagged #home due today".
func nounOf(what string, f filter, n int) string {
	s := "task"
	if n != 1 {
		s = "tasks"
	}
	if f.priority != "" {
		s = string(f.priority) + " priority " + s
	}
	if what != "" {
		s = what + " " + s
	}
	if f.tag != "" {
		s += " tagged #" + escape(f.tag)
	}
	if f.query != "" {
		s += " about “" + escape(f.query) + "”"
	}
	if f.when.words != "" {
		s = strings.TrimPrefix(s, "open ")
		if f.when.words == "overdue" {
			return "overdue " + s
		}
		s += " " + f.when.words
	}
	return s
}

// line tells one task.
func (r *round) line(t chatkitd.Task, details bool) string {
	s := bold(t)
	if !details {
		return s
	}
	if t.DueAt != nil {
		s += ", due " + dueWords(*t.DueAt, r.now)
	}
	if t.Priority != "" {
		s += ", " + string(t.Priority) + " priority"
	}
	if len(t.Tags) > 0 {
		s += " " + tagWords(t.Tags)
	}
	return s
}

func tagWords(tags []string) string {
	out := make([]string, len(tags))
	for i, t := range tags {
		out[i] = "#" + escape(t)
	}
	return strings.Join(out, " ")
}

func bold(t chatkitd.Task) string {
	return "**" + escape(strings.TrimSpace(cutWords(t.Title, 120))) + "**"
}

// dueWords returns a due date as people say it: "tomorrow (Tue 24 Nov) at 17:00".
func dueWords(due, now time.Time) string {
	due = due.In(now.Location())
	s := dayWords(due, now)
	if !tools.DayOnly(due, now.Location()) {
		s += due.Format(" at 15:04")
	}
	return s
}

func dayWords(t, now time.Time) string {
	day, today := midnight(t, 0), midnight(now, 0)
	date := t.Format("Mon 2 Jan")
	if t.Year() != now.Year() {
		date = t.Format("Mon 2 Jan 2006")
	}
	for word, n := range map[string]int{"today": 0, "tomorrow": 1, "yesterday": -1} {
		if day.Equal(midnight(today, n)) {
			return word + " (" + date + ")"
		}
	}
	if day.After(today) && day.Before(midnight(today, 7)) {
		return t.Format("Monday") + t.Format(" (2 Jan)")
	}
	return date
}

// markdown is what has a meaning in Markdown and may stand in a title.
var markdown = strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "<", `\<`, ">", `\>`, "\n", " ", "~", `\~`, "|", `\|`)

// escape makes text of people show as it is.
func escape(s string) string { return markdown.Replace(s) }

func count(n int) string {
	if n == 1 {
		return "1 task"
	}
	return strconv.Itoa(n) + " tasks"
}

func join(names []string, word string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " " + word + " " + names[len(names)-1]
}

func upperFirst(s string) string {
	if s == "" || s[0] >= utf8.RuneSelf {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
