package projections

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/internal/sqlite"
)

// phases halts rebuilds at the phase that a test waits for.
type phases struct {
	at   chan string   // a phase that begins
	goOn chan struct{} // one receives for each
}

// stopAt makes rebuilds wait at a phase: receive from at, then send to goOn.
func (w *world) stopAt(phase string) phases {
	p := phases{make(chan string, 100), make(chan struct{})}
	w.s.hook = func(now string) {
		if now == phase {
			p.at <- now
			<-p.goOn
		}
	}
	return p
}

func (w *world) rebuilt(name string) *RebuildState {
	w.t.Helper()
	var st *RebuildState
	eventually(w.t, "the rebuild has ended", func() bool {
		st = w.state(name).Rebuild
		return st != nil && !st.Ended.IsZero() && w.idle()
	})
	return st
}

// idle reports whether no job is under way.
func (w *world) idle() bool {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	return w.s.job == nil && !w.s.sweeping
}

func TestRebuildBesideTheLiveOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.run()
	w.fill(200)
	w.caughtUp()
	before := w.state("tasks").Generation
	catchUp := w.stopAt(chatkitd.RebuildCatchUp)
	if err := s.Rebuild(t.Context(), "tasks"); err != nil {
		t.Fatal(err)
	}
	<-catchUp.at
	if err := s.Rebuild(t.Context()); chatkitd.CodeOf(err) != chatkitd.CodeConflict {
		t.Errorf("a second rebuild: %v", err)
	}
	// What is written now is seen at once, in the old tables, and later in the new.
	s.NoteWrite("ann", w.user("ann", task("tsk_new", "while it is built")))
	if _, err := s.Task(t.Context(), "ann", "tsk_new"); err != nil {
		t.Error(err)
	}
	if st := w.state("tasks"); st.State != Running || st.Generation != before || st.Rebuild.Phase != chatkitd.RebuildCatchUp ||
		st.Rebuild.Events == 0 || st.Rebuild.Total < st.Rebuild.Events {
		t.Errorf("while it is built: %+v %+v", st, st.Rebuild)
	}
	catchUp.goOn <- struct{}{}
	<-catchUp.at // after the comparison
	s.NoteWrite("ann", w.user("ann", task("tsk_last", "before the swap")))
	catchUp.goOn <- struct{}{}
	rb := w.rebuilt("tasks")
	if rb.Phase != chatkitd.RebuildDone || rb.Compare == nil || !rb.Compare.Equal || rb.Compare.Rows == 0 || len(rb.Compare.Hash) != 64 {
		t.Errorf("the rebuild: %+v %+v", rb, rb.Compare)
	}
	st := w.state("tasks")
	if st.Generation <= before || st.Previous == nil || *st.Previous != before {
		t.Errorf("after it: %+v", st)
	}
	for _, id := range []chatkitd.TaskID{"tsk_new", "tsk_last", "tsk_1"} {
		user := chatkitd.UserID("ann")
		if id == "tsk_1" {
			user = "user1"
		}
		if _, err := s.Task(t.Context(), user, id); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
	// All at once, and what the catalog keeps of it.
	w.s.hook = nil
	if err := s.Rebuild(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range Names() {
		if rb := w.rebuilt(name); rb.Phase != chatkitd.RebuildDone || !rb.Compare.Equal {
			t.Errorf("%s: %+v", name, rb)
		}
	}
	st = w.state("tasks")
	w.open()
	if now := w.state("tasks"); now.Rebuild == nil || now.Rebuild.Compare.Hash != st.Rebuild.Compare.Hash || *now.Previous != *st.Previous {
		t.Errorf("after a restart: %+v", now)
	}
}

func TestUnknownNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.run()
	for what, do := range map[string]func() error{
		"rebuild":  func() error { return s.Rebuild(t.Context(), "tusks") },
		"pause":    func() error { return s.Pause(t.Context(), "tusks") },
		"resume":   func() error { return s.Resume(t.Context(), "tusks") },
		"retry":    func() error { return s.Retry(t.Context(), "tusks") },
		"skip":     func() error { return s.Skip(t.Context(), "tusks", chatkitd.Position{}) },
		"rollback": func() error { return s.Rollback(t.Context(), "tusks") },
	} {
		if err := do(); chatkitd.CodeOf(err) != chatkitd.CodeNotFound {
			t.Errorf("%s: %v", what, err)
		}
	}
	for what, do := range map[string]func() error{
		"cancel":   func() error { return s.CancelRebuild(t.Context()) },
		"resume":   func() error { return s.Resume(t.Context(), "tasks") },
		"retry":    func() error { return s.Retry(t.Context(), "tasks") },
		"skip":     func() error { return s.Skip(t.Context(), "tasks", chatkitd.Position{}) },
		"rollback": func() error { return s.Rollback(t.Context(), "tasks") },
	} {
		if err := do(); chatkitd.CodeOf(err) != chatkitd.CodeConflict {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := w.open().Rebuild(t.Context()); chatkitd.CodeOf(err) != chatkitd.CodeUnavailable {
		t.Errorf("a rebuild while nothing runs: %v", err)
	}
}

// TestReadersDuringSwaps has readers in a tight loop while generations are swapped
// in and out: each answer must be whole, and hold all that was there before.
func TestReadersDuringSwaps(t *testing.T) {
	t.Parallel()
	const wanted, readers = 100_000, 4
	w := newWorld(t)
	s := w.run()
	for i := range 5 {
		w.user("ann", task(fmt.Sprintf("tsk_%d", i), fmt.Sprintf("task %d", i)))
	}
	w.thread("thr_1", events.ThreadCreated{ThreadID: "thr_1", UserID: "ann"},
		events.ItemAdded{Item: item("msg_1", "user_message", "hello")})
	w.caughtUp()
	var reads, wrong atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range readers {
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				read, count := s.readOne, int64(1)
				if n%50 == 0 {
					read, count = s.readAll, 3
				}
				if err := read(); err != nil {
					wrong.Add(1)
					t.Error(err)
				}
				reads.Add(count)
			}
		})
	}
	swaps := 0
	for reads.Load() < wanted || swaps < 20 {
		if err := s.Rebuild(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, name := range Names() {
			if rb := w.rebuilt(name); rb.Phase != chatkitd.RebuildDone || !rb.Compare.Equal {
				t.Fatalf("%s: %+v", name, rb)
			}
			swaps++
		}
		if err := s.Rollback(t.Context(), "tasks"); err != nil {
			t.Fatal(err)
		}
		swaps++
	}
	cancel()
	wg.Wait()
	t.Logf("%d reads, %d wrong, %d swaps", reads.Load(), wrong.Load(), swaps)
}

// readOne reads with one statement, as often as it can be done.
func (s *Service) readOne() error {
	ctx := context.Background()
	if err := s.await(ctx, "ann", s.tasks); err != nil {
		return err
	}
	return s.tasks.read(ctx, func(v *view) error {
		var n int
		if _, err := v.row(ctx, "SELECT count(*) FROM tasks", nil, &n); err != nil || n != 5 {
			return fmt.Errorf("%d tasks: %w", n, err)
		}
		return nil
	})
}

// readAll reads what ann has with three queries.
func (s *Service) readAll() error {
	ctx := context.Background()
	page, err := s.Tasks(ctx, "ann", chatkitd.TaskFilter{Sort: "created_at"})
	if err != nil || page.Total != 5 || len(page.Data) != 5 || page.Data[4].Title != "task 4" {
		return fmt.Errorf("tasks: %+v, %w", page, err)
	}
	if th, err := s.Thread(ctx, "ann", "thr_1"); err != nil || len(th.Items.Data) != 1 {
		return fmt.Errorf("thread: %+v, %w", th, err)
	}
	if _, err := s.Task(ctx, "ann", "tsk_3"); err != nil {
		return fmt.Errorf("task: %w", err)
	}
	return nil
}

func TestPauseAndCancelOfARebuild(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.run()
	w.user("ann", task("tsk_1", "one"))
	w.caughtUp()
	before := w.dump()
	fold := w.stopAt(chatkitd.RebuildIndex)
	if err := s.Rebuild(t.Context(), "tasks"); err != nil {
		t.Fatal(err)
	}
	<-fold.at
	if err := s.Pause(t.Context(), "tasks"); err != nil {
		t.Fatal(err)
	}
	if err := s.Pause(t.Context(), "tasks"); chatkitd.CodeOf(err) != chatkitd.CodeConflict {
		t.Errorf("paused twice: %v", err)
	}
	fold.goOn <- struct{}{}
	if st := w.state("tasks"); st.State != Running || !st.Rebuild.Paused {
		t.Errorf("paused: %+v %+v", st, st.Rebuild)
	}
	s.NoteWrite("ann", w.user("ann", task("tsk_2", "two")))
	if _, err := s.Task(t.Context(), "ann", "tsk_2"); err != nil {
		t.Error(err)
	}
	if st := w.state("tasks"); st.Rebuild.Phase != chatkitd.RebuildIndex {
		t.Errorf("it went on: %+v", st.Rebuild)
	}
	if err := s.Resume(t.Context(), "tasks"); err != nil {
		t.Fatal(err)
	}
	if rb := w.rebuilt("tasks"); rb.Phase != chatkitd.RebuildDone || rb.Paused {
		t.Errorf("resumed: %+v", rb)
	}
	if err := s.Rollback(t.Context(), "tasks"); err != nil {
		t.Fatal(err)
	}

	w.s.hook = nil
	swap := w.stopAt(chatkitd.RebuildCompare)
	if err := s.Rebuild(t.Context(), "tasks"); err != nil {
		t.Fatal(err)
	}
	<-swap.at
	if err := s.Pause(t.Context(), "tasks"); err != nil {
		t.Fatal(err)
	}
	swap.goOn <- struct{}{}
	if err := s.CancelRebuild(t.Context()); err != nil {
		t.Fatal(err)
	}
	if rb := w.rebuilt("tasks"); rb.Phase != chatkitd.RebuildCanceled {
		t.Errorf("cancelled: %+v", rb)
	}
	eventually(t, "nothing is left of it", func() bool { return w.tables("tasks") == 1 })
	if now := w.dump(); !strings.Contains(now, "tsk_2") || len(now) <= len(before) {
		t.Errorf("the tables: %s", now)
	}
}

// tables counts the generations of a projection.
func (w *world) tables(name string) (n int) {
	w.t.Helper()
	err := listFiles(w.dir, func(of string, _ generation) {
		if of == name {
			n++
		}
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// TestRollback checks that the tables of before a rebuild come back caught up.
func TestRollback(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.run()
	w.user("ann", task("tsk_1", "one"))
	w.caughtUp()
	was := w.state("tasks").Generation
	if err := s.Rebuild(t.Context(), "tasks"); err != nil {
		t.Fatal(err)
	}
	w.rebuilt("tasks")
	for i := range 30 {
		w.user("ann", task(fmt.Sprintf("tsk_more_%d", i), "more"))
	}
	w.caughtUp()
	live := w.dump()
	s = w.run() // the rollback outlives a restart
	w.caughtUp()
	if err := s.Rollback(t.Context(), "tasks"); err != nil {
		t.Fatal(err)
	}
	if st := w.state("tasks"); st.Generation != was || st.Previous != nil {
		t.Errorf("state: %+v", st)
	}
	if now := w.dump(); now != live {
		t.Errorf("the tables differ:\n%s\nwere\n%s", now, live)
	}
	s.NoteWrite("ann", w.user("ann", task("tsk_2", "two")))
	if _, err := s.Task(t.Context(), "ann", "tsk_2"); err != nil {
		t.Error(err)
	}
	eventually(t, "the others are dropped", func() bool { return w.tables("tasks") == 1 })
	if err := s.Rollback(t.Context(), "tasks"); chatkitd.CodeOf(err) != chatkitd.CodeConflict {
		t.Errorf("a second rollback: %v", err)
	}
}

// TestRollbackWithoutTheLog asks while the log is away: that is not to be taken for
// another log, and nothing has changed.
func TestRollbackWithoutTheLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	log := &flaky{Store: w.store}
	w.options.Store = log
	s := w.run()
	w.user("ann", task("tsk_1", "one"))
	w.caughtUp()
	if err := s.Rebuild(t.Context(), "tasks"); err != nil {
		t.Fatal(err)
	}
	w.rebuilt("tasks")
	log.down.Store(true)
	err := s.Rollback(t.Context(), "tasks")
	if chatkitd.CodeOf(err) != chatkitd.CodeUnavailable || chatkitd.MessageOf(err) != "the event log cannot be read" {
		t.Errorf("Rollback = %v", err)
	}
	log.down.Store(false)
	if err := s.Rollback(t.Context(), "tasks"); err != nil {
		t.Errorf("when the log is back: %v", err)
	}
}

// TestDifferencesAreShown damages the old tables: the new ones are the truth, and
// the result names the rows.
func TestDifferencesAreShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.run()
	for i := range 40 {
		w.user("ann", task(fmt.Sprintf("tsk_%02d", i), "right"))
	}
	w.caughtUp()
	w.sql(w.file("tasks"),
		"UPDATE tasks SET title = 'wrong' WHERE id = 'tsk_05'", "DELETE FROM tasks WHERE id = 'tsk_07'",
		"INSERT INTO task_tags VALUES (1, 'ghost', 'tsk_01')", "DELETE FROM tasks WHERE id > 'tsk_25'")
	if err := s.Rebuild(t.Context(), "tasks"); err != nil {
		t.Fatal(err)
	}
	rb := w.rebuilt("tasks")
	c := rb.Compare
	if rb.Phase != chatkitd.RebuildDone || c.Equal || len(c.Differences) != maxDiffs || c.More != 17-maxDiffs || c.Rows != 41 {
		t.Fatalf("compared: %+v %+v", rb, c)
	}
	first, second := c.Differences[0], c.Differences[1]
	if first.Table != "tasks" || first.Key != "1/tsk_05" || !strings.Contains(first.Old, `"title":"wrong"`) || !strings.Contains(first.New, `"title":"right"`) {
		t.Errorf("first: %+v", first)
	}
	if second.Key != "1/tsk_07" || second.Old != "" || second.New == "" {
		t.Errorf("second: %+v", second)
	}
	if tk, err := s.Task(t.Context(), "ann", "tsk_05"); err != nil || tk.Title != "right" {
		t.Errorf("the truth: %+v, %v", tk, err)
	}
}

// TestPauseInTheComparison checks that a pause takes effect in the middle of a
// comparison, and that the old file's WAL is not held meanwhile.
func TestPauseInTheComparison(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.run()
	w.fill(50)
	w.caughtUp()
	file := w.file("tasks")
	compare := w.stopAt(chatkitd.RebuildCompare)
	if err := s.Rebuild(t.Context(), "tasks"); err != nil {
		t.Fatal(err)
	}
	<-compare.at
	if err := s.Pause(t.Context(), "tasks"); err != nil {
		t.Fatal(err)
	}
	compare.goOn <- struct{}{}
	w.user("ann", task("tsk_new", "while it is paused"))
	w.caughtUp()
	eventually(t, "the snapshot is given back", func() bool {
		conn, err := sqlite.Connect(t.Context(), file, sqlite.Options{BusyTimeout: time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		busy, err := conn.Pragma("wal_checkpoint(TRUNCATE)")
		if err := errors.Join(err, conn.Close()); err != nil {
			t.Fatal(err)
		}
		return busy == "0"
	})
	if rb := w.state("tasks").Rebuild; !rb.Paused || rb.Phase != chatkitd.RebuildCompare {
		t.Errorf("paused: %+v", rb)
	}
	if err := s.Resume(t.Context(), "tasks"); err != nil {
		t.Fatal(err)
	}
	<-compare.at // it begins again
	compare.goOn <- struct{}{}
	if rb := w.rebuilt("tasks"); rb.Phase != chatkitd.RebuildDone || !rb.Compare.Equal || rb.Compare.Rows == 0 {
		t.Errorf("resumed: %+v", rb)
	}
}
