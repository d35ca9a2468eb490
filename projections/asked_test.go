package projections

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/internal/memstore"
)

// counted counts how often the end of a log is asked for.
type counted struct {
	events.Store
	heads int
}

func (c *counted) Head(ctx context.Context) (chatkitd.Position, error) {
	c.heads++
	return c.Store.Head(ctx)
}

// TestAPositionOfAnotherServer appends as another server does: nobody tells this
// one of the write.
func TestAPositionOfAnotherServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run()
	for i := range 200 {
		pos := w.user("ann", task("tsk_1", "one"), events.TaskDeleted{TaskID: "tsk_1"}, task("tsk_2", "two"))
		ctx := chatkitd.WithPosition(t.Context(), pos)
		if page, err := w.s.Tasks(ctx, "ann", chatkitd.TaskFilter{}); err != nil || len(page.Data) != 1 || page.Data[0].ID != "tsk_2" {
			t.Fatalf("round %d, at %s: %+v, %v", i, pos, page, err)
		}
		w.user("ann", events.TaskDeleted{TaskID: "tsk_2"})
		last := w.thread("thr_1", events.ThreadCreated{ThreadID: "thr_1", UserID: "ann"})
		if th, err := w.s.Thread(chatkitd.WithPosition(t.Context(), last), "ann", "thr_1"); err != nil || th.ID != "thr_1" {
			t.Fatalf("round %d, at %s: thread %+v, %v", i, last, th, err)
		}
		w.thread("thr_1", events.ThreadDeleted{})
	}
}

// TestAPositionThatIsNotSeenInTime asks a service that does not follow the log.
func TestAPositionThatIsNotSeenInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &counted{Store: memstore.New()}
		defer func() { _ = store.Close() }()
		m := &model{projection: tasks{}, phase: Running}
		s := &Service{store: store, now: time.Now, timeout: 2 * time.Second, hurry: make(chan struct{}, 1), writes: newWrites()}
		var err error
		if s.metrics, err = newMetrics(nil, s); err != nil {
			t.Fatal(err)
		}
		pos := appendAt(t, store, events.UserStream("ann"), epoch, task("tsk_1", "one"))
		start := time.Now()
		err = s.await(chatkitd.WithPosition(t.Context(), pos), "ann", m)
		if took := time.Since(start); chatkitd.CodeOf(err) != chatkitd.CodeUnavailable || took != s.timeout {
			t.Errorf("after %v: %v, want CodeUnavailable after %v", took, err, s.timeout)
		}
		if err := s.await(t.Context(), "ann", m); err != nil {
			t.Errorf("a query that names no position: %v", err)
		}

		start, store.heads = time.Now(), 0
		forged := chatkitd.Position{Commit: pos.Commit + 1, Prepare: pos.Prepare + 1}
		err = s.await(chatkitd.WithPosition(t.Context(), forged), "ann", m, m, m)
		if chatkitd.CodeOf(err) != chatkitd.CodeUnknownPosition || !strings.Contains(err.Error(), "past the end") || time.Since(start) != 0 || store.heads != 1 {
			t.Errorf("a position past the end: %v after %v and %d looks at the log", err, time.Since(start), store.heads)
		}
		ctx, cancel := context.WithTimeout(chatkitd.WithPosition(t.Context(), pos), time.Second)
		defer cancel()
		if err := s.await(ctx, "ann", m); chatkitd.CodeOf(err) != chatkitd.CodeUnavailable {
			t.Errorf("a caller with less time: %v", err)
		}
	})
}

func TestWatchFromAnotherServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.user("eve", task("tsk_0", "seed"))
	w.run()
	w.caughtUp()
	for i := range 200 {
		seen := w.user("ann", task("tsk_1", "one")) // by the client, at another server
		next := w.user("ann", events.TaskDeleted{TaskID: "tsk_1"})
		watch := w.watch("ann", seen)
		if c := <-watch.Changes; !watch.Resumed || watch.At != seen || c.Position != next || c.Task != nil {
			t.Fatalf("round %d: %+v, first change %+v", i, watch, c)
		}
		watch.Stop()
	}
}
