package audit_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

// takeover is a turn that is cancelled from another server, and then closed by it
// because the one that ran it is not heard of.
func (w *world) takeover(thread chatkitd.ThreadID) (request, cancel string, turn chatkitd.TurnID) {
	w.t.Helper()
	request, cancel, turn = w.id(chatkitd.PrefixRequest), w.id(chatkitd.PrefixRequest), chatkitd.TurnID(w.id(chatkitd.PrefixTurn))
	stream := events.ThreadStream(thread)
	w.append(events.NodeStream("a"), events.Metadata{}, events.NodeStarted{Instance: "a", Boot: "boot_1"}, events.NodeAlive{Instance: "a", Boot: "boot_1"})
	w.append(stream, events.Metadata{Correlation: request, Causation: request, User: "alice"}, events.TurnStarted{TurnID: turn, Model: "m", Instance: "a"})
	m := events.Metadata{Correlation: request, Causation: string(turn), User: "alice"}
	w.append(stream, m, events.ModelCalled{TurnID: turn, N: 1, Model: "m", StartedAt: w.now, CallIDs: []string{"call_1"}},
		events.ToolCalled{TurnID: turn, CallID: "call_1", Name: "add_task", Arguments: json.RawMessage(`{}`)})
	w.pass(time.Second)
	w.append(stream, events.Metadata{Correlation: cancel, Causation: cancel, User: "alice"}, events.TurnCancelRequested{TurnID: turn})
	w.pass(time.Minute)
	w.append("user-alice", m, events.EffectVoided{Key: chatkitd.EffectKey(turn, "call_1")})
	w.append(stream, m, events.ToolReturned{TurnID: turn, CallID: "call_1", Error: "it had no effect"},
		events.TurnInterrupted{TurnID: turn, Reason: "the server went away while it answered"})
	return request, cancel, turn
}

// TestTakeover looks at such a turn in every way.
func TestTakeover(t *testing.T) {
	w := newWorld(t)
	w.task("alice", events.TaskAdded{TaskID: "tsk_1", Title: "x"})
	first := w.say("alice", "", "hello")
	request, cancel, turn := w.takeover(first.thread)
	a := w.auditor(true)

	want := "request: request of alice in " + string(first.thread) + `
 turn: interrupted: the server went away while it answered
  model: m, 0 ms
   tool: add_task()
    event: tool call call_1 of ` + string(turn) + ` can have no effect any more
  event: asks the server that runs the turn to cancel it
`
	voided, err := a.Events(t.Context(), chatkitd.EventQuery{Types: []string{"effect"}})
	if err != nil || len(voided.Data) != 1 {
		t.Fatal(err, len(voided.Data))
	}
	for _, id := range []string{request, string(turn), "call_1", voided.Data[0].ID, voided.Data[0].Position.String()} {
		root, err := a.Trace(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, outline(root, "")); d != "" {
			t.Errorf("%s: %s", id, d)
		}
	}
	root, err := a.Trace(t.Context(), cancel)
	if err != nil || !strings.Contains(outline(root, ""), "asks the server") {
		t.Errorf("%s %v", outline(root, ""), err)
	}

	r, err := a.Replay(t.Context(), chatkitd.ReplayQuery{User: "alice", Steps: true})
	if err != nil || len(r.Tasks) != 1 || len(r.Steps) != 2 {
		t.Fatalf("%+v %v", r, err)
	}
	step := r.Steps[1]
	if string(step.Before) != "null" || string(step.After) != "null" || step.Cause.Call != "call_1" || step.Cause.Tool != "add_task" || step.Cause.Text != "hello" {
		t.Errorf("%+v %+v", step, step.Cause)
	}
	if r, err := a.Replay(t.Context(), chatkitd.ReplayQuery{Thread: first.thread, Steps: true}); err != nil || len(r.Steps) < 6 {
		t.Errorf("%+v %v", r, err)
	}

	page, err := a.Events(t.Context(), chatkitd.EventQuery{Stream: events.NodeStream("a")})
	if err != nil || strings.Join(summaries(page.Data), "; ") != "server a started; server a is there" {
		t.Errorf("%q %v", summaries(page.Data), err)
	}
	exported := ""
	if err := a.Export(t.Context(), "alice", func(v chatkitd.EventView) error { exported += v.Stream + " " + v.Type + "\n"; return nil }); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(exported, "user-alice effect.voided.v1") || strings.Contains(exported, "node-") {
		t.Error(exported)
	}
}
