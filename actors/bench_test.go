package actors

import (
	"context"
	"fmt"
	"log/slog"
	"testing"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/internal/memstore"
)

// fill writes a stream of about n events as the program would.
func fill[E events.Event](b *testing.B, store events.Store, stream string, evs []E) {
	b.Helper()
	for i, ev := range evs {
		meta := events.Metadata{Correlation: "req_0123456789", Causation: "trn_0123456789", User: "alice", RecordedAt: noon}
		recs, err := events.Prepare(stream, meta, fmt.Sprint(i), ev)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := store.Append(b.Context(), stream, events.Any, recs...); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkActivateThread1000(b *testing.B) {
	store := memstore.New()
	fill(b, store, events.ThreadStream("thr_1"), conversation(166))
	sys := &System{}
	b.ReportAllocs()
	for b.Loop() {
		t := &thread{id: "thr_1", sys: sys}
		t.journal = journal[events.Thread]{store: store, stream: events.ThreadStream("thr_1")}
		if err := t.load(context.Background()); err != nil || len(t.state.entries) != 3*166 {
			b.Fatal(len(t.state.entries), err)
		}
	}
}

func BenchmarkActivateUser1000(b *testing.B) {
	store := memstore.New()
	evs := make([]events.User, 1000)
	for i := range evs {
		evs[i] = events.TaskAdded{TaskID: chatkitd.TaskID(fmt.Sprint("tsk_", i)), Title: "buy milk and bread", Tags: []string{"home"}}
	}
	fill(b, store, events.UserStream("alice"), evs)
	b.ReportAllocs()
	for b.Loop() {
		u := &user{}
		u.journal = journal[events.User]{store: store, stream: events.UserStream("alice")}
		if err := u.load(context.Background()); err != nil || len(u.state.tasks) != 1000 {
			b.Fatal(len(u.state.tasks), err)
		}
	}
}

func BenchmarkFoldThread(b *testing.B) {
	evs := conversation(166)
	b.ReportAllocs()
	for b.Loop() {
		var s threadState
		for _, ev := range evs {
			s.fold(fact[events.Thread]{Event: ev})
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(evs)), "ns/event")
}

func BenchmarkDoTask(b *testing.B) {
	s, err := New(Options{Store: memstore.New(), Agent: func(chatkitd.Tasks) chatkitd.Agent { return nil }, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close(context.Background()) }()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		m := chatkitd.Meta{User: chatkitd.UserID(fmt.Sprint("u", i%1000)), Request: "req_1"}
		if _, err := s.DoTask(b.Context(), m, chatkitd.AddTask{Title: "buy milk"}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkShared is what a log with other processes on it costs: nothing for a
// command that is stored, a look at the end of the stream for one that is not.
func BenchmarkShared(b *testing.B) {
	for name, shared := range map[string]bool{"alone": false, "shared": true} {
		s, err := New(Options{
			Store: memstore.New(), Agent: func(chatkitd.Tasks) chatkitd.Agent { return nil }, Log: slog.New(slog.DiscardHandler),
			Shared: shared, Instance: "node_a",
		})
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = s.Close(context.Background()) }()
		m := chatkitd.Meta{User: "alice", Request: "req_1"}
		res, err := s.DoTask(b.Context(), m, chatkitd.AddTask{Title: "buy milk"})
		if err != nil {
			b.Fatal(err)
		}
		b.Run("stored/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, err := s.DoTask(b.Context(), m, chatkitd.CompleteTask{Task: res.Task.ID, Reopen: i%2 == 1}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("nothing to do/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.DoTask(b.Context(), m, chatkitd.UpdateTask{Task: res.Task.ID, Title: chatkitd.To("buy milk")}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
