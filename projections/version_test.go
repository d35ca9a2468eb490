package projections

import (
	"errors"
	"testing"
	"time"

	"github.com/chatkitd/chatkitd"
)

// versioned is tasks of another version or layout.
type versioned struct {
	fragile
	layout int
}

func (v versioned) Layout() int { return v.layout }

// TestNewVersionIsBuiltBeside checks that the tables of the version before serve
// until the new ones are built.
func TestNewVersionIsBuiltBeside(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run()
	w.user("ann", task("tsk_1", "one"))
	w.caughtUp()
	before := [2]int64{w.state("tasks").Generation, w.state("threads").Generation}
	w.list[0] = versioned{fragile{version: 2, bug: onPoison(nil)}, 1}
	s := w.open()
	swap := w.stopAt(chatkitd.RebuildSwap)
	w.start(s)
	<-swap.at
	if st := w.state("tasks"); st.Version != 1 || st.State != Running || st.Generation != before[0] || st.Rebuild == nil {
		t.Errorf("while it is built: %+v", st)
	}
	if _, err := s.Task(t.Context(), "ann", "tsk_1"); err != nil {
		t.Errorf("while it is built: %v", err)
	}
	swap.goOn <- struct{}{}
	if rb := w.rebuilt("tasks"); rb.Phase != chatkitd.RebuildDone || !rb.Compare.Equal {
		t.Errorf("built: %+v", rb)
	}
	if st := w.state("tasks"); st.Version != 2 || st.Generation <= before[0] || *st.Previous != before[0] {
		t.Errorf("state: %+v", st)
	}
	if st := w.state("threads"); st.Generation != before[1] || st.Rebuild != nil {
		t.Errorf("another projection was built anew: %+v", st)
	}
	s.NoteWrite("ann", w.user("ann", task("tsk_2", "two")))
	if _, err := s.Task(t.Context(), "ann", "tsk_2"); err != nil {
		t.Error(err)
	}
}

// TestNewVersionThatFails checks that the old tables go on when the new version
// cannot fold an event of the past.
func TestNewVersionThatFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run()
	w.user("ann", task("tsk_1", "poison"))
	w.caughtUp()
	w.list[0] = versioned{fragile{version: 2, bug: onPoison(func() error { return errors.New("cannot be folded") })}, 1}
	s := w.run()
	if rb := w.rebuilt("tasks"); rb.Phase != chatkitd.RebuildFailed || rb.Error == "" {
		t.Errorf("built: %+v", rb)
	}
	s.NoteWrite("ann", w.user("ann", task("tsk_2", "two")))
	for _, id := range []chatkitd.TaskID{"tsk_1", "tsk_2"} {
		if _, err := s.Task(t.Context(), "ann", id); err != nil {
			t.Error(err)
		}
	}
	if st := w.state("tasks"); st.Version != 1 || st.State != Running {
		t.Errorf("state: %+v", st)
	}
}

// TestNewLayoutServesNothing checks that queries are refused until tables of
// another layout are built.
func TestNewLayoutServesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.options.WaitTimeout = 50 * time.Millisecond
	w.run()
	w.user("ann", task("tsk_1", "one"))
	w.caughtUp()
	w.list[0] = versioned{fragile{version: 2, bug: onPoison(nil)}, 2}
	s := w.open()
	swap := w.stopAt(chatkitd.RebuildSwap)
	w.start(s)
	<-swap.at
	if st := w.state("tasks"); st.State != Rebuilding || st.Position != (chatkitd.Position{}) {
		t.Errorf("while it is built: %+v", st)
	}
	if _, err := s.Task(t.Context(), "bob", "tsk_1"); chatkitd.CodeOf(err) != chatkitd.CodeUnavailable {
		t.Errorf("while it is built: %v", err)
	}
	if _, err := s.Threads(t.Context(), "ann", chatkitd.PageQuery{}); err != nil {
		t.Errorf("another projection: %v", err)
	}
	swap.goOn <- struct{}{}
	w.rebuilt("tasks")
	if _, err := s.Task(t.Context(), "ann", "tsk_1"); err != nil {
		t.Error(err)
	}
	if st := w.state("tasks"); st.Version != 2 || st.State != Running || st.Previous != nil {
		t.Errorf("state: %+v", st)
	}
	eventually(t, "the other layout is dropped", func() bool { return w.tables("tasks") == 1 })
}

// TestOpenWithoutALog checks that the service opens while the log is away, and
// tells nobody less than was acknowledged.
func TestOpenWithoutALog(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run()
	w.user("ann", task("tsk_1", "one"))
	w.caughtUp()
	w.close()
	w.user("ann", task("tsk_2", "two"))
	f := &flaky{Store: w.store}
	f.down.Store(true)
	w.options.Store = f
	s := w.run()
	if _, err := s.Task(t.Context(), "ann", "tsk_1"); chatkitd.CodeOf(err) != chatkitd.CodeUnavailable {
		t.Errorf("without a log: %v", err)
	}
	if s.Ready() == nil {
		t.Error("ready without a log")
	}
	f.down.Store(false)
	eventually(t, "queries are answered", func() bool {
		_, err := s.Task(t.Context(), "bob", "tsk_1")
		return chatkitd.CodeOf(err) == chatkitd.CodeNotFound
	})
	if _, err := s.Task(t.Context(), "ann", "tsk_2"); err != nil {
		t.Error(err)
	}
}
