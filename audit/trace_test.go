package audit_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/audit"
	"github.com/chatkitd/chatkitd/events"
)

// outline writes a tree as kinds and titles, indented.
func outline(n chatkitd.TraceNode, indent string) string {
	s := indent + n.Kind + ": " + n.Title + "\n"
	for _, c := range n.Children {
		s += outline(c, indent+" ")
	}
	return s
}

// TestTrace asks for one turn by everything that names it.
func TestTrace(t *testing.T) {
	w := newWorld(t)
	a := w.alice()
	events23, err := w.auditor(true).Events(t.Context(), chatkitd.EventQuery{From: position(23), Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	want := "request: request of alice in " + string(a.add.thread) + `
 message: done with the milk
  turn: completed
   model: gpt-5-mini, 120+53 tokens, 1.2 s, asked 2 times
    tool: some_tool(x: 1)
     event: completed “buy milk”
   event: assistant: Done.
`
	for name, id := range map[string]string{
		"request": a.done.request, "turn": string(a.done.id), "call": a.done.calls[0], "message": string(a.done.message),
		"position": "23", "event": events23.Data[0].ID, "position of the turn's end": a.done.position.String(),
	} {
		for _, denseLog := range []bool{true, false} {
			root, err := w.auditor(denseLog).Trace(t.Context(), id)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if d := cmp.Diff(want, outline(root, "")); d != "" {
				t.Errorf("%s, dense %v: %s", name, denseLog, d)
			}
		}
	}
}

func TestTraceDetails(t *testing.T) {
	w := newWorld(t)
	a := w.alice()
	root, err := w.auditor(true).Trace(t.Context(), a.add.request)
	if err != nil {
		t.Fatal(err)
	}
	if root.ID != a.add.request || len(root.Events) != 1 || root.Events[0].Type != "thread.created.v1" {
		t.Errorf("root: %+v", root)
	}
	turn := root.Children[0].Children[0]
	model := turn.Children[0]
	if d := cmp.Diff(audit.ModelDetail{
		Model: "gpt-5-mini", Usage: chatkitd.Usage{Input: 120, Output: 53}, Answers: 3, Responses: []string{"resp_1"},
	}, model.Detail); d != "" {
		t.Error(d)
	}
	if turn.ID != string(a.add.id) || turn.Duration != 1200 || model.Duration != 1200 || len(model.Children) != 2 {
		t.Errorf("turn %+v", turn)
	}
	tool := model.Children[0]
	if d := cmp.Diff(audit.ToolDetail{
		Name: "some_tool", Arguments: json.RawMessage(`{"x":1}`), Output: json.RawMessage(`{"success":true,"message":"done"}`),
	}, tool.Detail); d != "" {
		t.Error(d)
	}
	if tool.Duration != 5 || tool.ID != a.add.calls[0] || tool.Children[0].Events[0].Stream != "user-alice" {
		t.Errorf("tool %+v", tool)
	}
}

// TestTraceOfOthers traces what is not a plain turn.
func TestTraceOfOthers(t *testing.T) {
	w := newWorld(t)
	a := w.alice()
	retry := w.retry("alice", a.rename, "msg_gone")
	stream := events.ThreadStream(a.add.thread)
	request := w.id(chatkitd.PrefixRequest)
	turn := chatkitd.TurnID(w.id(chatkitd.PrefixTurn))
	w.append(stream, events.Metadata{Correlation: request, Causation: request, User: "alice"}, events.TurnStarted{TurnID: turn, Model: "m"})
	w.append(stream, events.Metadata{Correlation: request, Causation: string(turn), User: "alice"},
		events.ToolCalled{TurnID: turn, CallID: "call_1", Name: "list_tasks", Arguments: json.RawMessage(`{}`)})
	w.append(stream, events.Metadata{Correlation: "req_rename", Causation: "req_rename", User: "alice"}, events.ThreadRenamed{Title: "x", By: "user"})
	w.append(stream, events.Metadata{Correlation: request, Causation: string(turn), User: "alice"},
		events.ToolReturned{TurnID: turn, CallID: "call_1", Error: "it broke"}, events.TurnFailed{TurnID: turn, Reason: "no model"})
	w.append("user-carol", events.Metadata{}, events.TaskAdded{TaskID: "tsk_c", Title: "without metadata"})

	tests := []struct{ name, id, want string }{
		{"a retry", string(retry.id), "again: call Anna about the trip\n  turn: completed"},
		{"a task that a person added", "tsk_plants", "request: request of alice\n event: added “water plants”"},
		{"its request", a.plants, "request: request of alice\n event: added"},
		{"a turn that failed", string(turn), " turn: failed: no model\n  model: m\n   tool: list_tasks()"},
		{"a rename in the middle of it", "req_rename", " event: renamed to “x”"},
		{"an event without metadata", w.idOfLast(), "event: added “without metadata”"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root, err := w.auditor(true).Trace(t.Context(), tt.id)
			if err != nil {
				t.Fatal(err)
			}
			if got := outline(root, ""); !strings.Contains(got, tt.want) || strings.Count(got, "turn: ") > 1 {
				t.Errorf("%s", got)
			}
		})
	}
}

// idOfLast returns the id of the last event.
func (w *world) idOfLast() string {
	w.t.Helper()
	page, err := w.auditor(true).Events(w.t.Context(), chatkitd.EventQuery{Newest: true, Limit: 1})
	if err != nil {
		w.t.Fatal(err)
	}
	return page.Data[0].ID
}

func TestUntraceable(t *testing.T) {
	w := newWorld(t)
	a := w.alice()
	w.say("alice", a.add.thread, "what is trn_mentioned?") // a text that quotes an id is not that id
	for id, code := range map[string]chatkitd.Code{
		"":                                     chatkitd.CodeInvalid,
		string(a.add.thread):                   chatkitd.CodeInvalid,
		"99":                                   chatkitd.CodeInvalid,
		"0":                                    chatkitd.CodeInvalid,
		"trn_mentioned":                        chatkitd.CodeNotFound,
		"6f1d0c52-59ad-5c0e-9a6c-4a1b3e9d7f20": chatkitd.CodeNotFound,
		strings.Repeat("x", 65):                chatkitd.CodeNotFound,
	} {
		if _, err := w.auditor(true).Trace(t.Context(), id); chatkitd.CodeOf(err) != code || chatkitd.MessageOf(err) == "" {
			t.Errorf("%q: %v", id, err)
		}
	}
}

// TestTraceReadsLittle wants an id that tells its time found without the log
// being read: a search only ever reports progress when it reads much.
func TestTraceReadsLittle(t *testing.T) {
	w := newWorld(t)
	for i := range 20_000 {
		w.pass(10 * time.Second)
		w.append(fmt.Sprint("user-bob", i%500), events.Metadata{Correlation: "req_x"}, events.TaskAdded{TaskID: chatkitd.TaskID(fmt.Sprint("b", i)), Title: "x"})
	}
	tn := w.say("alice", "", "hello")
	read := 0
	a := audit.New(w.store, audit.Options{Dense: true, Progress: func(_, _ chatkitd.Position) { read++ }})
	if _, err := a.Trace(t.Context(), string(tn.id)); err != nil || read > 0 {
		t.Errorf("%v, reported %d times", err, read)
	}
	if _, err := a.Trace(t.Context(), "unknown"); chatkitd.CodeOf(err) != chatkitd.CodeNotFound || read == 0 {
		t.Errorf("an unknown id: %v, reported %d times", err, read)
	}
}
