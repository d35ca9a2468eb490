package eventstest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

var concurrentTests = []contract{
	{"one writer wins each revision", testOneWinner},
	{"one order for every reader, nothing lost, doubled or reordered", testOneOrder},
	{"a conflict of one append does not fail the others", testConflictIsAlone},
}

func testOneWinner(t *testing.T, s events.Store) {
	const writers, rounds = 16, 25
	Append(t, s, "test-1", events.NoStream, Events(1)...)
	for round := range rounds {
		var wg sync.WaitGroup
		var won atomic.Int32
		for range writers {
			wg.Go(func() {
				got, err := s.Append(t.Context(), "test-1", events.At(uint64(round)), Events(1)...)
				switch {
				case err == nil && got.Revision == uint64(round)+1:
					won.Add(1)
				case !errors.Is(err, events.ErrWrongRevision):
					t.Errorf("got %+v, %v", got, err)
				}
			})
		}
		wg.Wait()
		if n := won.Load(); n != 1 {
			t.Fatalf("%d appends won revision %d, want 1", n, round+1)
		}
	}
}

func testOneOrder(t *testing.T, s events.Store) {
	const writers, each, readers = 16, 150, 4
	ctx, stop := context.WithCancel(deadline(t))
	defer stop()
	var following sync.WaitGroup
	orders := make([][]uuid.UUID, readers)
	for i := range readers {
		sub, err := s.Subscribe(ctx, chatkitd.Position{}, events.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		following.Go(func() {
			defer func() { _ = sub.Close() }()
			for len(orders[i]) < writers*each {
				b, err := sub.Next(ctx)
				if err != nil {
					t.Errorf("reader %d, after %d events: %v", i, len(orders[i]), err)
					return
				}
				for _, rec := range b.Events {
					orders[i] = append(orders[i], rec.ID)
				}
			}
		})
	}
	var writing sync.WaitGroup
	acked := make([][]uuid.UUID, writers)
	for w := range writers {
		writing.Go(func() {
			expected := events.NoStream
			for _, ev := range Events(each) {
				got, err := s.Append(ctx, fmt.Sprintf("test-%d", w), expected, ev)
				if err != nil {
					t.Errorf("writer %d: %v", w, err)
					stop()
					return
				}
				expected = events.At(got.Revision)
				acked[w] = append(acked[w], ev.ID)
			}
		})
	}
	writing.Wait()
	following.Wait()
	if t.Failed() {
		return
	}

	recs := Collect(t, s.ReadAll(t.Context(), events.AllRead{}))
	order := make([]uuid.UUID, len(recs))
	found := map[string][]uuid.UUID{}
	for i, rec := range recs {
		order[i] = rec.ID
		found[rec.Stream] = append(found[rec.Stream], rec.ID)
		if i > 0 && rec.Position.Compare(recs[i-1].Position) <= 0 {
			t.Fatalf("position %v follows %v", rec.Position, recs[i-1].Position)
		}
	}
	for w := range writers {
		if !slices.Equal(found[fmt.Sprintf("test-%d", w)], acked[w]) {
			t.Errorf("stream %d is not what its writer was told", w)
		}
	}
	for i := range readers {
		if !slices.Equal(orders[i], order) {
			t.Errorf("reader %d saw %d events in another order than the log's %d", i, len(orders[i]), len(order))
		}
	}
}

func testConflictIsAlone(t *testing.T, s events.Store) {
	const n = 64
	var wg sync.WaitGroup
	var good, bad atomic.Int32
	for i := range n {
		wg.Go(func() {
			if i%2 == 0 {
				if _, err := s.Append(t.Context(), fmt.Sprintf("test-%d", i), events.NoStream, Events(2)...); err != nil {
					t.Errorf("a good append: %v", err)
					return
				}
				good.Add(1)
				return
			}
			if _, err := s.Append(t.Context(), fmt.Sprintf("test-%d", i), events.At(3), Events(2)...); !errors.Is(err, events.ErrWrongRevision) {
				t.Errorf("a bad append: %v, want a conflict", err)
				return
			}
			bad.Add(1)
		})
	}
	wg.Wait()
	recs := Collect(t, s.ReadAll(t.Context(), events.AllRead{}))
	if good.Load() != n/2 || bad.Load() != n/2 || len(recs) != n {
		t.Errorf("%d good, %d bad, %d events; want %d, %d, %d", good.Load(), bad.Load(), len(recs), n/2, n/2, n)
	}
}
