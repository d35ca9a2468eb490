package actors_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/actors"
	"github.com/chatkitd/chatkitd/chatkit"
	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/internal/memstore"
)

// cutOff leaves a store as a crash in mid-turn does: one call had its effect and
// no answer, one had neither.
func cutOff(t *testing.T) (store *memstore.Store, id chatkitd.ThreadID) {
	t.Helper()
	store = memstore.New()
	begun := make(chan chatkitd.TurnInput)
	var s *actors.System
	s = newSystem(t, store, func(ctx context.Context, in chatkitd.TurnInput, sink chatkitd.TurnSink) (chatkitd.TurnResult, error) {
		begin(in, sink, "msg_open", "so f")
		if err := sink.ToolsCalled(ctx, chatkitd.ToolCall{ID: "c1", Name: "add_task"}, chatkitd.ToolCall{ID: "c2", Name: "add_task"}); err != nil {
			return chatkitd.TurnResult{}, err
		}
		m := chatkitd.Meta{User: in.User, Key: chatkitd.EffectKey(in.Turn, "c1")}
		if _, err := s.DoTask(ctx, m, chatkitd.AddTask{Title: "milk"}); err != nil {
			return chatkitd.TurnResult{}, err
		}
		begun <- in
		<-ctx.Done()
		return chatkitd.TurnResult{}, ctx.Err()
	})
	_, id = create(t, s, "alice", "hello")
	<-begun
	crashed := memstore.New()
	for rec, err := range store.ReadAll(t.Context(), events.AllRead{}) {
		if err != nil {
			t.Fatal(err)
		}
		if _, err := crashed.Append(t.Context(), rec.Stream, events.Any, events.New{ID: rec.ID, Type: rec.Type, Data: rec.Data, Meta: rec.Meta}); err != nil {
			t.Fatal(err)
		}
	}
	return crashed, id
}

func TestCrashIsClosed(t *testing.T) {
	for _, how := range []string{"at start", "when next loaded"} {
		t.Run(how, func(t *testing.T) {
			store, id := cutOff(t)
			seen := make(chan []chatkitd.Entry, 1)
			s := newSystem(t, store, func(_ context.Context, in chatkitd.TurnInput, _ chatkitd.TurnSink) (chatkitd.TurnResult, error) {
				seen <- in.History
				return chatkitd.TurnResult{}, nil
			})
			if how == "at start" {
				if failed := s.Recover(t.Context(), []chatkitd.ThreadID{id}); failed != 0 {
					t.Fatalf("Recover: %d failed", failed)
				}
			} else if st, err := s.AttachTurn(t.Context(), "alice", id); err != nil || st != nil {
				t.Fatalf("AttachTurn = %v, %v, want nothing", st, err)
			}
			same(t, "log", stored(t, store, events.ThreadStream(id)), "thread.created", "item.added", "turn.started",
				"tool.called", "tool.called", "tool.returned", "tool.returned", "turn.interrupted")

			st, err := s.StartTurn(t.Context(), by("alice"), chatkitd.AddUserMessage{Thread: id, Input: says("again?")})
			if err != nil {
				t.Fatal(err)
			}
			collect(t, st)
			h := <-seen
			if len(h) != 4 || h[1].Tool == nil || h[2].Tool == nil {
				t.Fatalf("history = %+v", h)
			}
			if out := string(h[1].Tool.Output); !strings.Contains(out, `"title":"milk"`) || h[1].Tool.Error != "" {
				t.Errorf("the call that had its effect: %s, %s", out, h[1].Tool.Error)
			}
			if h[2].Tool.Error == "" || h[2].Tool.Output != nil {
				t.Errorf("the call that had none: %+v", h[2].Tool)
			}
		})
	}
}

// flaky loses the answer of appends, or refuses them, now and then.
type flaky struct {
	events.Store
	n atomic.Int64
}

func (f *flaky) Append(ctx context.Context, stream string, expected events.Revision, evs ...events.New) (events.Appended, error) {
	switch f.n.Add(1) % 4 {
	case 1:
		return events.Appended{}, fmt.Errorf("refused: %w", events.ErrUnavailable)
	case 3:
		if _, err := f.Store.Append(ctx, stream, expected, evs...); err != nil {
			return events.Appended{}, err
		}
		return events.Appended{}, fmt.Errorf("answer lost: %w", events.ErrUnavailable)
	}
	return f.Store.Append(ctx, stream, expected, evs...)
}

// TestDoubtfulAppends: whatever happens to single appends, a turn's facts are
// stored once, in order, and commands with a key have one effect.
func TestDoubtfulAppends(t *testing.T) {
	store := memstore.New()
	var s *actors.System
	const messages = 20
	s = newSystem(t, &flaky{Store: store}, func(ctx context.Context, in chatkitd.TurnInput, sink chatkitd.TurnSink) (chatkitd.TurnResult, error) {
		for i := range messages {
			if err := sink.Commit(ctx, chatkit.ItemDone{Item: chatkit.AssistantMessage{
				ItemBase: chatkit.ItemBase{ID: fmt.Sprintf("msg_%d", i), ThreadID: string(in.Thread), CreatedAt: in.Now},
			}}); err != nil {
				return chatkitd.TurnResult{}, err
			}
		}
		return chatkitd.TurnResult{}, nil
	})
	var st chatkitd.TurnStream
	for st == nil {
		var err error
		if st, err = s.StartTurn(t.Context(), by("alice"), chatkitd.CreateThread{Input: says("x")}); err != nil && chatkitd.CodeOf(err) != chatkitd.CodeUnavailable {
			t.Fatal(err)
		}
	}
	id := threadOf(t, st)
	types, _ := collect(t, st)
	if len(types) != 3+messages {
		t.Errorf("%d events in the stream, want %d", len(types), 3+messages)
	}
	if got := stored(t, store, events.ThreadStream(id)); len(got) != 3+messages+1 || got[len(got)-1] != "turn.completed" {
		t.Errorf("log: %v", got)
	}
	for i := range 20 {
		m := by("alice")
		m.Key = fmt.Sprint(i)
		for {
			res, err := s.DoTask(t.Context(), m, chatkitd.AddTask{Title: fmt.Sprint("task ", i)})
			if err == nil {
				if res.Task.Title != fmt.Sprint("task ", i) {
					t.Fatalf("task = %+v", res.Task)
				}
				break
			}
			if chatkitd.CodeOf(err) != chatkitd.CodeUnavailable {
				t.Fatal(err)
			}
		}
	}
	if got := stored(t, store, events.UserStream("alice")); len(got) != 20 {
		t.Errorf("%d tasks were added, want 20", len(got))
	}
}

func TestTaskEffect(t *testing.T) {
	s := newSystem(t, memstore.New(), answers("x"))
	m := by("alice")
	m.Key = "k"
	first, err := s.DoTask(t.Context(), m, chatkitd.AddTask{Title: "milk"})
	if err != nil || !first.Changed {
		t.Fatal(first, err)
	}
	again, err := s.DoTask(t.Context(), m, chatkitd.AddTask{Title: "milk"})
	if err != nil || again.Changed || again.Task.ID != first.Task.ID || again.Receipt != first.Receipt {
		t.Errorf("again = %+v, %v, want %+v", again, err, first)
	}
	if _, err := s.DoTask(t.Context(), m, chatkitd.AddTask{Title: "bread"}); chatkitd.CodeOf(err) != chatkitd.CodeKeyReused {
		t.Errorf("another command with the key = %v, want CodeKeyReused", err)
	}
	if res, known, err := s.TaskEffect(t.Context(), "alice", "k"); err != nil || !known || res.Task.Title != "milk" {
		t.Errorf("TaskEffect = %+v, %v, %v", res, known, err)
	}
	if _, known, err := s.TaskEffect(t.Context(), "bob", "k"); err != nil || known {
		t.Errorf("TaskEffect of another user = %v, %v", known, err)
	}
}

// TestLargeOutputs: what waits for the next append may be more than one append
// takes.
func TestLargeOutputs(t *testing.T) {
	store := memstore.New()
	const calls = 40
	big := json.RawMessage(`"` + strings.Repeat("x", 100_000) + `"`)
	s := newSystem(t, store, func(ctx context.Context, in chatkitd.TurnInput, sink chatkitd.TurnSink) (chatkitd.TurnResult, error) {
		var made []chatkitd.ToolCall
		var outs []chatkitd.ToolOutput
		for i := range calls {
			made = append(made, chatkitd.ToolCall{ID: fmt.Sprint("c", i), Name: "x", Arguments: json.RawMessage(`{}`)})
			outs = append(outs, chatkitd.ToolOutput{ID: fmt.Sprint("c", i), Output: big})
		}
		if err := sink.ToolsCalled(ctx, made...); err != nil {
			return chatkitd.TurnResult{}, err
		}
		return chatkitd.TurnResult{}, sink.ToolsReturned(ctx, outs...)
	})
	st, id := create(t, s, "alice", "hello")
	if types, _ := collect(t, st); types[len(types)-1] != "stream_options" {
		t.Errorf("stream: %v", types)
	}
	if got := stored(t, store, events.ThreadStream(id)); len(got) != 3+2*calls+1 || got[len(got)-1] != "turn.completed" {
		t.Errorf("%d events, the last is %s", len(got), got[len(got)-1])
	}
}

// TestCallsAreSettledOnce: a call that has returned keeps its answer when the
// turn fails right after it, and one that has not gets one.
func TestCallsAreSettledOnce(t *testing.T) {
	store := memstore.New()
	s := newSystem(t, store, func(ctx context.Context, _ chatkitd.TurnInput, sink chatkitd.TurnSink) (chatkitd.TurnResult, error) {
		if err := sink.ToolsCalled(ctx, chatkitd.ToolCall{ID: "c1", Name: "x"}, chatkitd.ToolCall{ID: "c2", Name: "x"}); err != nil {
			return chatkitd.TurnResult{}, err
		}
		if err := sink.ToolsReturned(ctx, chatkitd.ToolOutput{ID: "c1", Output: json.RawMessage(`"ok"`)}); err != nil {
			return chatkitd.TurnResult{}, err
		}
		return chatkitd.TurnResult{}, errors.New("the model is gone")
	})
	st, id := create(t, s, "alice", "hello")
	collect(t, st)
	answers := map[string][]string{}
	for rec, err := range store.ReadStream(t.Context(), events.ThreadStream(id), events.StreamRead{}) {
		if err != nil {
			t.Fatal(err)
		}
		if ev, err := events.Decode(rec.Type, rec.Data); err != nil {
			t.Fatal(err)
		} else if ret, ok := ev.(events.ToolReturned); ok {
			answers[ret.CallID] = append(answers[ret.CallID], string(ret.Output)+ret.Error)
		}
	}
	if len(answers["c1"]) != 1 || answers["c1"][0] != `"ok"` || len(answers["c2"]) != 1 || !strings.Contains(answers["c2"][0], "interrupted") {
		t.Errorf("answers: %v", answers)
	}
}

// refusing fails every append with one error.
type refusing struct {
	events.Store
	err error
}

func (r refusing) Append(context.Context, string, events.Revision, ...events.New) (events.Appended, error) {
	return events.Appended{}, r.err
}

// TestDoubtIsTold: whoever is told to try again may do so without a second thought.
func TestDoubtIsTold(t *testing.T) {
	for err, want := range map[error]chatkitd.Code{
		events.ErrUnavailable: chatkitd.CodeUnavailable,
		events.ErrInDoubt:     chatkitd.CodeTimeout,
	} {
		s := newSystem(t, refusing{memstore.New(), fmt.Errorf("the wire: %w", err)}, nil)
		_, got := s.StartTurn(t.Context(), by("alice"), chatkitd.CreateThread{Input: says("hello")})
		if chatkitd.CodeOf(got) != want {
			t.Errorf("%v: %v, want code %s", err, got, want)
		}
	}
}
