package eventstest

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

var subscribeTests = []contract{
	{"from zero, caught up, then live", testSubscribe},
	{"an empty log is caught up at once", testSubscribeEmpty},
	{"after a position", testSubscribeAfter},
	{"the position passes what the filter hides", testSubscribeHidden},
	{"more than a batch", testSubscribeBatches},
	{"a context ends Next, the subscription goes on", testNextContext},
	{"Close wakes Next", testSubscriptionClose},
	{"closing the store wakes Next", testStoreClose},
	{"two subscriptions are independent", testTwoSubscriptions},
}

// reader is a subscription in a test.
type reader struct {
	t   testing.TB
	ctx context.Context
	sub events.Subscription
}

func subscribe(t testing.TB, s events.Store, after chatkitd.Position, f events.Filter) *reader {
	t.Helper()
	sub, err := s.Subscribe(t.Context(), after, f)
	if err != nil {
		t.Fatalf("subscribe: %v", err)
	}
	t.Cleanup(func() {
		if err := sub.Close(); err != nil {
			t.Errorf("close the subscription: %v", err)
		}
	})
	return &reader{t: t, ctx: deadline(t), sub: sub}
}

func (r *reader) next() events.Batch {
	r.t.Helper()
	b, err := r.sub.Next(r.ctx)
	if err != nil {
		r.t.Fatalf("Next: %v", err)
	}
	if len(b.Events) > events.MaxBatch {
		r.t.Errorf("a batch of %d", len(b.Events))
	}
	if n := len(b.Events); n > 0 && b.Position.Compare(b.Events[n-1].Position) < 0 {
		r.t.Errorf("the batch's position %v is before its last event's %v", b.Position, b.Events[n-1].Position)
	}
	return b
}

// take waits for n events.
func (r *reader) take(n int) []events.Recorded {
	r.t.Helper()
	var recs []events.Recorded
	for len(recs) < n {
		recs = append(recs, r.next().Events...)
	}
	return recs
}

// catchUp returns all events up to the first batch that says that there are no
// more.
func (r *reader) catchUp() []events.Recorded {
	r.t.Helper()
	var recs []events.Recorded
	for {
		b := r.next()
		recs = append(recs, b.Events...)
		if b.CaughtUp {
			return recs
		}
	}
}

func testSubscribe(t *testing.T, s events.Store) {
	evs := Events(6)
	Append(t, s, "test-1", events.NoStream, evs[:3]...)
	r := subscribe(t, s, chatkitd.Position{}, events.Filter{})
	if got := numbers(t, r.catchUp()); !slices.Equal(got, []int{0, 1, 2}) {
		t.Errorf("caught up with %v, want [0 1 2]", got)
	}
	for i := 3; i < 6; i++ {
		last := Append(t, s, "test-2", events.Any, evs[i])
		got := r.take(1)
		if len(got) != 1 || number(t, got[0]) != i || got[0].Position != last.Position {
			t.Errorf("live: %+v, want event %d at %v", got, i, last.Position)
		}
	}
}

func testSubscribeEmpty(t *testing.T, s events.Store) {
	r := subscribe(t, s, chatkitd.Position{}, events.Filter{})
	if b := r.next(); !b.CaughtUp || len(b.Events) != 0 || !b.Position.IsZero() {
		t.Errorf("got %+v, want an empty batch that is caught up at zero", b)
	}
	woken := make(chan []events.Recorded)
	go func() {
		b, err := r.sub.Next(r.ctx)
		if err != nil {
			t.Errorf("Next: %v", err)
		}
		woken <- b.Events
	}()
	Append(t, s, "test-1", events.Any, Events(1)...)
	if got := <-woken; len(got) != 1 {
		t.Errorf("woken with %d events, want 1", len(got))
	}
}

func testSubscribeAfter(t *testing.T, s events.Store) {
	Append(t, s, "test-1", events.NoStream, Events(5)...)
	recs := Collect(t, s.ReadAll(t.Context(), events.AllRead{}))
	for i, rec := range recs {
		r := subscribe(t, s, rec.Position, events.Filter{})
		if got := r.catchUp(); len(got) != len(recs)-1-i || len(got) > 0 && got[0].Position != recs[i+1].Position {
			t.Errorf("after %v: %d events, want %d", rec.Position, len(got), len(recs)-1-i)
		}
	}
}

func testSubscribeHidden(t *testing.T, s events.Store) {
	r := subscribe(t, s, chatkitd.Position{}, events.Filter{StreamPrefixes: []string{"user-"}})
	r.catchUp()
	Append(t, s, "user-1", events.NoStream, Events(1)...)
	hidden := Append(t, s, "thread-1", events.NoStream, Events(3)...)
	var last events.Batch
	for last.Position.Compare(hidden.Position) < 0 {
		last = r.next()
	}
	shown := Append(t, s, "user-1", events.At(0), Events(1)...)
	resumed := subscribe(t, s, last.Position, events.Filter{StreamPrefixes: []string{"user-"}})
	if got := resumed.take(1); len(got) != 1 || got[0].Position != shown.Position {
		t.Errorf("resumed with %+v, want the event at %v", got, shown.Position)
	}
}

func testSubscribeBatches(t *testing.T, s events.Store) {
	const n = 2*events.MaxBatch + 500
	for batch := range slices.Chunk(Events(n), 500) {
		Append(t, s, "test-1", events.Any, batch...)
	}
	got := numbers(t, subscribe(t, s, chatkitd.Position{}, events.Filter{}).catchUp())
	if len(got) != n || !slices.IsSorted(got) || got[n-1] != n-1 {
		t.Errorf("%d events, want 0 … %d", len(got), n-1)
	}
}

func testNextContext(t *testing.T, s events.Store) {
	r := subscribe(t, s, chatkitd.Position{}, events.Filter{})
	r.catchUp()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := r.sub.Next(ctx)
		ended <- err
	}()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("Next = %v, want context.Canceled", err)
	}
	Append(t, s, "test-1", events.Any, Events(1)...)
	if got := r.take(1); len(got) != 1 {
		t.Errorf("%d events afterwards, want 1", len(got))
	}
}

func testSubscriptionClose(t *testing.T, s events.Store) {
	r := subscribe(t, s, chatkitd.Position{}, events.Filter{})
	r.catchUp()
	ended := make(chan error)
	go func() {
		_, err := r.sub.Next(r.ctx)
		ended <- err
	}()
	if err := r.sub.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, events.ErrClosed) {
		t.Errorf("the Next that waited = %v, want ErrClosed", err)
	}
	if _, err := r.sub.Next(r.ctx); !errors.Is(err, events.ErrClosed) {
		t.Errorf("a later Next = %v, want ErrClosed", err)
	}
	Append(t, s, "test-1", events.Any, Events(1)...)
}

func testStoreClose(t *testing.T, s events.Store) {
	r := subscribe(t, s, chatkitd.Position{}, events.Filter{})
	r.catchUp()
	ended := make(chan error)
	go func() {
		_, err := r.sub.Next(r.ctx)
		ended <- err
	}()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, events.ErrClosed) {
		t.Errorf("Next = %v, want ErrClosed", err)
	}
}

func testTwoSubscriptions(t *testing.T, s events.Store) {
	a := subscribe(t, s, chatkitd.Position{}, events.Filter{})
	b := subscribe(t, s, chatkitd.Position{}, events.Filter{Types: []string{"test.happened.v1"}})
	Append(t, s, "test-1", events.Any, Events(2)...)
	if got := numbers(t, a.take(2)); !slices.Equal(got, []int{0, 1}) {
		t.Errorf("the first: %v", got)
	}
	if err := a.sub.Close(); err != nil {
		t.Error(err)
	}
	Append(t, s, "test-1", events.Any, Events(1)...)
	if got := numbers(t, b.take(3)); !slices.Equal(got, []int{0, 1, 0}) {
		t.Errorf("the second: %v", got)
	}
}
