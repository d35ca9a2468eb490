package projections

import (
	"fmt"
	"testing"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

func (w *world) watch(user chatkitd.UserID, after chatkitd.Position) chatkitd.TaskWatch {
	w.t.Helper()
	watch, err := w.s.WatchTasks(w.t.Context(), user, after)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(watch.Stop)
	return watch
}

func TestWatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.user("eve", task("tsk_0", "seed")) // so that the runner is past its start
	w.run()
	w.caughtUp()
	ann := w.watch("ann", chatkitd.Position{})
	bob := w.watch("bob", chatkitd.Position{})
	first := w.user("ann", task("tsk_1", "one"))
	w.user("ann", events.TaskCompleted{TaskID: "tsk_1"})
	last := w.user("ann", events.TaskDeleted{TaskID: "tsk_1"})
	foreign := w.user("bob", task("tsk_2", "two"))

	c := <-ann.Changes
	if c.Position != first || c.ID != "tsk_1" || c.Task == nil || c.Task.Completed {
		t.Errorf("added: %+v", c)
	}
	if c = <-ann.Changes; c.Task == nil || !c.Task.Completed || c.Task.Title != "one" {
		t.Errorf("completed: %+v", c)
	}
	if c = <-ann.Changes; c.Position != last || c.ID != "tsk_1" || c.Task != nil {
		t.Errorf("deleted: %+v", c)
	}
	if c = <-bob.Changes; c.Position != foreign || c.ID != "tsk_2" {
		t.Errorf("bob: %+v", c)
	}
	w.caughtUp()

	again := w.watch("ann", first)
	if !again.Resumed || again.At != first || len(again.Changes) != 2 {
		t.Errorf("resumed: %+v with %d changes", again, len(again.Changes))
	}
	ahead := w.watch("ann", chatkitd.Position{Commit: 1 << 40, Prepare: 1 << 40})
	if ahead.Resumed || ahead.At != foreign {
		t.Errorf("a position of another log: %+v", ahead)
	}
	again.Stop()
	again.Stop()
	if watching, _ := w.s.hub.counts(); watching != 3 {
		t.Errorf("%d watch", watching)
	}
	w.stop()
	w.stop = nil
	if _, open := <-ann.Changes; open {
		t.Error("a watch outlived the runner")
	}
	if _, err := w.s.WatchTasks(t.Context(), "ann", last); chatkitd.CodeOf(err) != chatkitd.CodeUnavailable {
		t.Errorf("a watch of a service that has stopped: %v", err)
	}
}

func TestSlowWatcherIsCutOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.user("eve", task("tsk_0", "seed")) // so that the runner is past its start
	w.run()
	w.caughtUp()
	slow := w.watch("ann", chatkitd.Position{})
	for i := range watchQueue + 1 {
		w.user("ann", task(fmt.Sprint("tsk_", i), "x"))
	}
	w.caughtUp()
	eventually(t, "the watcher is cut off", func() bool { _, cut := w.s.hub.counts(); return cut == 1 })
	n := 0
	for range slow.Changes {
		n++
	}
	if n != watchQueue {
		t.Errorf("it got %d changes", n)
	}
	if again := w.watch("ann", chatkitd.Position{}); again.Resumed {
		t.Error("resumed over more than the queue holds")
	}
}

// TestRing checks that a watch resumes exactly when every change since is still
// remembered.
func TestRing(t *testing.T) {
	t.Parallel()
	h := newHub(100)
	pos := func(n int) chatkitd.Position { return chatkitd.Position{Commit: uint64(n), Prepare: uint64(n)} }
	for i := 1; i <= hubRing+100; i++ {
		h.publish([]userChange{{"ann", chatkitd.TaskChange{Position: pos(i), ID: "tsk_1"}}}, pos(i))
	}
	for after, want := range map[int]bool{99: false, hubRing + 36: true, hubRing + 35: false, hubRing + 100: true} {
		w, err := h.watch("ann", pos(after), chatkitd.Position{})
		if err != nil {
			t.Fatal(err)
		}
		if w.Resumed != want || want && len(w.Changes) != hubRing+100-after || !want && len(w.Changes) != 0 {
			t.Errorf("after %d: %+v with %d changes", after, w, len(w.Changes))
		}
	}
	if w, err := h.watch("bob", pos(100), chatkitd.Position{}); err != nil || !w.Resumed {
		t.Errorf("all that happened to bob since is known: %+v, %v", w, err)
	}
	if w, err := h.watch("bob", pos(99), chatkitd.Position{}); err != nil || w.Resumed {
		t.Errorf("what happened to bob since is not known: %+v, %v", w, err)
	}
	if _, err := newHub(0).watch("ann", pos(1), chatkitd.Position{}); chatkitd.CodeOf(err) != chatkitd.CodeUnavailable {
		t.Errorf("over the bound: %v", err)
	}
}
