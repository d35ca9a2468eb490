package actors_test

import (
	"context"
	"slices"
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
		watched, err := c.AttachTurn(t.Context(), "alice", id)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if _, err := b.DoThread(t.Context(), by("alice"), chatkitd.CancelTurn{Thread: id}); err != nil {
			t.Errorf("cancel of a turn whose process is gone: %v", err)
		}
		if waited := time.Since(start); waited > 6*time.Second {
			t.Errorf("the user waited %s for a process that is gone", waited)
		}
		if types, all := collect(t, watched); slices.Contains(types, "error") {
			t.Errorf("a reader of what its user stopped is told of a failure: %s", all)
		}
		got = stored(t, store, events.ThreadStream(id))
		same(t, "end of the log", got[len(got)-3:], "turn.cancel_requested", "item.added", "turn.cancelled")
		if _, err := c.DoThread(t.Context(), by("alice"), chatkitd.DeleteThread{Thread: id}); err != nil {
			t.Errorf("delete: %v", err)
		}
	})
}

// TestCancelUnheeded has a process that lives and says so, and that does not hear
// what it is asked.
func TestCancelUnheeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		called, act, effect := make(chan struct{}), make(chan struct{}), make(chan error, 1)
		a := join(t, store, "node_a", nil, func(o *actors.Options) {
			o.Agent = func(tasks chatkitd.Tasks) chatkitd.Agent { return toolUser(tasks, called, act, effect) }
		})
		b := join(t, store, "node_b", answers("hi"))
		st, id := create(t, a.System, "alice", "milk, please")
		<-called
		time.Sleep(10 * time.Second) // it has said that it lives
		a.wire.setDeaf(true)
		if _, err := b.DoThread(t.Context(), by("alice"), chatkitd.CancelTurn{Thread: id}); err != nil {
			t.Fatal(err)
		}
		a.wire.setDeaf(false)
		time.Sleep(time.Second) // it hears
		close(act)
		if err := <-effect; chatkitd.CodeOf(err) != chatkitd.CodeConflict {
			t.Errorf("the tool that comes too late = %v, want CodeConflict", err)
		}
		if types, all := collect(t, st); slices.Contains(types, "error") || !slices.Contains(types, "thread.item.removed") {
			t.Errorf("a reader of what its user stopped saw %v: %s", types, all)
		}
		same(t, "the thread", stored(t, store, events.ThreadStream(id)), "thread.created", "item.added", "turn.started", "tool.called",
			"turn.cancel_requested", "tool.returned", "item.added", "turn.cancelled")
		same(t, "the user", stored(t, store, events.UserStream("alice")), "effect.voided")
	})
}

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

func TestReaderOfAStoppingProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, _, b, id := turnAtA(t)
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
