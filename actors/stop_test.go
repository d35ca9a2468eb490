package actors_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/chatkit"
	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/internal/memstore"
)

// late stores the append with an event of one type, and then does what makes
// its answer come too late, once.
type late struct {
	events.Store
	event string
	then  func() error
}

func (l *late) Append(ctx context.Context, stream string, expected events.Revision, evs ...events.New) (events.Appended, error) {
	at, err := l.Store.Append(ctx, stream, expected, evs...)
	if l.then != nil && slices.ContainsFunc(evs, func(ev events.New) bool { return ev.Type == l.event }) {
		then := l.then
		l.then = nil
		if lost := then(); lost != nil {
			return events.Appended{}, lost
		}
	}
	return at, err
}

// TestEndedInTheMiddleOfAnAppend ends a turn while an append of it is under way,
// so that the turn never learns that it was stored. Its facts must be there once.
func TestEndedInTheMiddleOfAnAppend(t *testing.T) {
	call := chatkitd.ToolCall{ID: "tc_1", Name: "list_tasks", Arguments: json.RawMessage("{}")}
	workflow := chatkit.ItemDone{Item: chatkit.WorkflowItem{
		ItemBase: chatkit.ItemBase{ID: "wf_1", ThreadID: "thr_1"}, Workflow: chatkit.Workflow{Type: "custom", Tasks: []chatkit.Task{}},
	}}
	produce := map[string]func(ctx context.Context, sink chatkitd.TurnSink) error{
		"tool.called.v1": func(ctx context.Context, sink chatkitd.TurnSink) error { return sink.ToolsCalled(ctx, call) },
		"item.added.v1":  func(ctx context.Context, sink chatkitd.TurnSink) error { return sink.Commit(ctx, workflow) },
	}
	want := map[string][]string{
		"tool.called.v1": {"thread.created", "item.added", "turn.started", "tool.called", "tool.returned"},
		"item.added.v1":  {"thread.created", "item.added", "turn.started", "item.added"},
	}
	for event := range produce {
		for _, end := range []string{"turn.interrupted", "turn.failed"} {
			t.Run(event+" "+end, func(t *testing.T) {
				store := &late{Store: memstore.New(), event: event}
				begin, told, stop := make(chan struct{}), make(chan struct{}), make(chan struct{})
				s := newSystem(t, store, func(ctx context.Context, _ chatkitd.TurnInput, sink chatkitd.TurnSink) (chatkitd.TurnResult, error) {
					<-begin
					defer close(told)
					err := produce[event](ctx, sink)
					if err == nil {
						t.Error("the turn was told that all is well")
					}
					return chatkitd.TurnResult{}, err
				})
				st, err := s.StartTurn(t.Context(), by("alice"), chatkitd.CreateThread{Input: says("x")})
				if err != nil {
					t.Fatal(err)
				}
				if end == "turn.failed" { // the store was too slow
					store.then = func() error { return fmt.Errorf("answer lost: %w", context.DeadlineExceeded) }
				} else { // the program stops
					store.then = func() error { close(stop); <-told; return nil }
				}
				close(begin)
				if end == "turn.interrupted" {
					<-stop
					if err := s.Close(t.Context()); err != nil {
						t.Error(err)
					}
				}
				collect(t, st)
				same(t, "log", stored(t, store.Store, events.ThreadStream(threadOf(t, st))), append(slices.Clone(want[event]), end)...)
			})
		}
	}
}

var _ events.Store = (*late)(nil)

// TestCallAfterTheEnd has an agent call a tool when its turn has been ended: the
// call is not made, so it must not be in the log either, without an answer.
func TestCallAfterTheEnd(t *testing.T) {
	store := memstore.New()
	s := newSystem(t, store, func(ctx context.Context, _ chatkitd.TurnInput, sink chatkitd.TurnSink) (chatkitd.TurnResult, error) {
		<-ctx.Done()
		err := sink.ToolsCalled(ctx, chatkitd.ToolCall{ID: "tc_1", Name: "list_tasks", Arguments: json.RawMessage("{}")})
		if err == nil {
			t.Error("the call was taken")
		}
		return chatkitd.TurnResult{}, err
	})
	st, id := create(t, s, "alice", "x")
	if _, err := s.DoThread(t.Context(), by("alice"), chatkitd.CancelTurn{Thread: id}); err != nil {
		t.Fatal(err)
	}
	collect(t, st)
	same(t, "log", stored(t, store, events.ThreadStream(id)), "thread.created", "item.added", "turn.started", "item.added", "turn.cancelled")
}
