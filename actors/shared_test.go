package actors_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/actors"
	"github.com/chatkitd/chatkitd/chatkit"
	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/internal/memstore"
)

// TestTakeOver takes a process away in the middle of a turn. The other one leaves
// the turn alone for the lease, and closes it then.
func TestTakeOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		begun := make(chan struct{}, 1)
		a := join(t, store, "node_a", waiting(begun, "half an ans"))
		b := join(t, store, "node_b", answers("hi"))
		_, id := create(t, a.System, "alice", "hello")
		<-begun
		stream := events.ThreadStream(id)
		more := chatkitd.AddUserMessage{Thread: id, Input: says("and?")}

		time.Sleep(time.Minute) // a lives and says so
		if got := last(t, store, stream); got != "turn.started" {
			t.Fatalf("the turn of a live process was ended: %s", got)
		}
		if _, err := b.StartTurn(t.Context(), by("alice"), more); chatkitd.CodeOf(err) != chatkitd.CodeBusy {
			t.Errorf("a message to the other process = %v, want CodeBusy", err)
		}
		if n := b.Recover(t.Context(), []chatkitd.ThreadID{id}); n != 0 || last(t, store, stream) != "turn.started" {
			t.Errorf("Recover = %d and %s: the turn of a live process is not to be closed", n, last(t, store, stream))
		}
		a.gone()
		time.Sleep(14 * time.Second) // less than the lease: its last sign of life is at most 5 s older
		if got := last(t, store, stream); got != "turn.started" {
			t.Fatalf("after 14 s: %s", got)
		}
		time.Sleep(14 * time.Second)
		if got := last(t, store, stream); got != "turn.interrupted" {
			t.Fatalf("after 28 s: %s, want turn.interrupted", got)
		}
		if _, err := b.StartTurn(t.Context(), by("alice"), more); err != nil {
			t.Errorf("a message after the turn was closed: %v", err)
		}
	})
}

// TestShortTurnsAreSilent: a process says nothing about itself for turns that are
// over before anybody could miss it.
func TestShortTurnsAreSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		a := join(t, store, "node_a", answers("hi"))
		for range 20 {
			st, _ := create(t, a.System, "alice", "hello")
			collect(t, st)
			time.Sleep(time.Second)
		}
		same(t, "the node's stream", stored(t, store, events.NodeStream("node_a")), "node.started")
	})
}

// TestOutageIsNobodysDeath takes the store away from everybody for longer than
// the lease. The turn must go on afterwards.
func TestOutageIsNobodysDeath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		begun, end := make(chan struct{}, 1), make(chan struct{})
		a := join(t, store, "node_a", func(ctx context.Context, in chatkitd.TurnInput, sink chatkitd.TurnSink) (chatkitd.TurnResult, error) {
			begun <- struct{}{}
			select {
			case <-end:
			case <-ctx.Done():
				return chatkitd.TurnResult{}, context.Cause(ctx)
			}
			return answers("at last")(ctx, in, sink)
		}, func(o *actors.Options) { o.TurnTimeout = time.Hour })
		b := join(t, store, "node_b", answers("hi"))
		c := join(t, store, "node_c", answers("hi"))
		st, id := create(t, a.System, "alice", "hello")
		<-begun
		time.Sleep(10 * time.Second)
		for range 3 {
			for _, m := range []*member{b, c, a} { // the owner is the last to go
				m.wire.set(true, false)
				time.Sleep(time.Second)
			}
			time.Sleep(90 * time.Second)
			for _, m := range []*member{c, b, a} { // and the last to come back
				m.wire.set(false, false)
				time.Sleep(4 * time.Second)
			}
			time.Sleep(30 * time.Second)
			if got := last(t, store, events.ThreadStream(id)); got != "turn.started" {
				t.Fatalf("after an outage of everybody: %s", got)
			}
		}
		// The others alone are cut off: they hear nothing, and know it.
		b.wire.set(true, false)
		c.wire.set(false, true)
		time.Sleep(90 * time.Second)
		b.wire.set(false, false)
		c.wire.set(false, false)
		time.Sleep(time.Minute / 4)
		close(end)
		if types, _ := collect(t, st); types[len(types)-1] != "thread.item.done assistant_message" {
			t.Errorf("the turn ended with %v", types)
		}
		if got := last(t, store, events.ThreadStream(id)); got != "turn.completed" {
			t.Errorf("the log ends with %s", got)
		}
	})
}

// TestMuteIsNobodysDeath has a store that can be read and not appended to, and a
// process whose subscription gives nothing: neither can tell who lives.
func TestMuteIsNobodysDeath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		begun := make(chan struct{}, 1)
		a := join(t, store, "node_a", waiting(begun, "half an ans"), func(o *actors.Options) { o.TurnTimeout = time.Hour })
		b := join(t, store, "node_b", answers("hi"))
		_, id := create(t, a.System, "alice", "hello")
		<-begun
		time.Sleep(10 * time.Second)
		a.wire.setMute(true)
		b.wire.setMute(true)
		time.Sleep(time.Minute)
		b.wire.setMute(false)
		time.Sleep(10 * time.Second)
		a.wire.setMute(false)
		time.Sleep(time.Minute)
		if got := last(t, store, events.ThreadStream(id)); got != "turn.started" {
			t.Fatalf("after a time without appends: %s", got)
		}
		b.wire.setDeaf(true)
		time.Sleep(time.Minute)
		b.wire.setDeaf(false)
		time.Sleep(time.Minute)
		if got := last(t, store, events.ThreadStream(id)); got != "turn.started" {
			t.Fatalf("after a time without a subscription: %s", got)
		}
		a.gone()
		time.Sleep(time.Minute)
		if got := last(t, store, events.ThreadStream(id)); got != "turn.interrupted" {
			t.Errorf("after the process is gone: %s", got)
		}
	})
}

// TestHungSubscription: a process whose subscription hangs for ever finds out as
// soon as somebody is missed, and makes a new one.
func TestHungSubscription(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		begun := make(chan struct{}, 1)
		a := join(t, store, "node_a", waiting(begun, "half an ans"), func(o *actors.Options) { o.TurnTimeout = time.Hour })
		b := join(t, store, "node_b", answers("hi"))
		_, id := create(t, a.System, "alice", "hello")
		<-begun
		time.Sleep(10 * time.Second)
		b.wire.hang()
		time.Sleep(time.Minute)
		if err := b.Ready(); err != nil {
			t.Errorf("Ready = %v", err)
		}
		if got := last(t, store, events.ThreadStream(id)); got != "turn.started" {
			t.Fatalf("the turn of a live process was ended: %s", got)
		}
		b.wire.hang()
		a.gone()
		time.Sleep(time.Minute)
		if got := last(t, store, events.ThreadStream(id)); got != "turn.interrupted" {
			t.Errorf("the turn of a process that is gone: %s", got)
		}
	})
}

// toolUser calls a tool and has its effect when told to.
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

// TestFence has a process pause in the middle of a tool call until another one
// has closed its turn. When it comes back the effect must not happen any more:
// the log says that it did not.
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

// payload returns the data of the only event of a type in a stream.
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

// TestCancelElsewhere cancels turns through processes that do not run them.
func TestCancelElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		begun := make(chan struct{}, 1)
		a := join(t, store, "node_a", waiting(begun, "half an ans"))
		b := join(t, store, "node_b", answers("hi"))
		c := join(t, store, "node_c", answers("hi"))
		st, id := create(t, a.System, "alice", "hello")
		<-begun
		if _, err := b.DoThread(t.Context(), by("bob"), chatkitd.CancelTurn{Thread: id}); chatkitd.CodeOf(err) != chatkitd.CodeNotFound {
			t.Errorf("cancel by a stranger = %v, want CodeNotFound", err)
		}
		errs := make(chan error, 4)
		for _, m := range []*member{b, c, b, c} {
			go func() {
				_, err := m.DoThread(t.Context(), by("alice"), chatkitd.CancelTurn{Thread: id})
				errs <- err
			}()
		}
		for range cap(errs) {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		collect(t, st)
		got := stored(t, store, events.ThreadStream(id))
		if asked := strings.Count(strings.Join(got, " "), "turn.cancel_requested"); asked != 1 {
			t.Errorf("the process was asked %d times: %v", asked, got)
		}
		same(t, "end of the log", got[len(got)-2:], "item.added", "turn.cancelled")

		st, id = create(t, a.System, "alice", "hello")
		<-begun
		if _, err := c.DoThread(t.Context(), by("alice"), chatkitd.DeleteThread{Thread: id}); err != nil {
			t.Fatal(err)
		}
		collect(t, st)
		got = stored(t, store, events.ThreadStream(id))
		same(t, "end of a deleted thread", got[len(got)-2:], "turn.cancelled", "thread.deleted")

		_, id = create(t, a.System, "alice", "hello")
		<-begun
		a.gone()
		_, err := b.DoThread(t.Context(), by("alice"), chatkitd.CancelTurn{Thread: id})
		if chatkitd.CodeOf(err) != chatkitd.CodeTimeout {
			t.Errorf("cancel of a turn whose process is gone = %v, want CodeTimeout", err)
		}
		time.Sleep(20 * time.Second)
		if _, err := c.DoThread(t.Context(), by("alice"), chatkitd.DeleteThread{Thread: id}); err != nil {
			t.Errorf("delete after the lease: %v", err)
		}
	})
}

// TestCancelBeforeItRuns asks for the cancellation of a turn between its start in
// the log and its start in the process.
func TestCancelBeforeItRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		begun := make(chan struct{}, 1)
		a := join(t, store, "node_a", waiting(begun, "half an ans"))
		b := join(t, store, "node_b", answers("hi"))
		asked := make(chan error, 1)
		a.wire.onAppend(func(stream string) error {
			id, _ := events.ThreadOf(stream)
			go func() {
				_, err := b.DoThread(context.Background(), by("alice"), chatkitd.CancelTurn{Thread: id})
				asked <- err
			}()
			time.Sleep(time.Second) // the answer to the append takes its time
			return nil
		})
		st, id := create(t, a.System, "alice", "hello")
		if err := <-asked; err != nil {
			t.Error(err)
		}
		collect(t, st)
		if got := last(t, store, events.ThreadStream(id)); got != "turn.cancelled" {
			t.Errorf("the log ends with %s", got)
		}
	})
}

// TestAttachElsewhere reads a turn through a process that does not run it.
func TestAttachElsewhere(t *testing.T) {
	ends := map[string]struct {
		end  func(ctx context.Context) error
		want []string // behind what is always there
		says string
	}{
		"completed": {func(context.Context) error { return nil }, nil, ""},
		"failed": {func(context.Context) error {
			return chatkitd.Errorf(chatkitd.CodeUnavailable, "the model is overloaded")
		}, []string{"error"}, "the model is overloaded"},
		"cancelled":   {func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, nil, ""},
		"interrupted": {func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, []string{"error"}, "was stopped before"},
		"taken over":  {func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, []string{"error"}, "was stopped before"},
	}
	for name, tt := range ends {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := memstore.New()
				step, hold := make(chan struct{}), make(chan struct{})
				flow := func(id string, in chatkitd.TurnInput) chatkit.Item {
					return chatkit.WorkflowItem{
						ItemBase: chatkit.ItemBase{ID: id, ThreadID: string(in.Thread), CreatedAt: in.Now}, Workflow: chatkit.Workflow{Type: "custom", Tasks: []chatkit.Task{}},
					}
				}
				a := join(t, store, "node_a", func(ctx context.Context, in chatkitd.TurnInput, sink chatkitd.TurnSink) (chatkitd.TurnResult, error) {
					if in.History[0].Item.(chatkit.UserMessage).Text() != "hello" {
						<-hold
						return chatkitd.TurnResult{}, nil
					}
					<-step
					for _, ev := range []chatkit.Event{
						chatkit.ItemDone{Item: flow("wf_1", in)},
						chatkit.ItemReplaced{Item: flow("wf_1", in)},
						chatkit.ItemDone{Item: cancelNote(in)},
						chatkit.ItemDone{Item: flow("wf_2", in)},
						chatkit.ItemRemoved{ItemID: "wf_2"},
					} {
						if err := sink.Commit(ctx, ev); err != nil {
							return chatkitd.TurnResult{}, err
						}
					}
					<-step
					return chatkitd.TurnResult{}, tt.end(ctx)
				})
				b := join(t, store, "node_b", answers("hi"), func(o *actors.Options) { o.MaxWatched = 1 })
				c := join(t, store, "node_c", answers("hi"))
				_, id := create(t, a.System, "alice", "hello")
				if _, err := b.AttachTurn(t.Context(), "bob", id); chatkitd.CodeOf(err) != chatkitd.CodeNotFound {
					t.Errorf("AttachTurn by a stranger = %v, want CodeNotFound", err)
				}
				early, err := b.AttachTurn(t.Context(), "alice", id)
				if err != nil || early == nil {
					t.Fatalf("AttachTurn = %v, %v", early, err)
				}
				if again, err := b.AttachTurn(t.Context(), "alice", id); err != nil || again != early {
					t.Errorf("AttachTurn again = %v, %v, want the same stream", again, err)
				}
				_, other := create(t, a.System, "alice", "another")
				if _, err := b.AttachTurn(t.Context(), "alice", other); chatkitd.CodeOf(err) != chatkitd.CodeUnavailable {
					t.Errorf("AttachTurn over MaxWatched = %v, want CodeUnavailable", err)
				}
				step <- struct{}{}
				synctest.Wait()
				if _, err := c.DoThread(t.Context(), by("alice"), chatkitd.RenameThread{Thread: id, Title: "Another"}); err != nil {
					t.Fatal(err)
				}
				late, err := c.AttachTurn(t.Context(), "alice", id)
				if err != nil {
					t.Fatal(err)
				}
				if early.Epoch() != late.Epoch() || early.Epoch() == "" || early.Turn() != late.Turn() {
					t.Errorf("the streams are %s %q and %s %q", early.Turn(), early.Epoch(), late.Turn(), late.Epoch())
				}
				switch name {
				case "taken over":
					step <- struct{}{}
					a.gone()
				case "interrupted":
					step <- struct{}{}
					go func() { _ = a.Close(context.Background()) }()
				case "cancelled":
					step <- struct{}{}
					if _, err := b.DoThread(t.Context(), by("alice"), chatkitd.CancelTurn{Thread: id}); err != nil {
						t.Error(err)
					}
				default:
					step <- struct{}{}
				}
				want := append([]string{
					"stream_options", "thread.item.done workflow", "thread.item.replaced", "thread.item.done workflow", "thread.item.removed", "thread.updated",
				}, tt.want...)
				types, all := collectFor(t, early, 2*time.Minute)
				same(t, "stream", types, want...)
				if !strings.Contains(all, tt.says) || strings.Contains(all, "cancelled the stream") || !strings.Contains(all, `"title":"Another"`) {
					t.Errorf("the stream is\n%s", all)
				}
				if _, again := collectFor(t, late, time.Minute); again != all {
					t.Errorf("two processes number the turn differently:\n%s\n%s", all, again)
				}
				if st, err := b.AttachTurn(t.Context(), "alice", id); err != nil || st != nil {
					t.Errorf("AttachTurn after the end = %v, %v, want nothing", st, err)
				}
				close(hold)
			})
		})
	}
}

// TestReaderOfAStoppingProcess reads a turn that goes on elsewhere when the
// process of the reader is stopped: what it has is not the turn's last.
func TestReaderOfAStoppingProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		begun := make(chan struct{}, 1)
		a := join(t, store, "node_a", waiting(begun, "half an ans"))
		b := join(t, store, "node_b", answers("hi"))
		_, id := create(t, a.System, "alice", "hello")
		<-begun
		st, err := b.AttachTurn(t.Context(), "alice", id)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if frames, ended, _ := st.After(0); ended || len(frames) != 1 {
			t.Errorf("the stream has %d frames, ended %t", len(frames), ended)
		}
		if got := last(t, store, events.ThreadStream(id)); got != "turn.started" {
			t.Errorf("the turn itself: %s", got)
		}
	})
}

// TestMessagesThroughBoth sends messages by turns through two processes: right
// after the end of one the next must be taken, and while one runs none may be.
func TestMessagesThroughBoth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		a := join(t, store, "node_a", answers("hi"))
		b := join(t, store, "node_b", answers("hi"))
		st, id := create(t, a.System, "alice", "hello")
		for i := range 20 {
			collect(t, st)
			m := []*member{b, a}[i%2]
			var err error
			if st, err = m.StartTurn(t.Context(), by("alice"), chatkitd.AddUserMessage{Thread: id, Input: says("more")}); err != nil {
				t.Fatalf("message %d: %v", i, err)
			}
		}
		collect(t, st)
		if got := strings.Count(strings.Join(stored(t, store, events.ThreadStream(id)), " "), "turn.completed"); got != 21 {
			t.Errorf("%d turns were completed, want 21", got)
		}
	})
}

// TestClone starts a second process under one instance. The one that was there
// first stays, and the second is told what to do; unless the first is gone.
func TestClone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		a := join(t, store, "node_a", answers("hi"))
		for range 3 {
			clone := join(t, store, "node_a", answers("hi"))
			select {
			case err := <-clone.ended:
				if !errors.Is(err, actors.ErrInstanceTaken) || !strings.Contains(err.Error(), "copies of one data folder") {
					t.Errorf("Run of the clone = %v", err)
				}
			case <-time.After(time.Second):
				t.Error("the clone lives on")
			}
		}
		select {
		case err := <-a.ended:
			t.Fatalf("the first one gave way: %v", err)
		default:
		}
		a.gone()
		b := join(t, store, "node_a", answers("hi")) // a restart
		select {
		case err := <-b.ended:
			t.Fatalf("a restart was refused: %v", err)
		case <-time.After(time.Minute):
		}
		a.wire.set(false, false) // it was only paused: it was there first, and nobody has worked since
		time.Sleep(time.Minute)
		ended := 0
		for _, m := range []*member{a, b} {
			select {
			case err := <-m.ended:
				ended++
				if !errors.Is(err, actors.ErrInstanceTaken) {
					t.Error(err)
				}
			default:
			}
		}
		if ended != 1 {
			t.Errorf("%d of two processes under one instance have ended, want one", ended)
		}
	})
}

// TestCloneThatSlept wakes a process whose instance another one has worked under
// meanwhile: that one stays.
func TestCloneThatSlept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		a := join(t, store, "node_a", answers("hi"))
		a.wire.set(false, true)
		begun := make(chan struct{}, 1)
		b := join(t, store, "node_a", waiting(begun, "half an ans"))
		_, id := create(t, b.System, "alice", "hello")
		time.Sleep(time.Minute)
		a.wire.set(false, false)
		select {
		case err := <-a.ended:
			if !errors.Is(err, actors.ErrInstanceTaken) {
				t.Errorf("Run = %v", err)
			}
		case <-time.After(time.Minute):
			t.Error("the one that slept lives on")
		}
		time.Sleep(time.Minute)
		if len(b.ended) > 0 {
			t.Errorf("the one that works gave way: %v", <-b.ended)
		}
		if got := last(t, store, events.ThreadStream(id)); got != "turn.started" {
			t.Errorf("its turn: %s", got)
		}
	})
}

// TestRestart kills a process in the middle of a turn and starts it again: turns
// of its own instance are cut off for sure, and closed at once.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		begun := make(chan struct{}, 1)
		a := join(t, store, "node_a", waiting(begun, "half an ans"))
		_, id := create(t, a.System, "alice", "hello")
		<-begun
		a.gone()
		again := join(t, store, "node_a", answers("hi"))
		if n := again.Recover(t.Context(), []chatkitd.ThreadID{id}); n != 0 {
			t.Errorf("Recover left %d", n)
		}
		if got := last(t, store, events.ThreadStream(id)); got != "turn.interrupted" {
			t.Errorf("the log ends with %s", got)
		}
	})
}

// TestStrayTurns closes a turn of this process whose start, and one whose end,
// was stored without anybody knowing: no other process could close it.
func TestStrayTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		a := join(t, store, "node_a", answers("hi"))
		b := join(t, store, "node_b", answers("hi"))
		_, id := create(t, a.System, "alice", "hello")
		synctest.Wait()
		a.wire.onAppend(func(string) error { return context.DeadlineExceeded })
		if _, err := a.StartTurn(t.Context(), by("alice"), chatkitd.AddUserMessage{Thread: id, Input: says("more")}); err == nil {
			t.Fatal("the answer was not lost")
		}
		if got := last(t, store, events.ThreadStream(id)); got != "turn.started" {
			t.Fatalf("the start was not stored: %s", got)
		}
		time.Sleep(5 * time.Second)
		if got := last(t, store, events.ThreadStream(id)); got != "turn.interrupted" {
			t.Errorf("the turn that nobody runs: %s", got)
		}
		if _, err := b.StartTurn(t.Context(), by("alice"), chatkitd.AddUserMessage{Thread: id, Input: says("more")}); err != nil {
			t.Error(err)
		}
	})
}

// TestEndThatCannotBeStored ends a turn while the process is cut off for longer
// than it tries; when it is back it closes the turn as soon as it can.
func TestEndThatCannotBeStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		end := make(chan struct{})
		a := join(t, store, "node_a", func(ctx context.Context, in chatkitd.TurnInput, sink chatkitd.TurnSink) (chatkitd.TurnResult, error) {
			<-end
			return answers("at last")(ctx, in, sink)
		})
		st, id := create(t, a.System, "alice", "hello")
		a.wire.set(true, false)
		close(end)
		if types, _ := collectFor(t, st, time.Minute); types[len(types)-1] != "error" {
			t.Errorf("the stream ends with %v", types)
		}
		time.Sleep(time.Minute)
		a.wire.set(false, false)
		time.Sleep(5 * time.Second)
		if got := last(t, store, events.ThreadStream(id)); got != "turn.interrupted" {
			t.Errorf("the log ends with %s", got)
		}
		if left := len(stored(t, store, events.ThreadStream(id))); left != 4 {
			t.Errorf("%d events are stored, want 4", left)
		}
	})
}

// TestNothingIsLeftOfAnEndedTurn asks an actor that has not heard of the end of a
// turn elsewhere. It must not take up the watch of a turn that has ended.
func TestNothingIsLeftOfAnEndedTurn(t *testing.T) {
	ask := map[string]func(m *member, id chatkitd.ThreadID) error{
		"an attach": func(m *member, id chatkitd.ThreadID) error {
			_, err := m.AttachTurn(context.Background(), "alice", id)
			return err
		},
		"a command that is refused anyway": func(m *member, id chatkitd.ThreadID) error {
			_, err := m.DoThread(context.Background(), by("alice"), chatkitd.RenameThread{Thread: id, Title: " "})
			if chatkitd.CodeOf(err) == chatkitd.CodeInvalid {
				return nil
			}
			return err
		},
	}
	for name, f := range ask {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := memstore.New()
				reg := prometheus.NewRegistry()
				begun := make(chan struct{}, 1)
				a := join(t, store, "node_a", waiting(begun, "half an ans"))
				b := join(t, store, "node_b", answers("hi"), func(o *actors.Options) { o.Metrics = reg })
				_, id := create(t, a.System, "alice", "hello")
				<-begun
				if st, err := b.AttachTurn(t.Context(), "alice", id); err != nil || st == nil {
					t.Fatal(st, err)
				}
				if got := gauge(t, reg, "chatkitd_actors_turns_elsewhere"); got != 1 {
					t.Errorf("%v turns are known, want 1", got)
				}
				if _, err := a.DoThread(t.Context(), by("alice"), chatkitd.CancelTurn{Thread: id}); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if err := f(b, id); err != nil {
					t.Error(err)
				}
				if got := gauge(t, reg, "chatkitd_actors_turns_elsewhere") + gauge(t, reg, "chatkitd_actors_turns_watched"); got != 0 {
					t.Errorf("%v turns are known that have ended", got)
				}
			})
		})
	}
}

func gauge(t *testing.T, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	all, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

func cancelNote(in chatkitd.TurnInput) chatkit.Item {
	return chatkit.SDKHiddenContext{
		ItemBase: chatkit.ItemBase{ID: chatkitd.NewID(chatkitd.PrefixHidden), ThreadID: string(in.Thread), CreatedAt: in.Now},
		Content:  "The user cancelled the stream.",
	}
}
