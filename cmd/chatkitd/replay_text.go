package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/chatkit"
)

// replayText prints a state for eyes.
type replayText struct {
	*screen
	zone  *time.Location
	asked chatkitd.ReplayQuery
}

// clock is how times are shown.
const clock = "Mon 2 Jan 2006 15:04:05"

func (t *replayText) print(r chatkitd.Replay) error {
	var b strings.Builder
	if t.asked.Thread != "" {
		t.transcript(&b, r)
	} else {
		t.list(&b, r)
	}
	if r.Younger > 0 {
		fmt.Fprintf(&b, "\n%s\n", t.paint(yellow, counted(r.Younger, "event of it bears", "events of it bear")+
			" a later time: clocks were apart. It is the state after the last event that does not."))
	}
	_, err := fmt.Fprint(t, b.String())
	return err
}

// steps prints each step when it has been read.
func (t *replayText) steps(each func(func(chatkitd.ReplayStep) error) error) error {
	out := bufio.NewWriter(t)
	if _, err := out.WriteString("\n" + t.paint(bold, "What happened") + "\n"); err != nil {
		return err
	}
	n := 0
	err := each(func(s chatkitd.ReplayStep) error {
		n++
		var b strings.Builder
		t.step(&b, s)
		_, err := out.WriteString(b.String())
		return err
	})
	if err != nil {
		return asked(err)
	}
	if n == 0 {
		if _, err := out.WriteString("\nNothing yet.\n"); err != nil {
			return err
		}
	}
	return out.Flush()
}

// moment says which state it is.
func (t *replayText) moment(r chatkitd.Replay) string {
	at := "now"
	switch {
	case !t.asked.At.IsZero():
		at = "on " + t.asked.At.In(t.zone).Format(clock)
		if t.asked.At.After(time.Now()) {
			at += ", which is still to come: now"
		}
	case t.asked.Position != nil:
		at = "at position " + t.asked.Position.String()
	case t.asked.Revision != nil:
		at = fmt.Sprintf("at revision %d", *t.asked.Revision)
	}
	if r.Revision == nil {
		return at + ", before its first event"
	}
	return fmt.Sprintf("%s (%s, revision %d, position %s)", at, r.Time.In(t.zone).Format(clock), *r.Revision, r.Position)
}

func (t *replayText) list(b *strings.Builder, r chatkitd.Replay) {
	fmt.Fprintf(b, "%s %s\n\n", t.paint(bold, "The tasks of "+printable(string(t.asked.User))), t.moment(r))
	if len(r.Tasks) == 0 {
		b.WriteString("No tasks.\n")
		return
	}
	rows := [][]string{{"", "TITLE", "DUE", "PRIORITY", "TAGS", "ADDED", "ID"}}
	done := 0
	for _, task := range r.Tasks {
		mark := "[ ]"
		if task.Completed {
			mark = "[x]"
			done++
		}
		tags := ""
		if len(task.Tags) > 0 {
			tags = "#" + printable(strings.Join(task.Tags, " #"))
		}
		due := ""
		if task.DueAt != nil {
			due = t.minute(*task.DueAt)
		}
		id := string(task.ID)
		if t.width > 0 {
			id = shortID(id)
		}
		rows = append(rows, []string{mark, printable(task.Title), due, string(task.Priority), tags, t.minute(task.CreatedAt), printable(id)})
	}
	t.table(b, rows)
	fmt.Fprintf(b, "\n%d open, %d completed\n", len(r.Tasks)-done, done)
}

func (t *replayText) minute(at time.Time) string { return at.In(t.zone).Format("Mon 2 Jan 15:04") }

// table prints rows in columns; the second one gives way when the screen is too
// narrow. Columns that are empty but for their name are left out.
func (t *replayText) table(b *strings.Builder, rows [][]string) {
	widths := make([]int, len(rows[0]))
	for i := range widths {
		for n, r := range rows {
			if n > 0 && r[i] != "" {
				widths[i] = max(widths[i], runewidth.StringWidth(r[i]), len(rows[0][i]))
			}
		}
	}
	total := 0
	for _, w := range widths {
		if w > 0 {
			total += w + columnGap
		}
	}
	if over := total - columnGap - t.width; t.width > 0 && over > 0 {
		widths[1] = max(widths[1]-over, 12)
	}
	for n, r := range rows {
		var l strings.Builder
		for i, cell := range r {
			if widths[i] == 0 {
				continue
			}
			cell = t.fit(cell, widths[i])
			l.WriteString(cell + strings.Repeat(" ", max(widths[i]-runewidth.StringWidth(cell), 0)+columnGap))
		}
		text := strings.TrimRight(l.String(), " ")
		switch {
		case n == 0:
			text = t.paint(bold, text)
		case r[0] == "[x]":
			text = t.paint(dim, text)
		}
		b.WriteString(text + "\n")
	}
}

func (t *replayText) transcript(b *strings.Builder, r chatkitd.Replay) {
	fmt.Fprintf(b, "%s %s\n", t.paint(bold, "The thread "+printable(string(t.asked.Thread))), t.moment(r))
	if r.Thread == nil {
		b.WriteString("\nThere is no thread then: it was not there yet, or it was deleted.\n")
		return
	}
	status := printable(r.Thread.Status.Type)
	if r.Thread.Status.Reason != "" {
		status += ", " + printable(r.Thread.Status.Reason)
	}
	fmt.Fprintf(b, "“%s”, %s, since %s\n", printable(r.Thread.Title), status, r.Thread.CreatedAt.In(t.zone).Format(clock))
	for _, raw := range r.Items {
		b.WriteString("\n" + t.item(raw) + "\n")
	}
	if len(r.Items) == 0 {
		b.WriteString("\nNo items.\n")
	}
}

// item is one entry of a transcript: who, when, what.
func (t *replayText) item(raw json.RawMessage) string {
	item, err := chatkit.DecodeItem(raw)
	if err != nil {
		return t.paint(red, "an item that cannot be read: "+printable(err.Error()))
	}
	who, code, text := item.Kind(), dim, ""
	switch item := item.(type) {
	case chatkit.UserMessage:
		who, code, text = "user", green, item.Text()
	case chatkit.AssistantMessage:
		who, code = "assistant", cyan
		for _, part := range item.Content {
			text += part.Text
		}
	case chatkit.WorkflowItem:
		who = "steps"
		titles := make([]string, len(item.Workflow.Tasks))
		for i, task := range item.Workflow.Tasks {
			titles[i] = task.Title
		}
		text = strings.Join(titles, "\n")
	case chatkit.SDKHiddenContext:
		who, text = "hidden note to the model", item.Content
	case chatkit.HiddenContext:
		who, text = "hidden note to the model", string(item.Content)
	case chatkit.WidgetItem, chatkit.ClientToolCall, chatkit.GeneratedImage, chatkit.StructuredInput, chatkit.TaskItem, chatkit.EndOfTurn:
		text = string(raw)
	}
	base := item.Base()
	head := t.paint(code, printable(who)) + t.paint(dim, "  "+base.CreatedAt.In(t.zone).Format("Mon 2 Jan 15:04:05")+"  "+printable(base.ID))
	if text == "" {
		return head
	}
	return head + "\n" + paragraph(text, "  ")
}

// step is one event: what happened, why, and the difference it made.
func (t *replayText) step(b *strings.Builder, s chatkitd.ReplayStep) {
	when := eventTime(s.Event).In(t.zone).Format(clock)
	fmt.Fprintf(b, "\n%s  %s\n", t.paint(dim, fmt.Sprintf("%d  %s", s.Event.Revision, when)), t.paint(bold, t.fit(s.Event.Summary, max(t.width-32, 40))))
	fmt.Fprintf(b, "   %s\n", t.paint(dim, t.fit(t.because(s), t.width-3)))
	for _, d := range diff(s.Before, s.After, repeated...) {
		code := green
		if d[0] == '-' {
			code = red
		}
		b.WriteString("   " + t.paint(code, t.fit(d, t.width-3)) + "\n")
	}
}

// because names the message behind a step.
func (t *replayText) because(s chatkitd.ReplayStep) string {
	at := fmt.Sprintf("position %s", s.Event.Position)
	c := s.Cause
	id := func(s string) string {
		if t.width > 0 {
			s = shortID(s)
		}
		return printable(s)
	}
	switch {
	case c == nil:
		return at
	case c.Text != "" && c.Tool != "":
		return fmt.Sprintf("%s, %s called by the message “%s” (%s in %s)", at, printable(c.Tool), printable(c.Text), id(string(c.Message)), id(string(c.Thread)))
	case c.Text != "":
		return fmt.Sprintf("%s, in answer to “%s” (%s)", at, printable(c.Text), id(string(c.Message)))
	case c.Call != "":
		return fmt.Sprintf("%s, by the tool call %s, whose thread is not in the log", at, printable(c.Call))
	case c.Request != "":
		return fmt.Sprintf("%s, by a request of its own: %s", at, printable(c.Request))
	}
	return at
}

// repeated are fields that only repeat others, or change with every event.
var repeated = []string{"updated_at", "completed"}

// diff lists the fields that differ, "- field: old" and "+ field: new".
func diff(before, after json.RawMessage, but ...string) []string {
	old, now := map[string]string{}, map[string]string{}
	fields(old, "", before)
	fields(now, "", after)
	names := slices.Collect(maps.Keys(old))
	for k := range now {
		if _, ok := old[k]; !ok {
			names = append(names, k)
		}
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b)) })
	var out []string
	for _, k := range names {
		was, had := old[k]
		is, has := now[k]
		if had == has && was == is || slices.Contains(but, k) {
			continue
		}
		if had {
			out = append(out, "- "+printable(k+": "+was))
		}
		if has {
			out = append(out, "+ "+printable(k+": "+is))
		}
	}
	return out
}

// rank puts what people look for first.
func rank(field string) int {
	if i := slices.Index([]string{"title", "status", "due_at", "priority", "tags", "description", "type", "content"}, field); i >= 0 {
		return i
	}
	return 100
}

// fields collects the fields of an object as text, those of objects in it under
// their path. null, and what is no object, has none.
func fields(out map[string]string, path string, raw json.RawMessage) {
	var object map[string]json.RawMessage
	if json.Unmarshal(raw, &object) != nil {
		return
	}
	for k, v := range object {
		var s string
		var b bytes.Buffer
		switch {
		case bytes.HasPrefix(v, []byte("{")) && len(v) > 2:
			fields(out, path+k+".", v)
		case json.Unmarshal(v, &s) == nil && string(v) != "null":
			out[path+k] = s
		case json.Compact(&b, v) == nil:
			out[path+k] = b.String()
		}
	}
}
