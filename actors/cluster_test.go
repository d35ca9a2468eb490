package actors_test

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/actors"
	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/internal/memstore"
)

// wire is a process's way to the log. It can be cut, which every call is told,
// and frozen, as a process is that gets no time: then calls wait.
type wire struct {
	events.Store

	mu     sync.Mutex
	cut    bool
	mute   bool          // appends are refused, reads are not
	lossy  int           // one in so many answers to an append is lost; 0 is none
	deaf   bool          // subscriptions give nothing, the rest works
	subs   int           // subscriptions so far,
	hung   int           // of which so many hang for ever
	frozen chan struct{} // nil: it is not
	change chan struct{} // closed, and replaced, at every change
	then   func(stream string) error
}

func newWire(store events.Store) *wire { return &wire{Store: store, change: make(chan struct{})} }

func (w *wire) set(cut, frozen bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = cut
	switch {
	case frozen && w.frozen == nil:
		w.frozen = make(chan struct{})
	case !frozen && w.frozen != nil:
		close(w.frozen)
		w.frozen = nil
	}
	close(w.change)
	w.change = make(chan struct{})
}

// setMute, setLossy, hang and setDeaf take a part of the store away.
func (w *wire) setMute(mute bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mute = mute
}

func (w *wire) setLossy(lossy int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lossy = lossy
}

func (w *wire) hang() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hung = w.subs
}

func (w *wire) setDeaf(deaf bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.deaf = deaf
	close(w.change)
	w.change = make(chan struct{})
}

// onAppend has f called between the next append to an actor's stream and its
// answer. The answer is lost if f returns an error.
func (w *wire) onAppend(f func(stream string) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.then = f
}

func (w *wire) take() func(stream string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.then
	if w.then = nil; f == nil {
		return func(string) error { return nil }
	}
	return f
}

// pass waits while the wire is frozen and refuses while it is cut.
func (w *wire) pass(ctx context.Context) error {
	for {
		w.mu.Lock()
		cut, frozen := w.cut, w.frozen
		w.mu.Unlock()
		switch {
		case frozen != nil:
			select {
			case <-frozen:
			case <-ctx.Done():
				return ctx.Err()
			}
		case cut:
			return fmt.Errorf("the wire is cut: %w", events.ErrUnavailable)
		default:
			return nil
		}
	}
}

func (w *wire) Append(ctx context.Context, stream string, expected events.Revision, evs ...events.New) (events.Appended, error) {
	if err := w.pass(ctx); err != nil {
		return events.Appended{}, err
	}
	w.mu.Lock()
	mute, lost := w.mute, w.lossy > 0 && rand.IntN(w.lossy) == 0
	w.mu.Unlock()
	if mute {
		return events.Appended{}, fmt.Errorf("the log is read-only: %w", events.ErrUnavailable)
	}
	at, err := w.Store.Append(ctx, stream, expected, evs...)
	if err == nil && !strings.HasPrefix(stream, events.NodePrefix) {
		if lost := w.take()(stream); lost != nil {
			return events.Appended{}, lost
		}
	}
	if lost {
		return events.Appended{}, fmt.Errorf("the answer is lost: %w", events.ErrUnavailable)
	}
	if late := w.pass(ctx); late != nil {
		return events.Appended{}, late
	}
	return at, err
}

func (w *wire) ReadStream(ctx context.Context, stream string, o events.StreamRead) iter.Seq2[events.Recorded, error] {
	return func(yield func(events.Recorded, error) bool) {
		if err := w.pass(ctx); err != nil {
			yield(events.Recorded{}, err)
			return
		}
		w.Store.ReadStream(ctx, stream, o)(yield)
	}
}

func (w *wire) Head(ctx context.Context) (chatkitd.Position, error) {
	if err := w.pass(ctx); err != nil {
		return chatkitd.Position{}, err
	}
	return w.Store.Head(ctx)
}

func (w *wire) Subscribe(ctx context.Context, after chatkitd.Position, f events.Filter) (events.Subscription, error) {
	if err := w.pass(ctx); err != nil {
		return nil, err
	}
	sub, err := w.Store.Subscribe(ctx, after, f)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.subs++
	return &wiredSubscription{sub, w, w.subs}, err
}

// wiredSubscription gives nothing while the wire is cut or frozen, and goes on
// where it was, as the stores' subscriptions do.
type wiredSubscription struct {
	events.Subscription
	wire *wire
	n    int
}

func (s *wiredSubscription) Next(ctx context.Context) (events.Batch, error) {
	batch, err := s.Subscription.Next(ctx)
	for err == nil {
		s.wire.mu.Lock()
		held, change := s.wire.cut || s.wire.deaf || s.n <= s.wire.hung || s.wire.frozen != nil, s.wire.change
		s.wire.mu.Unlock()
		if !held {
			break
		}
		select {
		case <-change:
		case <-ctx.Done():
			return events.Batch{}, ctx.Err()
		}
	}
	return batch, err
}

// member is one of several processes on a log.
type member struct {
	*actors.System
	wire  *wire
	ended chan error // what Run returned
	stop  context.CancelFunc

	killed chan struct{} // for tests that do so
}

// join starts a process on a log. In a bubble of synctest it has its real times.
func join(t *testing.T, store events.Store, instance string, a agent, change ...func(*actors.Options)) *member {
	t.Helper()
	m := &member{wire: newWire(store), ended: make(chan error, 1), killed: make(chan struct{})}
	log := slog.New(slog.DiscardHandler)
	if os.Getenv("CHATKITD_TEST_LOG") != "" {
		log = slog.New(slog.NewTextHandler(os.Stderr, nil)).With("node", instance)
	}
	change = append([]func(*actors.Options){func(o *actors.Options) {
		o.Shared, o.Instance, o.Log = true, instance, log
	}}, change...)
	ctx, stop := context.WithCancel(context.Background())
	m.stop = stop
	m.System = newSystem(t, m.wire, a, change...)
	t.Cleanup(func() {
		m.wire.set(false, false)
		stop()
	})
	go func() { m.ended <- m.Run(ctx) }()
	until(t, instance+" follows the log", func() bool { return m.Ready() == nil || len(m.ended) > 0 })
	return m
}

// until waits for something to become true.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// last returns the type of the last event of a stream.
func last(t *testing.T, store events.Store, stream string) string {
	t.Helper()
	types := stored(t, store, stream)
	if len(types) == 0 {
		return ""
	}
	return types[len(types)-1]
}

// gone takes a process away as kill -9 does: nothing of it is heard any more.
func (m *member) gone() { m.wire.set(true, false) }

// turnAtA returns a log with two processes, of which a runs a turn of alice's that
// ends when it is told to.
func turnAtA(t *testing.T, change ...func(*actors.Options)) (store *memstore.Store, a, b *member, id chatkitd.ThreadID) {
	t.Helper()
	store = memstore.New()
	begun := make(chan struct{}, 1)
	a = join(t, store, "node_a", waiting(begun, "half an ans"), change...)
	b = join(t, store, "node_b", answers("hi"))
	_, id = create(t, a.System, "alice", "hello")
	<-begun
	return store, a, b, id
}
