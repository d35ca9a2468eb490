package audit_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/audit"
	"github.com/chatkitd/chatkitd/events"
)

// rounds is a turn whose calls of the model are recorded: it finds two tasks at
// once, completes one of them, and answers, or is ended before it does.
func (w *world) rounds(user chatkitd.UserID, thread chatkitd.ThreadID, task chatkitd.TaskID, end events.Thread) turn {
	w.t.Helper()
	tn := turn{thread: thread, request: w.id(chatkitd.PrefixRequest), id: chatkitd.TurnID(w.id(chatkitd.PrefixTurn))}
	stream := events.ThreadStream(thread)
	m := events.Metadata{Correlation: tn.request, Causation: tn.request, User: user}
	w.append(stream, m, events.TurnStarted{TurnID: tn.id, Trigger: events.TriggerMessage, Model: "gpt-5-mini"})
	m.Causation = string(tn.id)
	tn.calls = []string{w.id(chatkitd.PrefixToolUse), w.id(chatkitd.PrefixToolUse), w.id(chatkitd.PrefixToolUse)}
	asked := func(n int, took time.Duration, ids ...string) events.ModelCalled {
		start := w.now
		w.pass(took)
		return events.ModelCalled{
			TurnID: tn.id, N: n, Model: "gpt-5-mini", ResponseID: "resp_" + string(rune('0'+n)), StartedAt: start,
			Usage: chatkitd.Usage{Input: int64(100 * n), Output: int64(n)}, DurationMS: took.Milliseconds(), CallIDs: ids,
		}
	}
	tool := func(id, name string) events.ToolCalled {
		return events.ToolCalled{TurnID: tn.id, CallID: id, Name: name, Arguments: json.RawMessage(`{}`)}
	}
	back := func(id string) events.ToolReturned {
		return events.ToolReturned{TurnID: tn.id, CallID: id, Output: json.RawMessage(`{"success":true,"message":"done"}`)}
	}
	one := asked(1, 400*time.Millisecond, tn.calls[0], tn.calls[1])
	w.append(stream, m, one, tool(tn.calls[0], "find"), tool(tn.calls[1], "list"))
	w.pass(10 * time.Millisecond)
	two := asked(2, 700*time.Millisecond, tn.calls[2])
	w.append(stream, m, back(tn.calls[0]), back(tn.calls[1]), two, tool(tn.calls[2], "complete"))
	w.pass(5 * time.Millisecond)
	w.append(events.UserStream(user), events.Metadata{Correlation: tn.request, Causation: tn.calls[2], User: user, Key: chatkitd.EffectKey(tn.id, tn.calls[2])},
		events.TaskCompleted{TaskID: task})
	three := asked(3, 900*time.Millisecond)
	if gone, ok := end.(events.TurnFailed); ok {
		gone.TurnID = tn.id
		end = gone
		three.Error, three.ResponseID, three.Usage = "The model is overloaded.", "", chatkitd.Usage{}
	}
	if done, ok := end.(events.TurnCompleted); ok {
		done.TurnID, done.DurationMS = tn.id, 2015
		end = done
	}
	tn.position = w.append(stream, m, back(tn.calls[2]), three, end).Position
	return tn
}

// TestTraceModelCalls wants a node for every call of the model, with the tool
// calls that it asked for under it.
func TestTraceModelCalls(t *testing.T) {
	w := newWorld(t)
	w.task("alice", events.TaskAdded{TaskID: "tsk_1", Title: "x"})
	first := w.say("alice", "", "hello")
	usage := chatkitd.Usage{Input: 600, Output: 6}
	whole := w.rounds("alice", first.thread, "tsk_1", events.TurnCompleted{Model: "gpt-5-mini", Usage: usage})
	failed := w.rounds("alice", first.thread, "tsk_1", events.TurnFailed{Reason: "no answer"})

	const tools = `
  model: gpt-5-mini, 100+1 tokens, 400 ms
   tool: find()
   tool: list()
  model: gpt-5-mini, 200+2 tokens, 700 ms
   tool: complete()
    event: completed “x”
`
	for _, tt := range []struct {
		id, head, tail string
		usage          chatkitd.Usage
	}{
		{whole.request, " turn: completed", "  model: gpt-5-mini, 300+3 tokens, 900 ms\n", usage},
		{"resp_3", " turn: completed", "  model: gpt-5-mini, 300+3 tokens, 900 ms\n", usage},
		{string(failed.id), " turn: failed: no answer", "  model: gpt-5-mini, 900 ms, failed: The model is overloaded.\n", chatkitd.Usage{Input: 300, Output: 3}},
	} {
		root, err := w.auditor(true).Trace(t.Context(), tt.id)
		if err != nil {
			t.Fatal(err)
		}
		_, got, _ := strings.Cut(outline(root, ""), "\n")
		if d := cmp.Diff(tt.head+tools+tt.tail, got); d != "" {
			t.Errorf("%s: %s", tt.id, d)
		}
		turn := root.Children[0]
		if d := cmp.Diff(audit.TurnDetail{Trigger: events.TriggerMessage, Model: "gpt-5-mini", Usage: tt.usage, Calls: 3}, turn.Detail); d != "" {
			t.Error(d)
		}
		find := turn.Children[0].Children[0]
		if d := find.Detail.(audit.ToolDetail); find.Duration != 10 || !d.AtMost {
			t.Errorf("a tool whose output the model had after 10 ms is said to have taken %d", find.Duration)
		}
	}
	if r, err := w.auditor(true).Verify(t.Context(), audit.VerifyOptions{}); err != nil || !r.OK {
		t.Errorf("%s %v", findings(r), err)
	}
}
