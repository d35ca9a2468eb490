package actors_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/actors"
	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/internal/memstore"
)

func toolUser(tasks chatkitd.Tasks, called chan<- struct{}, act <-chan struct{}, effect chan<- error) agent {
	return func(ctx context.Context, in chatkitd.TurnInput, sink chatkitd.TurnSink) (chatkitd.TurnResult, error) {
		call := chatkitd.ToolCall{ID: "tc_1", Name: "add_task", Arguments: json.RawMessage(`{"title":"buy milk"}`)}
		begin(in, sink, "msg_open", "one moment")
		if err := sink.ToolsCalled(ctx, call); err != nil {
			return chatkitd.TurnResult{}, err
		}
		called <- struct{}{}
		<-act
		// A tool that was on its way when its turn was ended.
		m := chatkitd.Meta{User: in.User, Request: in.Request, Cause: call.ID, Key: chatkitd.EffectKey(in.Turn, call.ID)}
		res, err := tasks.DoTask(context.WithoutCancel(ctx), m, chatkitd.AddTask{Title: "buy milk"})
		effect <- err
		if err != nil {
			return chatkitd.TurnResult{}, err
		}
		out, err := json.Marshal(res)
		if err != nil {
			return chatkitd.TurnResult{}, err
		}
		if err := sink.ToolsReturned(ctx, chatkitd.ToolOutput{ID: call.ID, Output: out}); err != nil {
			return chatkitd.TurnResult{}, err
		}
		return answers("done")(ctx, in, sink)
	}
}

func TestFence(t *testing.T) {
	for _, when := range []string{"before the effect", "while the effect is appended", "after the effect"} {
		t.Run(when, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := memstore.New()
				called, act, effect := make(chan struct{}), make(chan struct{}), make(chan error, 1)
				a := join(t, store, "node_a", nil, func(o *actors.Options) {
					o.Agent = func(tasks chatkitd.Tasks) chatkitd.Agent { return toolUser(tasks, called, act, effect) }
				})
				b := join(t, store, "node_b", answers("hi"))
				st, id := create(t, a.System, "alice", "milk, please")
				<-called
				switch when {
				case "before the effect":
					a.wire.set(false, true)
				case "while the effect is appended":
					a.wire.set(false, true)
					close(act)
				case "after the effect":
					a.wire.onAppend(func(string) error { a.wire.set(false, true); return nil })
					close(act)
				}
				time.Sleep(29 * time.Second)
				want := []string{"thread.created", "item.added", "turn.started", "tool.called", "tool.returned", "turn.interrupted"}
				same(t, "the thread", stored(t, store, events.ThreadStream(id)), want...)

				a.wire.set(false, false)
				if when == "before the effect" {
					close(act)
				}
				err := <-effect
				user := stored(t, store, events.UserStream("alice"))
				returned := payload(t, store, events.ThreadStream(id), "tool.returned.v1")
				if when == "after the effect" {
					same(t, "the user", user, "task.added")
					if !strings.Contains(returned, "It was carried out") {
						t.Errorf("the effect is not the answer: %s", returned)
					}
				} else {
					same(t, "the user", user, "effect.voided")
					if chatkitd.CodeOf(err) != chatkitd.CodeConflict && chatkitd.CodeOf(err) != chatkitd.CodeTimeout {
						t.Errorf("the late effect = %v, want a refusal", err)
					}
					if !strings.Contains(returned, "it had no effect") {
						t.Errorf("the call was answered with %s", returned)
					}
				}
				types, all := collect(t, st)
				same(t, "end of the stream", types[len(types)-2:], "thread.item.removed", "error")
				if !strings.Contains(all, `"allow_retry":true`) {
					t.Errorf("the reader cannot try again:\n%s", all)
				}
				same(t, "the thread in the end", stored(t, store, events.ThreadStream(id)), want...)
				// Whoever repeats the call is refused for good, or told the effect.
				for _, m := range []*member{a, b} {
					turn := st.Turn()
					_, err := m.DoTask(t.Context(), chatkitd.Meta{User: "alice", Key: chatkitd.EffectKey(turn, "tc_1")}, chatkitd.AddTask{Title: "buy milk"})
					if (err == nil) != (when == "after the effect") {
						t.Errorf("the call again = %v", err)
					}
				}
			})
		})
	}
}

func payload(t *testing.T, store events.Store, stream, typ string) string {
	t.Helper()
	var found []string
	for rec, err := range store.ReadStream(t.Context(), stream, events.StreamRead{}) {
		if err != nil {
			t.Fatal(err)
		}
		if rec.Type == typ {
			found = append(found, string(rec.Data))
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d events %s, want one", len(found), typ)
	}
	return found[0]
}
