package eventstoredb_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/events/eventstest"
	"github.com/chatkitd/chatkitd/internal/esdbserver"
	"github.com/chatkitd/chatkitd/internal/eventstoredb"
	"github.com/chatkitd/chatkitd/internal/memstore"
)

// loseFirst loses the answer of the first call of a method, after it took effect.
func loseFirst(method string) esdbserver.Fault {
	var once sync.Once
	return esdbserver.Fault{After: func(_ context.Context, called string) (err error) {
		if called == method {
			once.Do(func() { err = status.Error(codes.Unavailable, "the answer is lost") })
		}
		return err
	}}
}

func TestLostAnswerOfADeletion(t *testing.T) {
	leaves(t)
	server, _ := inMemory(t)
	s := open(t, eventstoredb.Options{URL: server.URL()})
	for method, remove := range map[string]func(string, events.Revision) error{
		"Streams/Delete":    func(stream string, r events.Revision) error { return s.Delete(t.Context(), stream, r) },
		"Streams/Tombstone": func(stream string, r events.Revision) error { return s.Tombstone(t.Context(), stream, r) },
	} {
		for _, expected := range []events.Revision{events.At(2), events.Any, events.Exists} {
			stream := "test-" + method + expected.String()
			eventstest.Append(t, s, stream, events.NoStream, eventstest.Events(3)...)
			server.SetFault(loseFirst(method))
			if err := remove(stream, expected); err != nil {
				t.Errorf("%s expecting %s: %v", method, expected, err)
			}
			if err := remove(stream, expected); err == nil {
				t.Errorf("%s expecting %s: a second one was taken", method, expected)
			}
		}
	}
}

// TestForgetfulServer has one that does not know the ids of appends without a
// revision any more, as after a restart.
func TestForgetfulServer(t *testing.T) {
	leaves(t)
	engine := memstore.New()
	t.Cleanup(func() { _ = engine.Close() })
	server := serve(t, forgetful{engine}, esdbserver.Options{})
	s := open(t, eventstoredb.Options{URL: server.URL()})
	eventstest.Append(t, s, "test-1", events.NoStream, eventstest.Events(3)...)
	for _, expected := range []events.Revision{events.Any, events.Exists} {
		server.SetFault(loseFirst("Streams/Append"))
		before := len(eventstest.Collect(t, s.ReadStream(t.Context(), "test-1", events.StreamRead{})))
		got := eventstest.Append(t, s, "test-1", expected, eventstest.Events(2)...)
		recs := eventstest.Collect(t, s.ReadStream(t.Context(), "test-1", events.StreamRead{}))
		last := recs[len(recs)-1]
		if len(recs) != before+2 || got.Revision != last.Revision || got.Position != last.Position {
			t.Errorf("expecting %s: %d events after %d, want 2 more; got %+v", expected, len(recs), before, got)
		}
	}
}

// forgetful appends what names no revision at the end, whatever the ids.
type forgetful struct{ events.Store }

func (f forgetful) Append(ctx context.Context, stream string, expected events.Revision, evs ...events.New) (events.Appended, error) {
	if expected == events.Any || expected == events.Exists {
		for rec, err := range f.ReadStream(ctx, stream, events.StreamRead{Backwards: true, FromEnd: true, Limit: 1}) {
			if err == nil {
				expected = events.At(rec.Revision)
			}
		}
	}
	return f.Store.Append(ctx, stream, expected, evs...)
}

func TestTooManyAppends(t *testing.T) {
	leaves(t)
	server, _ := inMemory(t)
	server.SetFault(esdbserver.Fault{Before: esdbserver.Hang})
	for name, o := range map[string]eventstoredb.Options{
		"calls": {URL: server.URL(), Calls: 3}, "bytes": {URL: server.URL(), CallBytes: 1200},
	} {
		s := open(t, o)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		var refused atomic.Int64
		for range 10 {
			wg.Go(func() {
				if _, err := s.Append(ctx, "test-1", events.Any, eventstest.Events(1)...); errors.Is(err, events.ErrUnavailable) {
					if refused.Add(1) == 7 {
						cancel()
					}
				}
			})
		}
		wg.Wait()
		cancel()
		if n := refused.Load(); n != 7 {
			t.Errorf("%s: %d of 10 refused, want 7", name, n)
		}
	}
}

// TestCloseWaits closes while an append is carried out.
func TestCloseWaits(t *testing.T) {
	leaves(t)
	server, _ := inMemory(t)
	arrived := make(chan struct{})
	server.SetFault(esdbserver.Fault{After: func(ctx context.Context, method string) error {
		if method == "Streams/Append" {
			close(arrived)
			select {
			case <-time.After(200 * time.Millisecond):
			case <-ctx.Done():
			}
		}
		return nil
	}})
	s := open(t, eventstoredb.Options{URL: server.URL()})
	got := make(chan error, 1)
	go func() {
		_, err := s.Append(t.Context(), "test-1", events.NoStream, eventstest.Events(1)...)
		got <- err
	}()
	<-arrived
	took := closed(t, s)
	if err := <-got; err != nil {
		t.Errorf("the append that was under way: %v", err)
	}
	if took < 100*time.Millisecond || took > time.Second {
		t.Errorf("Close took %v", took)
	}
}

// TestCloseOfAHungServer ends an append that never gets an answer.
func TestCloseOfAHungServer(t *testing.T) {
	t.Parallel()
	server, _ := inMemory(t)
	arrived := make(chan struct{})
	server.SetFault(esdbserver.Fault{Before: func(ctx context.Context, method string) error {
		close(arrived)
		return esdbserver.Hang(ctx, method)
	}})
	s := open(t, eventstoredb.Options{URL: server.URL()})
	got := make(chan error, 1)
	go func() {
		_, err := s.Append(t.Context(), "test-1", events.NoStream, eventstest.Events(1)...)
		got <- err
	}()
	<-arrived
	took := closed(t, s)
	if err := <-got; !errors.Is(err, events.ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
	if took > 4*time.Second {
		t.Errorf("Close took %v", took)
	}
}

func TestDefaultDeadline(t *testing.T) {
	leaves(t)
	server, _ := inMemory(t)
	server.SetFault(esdbserver.Fault{Before: esdbserver.Hang})
	s := open(t, eventstoredb.Options{URL: server.URL() + "&defaultDeadline=200"})
	for name, do := range map[string]func() error{
		"Append": func() error {
			_, err := s.Append(t.Context(), "test-1", events.Any, eventstest.Events(1)...)
			return err
		},
		"Head":   func() error { _, err := s.Head(t.Context()); return err },
		"Delete": func() error { return s.Delete(t.Context(), "test-1", events.Any) },
	} {
		began := time.Now()
		err := do()
		if took := time.Since(began); !errors.Is(err, events.ErrUnavailable) || took > 200*time.Millisecond+late {
			t.Errorf("%s = %v after %v, want ErrUnavailable after 200 ms", name, err, took)
		}
	}
}

func TestMetrics(t *testing.T) {
	leaves(t)
	server, _ := inMemory(t)
	registry := prometheus.NewRegistry()
	for range 2 { // the second one may register again
		s := open(t, eventstoredb.Options{URL: server.URL(), Registerer: registry})
		server.SetFault(loseFirst("Streams/Append"))
		eventstest.Append(t, s, "test-1", events.Any, eventstest.Events(1)...)
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]float64{}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				name := f.GetName()
				for _, l := range m.GetLabel() {
					name += " " + l.GetValue()
				}
				got[name] = m.GetCounter().GetValue()
			}
		}
		for name, want := range map[string]float64{"chatkitd_eventstoredb_appends_total ok": 1, "chatkitd_eventstoredb_retries_total Unavailable": 1} {
			if got[name] != want {
				t.Errorf("%s = %v, want %v", name, got[name], want)
			}
		}
		closed(t, s)
	}
}

// TestDoubt tells an append that the server may have taken from one that was
// never sent.
func TestDoubt(t *testing.T) {
	leaves(t)
	server, _ := inMemory(t)
	s := open(t, eventstoredb.Options{URL: server.URL() + "&defaultDeadline=300"})
	eventstest.Append(t, s, "test-1", events.NoStream, eventstest.Events(1)...)

	server.SetFault(esdbserver.Fault{After: func(context.Context, string) error {
		return status.Error(codes.Unavailable, "the answer is lost")
	}})
	_, err := s.Append(t.Context(), "test-1", events.At(0), eventstest.Events(1)...)
	if !errors.Is(err, events.ErrInDoubt) || !errors.Is(err, events.ErrUnavailable) {
		t.Errorf("the answers were lost: %v, want ErrInDoubt", err)
	}

	server.Stop()
	s = open(t, eventstoredb.Options{URL: server.URL() + "&defaultDeadline=300"}) // without a connection that was there before
	_, err = s.Append(t.Context(), "test-1", events.At(1), eventstest.Events(1)...)
	if !errors.Is(err, events.ErrUnavailable) || errors.Is(err, events.ErrInDoubt) {
		t.Errorf("nobody answers: %v, want ErrUnavailable without a doubt", err)
	}
}
