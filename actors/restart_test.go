package actors_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/actors"
	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/internal/memstore"
)

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
