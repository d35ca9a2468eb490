package projections

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/internal/memstore"
	"github.com/chatkitd/chatkitd/internal/sqlite"
)

// fragile is tasks with a bug.
type fragile struct {
	tasks
	version int
	bug     func(title string) error
}

func (p fragile) Version() int              { return p.version }
func (p fragile) Fold(q *batch) fold        { return fragileFold{p.tasks.Fold(q), p.bug} }
func (f fragileFold) Changes() []userChange { return f.fold.(publisher).Changes() }

type fragileFold struct {
	fold
	bug func(title string) error
}

func (f fragileFold) Apply(r *record) error {
	if ev, ok := r.event.(events.TaskAdded); ok {
		if err := f.bug(ev.Title); err != nil {
			return err
		}
	}
	return f.fold.Apply(r)
}

func onPoison(do func() error) func(string) error {
	return func(title string) error {
		if title == "poison" {
			return do()
		}
		return nil
	}
}

func task(id, title string) events.TaskAdded {
	return events.TaskAdded{TaskID: chatkitd.TaskID(id), Title: title}
}

func (w *world) state(name string) State {
	w.t.Helper()
	states, err := w.s.States(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, st := range states {
		if st.Name == name {
			return st
		}
	}
	w.t.Fatalf("no projection %s", name)
	return State{}
}

func TestFailingProjectionStopsAlone(t *testing.T) {
	t.Parallel()
	for name, bug := range map[string]func() error{
		"error": func() error { return errors.New("cannot be folded") },
		"panic": func() error { panic("cannot be folded") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.list[0] = fragile{version: 1, bug: onPoison(bug)}
			s := w.run()
			w.user("ann", task("tsk_1", "one"))
			w.caughtUp()
			poison := w.user("ann", task("tsk_2", "poison"))
			w.user("ann", task("tsk_3", "three"))
			last := w.thread("thr_1", events.ThreadCreated{ThreadID: "thr_1", UserID: "ann"})
			s.NoteWrite("ann", last)

			check := func() {
				t.Helper()
				s := w.s
				eventually(t, "tasks have failed", func() bool { return w.state("tasks").State == Failed })
				st := w.state("tasks")
				if f := st.Failure; f == nil || f.Position != poison || f.Stream != "user-ann" || f.Revision != 1 ||
					f.Type != "task.added.v1" || f.Since.IsZero() || st.LagEvents != 3 || st.Head != last {
					t.Errorf("state: %+v %+v", st, st.Failure)
				}
				if err := s.Ready(); err == nil {
					t.Error("ready with a projection that has failed")
				}
				// The others go on.
				if _, err := s.Thread(t.Context(), "ann", "thr_1"); err != nil {
					t.Error(err)
				}
				if st := w.state("threads"); st.State != Running || st.Failure != nil || st.LagEvents != 0 {
					t.Errorf("state: %+v", st)
				}
			}
			eventually(t, "threads have caught up", func() bool { return w.state("threads").LagEvents == 0 })
			check()
			// Whoever has written waits for nothing; others see what was before.
			if _, err := s.Tasks(t.Context(), "ann", chatkitd.TaskFilter{}); chatkitd.CodeOf(err) != chatkitd.CodeUnavailable {
				t.Errorf("tasks of the writer: %v", err)
			}
			if _, err := s.Task(t.Context(), "bob", "tsk_1"); chatkitd.CodeOf(err) != chatkitd.CodeNotFound {
				t.Errorf("tasks of another: %v", err)
			}

			w.run() // it is tried again, and fails again
			eventually(t, "threads have caught up", func() bool { return w.state("threads").LagEvents == 0 })
			check()
			// What was in the log at the start is behind the event: nobody is
			// told less than was acknowledged.
			if _, err := w.s.Task(t.Context(), "bob", "tsk_1"); chatkitd.CodeOf(err) != chatkitd.CodeUnavailable {
				t.Errorf("tasks after a restart: %v", err)
			}
			w.open()
			before := w.dump()
			if err := w.s.RebuildOffline(t.Context(), []string{"tasks"}, nil); err == nil {
				t.Error("a rebuild skipped the event")
			}
			if w.dump() != before || !strings.Contains(before, "tsk_1") {
				t.Errorf("a rebuild that failed changed the tables: %s", before)
			}

			w.list = all() // the bug is repaired
			w.run()
			w.caughtUp()
			for _, id := range []chatkitd.TaskID{"tsk_1", "tsk_2", "tsk_3"} {
				if _, err := w.s.Task(t.Context(), "ann", id); err != nil {
					t.Error(err)
				}
			}
			if st := w.state("tasks"); st.State != Running || st.Failure != nil {
				t.Errorf("state: %+v", st)
			}
			if err := w.s.Ready(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestUnknownEvent checks that an event of a newer version stops the projections
// of its category, and that none of another category notices.
func TestUnknownEvent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run()
	raw := events.New{Type: "task.invented.v9", Data: []byte("{}"), Meta: []byte("{}")}
	if _, err := w.store.Append(t.Context(), "user-ann", events.Any, raw); err != nil {
		t.Fatal(err)
	}
	raw = events.New{Type: "audit.read.v1", Data: []byte("{}"), Meta: []byte("{}")}
	if _, err := w.store.Append(t.Context(), "audit-ann", events.Any, raw); err != nil {
		t.Fatal(err)
	}
	w.thread("thr_1", events.ThreadCreated{ThreadID: "thr_1", UserID: "ann"})
	eventually(t, "threads have caught up", func() bool { return w.state("threads").LagEvents == 0 })
	eventually(t, "tasks have failed", func() bool { return w.state("tasks").State == Failed })
	if st := w.state("tasks"); st.Failure.Type != "task.invented.v9" || st.Failure.Attempts != patience {
		t.Errorf("state: %+v", st)
	}
	if _, err := w.s.Thread(t.Context(), "ann", "thr_1"); err != nil {
		t.Error(err)
	}
}

func TestUnknownLayoutIsEmptied(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run()
	w.user("ann", task("tsk_1", "one"))
	w.caughtUp()
	w.sql(filepath.Join(w.dir, CatalogFile), "PRAGMA user_version = 99")
	w.run()
	w.caughtUp()
	if _, err := w.s.Task(t.Context(), "ann", "tsk_1"); err != nil {
		t.Error(err)
	}
}

func TestAnotherLogBeginsAnew(t *testing.T) {
	t.Parallel()
	for name, count := range map[string]int{"shorter": 1, "longer": 5} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.run()
			w.user("ann", task("tsk_1", "one"), task("tsk_2", "two"))
			w.caughtUp()
			w.close()
			w.store = memstore.New()
			for i := range count {
				w.user("bob", task("tsk_"+string(rune('3'+i)), "other"))
			}
			w.run()
			eventually(t, "the new log is read", func() bool {
				page, err := w.s.Tasks(t.Context(), "bob", chatkitd.TaskFilter{})
				return err == nil && page.Total == count
			})
			if _, err := w.s.Task(t.Context(), "ann", "tsk_1"); chatkitd.CodeOf(err) != chatkitd.CodeNotFound {
				t.Errorf("a task of the other log: %v", err)
			}
		})
	}
}

// flaky is a store that may be down, and that delivers each event twice.
type flaky struct {
	events.Store
	down atomic.Bool
}

var errDown = errors.Join(events.ErrUnavailable, errors.New("it is down"))

func (f *flaky) Head(ctx context.Context) (chatkitd.Position, error) {
	if f.down.Load() {
		return chatkitd.Position{}, errDown
	}
	return f.Store.Head(ctx)
}

func (f *flaky) Subscribe(ctx context.Context, after chatkitd.Position, filter events.Filter) (events.Subscription, error) {
	if f.down.Load() {
		return nil, errDown
	}
	sub, err := f.Store.Subscribe(ctx, after, filter)
	return &stutter{Subscription: sub, f: f}, err
}

type stutter struct {
	events.Subscription
	f    *flaky
	last []events.Recorded
}

func (s *stutter) Next(ctx context.Context) (events.Batch, error) {
	b, err := s.Subscription.Next(ctx)
	if s.f.down.Load() {
		return events.Batch{}, errDown
	}
	fresh := b.Events
	b.Events = append(append([]events.Recorded{}, s.last...), b.Events...)
	s.last = fresh
	return b, err
}

func TestStoreOutage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := &flaky{Store: w.store}
	w.options.Store = f
	s := w.run()
	w.caughtUp()
	f.down.Store(true)
	w.user("ann", task("tsk_1", "one"))
	if _, err := s.Tasks(t.Context(), "ann", chatkitd.TaskFilter{}); err != nil {
		t.Errorf("a query without a write of one's own: %v", err)
	}
	if err := s.CaughtUp(t.Context()); chatkitd.CodeOf(err) != chatkitd.CodeUnavailable {
		t.Errorf("CaughtUp: %v", err)
	}
	eventually(t, "the outage is told", func() bool {
		states, err := s.States(t.Context())
		return chatkitd.CodeOf(err) == chatkitd.CodeUnavailable && states[0].Failure != nil && states[0].Failure.Attempts > 1
	})
	if s.Ready() == nil {
		t.Error("ready without a log")
	}
	f.down.Store(false)
	w.caughtUp()
	f.down.Store(true)
	w.user("ann", task("tsk_2", "two"))
	eventually(t, "the second outage is told", func() bool { return s.Ready() != nil })
	f.down.Store(false)
	eventually(t, "the log is back", func() bool { return s.Ready() == nil && w.state("tasks").LagEvents == 0 })
	for _, id := range []chatkitd.TaskID{"tsk_1", "tsk_2"} {
		if _, err := s.Task(t.Context(), "ann", id); err != nil {
			t.Error(err)
		}
	}
}

// TestDatabaseOutage locks the file for longer than the runner has patience.
func TestDatabaseOutage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.options.BusyTimeout = time.Millisecond
	s := w.run()
	w.user("ann", task("tsk_1", "one"))
	w.caughtUp()
	lock, err := sqlite.Open(t.Context(), w.file("tasks"), sqlite.Options{MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lock.Close() }()
	tx, err := lock.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	s.NoteWrite("ann", w.user("ann", task("tsk_2", "two")))
	eventually(t, "the failure is told", func() bool {
		st := w.state("tasks")
		return st.State == Failed && st.Failure.Attempts == patience
	})
	if _, err := s.Task(t.Context(), "ann", "tsk_2"); chatkitd.CodeOf(err) != chatkitd.CodeUnavailable {
		t.Errorf("a query that cannot see its write: %v", err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it goes on by itself", func() bool { return s.Ready() == nil })
	if _, err := s.Task(t.Context(), "ann", "tsk_2"); err != nil {
		t.Error(err)
	}
	if st := w.state("tasks"); st.Failure != nil || st.LagEvents != 0 {
		t.Errorf("state: %+v", st)
	}
}

func TestOneRunner(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.run()
	w.user("ann", task("tsk_1", "one"))
	w.caughtUp()
	if err := s.Run(t.Context()); !errors.Is(err, ErrRunning) {
		t.Errorf("a second Run: %v", err)
	}
	if err := s.RebuildOffline(t.Context(), nil, nil); !errors.Is(err, ErrRunning) {
		t.Errorf("a rebuild beside Run: %v", err)
	}
	if err := w.open().RebuildOffline(t.Context(), []string{"tusks"}, nil); chatkitd.CodeOf(err) != chatkitd.CodeNotFound {
		t.Errorf("an unknown name: %v", err)
	}
	var told []Progress
	if err := w.s.RebuildOffline(t.Context(), []string{"tasks"}, func(p Progress) { told = append(told, p) }); err != nil {
		t.Fatal(err)
	}
	if n := len(told); n < 3 || told[0].Phase != BuildFold || told[0].Events != 1 || told[n-1].Phase != chatkitd.RebuildDone || told[n-1].Position != told[n-1].Head {
		t.Errorf("progress: %+v", told)
	}
}

func TestCancelledRebuildLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run()
	w.user("ann", task("tsk_1", "one"))
	w.caughtUp()
	s := w.open()
	tables := func() int { return w.tables("tasks") + w.tables("threads") + w.tables("thread_items") }
	s.sweepAll(t.Context())
	before := tables()
	ctx, cancel := context.WithCancel(t.Context())
	if err := s.RebuildOffline(ctx, nil, func(Progress) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Fatalf("rebuild: %v", err)
	}
	if _, err := s.Task(t.Context(), "ann", "tsk_1"); err != nil {
		t.Error(err)
	}
	if n := tables(); n != before {
		t.Errorf("%d files were %d before", n, before)
	}
}

// TestDeliveredTwice checks that events the log delivers again change nothing.
func TestDeliveredTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.options.Store = &flaky{Store: w.store}
	s := w.run()
	for _, ev := range []events.Event{
		task("tsk_1", "one"), events.TaskCompleted{TaskID: "tsk_1"}, task("tsk_2", "two"), events.TaskDeleted{TaskID: "tsk_1"},
	} {
		w.user("ann", ev)
		w.caughtUp()
	}
	page, err := s.Tasks(t.Context(), "ann", chatkitd.TaskFilter{})
	if err != nil || page.Pending != 1 || page.Completed != 0 || page.Total != 1 {
		t.Errorf("%+v, %v", page, err)
	}
	if st := w.state("tasks"); st.State != Running || st.Failure != nil {
		t.Errorf("state: %+v", st)
	}
}
