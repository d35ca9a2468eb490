package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/internal/embedded"
)

// TestTailLosesNothing has 16 writers append while two readers follow the log as
// fast as they can: one reads on from where it was in a tight loop, one subscribes.
// Both must see every event that was acknowledged, once and in order. A store
// whose positions become visible out of order fails this. It appends 300 events a
// writer; with CHATKITD_BENCH set 3,000.
func TestTailLosesNothing(t *testing.T) {
	const writers = 16
	each := 300
	if os.Getenv("CHATKITD_BENCH") != "" {
		each = 3000
	}
	store, err := embedded.Open(t.Context(), embedded.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	readers := map[string]*follower{"reads on": {}, "subscribes": {}}
	end := make(chan struct{})
	var following sync.WaitGroup
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	following.Go(func() { readers["reads on"].readOn(ctx, store, end) })
	following.Go(func() { readers["subscribes"].subscribe(ctx, store, end) })

	acknowledged := make([][]uuid.UUID, writers)
	var writing sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			for i := range each {
				// Half of the appends go to one stream that all of them want.
				stream := fmt.Sprintf("thread-%d", w)
				if i%2 == 0 {
					stream = "thread-shared"
				}
				e := event(stream, w*each+i)
				if _, err := store.Append(ctx, stream, events.Any, e); err != nil {
					t.Error(err)
					return
				}
				acknowledged[w] = append(acknowledged[w], e.ID)
			}
		})
	}
	writing.Wait()
	close(end)
	following.Wait()
	for name, f := range readers {
		count, lost := 0, 0
		for _, ids := range acknowledged {
			count += len(ids)
			for _, id := range ids {
				if f.seen[id] == 0 {
					lost++
				}
			}
		}
		t.Logf("%d writers, a reader that %s: %d acknowledged, %d seen, %d lost, %d doubled, %d out of order",
			writers, name, count, len(f.seen), lost, f.doubled, f.disorder)
		if f.err != nil || lost > 0 || f.doubled > 0 || f.disorder > 0 || count != writers*each || len(f.seen) != count {
			t.Errorf("the reader that %s is wrong: %v", name, f.err)
		}
	}
}

// follower is a reader and what it saw.
type follower struct {
	last              chatkitd.Position
	seen              map[uuid.UUID]int
	doubled, disorder int
	err               error
}

func (f *follower) take(rec events.Recorded) {
	if f.seen == nil {
		f.seen = make(map[uuid.UUID]int)
	}
	if f.seen[rec.ID]++; f.seen[rec.ID] > 1 {
		f.doubled++
	}
	if rec.Position.Compare(f.last) <= 0 {
		f.disorder++
	}
	f.last = rec.Position
}

// readOn reads behind what it has seen, again and again. It ends at the end of
// the log once no one writes.
func (f *follower) readOn(ctx context.Context, store events.Store, end <-chan struct{}) {
	for over := false; ; {
		got := false
		for rec, err := range store.ReadAll(ctx, events.AllRead{After: f.last}) {
			if err != nil {
				f.err = err
				return
			}
			f.take(rec)
			got = true
		}
		if over && !got {
			return
		}
		select {
		case <-end:
			over = true
		default:
		}
	}
}

func (f *follower) subscribe(ctx context.Context, store events.Store, end <-chan struct{}) {
	sub, err := store.Subscribe(ctx, chatkitd.Position{}, events.Filter{})
	if err != nil {
		f.err = err
		return
	}
	defer func() { f.err = errors.Join(f.err, sub.Close()) }()
	ended, stop := context.WithCancel(ctx)
	defer stop()
	go func() { <-end; stop() }()
	for {
		b, err := sub.Next(ended)
		if err != nil && ended.Err() != nil && ctx.Err() == nil {
			break // no one writes any more; what is left comes next
		}
		if err != nil {
			f.err = err
			return
		}
		for _, rec := range b.Events {
			f.take(rec)
		}
	}
	head, err := store.Head(ctx)
	for err == nil && f.last.Compare(head) < 0 {
		var b events.Batch
		b, err = sub.Next(ctx)
		for _, rec := range b.Events {
			f.take(rec)
		}
	}
	f.err = err
}
