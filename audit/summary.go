package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/chatkit"
	"github.com/chatkitd/chatkitd/events"
)

// summary says in one line what happened.
func (a *Auditor) summary(ev events.Event, meta events.Metadata) string {
	switch ev := ev.(type) {
	case events.User:
		return a.taskSummary(ev, "")
	case events.Thread:
		return a.threadSummary(ev, meta)
	case events.Node:
		return nodeSummary(ev)
	case events.Audit:
		return auditSummary(ev)
	}
	return ""
}

// taskSummary names the task by its title where it is known, else by its id.
func (a *Auditor) taskSummary(ev events.User, title string) string {
	name := func(id chatkitd.TaskID) string {
		if title == "" {
			return string(id)
		}
		return quote(title)
	}
	switch ev := ev.(type) {
	case events.TaskAdded:
		s := "added " + quote(ev.Title)
		if ev.DueAt != nil {
			s += ", due " + a.day(*ev.DueAt)
		}
		if ev.Priority != "" {
			s += ", " + string(ev.Priority) + " priority"
		}
		for _, tag := range ev.Tags {
			s += " #" + line(tag)
		}
		return s
	case events.TaskUpdated:
		return "changed " + name(ev.TaskID) + ": " + strings.Join(a.changes(ev), ", ")
	case events.TaskCompleted:
		return "completed " + name(ev.TaskID)
	case events.TaskReopened:
		return "reopened " + name(ev.TaskID)
	case events.TaskDeleted:
		return "deleted " + name(ev.TaskID)
	case events.EffectVoided:
		return voidSummary(ev.Key)
	}
	return ""
}

// voidSummary names the tool call of an idempotency key, if it is one's.
func voidSummary(key string) string {
	if rest, ok := strings.CutPrefix(key, "call:"); ok {
		if turn, call, ok := strings.Cut(rest, ":"); ok {
			return fmt.Sprintf("tool call %s of %s can have no effect any more", line(call), line(turn))
		}
	}
	return "can have no effect any more: " + line(key)
}

// changes says what an update sets.
func (a *Auditor) changes(ev events.TaskUpdated) []string {
	var out []string
	say := func(set, null bool, field, value string) {
		switch {
		case null:
			out = append(out, "no "+field)
		case set:
			out = append(out, field+" "+value)
		}
	}
	say(ev.Title.Set, ev.Title.Null, "title", quote(ev.Title.Value))
	say(ev.Description.Set, ev.Description.Null, "description", quote(ev.Description.Value))
	say(ev.Priority.Set, ev.Priority.Null, "priority", string(ev.Priority.Value))
	say(ev.Tags.Set, ev.Tags.Null, "tags", line("#"+strings.Join(ev.Tags.Value, " #")))
	say(ev.DueAt.Set, ev.DueAt.Null, "due", a.day(ev.DueAt.Value))
	if len(out) == 0 {
		return []string{"nothing"}
	}
	return out
}

func (a *Auditor) threadSummary(ev events.Thread, meta events.Metadata) string {
	switch ev := ev.(type) {
	case events.ThreadCreated:
		return fmt.Sprintf("%s opened %s", line(string(ev.UserID)), quote(ev.Title))
	case events.ThreadRenamed:
		return fmt.Sprintf("renamed to %s by the %s", quote(ev.Title), line(ev.By))
	case events.ThreadStatusChanged:
		return because(line(ev.Status), ev.Reason)
	case events.ThreadDeleted:
		return "deleted the thread"
	case events.ItemAdded:
		return itemSummary(ev.Item, meta.User)
	case events.ItemReplaced:
		return "now " + itemSummary(ev.Item, meta.User)
	case events.ItemRemoved:
		return because("removed "+line(string(ev.ItemID)), ev.Reason)
	case events.FeedbackGiven:
		ids := make([]string, len(ev.ItemIDs))
		for i, id := range ev.ItemIDs {
			ids[i] = line(string(id))
		}
		return fmt.Sprintf("%s feedback on %s", line(ev.Kind), strings.Join(ids, ", "))
	case events.TurnStarted:
		s := "turn started: " + line(ev.Model)
		if ev.Trigger != events.TriggerMessage {
			s += ", " + line(ev.Trigger)
		}
		return s
	case events.ModelCalled:
		return "model asked: " + modelCall(ev)
	case events.ToolCalled:
		return "calls " + call(ev.Name, ev.Arguments)
	case events.ToolReturned:
		return "returned: " + outcome(ev)
	case events.TurnCancelRequested:
		return "asks the server that runs the turn to cancel it"
	case events.TurnCompleted:
		return "turn completed: " + completion(ev)
	case events.TurnFailed:
		return because("turn failed", ev.Reason)
	case events.TurnCancelled:
		return because("turn cancelled", ev.Reason)
	case events.TurnInterrupted:
		return because("turn interrupted", ev.Reason)
	}
	return ""
}

func nodeSummary(ev events.Node) string {
	switch ev := ev.(type) {
	case events.NodeStarted:
		return "server " + line(ev.Instance) + " started"
	case events.NodeAlive:
		return "server " + line(ev.Instance) + " is there"
	}
	return ""
}

func auditSummary(ev events.Audit) string {
	switch ev := ev.(type) {
	case events.AuditRead:
		return strings.TrimSpace("read " + line(ev.What) + " " + compact(ev.Query))
	case events.ProjectionChanged:
		s := line(ev.Action) + " " + line(ev.Name)
		if !ev.Position.IsZero() {
			s += " at position " + ev.Position.String()
		}
		return s
	}
	return ""
}

// itemSummary says who said what.
func itemSummary(raw json.RawMessage, user chatkitd.UserID) string {
	item, err := chatkit.DecodeItem(raw)
	if err != nil {
		return "an item that cannot be read: " + line(err.Error())
	}
	switch item := item.(type) {
	case chatkit.UserMessage:
		return line(string(user)) + ": " + line(item.Text())
	case chatkit.AssistantMessage:
		return "assistant: " + line(answerText(item))
	case chatkit.WorkflowItem:
		titles := make([]string, 0, len(item.Workflow.Tasks))
		for _, t := range item.Workflow.Tasks {
			titles = append(titles, line(t.Title))
		}
		return "steps: " + strings.Join(titles, "; ")
	case chatkit.TaskItem:
		return "step: " + line(item.Task.Title)
	case chatkit.ClientToolCall:
		return "client tool, " + line(item.Status) + ": " + call(item.Name, item.Arguments)
	case chatkit.SDKHiddenContext:
		return "note to the model: " + line(item.Content)
	case chatkit.HiddenContext:
		return "note to the model: " + compact(item.Content)
	case chatkit.WidgetItem:
		return "widget: " + line(item.CopyText)
	case chatkit.GeneratedImage:
		return "an image"
	case chatkit.StructuredInput:
		return fmt.Sprintf("%d questions, %s", len(item.Inputs), line(item.Status))
	case chatkit.EndOfTurn:
		return "end of the turn"
	}
	return line(item.Kind())
}

func answerText(m chatkit.AssistantMessage) string {
	var b strings.Builder
	for _, part := range m.Content {
		b.WriteString(part.Text)
	}
	return b.String()
}

// call writes a tool call as a call, its arguments in the order of their names.
func call(name string, arguments json.RawMessage) string {
	var args map[string]json.RawMessage
	if json.Unmarshal(arguments, &args) != nil {
		return line(name) + "(" + compact(arguments) + ")"
	}
	parts := make([]string, 0, len(args))
	for _, k := range slices.Sorted(maps.Keys(args)) {
		parts = append(parts, line(k)+": "+compact(args[k]))
	}
	return line(name) + "(" + strings.Join(parts, ", ") + ")"
}

// outcome says in words what a call returned.
func outcome(ev events.ToolReturned) string {
	if ev.Error != "" {
		return "failed: " + line(ev.Error)
	}
	var out struct {
		Success *bool
		Message string
	}
	if json.Unmarshal(ev.Output, &out) != nil || out.Message == "" {
		return compact(ev.Output)
	}
	if out.Success != nil && !*out.Success {
		return "refused: " + line(out.Message)
	}
	return line(out.Message)
}

// completion says what an answer took.
func completion(ev events.TurnCompleted) string { return took(ev.Model, ev.Usage, ev.DurationMS) }

// modelCall says what a call of the model took, and what came of it.
func modelCall(ev events.ModelCalled) string {
	s := took(ev.Model, ev.Usage, ev.DurationMS)
	if ev.Error != "" {
		return s + ", failed: " + line(ev.Error)
	}
	return s
}

func took(model string, u chatkitd.Usage, ms int64) string {
	s := line(model)
	if u.Input+u.Output > 0 {
		s += fmt.Sprintf(", %d+%d tokens", u.Input, u.Output)
	}
	return s + ", " + span(ms)
}

// span writes milliseconds for eyes.
func span(ms int64) string {
	d := time.Duration(ms) * time.Millisecond
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", ms)
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}

// day writes when something is due. The last minute of a day stands for all of
// it: so the tools write a date without a time.
func (a *Auditor) day(t time.Time) string {
	t = t.In(a.o.Location)
	layout := "Mon 2 Jan"
	if t.Year() != time.Now().In(a.o.Location).Year() {
		layout += " 2006"
	}
	if t.Hour() != 23 || t.Minute() != 59 {
		layout += " 15:04"
	}
	return t.Format(layout)
}

func because(what, reason string) string {
	if reason == "" {
		return what
	}
	return what + ": " + line(reason)
}

func quote(s string) string { return "“" + line(s) + "”" }

// longest is how many characters of a text a summary has: nobody reads on.
const longest = 500

// line makes one line of a text that somebody else wrote, and cuts it when it is
// too long: nothing in it may move the cursor of a terminal, change its colours, or
// turn the direction of writing.
func line(s string) string {
	if len(s) > longest {
		n := 0
		for i := range s {
			if n++; n > longest {
				s = s[:i] + "…"
				break
			}
		}
	}
	clean := func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r) && r != '\u200d', r == unicode.ReplacementChar:
			return '�'
		}
		return r
	}
	return strings.TrimSpace(strings.Map(clean, s))
}

// compact writes JSON on one line, cut where nobody reads on.
func compact(raw json.RawMessage) string {
	var b bytes.Buffer
	if len(raw) == 0 || json.Compact(&b, raw) != nil {
		return line(string(raw))
	}
	return line(b.String())
}
