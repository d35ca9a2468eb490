package eventstoredb_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/events/eventstest"
	"github.com/chatkitd/chatkitd/internal/eventstoredb"
)

// late is how far a call may outlive its context on a busy machine; what was
// measured is logged.
const late = 500 * time.Millisecond

// load is writers that do what the contract asks of them, and a reader: an append
// without an answer is repeated with the same ids at the same revision.
type load struct {
	t       *testing.T
	store   events.Store
	timeout time.Duration // of each call
	stop    context.CancelFunc
	ctx     context.Context
	writers sync.WaitGroup
	reader  sync.WaitGroup

	mu    sync.Mutex
	acked map[string][]uuid.UUID
	seen  []uuid.UUID
	last  uuid.UUID // the reader stops there

	calls, failed atomic.Int64
	overrun       atomic.Int64 // the longest that a call outlived its context, in ns
}

// startLoad starts n writers, every third of which expects no revision.
func startLoad(t *testing.T, s events.Store, n int, timeout time.Duration) *load {
	t.Helper()
	l := &load{t: t, store: s, timeout: timeout, acked: map[string][]uuid.UUID{}}
	l.ctx, l.stop = context.WithCancel(t.Context())
	sub, err := s.Subscribe(t.Context(), chatkitd.Position{}, events.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	l.reader.Go(func() { l.follow(sub) })
	for w := range n {
		l.writers.Go(func() { l.write(fmt.Sprintf("load-%d", w), w%3 == 0) })
	}
	return l
}

func (l *load) write(stream string, anyRevision bool) {
	expected := events.NoStream
	for l.ctx.Err() == nil {
		evs := eventstest.Events(2)
		at := expected
		if anyRevision {
			at = events.Any
		}
		last, ok := l.append(stream, at, evs)
		if !ok {
			return
		}
		expected = events.At(last.Revision)
		l.mu.Lock()
		l.acked[stream] = append(l.acked[stream], evs[0].ID, evs[1].ID)
		l.mu.Unlock()
		time.Sleep(2 * time.Millisecond) // leaves the machine to the others
	}
}

// append repeats one append until it is acknowledged, also after the end of the
// load: what is under way then has to be settled.
func (l *load) append(stream string, expected events.Revision, evs []events.New) (events.Appended, bool) {
	for {
		ctx, cancel := context.WithTimeout(l.t.Context(), l.timeout)
		began := time.Now()
		last, err := l.store.Append(ctx, stream, expected, evs...)
		cancel()
		l.took(time.Since(began))
		switch {
		case err == nil:
			return last, true
		case !errors.Is(err, events.ErrUnavailable) && !errors.Is(err, context.DeadlineExceeded):
			if l.t.Context().Err() == nil {
				l.t.Errorf("append to %s, expecting %s: %v", stream, expected, err)
			}
			return last, false
		}
		l.failed.Add(1)
		time.Sleep(10 * time.Millisecond) // in a long outage an answer comes at once
	}
}

func (l *load) took(d time.Duration) {
	l.calls.Add(1)
	over := int64(d - l.timeout)
	for {
		old := l.overrun.Load()
		if over <= old || l.overrun.CompareAndSwap(old, over) {
			return
		}
	}
}

func (l *load) follow(sub events.Subscription) {
	defer func() { _ = sub.Close() }()
	for {
		b, err := sub.Next(l.t.Context())
		if err != nil {
			l.t.Errorf("the reader: %v", err)
			return
		}
		over := false
		l.mu.Lock()
		for _, rec := range b.Events {
			l.seen = append(l.seen, rec.ID)
			over = over || rec.ID == l.last
		}
		l.mu.Unlock()
		if over {
			return
		}
	}
}

// finish ends the load and compares what was acknowledged, what is there and what
// the reader saw.
func (l *load) finish(what string) {
	l.t.Helper()
	l.stop()
	l.writers.Wait()
	end := eventstest.Events(1)
	l.mu.Lock()
	l.last = end[0].ID
	l.mu.Unlock()
	eventstest.Append(l.t, l.store, "load-end", events.Any, end...)
	l.reader.Wait()
	inLog := map[string][]uuid.UUID{}
	var order []uuid.UUID
	for _, rec := range eventstest.Collect(l.t, l.store.ReadAll(l.t.Context(), events.AllRead{})) {
		order = append(order, rec.ID)
		if rec.Stream != "load-end" {
			inLog[rec.Stream] = append(inLog[rec.Stream], rec.ID)
		}
	}
	lost, doubled, acked := 0, 0, 0
	for _, stream := range slices.Sorted(maps.Keys(l.acked)) {
		want, got := l.acked[stream], inLog[stream]
		acked += len(want)
		counts := map[uuid.UUID]int{}
		for _, id := range got {
			if counts[id]++; counts[id] > 1 {
				doubled++
			}
		}
		for _, id := range want {
			if counts[id] == 0 {
				lost++
			}
		}
		if !slices.Equal(want, got) {
			l.t.Errorf("%s: %d events in the log, %d acknowledged, or in another order", stream, len(got), len(want))
		}
	}
	if !slices.Equal(l.seen, order) {
		l.t.Errorf("the reader saw %d events, the log has %d, or in another order", len(l.seen), len(order))
	}
	over := max(0, time.Duration(l.overrun.Load()))
	if over > late {
		l.t.Errorf("a call outlived its context by %v", over)
	}
	l.t.Logf("%s: %d events acknowledged, %d lost, %d doubled; %d calls of which %d had no answer in %v; longest overrun %v",
		what, acked, lost, doubled, l.calls.Load(), l.failed.Load(), l.timeout, over.Round(time.Microsecond))
	if acked == 0 {
		l.t.Error("nothing was appended")
	}
}

// leaves fails the test when goroutines of it are left after its clean-ups.
func leaves(t *testing.T) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
}

// closed closes a store early and says how long it took.
func closed(t *testing.T, s *eventstoredb.Store) time.Duration {
	t.Helper()
	began := time.Now()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	return time.Since(began)
}
