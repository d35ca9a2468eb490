package eventstoredb_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/events/eventstest"
	"github.com/chatkitd/chatkitd/internal/esdbserver"
	"github.com/chatkitd/chatkitd/internal/eventstoredb"
	"github.com/chatkitd/chatkitd/internal/memstore"
)

func subscribe(t *testing.T, s events.Store, after chatkitd.Position, f events.Filter) events.Subscription {
	t.Helper()
	sub, err := s.Subscribe(t.Context(), after, f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sub.Close() })
	return sub
}

func next(t *testing.T, sub events.Subscription) events.Batch {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	b, err := sub.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// eventually polls until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !holds(); {
		if time.Now().After(end) {
			t.Fatalf("not within 10 s: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// TestSlowReader does not call Next while there is a lot to send.
func TestSlowReader(t *testing.T) {
	leaves(t)
	const n = 15_000
	server, engine := inMemory(t)
	for range n / 1000 {
		eventstest.Append(t, engine, "test-1", events.Any, eventstest.Events(1000)...)
	}
	var sent atomic.Int64
	server.SetFault(esdbserver.Fault{After: func(_ context.Context, method string) error {
		if method == "Streams/Read" {
			sent.Add(1)
		}
		return nil
	}})
	s := open(t, eventstoredb.Options{URL: server.URL()})
	sub := subscribe(t, s, chatkitd.Position{}, events.Filter{})
	before := int64(-1)
	eventually(t, "the server stops sending", func() bool {
		now := sent.Load()
		still := now == before && now > events.MaxBatch
		before = now
		time.Sleep(50 * time.Millisecond)
		return still
	})
	if before > 2*n/3 {
		t.Errorf("%d of %d events were sent to a reader that takes none", before, n)
	}
	var last chatkitd.Position
	got := 0
	for got < n {
		b := next(t, sub)
		if len(b.Events) > events.MaxBatch {
			t.Fatalf("a batch of %d", len(b.Events))
		}
		for _, rec := range b.Events {
			if rec.Position.Compare(last) <= 0 {
				t.Fatalf("%v follows %v", rec.Position, last)
			}
			last = rec.Position
		}
		got += len(b.Events)
	}
	t.Logf("%d of %d events had been sent before the reader took the first", before, n)
}

func TestPositionPastTheEnd(t *testing.T) {
	leaves(t)
	server, _ := inMemory(t)
	s := open(t, eventstoredb.Options{URL: server.URL()})
	last := eventstest.Append(t, s, "test-1", events.Any, eventstest.Events(3)...)
	last.Position.Commit += 1 << 20
	last.Position.Prepare += 1 << 20
	sub := subscribe(t, s, last.Position, events.Filter{})
	if _, err := sub.Next(t.Context()); !errors.Is(err, eventstoredb.ErrAhead) {
		t.Errorf("got %v, want ErrAhead", err)
	}
}

// TestOtherData has streams of others in the same database.
func TestOtherData(t *testing.T) {
	leaves(t)
	server, engine := inMemory(t)
	s := open(t, eventstoredb.Options{URL: server.URL(), Prefixes: []string{"user-", "thread-"}})
	eventstest.Append(t, engine, "orders-1", events.Any, eventstest.Events(50)...)
	if head, err := s.Head(t.Context()); err != nil || !head.IsZero() {
		t.Errorf("the head among events of others = %v, %v; want zero", head, err)
	}
	want := eventstest.Append(t, s, "user-1", events.NoStream, eventstest.Events(2)...)
	eventstest.Append(t, engine, "orders-1", events.Any, eventstest.Events(50)...)
	if head, err := s.Head(t.Context()); err != nil || head != want.Position {
		t.Errorf("the head = %v, %v; want %v", head, err, want.Position)
	}
	for _, f := range []events.Filter{{}, {Types: []string{"test.happened.v1"}}} {
		if n := len(eventstest.Collect(t, s.ReadAll(t.Context(), events.AllRead{Filter: f}))); n != 2 {
			t.Errorf("%+v: %d events, want 2", f, n)
		}
	}
	if b := next(t, subscribe(t, s, chatkitd.Position{}, events.Filter{})); len(b.Events) == 0 || b.Events[0].Stream != "user-1" {
		t.Errorf("got %+v", b)
	}
}

// TestUnsoundCheckpoints has a server whose checkpoints are not to be relied on.
func TestUnsoundCheckpoints(t *testing.T) {
	leaves(t)
	for version, sound := range map[string]bool{"24.10.4": false, "24.10.6": true, "26.0.0-rc.1": true, "nightly": false} {
		engine := memstore.New()
		server := serve(t, engine, esdbserver.Options{Version: version})
		s := open(t, eventstoredb.Options{URL: server.URL(), Prefixes: []string{"user-"}})
		shown := eventstest.Append(t, s, "user-1", events.NoStream, eventstest.Events(1)...)
		hidden := eventstest.Append(t, engine, "orders-1", events.NoStream, eventstest.Events(100)...)
		var b events.Batch
		for sub := subscribe(t, s, chatkitd.Position{}, events.Filter{}); !b.CaughtUp; {
			b = next(t, sub)
		}
		want := shown.Position
		if sound {
			want = hidden.Position
		}
		if b.Position != want {
			t.Errorf("%s: caught up at %v, want %v", version, b.Position, want)
		}
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	}
}
