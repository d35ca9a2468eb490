package projections

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"testing"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/internal/memstore"
)

// sparse is a store whose positions have two parts and leap, as those of
// EventStoreDB do.
type sparse struct{ events.Store }

const leap = 1009

func outer(p chatkitd.Position) chatkitd.Position {
	if p.IsZero() {
		return p
	}
	return chatkitd.Position{Commit: p.Commit*leap + 5, Prepare: p.Commit*leap + 2}
}

func inner(p chatkitd.Position) chatkitd.Position {
	if p.IsZero() {
		return p
	}
	n := p.Commit / leap
	return chatkitd.Position{Commit: n, Prepare: n}
}

func (s sparse) Append(ctx context.Context, stream string, expected events.Revision, evs ...events.New) (events.Appended, error) {
	done, err := s.Store.Append(ctx, stream, expected, evs...)
	done.Position = outer(done.Position)
	return done, err
}

func moved(seq iter.Seq2[events.Recorded, error]) iter.Seq2[events.Recorded, error] {
	return func(yield func(events.Recorded, error) bool) {
		for rec, err := range seq {
			rec.Position = outer(rec.Position)
			if !yield(rec, err) {
				return
			}
		}
	}
}

func (s sparse) ReadStream(ctx context.Context, stream string, r events.StreamRead) iter.Seq2[events.Recorded, error] {
	return moved(s.Store.ReadStream(ctx, stream, r))
}

func (s sparse) ReadAll(ctx context.Context, r events.AllRead) iter.Seq2[events.Recorded, error] {
	r.After = inner(r.After)
	return moved(s.Store.ReadAll(ctx, r))
}

func (s sparse) Head(ctx context.Context) (chatkitd.Position, error) {
	head, err := s.Store.Head(ctx)
	return outer(head), err
}

func (s sparse) Subscribe(ctx context.Context, after chatkitd.Position, filter events.Filter) (events.Subscription, error) {
	sub, err := s.Store.Subscribe(ctx, inner(after), filter)
	return sparseSubscription{sub}, err
}

type sparseSubscription struct{ events.Subscription }

func (s sparseSubscription) Next(ctx context.Context) (events.Batch, error) {
	b, err := s.Subscription.Next(ctx)
	evs := make([]events.Recorded, len(b.Events)) // the store may hand the same slice to others
	for i, rec := range b.Events {
		rec.Position = outer(rec.Position)
		evs[i] = rec
	}
	b.Events, b.Position = evs, outer(b.Position)
	return b, err
}

// TestSparsePositions has a log whose positions do not count its events: nothing
// may be reckoned from them.
func TestSparsePositions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.store, w.sparse = sparse{memstore.New()}, true
	s := w.run()
	w.fill(300)
	w.caughtUp()
	catchUp := w.stopAt(chatkitd.RebuildIndex)
	if err := s.Rebuild(t.Context(), "tasks"); err != nil {
		t.Fatal(err)
	}
	<-catchUp.at
	if rb := w.state("tasks").Rebuild; rb.Events < 100 || rb.Events > 10_000 || rb.Total != 0 {
		t.Errorf("under way: %+v", rb)
	}
	catchUp.goOn <- struct{}{}
	if rb := w.rebuilt("tasks"); rb.Phase != chatkitd.RebuildDone || !rb.Compare.Equal {
		t.Errorf("rebuilt: %+v", rb)
	}
	if err := s.Rollback(t.Context(), "tasks"); err != nil {
		t.Fatal(err)
	}

	if err := s.Pause(t.Context(), "tasks"); err != nil {
		t.Fatal(err)
	}
	w.user("ann", task("tsk_a", "one"), task("tsk_b", "two"))
	eventually(t, "threads go on", func() bool { return w.state("threads").LagEvents == 0 })
	if st := w.state("tasks"); st.LagEvents != 2 || st.LagAtLeast {
		t.Errorf("two events behind: %+v", st)
	}
	var evs []events.Event
	for i := range 500 {
		evs = append(evs, events.ItemAdded{Item: item(fmt.Sprint("msg_", i), "user_message", "x")})
	}
	w.thread("thr_many", events.ThreadCreated{ThreadID: "thr_many", UserID: "ann"})
	for range maxLag / 500 {
		appendAt(t, w.store, "thread-thr_many", w.now, evs...)
	}
	if st := w.state("tasks"); st.LagEvents != maxLag || !st.LagAtLeast {
		t.Errorf("many events behind: %+v", st)
	}
	if err := s.Resume(t.Context(), "tasks"); err != nil {
		t.Fatal(err)
	}
	w.caughtUp()
	live := w.dump()
	s = w.run()
	w.caughtUp()
	if err := s.Rebuild(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range Names() {
		if rb := w.rebuilt(name); rb.Phase != chatkitd.RebuildDone || !rb.Compare.Equal {
			t.Errorf("%s: %+v", name, rb)
		}
	}
	if now := w.dump(); now != live || !strings.Contains(now, "tsk_b") {
		t.Error("a rebuild differs")
	}
}
