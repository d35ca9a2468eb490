package tools

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/chatkitd/chatkitd"
)

// shownTitle is how many characters of a title appear in a line about a call.
const shownTitle = 60

// Title says in words what a call is about to do, such as "Add “buy milk”".
// Arguments that cannot be read are left out of it.
func Title(name string, arguments json.RawMessage) string {
	var a struct {
		Title     string `json:"title"`
		Name      string `json:"name"`
		Status    string `json:"status"`
		Query     string `json:"query"`
		Tag       string `json:"tag"`
		Priority  string `json:"priority"`
		Completed *bool  `json:"completed"`
	}
	_ = json.Unmarshal(arguments, &a) // a title is for show: what is readable is used
	switch name {
	case AddTask:
		return "Add " + quoted(a.Title, "a task")
	case FindTaskByName:
		return "Look for " + quoted(a.Name, "a task")
	case CompleteTask:
		if a.Completed != nil && !*a.Completed {
			return "Reopen a task"
		}
		return "Complete a task"
	case DeleteTask:
		return "Delete a task"
	case UpdateTask:
		return "Change a task"
	case ListTasks:
		s := "List "
		if a.Priority != "" {
			s += clip(a.Priority, 10) + " priority "
		}
		if a.Status == chatkitd.TaskPending || a.Status == chatkitd.TaskCompleted {
			s += a.Status + " "
		}
		s += "tasks"
		if a.Tag != "" {
			s += " tagged #" + clip(strings.TrimPrefix(a.Tag, "#"), shownTitle)
		}
		if a.Query != "" {
			s += " about " + quoted(a.Query, "")
		}
		return s
	}
	return "Call " + clip(name, shownTitle)
}

// Summary says in words what a call has done, such as "Added “buy milk”, due
// Tue 24 Nov". Times are told in loc.
func Summary(name string, out Output, loc *time.Location) string {
	switch {
	case !out.Success:
		return "Failed: " + clip(out.Message, 200)
	case out.Task == nil:
		return upperFirst(clip(out.Message, 200))
	}
	title := quoted(out.Task.Title, "")
	due := ""
	if out.Task.DueAt != nil {
		due = ", due " + Day(*out.Task.DueAt, loc)
	}
	switch name {
	case AddTask:
		return "Added " + title + due
	case FindTaskByName:
		return "Found " + title
	case CompleteTask:
		if !out.Changed {
			return upperFirst(clip(out.Message, 200))
		}
		if out.Task.Completed {
			return "Completed " + title
		}
		return "Reopened " + title + due
	case DeleteTask:
		return "Deleted " + title
	case UpdateTask:
		return "Changed " + title + due
	}
	return upperFirst(clip(out.Message, 200))
}

// shownValue is how many characters of an argument appear in the detail of a call.
const shownValue = 200

// Detail tells a call and its outcome to whoever opens the line about it: the
// tool, its arguments that say anything, and the message of the result. It is
// Markdown, all of it in a block of code, so that nothing in it is markup.
func Detail(name string, arguments json.RawMessage, out Output) string {
	var b strings.Builder
	line := func(s string) {
		b.WriteString(strings.ReplaceAll(strings.Join(strings.Fields(s), " "), "```", "'''"))
		b.WriteByte('\n')
	}
	b.WriteString("```\n")
	line(clip(name, shownTitle))
	var args map[string]json.RawMessage
	_ = json.Unmarshal(arguments, &args) // as for Title
	for _, key := range slices.Sorted(maps.Keys(args)) {
		value := string(args[key])
		var text string
		if json.Unmarshal(args[key], &text) == nil && value != "null" {
			value = text
		}
		if value != "null" {
			line(clip(key, shownTitle) + ": " + clip(value, shownValue))
		}
	}
	line("→ " + clip(out.Message, shownValue))
	b.WriteString("```")
	return b.String()
}

// Day returns a due date as short words: "Tue 24 Nov", and the time if it has
// one ([DayOnly]).
func Day(t time.Time, loc *time.Location) string {
	s := t.In(loc).Format("Mon 2 Jan")
	if !DayOnly(t, loc) {
		s += t.In(loc).Format(", 15:04")
	}
	return s
}

// verbs tells what the calls of each tool did, and the order in which it is told.
var verbs = []struct{ name, did string }{
	{AddTask, "added"}, {CompleteTask, "completed"}, {UpdateTask, "changed"}, {DeleteTask, "deleted"},
}

// Done is a call that came to its end, for [Headline].
type Done struct {
	Name      string
	Arguments json.RawMessage
	Output    Output
}

// Headline sums up several calls, such as "Added 2 tasks, completed 1 task".
// Looking things up is told only when nothing else was done.
func Headline(done []Done) string {
	did := map[string]int{}
	failed := 0
	for _, d := range done {
		switch {
		case !d.Output.Success:
			failed++
		case d.Name == CompleteTask && d.Output.Task != nil && !d.Output.Task.Completed:
			did["reopened"]++
		default:
			did[d.Name]++
		}
	}
	var parts []string
	for _, v := range verbs {
		if n := did[v.name]; n > 0 {
			parts = append(parts, v.did+" "+count(n, "task"))
		}
	}
	if n := did["reopened"]; n > 0 {
		parts = append(parts, "reopened "+count(n, "task"))
	}
	if len(parts) == 0 && failed < len(done) {
		parts = append(parts, "looked at your tasks")
	}
	if failed > 0 {
		parts = append(parts, count(failed, "step")+" failed")
	}
	return upperFirst(strings.Join(parts, ", "))
}

func quoted(s, otherwise string) string {
	if s = strings.Join(strings.Fields(s), " "); s == "" {
		return otherwise
	}
	return fmt.Sprintf("“%s”", clip(s, shownTitle))
}

func upperFirst(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return s
	}
	return string(unicode.ToUpper(r)) + s[n:]
}
