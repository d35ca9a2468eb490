package embedded_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/events/eventstest"
	"github.com/chatkitd/chatkitd/internal/embedded"
	"github.com/chatkitd/chatkitd/internal/sqlite"
)

// The contract holds when next to nothing is kept in memory.
func TestStoreWithoutCaches(t *testing.T) {
	eventstest.Run(t, func(t *testing.T) events.Store {
		t.Helper()
		return open(t, embedded.Options{Streams: 1, Readers: 1})
	})
}

// beside reads through a store of its own, as another process would.
type beside struct {
	*embedded.Store
	reader *embedded.Store
}

func (b beside) ReadStream(ctx context.Context, name string, o events.StreamRead) iter.Seq2[events.Recorded, error] {
	return b.reader.ReadStream(ctx, name, o)
}

func (b beside) ReadAll(ctx context.Context, o events.AllRead) iter.Seq2[events.Recorded, error] {
	return b.reader.ReadAll(ctx, o)
}

func (b beside) Head(ctx context.Context) (chatkitd.Position, error) { return b.reader.Head(ctx) }

func (b beside) Subscribe(ctx context.Context, after chatkitd.Position, f events.Filter) (events.Subscription, error) {
	return b.reader.Subscribe(ctx, after, f)
}

func (b beside) Close() error { return errors.Join(b.reader.Close(), b.Store.Close()) }

func TestReadOnlyStoreBesideAWriter(t *testing.T) {
	eventstest.Run(t, func(t *testing.T) events.Store {
		t.Helper()
		dir := t.TempDir()
		w := open(t, embedded.Options{Dir: dir})
		r, err := embedded.OpenReadOnly(t.Context(), embedded.Options{Dir: dir, Poll: time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		})
		return beside{w, r}
	})
}

func TestFullQueueRefuses(t *testing.T) {
	for _, tt := range []struct {
		name string
		o    embedded.Options
	}{
		{"appends", embedded.Options{Queue: 4}},
		{"bytes", embedded.Options{QueueBytes: 2000}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.o.Dir = t.TempDir()
			s := open(t, tt.o)
			blocker, err := sqlite.Connect(t.Context(), filepath.Join(tt.o.Dir, embedded.FileName), sqlite.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = blocker.Close() }()
			if err := blocker.Exec("BEGIN IMMEDIATE"); err != nil { // the writer waits for the lock
				t.Fatal(err)
			}
			const callers = 64
			var wg sync.WaitGroup
			var taken, refused atomic.Int32
			someRefused := make(chan struct{}, callers)
			for i := range callers {
				wg.Go(func() {
					_, err := s.Append(t.Context(), fmt.Sprintf("test-%d", i), events.NoStream, eventstest.Events(1)...)
					switch {
					case err == nil:
						taken.Add(1)
					case errors.Is(err, events.ErrUnavailable):
						refused.Add(1)
						someRefused <- struct{}{}
					default:
						t.Error(err)
					}
				})
			}
			<-someRefused
			if err := blocker.Exec("ROLLBACK"); err != nil {
				t.Fatal(err)
			}
			wg.Wait()
			n := len(eventstest.Collect(t, s.ReadAll(t.Context(), events.AllRead{})))
			if taken.Load() == 0 || refused.Load() == 0 || int(taken.Load()) != n {
				t.Errorf("%d appends taken, %d refused, %d events", taken.Load(), refused.Load(), n)
			}
			eventstest.Append(t, s, "test-after", events.NoStream, eventstest.Events(1)...)
		})
	}
}

func TestAppendSkippedWhenItsCallerIsGone(t *testing.T) {
	dir := t.TempDir()
	s := open(t, embedded.Options{Dir: dir})
	blocker, err := sqlite.Connect(t.Context(), filepath.Join(dir, embedded.FileName), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = blocker.Close() }()
	if err := blocker.Exec("BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error)
	go func() {
		_, err := s.Append(ctx, "test-1", events.NoStream, eventstest.Events(1)...)
		gone <- err
	}()
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("Append = %v, want context.Canceled", err)
	}
	if err := blocker.Exec("ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	eventstest.Append(t, s, "test-2", events.NoStream, eventstest.Events(1)...)
	if n := len(eventstest.Collect(t, s.ReadAll(t.Context(), events.AllRead{}))); n != 1 {
		t.Errorf("%d events, want 1", n)
	}
}

func TestReopen(t *testing.T) {
	dir := t.TempDir()
	reg := prometheus.NewRegistry() // the second store registers what the first gave back
	evs := eventstest.Events(4)
	var last events.Appended
	for i := range evs {
		s, err := embedded.Open(t.Context(), embedded.Options{Dir: dir, Registerer: reg})
		if err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			before := events.NoStream
			if i > 1 {
				before = events.At(uint64(i - 2))
			}
			if got := eventstest.Append(t, s, "test-1", before, evs[i-1]); got != last {
				t.Errorf("a retry after a restart = %+v, the first was %+v", got, last)
			}
			if got := eventstest.Append(t, s, "test-1", events.Any, evs[i-1]); got != last {
				t.Errorf("a retry that names no revision = %+v, the first was %+v", got, last)
			}
		}
		last = eventstest.Append(t, s, "test-1", events.Any, evs[i])
		if last.Revision != uint64(i) || last.Position.Commit != uint64(i)+1 {
			t.Errorf("got %+v, want revision %d", last, i)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSubscribeAheadIsRefused(t *testing.T) {
	s := open(t, embedded.Options{})
	eventstest.Append(t, s, "test-1", events.NoStream, eventstest.Events(3)...)
	_, err := s.Subscribe(t.Context(), chatkitd.Position{Commit: 4, Prepare: 4}, events.Filter{})
	if !errors.Is(err, embedded.ErrAhead) {
		t.Errorf("got %v, want ErrAhead", err)
	}
}

func TestMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	s := open(t, embedded.Options{Registerer: reg})
	evs := eventstest.Events(3)
	eventstest.Append(t, s, "test-1", events.NoStream, evs...)
	eventstest.Append(t, s, "test-1", events.NoStream, evs...)
	if _, err := s.Append(t.Context(), "test-1", events.At(9), eventstest.Events(1)...); err == nil {
		t.Error("no conflict")
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += "/" + l.GetValue()
			}
			got[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	for name, want := range map[string]float64{
		"chatkitd_embedded_appends_total/ok": 1, "chatkitd_embedded_appends_total/repeated": 1,
		"chatkitd_embedded_appends_total/conflict": 1, "chatkitd_embedded_appends_total/unavailable": 0,
		"chatkitd_embedded_events_total": 3, "chatkitd_embedded_append_seconds": 3, "chatkitd_embedded_batch_events": 1,
		"chatkitd_embedded_commit_seconds": 1, "chatkitd_embedded_queue_appends": 0, "chatkitd_embedded_queue_bytes": 0,
		"chatkitd_embedded_failed_commits_total": 0,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s = %v, %v; want %v", name, v, ok, want)
		}
	}
}
