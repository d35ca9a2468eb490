package actors_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/actors"
	"github.com/chatkitd/chatkitd/internal/memstore"
)

// echo is an actor that is never forgotten by itself.
type echo struct{ hold <-chan struct{} }

func (e echo) Handle(_ context.Context, msg any) (any, error) {
	if msg == "hold" {
		<-e.hold
	}
	return msg, nil
}

func (echo) Idle() bool { return false }

// TestHostMakesRoom asks many more ids than may be live. An idle actor must make
// room for each, wherever in the table it is; only busy ones do not.
func TestHostMakesRoom(t *testing.T) {
	const room = 10
	hold := make(chan struct{})
	h, err := actors.NewHost("echo", func(string) actors.Entity { return echo{hold} }, actors.HostOptions{MaxLive: room, IdleFor: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 500 {
		if _, err := h.Ask(t.Context(), fmt.Sprint(i), "hello"); err != nil {
			t.Fatalf("id %d: %v", i, err)
		}
		if live, _ := h.Live(); live > room {
			t.Fatalf("%d actors are live, at most %d may be", live, room)
		}
	}

	var busy sync.WaitGroup
	for i := range room {
		busy.Go(func() {
			if _, err := h.Ask(context.Background(), fmt.Sprint("busy", i), "hold"); err != nil {
				t.Error(err)
			}
		})
	}
	for deadline := time.Now().Add(5 * time.Second); ; runtime.Gosched() {
		if _, messages := h.Live(); messages == room {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the actors do not get their messages")
		}
	}
	if _, err := h.Ask(t.Context(), "one too many", "hello"); !errors.Is(err, actors.ErrBusy) {
		t.Errorf("with %d busy actors got %v, want ErrBusy", room, err)
	}
	close(hold)
	busy.Wait()
	if _, err := h.Ask(t.Context(), "now there is room", "hello"); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := h.Close(ctx); err != nil {
		t.Error(err)
	}
}

func TestTurnsAreBounded(t *testing.T) {
	begun := make(chan struct{}, 16)
	s := newSystem(t, memstore.New(), waiting(begun, "x"), func(o *actors.Options) { o.MaxTurns = 2 })
	_, a := create(t, s, "alice", "1")
	create(t, s, "alice", "2")
	if _, err := s.StartTurn(t.Context(), by("bob"), chatkitd.CreateThread{Input: says("3")}); chatkitd.CodeOf(err) != chatkitd.CodeUnavailable {
		t.Fatalf("a third turn = %v, want CodeUnavailable", err)
	}
	// A refused command gives its place back, however often.
	for range 5 {
		if _, err := s.DoThread(t.Context(), by("alice"), chatkitd.CancelTurn{Thread: a}); err != nil {
			t.Fatal(err)
		}
		until(t, "a turn runs", func() bool { return s.Turns() == 1 })
		if _, err := s.StartTurn(t.Context(), by("bob"), chatkitd.AddUserMessage{Thread: a, Input: says("x")}); chatkitd.CodeOf(err) != chatkitd.CodeNotFound {
			t.Fatal(err)
		}
	}
	create(t, s, "bob", "3")
}
