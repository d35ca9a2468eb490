package actors_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/actors"
	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/internal/esdbserver"
	"github.com/chatkitd/chatkitd/internal/eventstoredb"
	"github.com/chatkitd/chatkitd/internal/memstore"
)

// overWire returns a way to the log as a process on EventStoreDB has it.
func overWire(t *testing.T, server *esdbserver.Server) events.Store {
	t.Helper()
	s, err := eventstoredb.New(eventstoredb.Options{URL: server.URL(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// TestOnEventStoreDB has two processes on one server of EventStoreDB's protocol:
// one thread and one user through both, a turn that is read and cancelled through
// the other, and one that is taken over.
func TestOnEventStoreDB(t *testing.T) {
	engine := memstore.New()
	server, err := esdbserver.New(t.Context(), engine, esdbserver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	short := func(o *actors.Options) { o.RenewEvery, o.Lease = 200*time.Millisecond, 4*time.Second }
	begun := make(chan struct{}, 1)
	a := join(t, overWire(t, server), "node_a", func(ctx context.Context, in chatkitd.TurnInput, sink chatkitd.TurnSink) (chatkitd.TurnResult, error) {
		if strings.Contains(string(in.User), "waits") {
			return waiting(begun, "half an ans")(ctx, in, sink)
		}
		return answers("hi")(ctx, in, sink)
	}, short)
	b := join(t, overWire(t, server), "node_b", answers("hi"), short)
	nodes := []*member{a, b}

	st, id := create(t, a.System, "alice", "hello")
	for i := range 10 {
		collect(t, st)
		if st, err = nodes[i%2].StartTurn(t.Context(), by("alice"), chatkitd.AddUserMessage{Thread: id, Input: says("more")}); err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
	}
	collect(t, st)

	var all sync.WaitGroup
	tasks := make([]chatkitd.TaskID, 20)
	for i := range tasks {
		all.Go(func() {
			m := chatkitd.Meta{User: "alice", Key: "k" + time.Duration(i).String()}
			for range 2 {
				res, err := nodes[i%2].DoTask(t.Context(), m, chatkitd.AddTask{Title: "x"})
				if err != nil || tasks[i] != "" && tasks[i] != res.Task.ID {
					t.Errorf("task %d: %s, %v", i, res.Task.ID, err)
				}
				tasks[i] = res.Task.ID
			}
		})
	}
	all.Wait()
	if got := len(stored(t, engine, events.UserStream("alice"))); got != len(tasks) {
		t.Errorf("%d tasks are stored, want %d", got, len(tasks))
	}

	_, id = create(t, a.System, "waits", "hello")
	<-begun
	st, err = b.AttachTurn(t.Context(), "waits", id)
	if err != nil || st == nil {
		t.Fatalf("AttachTurn = %v, %v", st, err)
	}
	if _, err := b.DoThread(t.Context(), by("waits"), chatkitd.CancelTurn{Thread: id}); err != nil {
		t.Error(err)
	}
	collect(t, st)
	if got := last(t, engine, events.ThreadStream(id)); got != "turn.cancelled" {
		t.Errorf("the cancelled thread ends with %s", got)
	}

	_, id = create(t, a.System, "waits", "hello")
	<-begun
	if st, err = b.AttachTurn(t.Context(), "waits", id); err != nil || st == nil {
		t.Fatalf("AttachTurn = %v, %v", st, err)
	}
	a.gone()
	types, _ := collect(t, st)
	same(t, "the turn that was taken over", types, "stream_options", "error")
	if got := last(t, engine, events.ThreadStream(id)); got != "turn.interrupted" {
		t.Errorf("the thread that was taken over ends with %s", got)
	}
}
