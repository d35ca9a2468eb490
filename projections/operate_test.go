package projections

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

func TestPausedProjection(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.run()
	w.user("ann", task("tsk_1", "one"))
	w.caughtUp()
	if err := s.Pause(t.Context(), "tasks"); err != nil {
		t.Fatal(err)
	}
	if err := s.Pause(t.Context(), "tasks"); chatkitd.CodeOf(err) != chatkitd.CodeConflict {
		t.Errorf("paused twice: %v", err)
	}
	s.NoteWrite("ann", w.user("ann", task("tsk_2", "two")))
	w.thread("thr_1", events.ThreadCreated{ThreadID: "thr_1", UserID: "ann"})
	check := func() {
		t.Helper()
		eventually(t, "threads go on", func() bool { return w.state("threads").LagEvents == 0 })
		st := w.state("tasks")
		if st.State != Paused || st.LagEvents != 2 {
			t.Errorf("paused: %+v", st)
		}
		if s.Ready() == nil {
			t.Error("ready with a projection that is paused")
		}
		if _, err := s.Task(t.Context(), "ann", "tsk_2"); chatkitd.CodeOf(err) != chatkitd.CodeUnavailable {
			t.Errorf("whoever has written: %v", err)
		}
	}
	check()
	if _, err := s.Task(t.Context(), "bob", "tsk_1"); chatkitd.CodeOf(err) != chatkitd.CodeNotFound {
		t.Errorf("another reader: %v", err)
	}
	s = w.run() // it stays paused
	check()
	if err := s.Rebuild(t.Context(), "tasks"); err != nil {
		t.Fatal(err)
	}
	if rb := w.rebuilt("tasks"); rb.Phase != chatkitd.RebuildDone || !rb.Compare.Equal {
		t.Errorf("rebuilt: %+v", rb)
	}
	check()
	if err := s.Resume(t.Context(), "tasks"); err != nil {
		t.Fatal(err)
	}
	w.caughtUp()
	if _, err := s.Task(t.Context(), "ann", "tsk_2"); err != nil {
		t.Error(err)
	}
}

func TestRetryAndSkip(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var broken atomic.Bool
	broken.Store(true)
	w.list[0] = fragile{version: 1, bug: func(title string) error {
		if title == "poison" || title == "bad luck" && broken.Load() {
			return errors.New("cannot be folded")
		}
		return nil
	}}
	s := w.run()
	luck := w.user("ann", task("tsk_1", "bad luck"))
	poison := w.user("ann", task("tsk_2", "poison"))
	w.user("ann", task("tsk_3", "three"))
	failed := func(at chatkitd.Position) {
		t.Helper()
		eventually(t, "it has failed", func() bool { return w.state("tasks").State == Failed })
		if f := w.state("tasks").Failure; f.Position != at || f.Attempts != patience {
			t.Errorf("failure: %+v", f)
		}
	}
	failed(luck)
	broken.Store(false)
	if err := s.Retry(t.Context(), "tasks"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it has gone on", func() bool { return w.state("tasks").Position.Compare(luck) >= 0 })
	failed(poison)
	if err := s.Skip(t.Context(), "tasks", luck); chatkitd.CodeOf(err) != chatkitd.CodeConflict {
		t.Errorf("another position: %v", err)
	}
	// A rebuild fails as well, and the old tables stay.
	before := w.state("tasks")
	if err := s.Rebuild(t.Context(), "tasks"); err != nil {
		t.Fatal(err)
	}
	if rb := w.rebuilt("tasks"); rb.Phase != chatkitd.RebuildFailed || !strings.Contains(rb.Error, "task.added.v1 at "+poison.String()) {
		t.Errorf("rebuilt: %+v", rb)
	}
	if st := w.state("tasks"); st.State != Failed || st.Generation != before.Generation || st.Position != before.Position {
		t.Errorf("state: %+v", st)
	}
	if err := s.Skip(t.Context(), "tasks", poison); err != nil {
		t.Fatal(err)
	}
	w.caughtUp()
	shown := func() {
		t.Helper()
		if st := w.state("tasks"); len(st.Skipped) != 1 || st.Skipped[0].Position != poison || st.Skipped[0].Type != "task.added.v1" {
			t.Errorf("skipped: %+v", st)
		}
		if _, err := w.s.Task(t.Context(), "ann", "tsk_3"); err != nil {
			t.Error(err)
		}
	}
	shown()
	if err := s.Rebuild(t.Context(), "tasks"); err != nil { // the event is passed here, too
		t.Fatal(err)
	}
	if rb := w.rebuilt("tasks"); rb.Phase != chatkitd.RebuildDone || !rb.Compare.Equal {
		t.Errorf("rebuilt: %+v", rb)
	}
	shown()
	w.run()
	shown()
	w.list[0] = fragile{version: 1, bug: func(string) error { return nil }} // repaired
	s = w.run()
	if err := s.Rebuild(t.Context(), "tasks"); err != nil {
		t.Fatal(err)
	}
	if rb := w.rebuilt("tasks"); rb.Phase != chatkitd.RebuildDone || rb.Compare.Equal || len(rb.Compare.Differences) != 2 || rb.Compare.Differences[1].Key != "1/tsk_2" {
		t.Errorf("rebuilt: %+v %+v", rb, rb.Compare)
	}
	if st := w.state("tasks"); len(st.Skipped) != 0 {
		t.Errorf("still skipped: %+v", st.Skipped)
	}
	if _, err := s.Task(t.Context(), "ann", "tsk_2"); err != nil {
		t.Error(err)
	}
}
