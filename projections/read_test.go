package projections

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/chatkit"
	"github.com/chatkitd/chatkitd/events"
)

func TestThreads(t *testing.T) {
	t.Parallel()
	created := events.ThreadCreated{ThreadID: "thr_1", UserID: "ann", Title: "Plans"}
	thread := chatkit.Thread{ID: "thr_1", Title: "Plans", CreatedAt: at(1), Status: chatkit.Status{Type: "active"}}
	with := func(change func(*chatkit.Thread)) chatkit.Thread {
		th := thread
		change(&th)
		return th
	}
	one, two := item("msg_1", "user_message", "a"), item("msg_2", "assistant_message", "b")
	tests := []struct {
		name  string
		given []events.Event
		then  chatkit.Thread // no id: there is none
		open  bool
	}{
		{"created", nil, thread, false},
		{"renamed", []events.Event{events.ThreadRenamed{Title: "New", By: "user"}}, with(func(t *chatkit.Thread) { t.Title = "New" }), false},
		{
			"locked",
			[]events.Event{events.ThreadStatusChanged{Status: "locked", Reason: "why"}},
			with(func(t *chatkit.Thread) { t.Status = chatkit.Status{Type: "locked", Reason: "why"} }), false,
		},
		{"deleted", []events.Event{events.ItemAdded{Item: one}, events.ThreadDeleted{}}, chatkit.Thread{}, false},
		{
			"deleted while a turn runs",
			[]events.Event{events.TurnStarted{TurnID: "trn_1"}, events.ThreadDeleted{}, events.TurnCancelled{TurnID: "trn_1"}},
			chatkit.Thread{},
			false,
		},
		{"a turn runs", []events.Event{events.TurnStarted{TurnID: "trn_1"}}, thread, true},
		{
			"another turn has ended",
			[]events.Event{events.TurnStarted{TurnID: "trn_1"}, events.TurnFailed{TurnID: "trn_0"}},
			thread, true,
		},
		{"a turn has ended", []events.Event{events.TurnStarted{TurnID: "trn_1"}, events.TurnCompleted{TurnID: "trn_1"}}, thread, false},
		{
			"items",
			[]events.Event{events.ItemAdded{Item: one}, events.ItemAdded{Item: two}},
			with(func(t *chatkit.Thread) { t.Items.Data, t.Items.After = raws(one, two), "msg_2" }), false,
		},
		{
			"a hidden item",
			[]events.Event{events.ItemAdded{Item: item("shcx_1", "sdk_hidden_context", "x")}, events.ItemAdded{Item: two}},
			with(func(t *chatkit.Thread) { t.Items.Data, t.Items.After = raws(two), "msg_2" }), false,
		},
		{
			"a replaced item keeps its place",
			[]events.Event{events.ItemAdded{Item: one}, events.ItemAdded{Item: two}, events.ItemReplaced{Item: item("msg_1", "widget", "c")}},
			with(func(t *chatkit.Thread) {
				t.Items.Data, t.Items.After = raws(item("msg_1", "widget", "c"), two), "msg_2"
			}), false,
		},
		{
			"a removed item",
			[]events.Event{events.ItemAdded{Item: one}, events.ItemAdded{Item: two}, events.ItemRemoved{ItemID: "msg_2"}},
			with(func(t *chatkit.Thread) { t.Items.Data, t.Items.After = raws(one), "msg_1" }), false,
		},
		{
			"an item that was never there is removed",
			[]events.Event{events.ItemAdded{Item: one}, events.ItemRemoved{ItemID: "msg_9"}},
			with(func(t *chatkit.Thread) { t.Items.Data, t.Items.After = raws(one), "msg_1" }), false,
		},
		{
			"removed and added again: the last",
			[]events.Event{
				events.ItemAdded{Item: one}, events.ItemAdded{Item: two}, events.ItemRemoved{ItemID: "msg_1"}, events.ItemAdded{Item: one},
			},
			with(func(t *chatkit.Thread) { t.Items.Data, t.Items.After = raws(two, one), "msg_1" }), false,
		},
	}
	for _, tt := range tests {
		for _, batch := range []int{1, 1000} {
			t.Run(fmt.Sprintf("%s, batches of %d", tt.name, batch), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.options.BatchSize = batch
				w.run()
				w.thread("thr_1", append([]events.Event{created}, tt.given...)...)
				s := w.caughtUp()
				got, err := s.Thread(t.Context(), "ann", "thr_1")
				if tt.then.ID == "" {
					if chatkitd.CodeOf(err) != chatkitd.CodeNotFound {
						t.Errorf("it is still there: %v", err)
					}
				} else if err != nil {
					t.Fatal(err)
				}
				if tt.then.ID != "" && tt.then.Items.Data == nil {
					tt.then.Items.Data = raws()
				}
				if diff := cmp.Diff(tt.then, got); diff != "" {
					t.Errorf("thread (-want +got):\n%s", diff)
				}
				open, err := s.OpenTurns(t.Context())
				if err != nil || (len(open) == 1) != tt.open {
					t.Errorf("open turns: %v, %v", open, err)
				}
			})
		}
	}
}

// TestBrokenHistories checks that an event that cannot follow stops the
// projection instead of being skipped.
func TestBrokenHistories(t *testing.T) {
	t.Parallel()
	created := events.ThreadCreated{ThreadID: "thr_1", UserID: "ann"}
	tests := []struct {
		name       string
		stream     string
		given      []events.Event
		projection string
	}{
		{"a task twice", "user-ann", []events.Event{task("tsk_1", "a"), task("tsk_1", "a")}, "tasks"},
		{"an unknown task", "user-ann", []events.Event{events.TaskCompleted{TaskID: "tsk_1"}}, "tasks"},
		{"a deleted task", "user-ann", []events.Event{task("tsk_1", "a"), events.TaskDeleted{TaskID: "tsk_1"}, events.TaskDeleted{TaskID: "tsk_1"}}, "tasks"},
		{"a thread's event in a user's stream", "user-ann", []events.Event{created}, "tasks"},
		{"a user's event in a thread's stream", "thread-thr_1", []events.Event{created, task("tsk_1", "a")}, "thread_items"},
		{"a thread twice", "thread-thr_1", []events.Event{created, created}, "threads"},
		{"a thread of another stream", "thread-thr_2", []events.Event{created}, "threads"},
		{"an unknown thread", "thread-thr_1", []events.Event{events.ThreadRenamed{Title: "a"}}, "threads"},
		{"an item of an unknown thread", "thread-thr_1", []events.Event{events.ItemAdded{Item: item("msg_1", "widget", "")}}, "thread_items"},
		{"an item without id", "thread-thr_1", []events.Event{created, events.ItemAdded{Item: item("", "widget", "")}}, "thread_items"},
	}
	for _, tt := range tests {
		for _, batch := range []int{1, 1000} {
			t.Run(fmt.Sprintf("%s, batches of %d", tt.name, batch), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.options.BatchSize = batch
				w.append(tt.stream, tt.given...)
				w.run()
				eventually(t, "it has failed", func() bool { return w.state(tt.projection).State == Failed })
				if f := w.state(tt.projection).Failure; f.Revision != uint64(len(tt.given)-1) || f.Stream != tt.stream {
					t.Errorf("it stopped before another event: %+v", f)
				}
			})
		}
	}
}

// TestReadYourWrites checks the wait on a fake clock: the query sees the write
// when it comes, or gives up in time.
func TestReadYourWrites(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open() // nobody follows the log: writes are seen when the test says so
	far := chatkitd.Position{Commit: 7, Prepare: 7}
	synctest.Test(t, func(t *testing.T) {
		s.NoteWrite("ann", far)
		start := time.Now()
		err := s.await(t.Context(), "ann", s.tasks)
		if code, took := chatkitd.CodeOf(err), time.Since(start); code != chatkitd.CodeTimeout || took != 2*time.Second {
			t.Errorf("%v after %s", err, took)
		}
		if err := s.await(t.Context(), "bob", s.tasks); err != nil {
			t.Errorf("another user: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.await(ctx, "ann", s.tasks) }()
		synctest.Wait()
		cancel()
		if err := <-done; chatkitd.CodeOf(err) != chatkitd.CodeCanceled {
			t.Errorf("a caller that went away: %v", err)
		}
		for range 3 {
			go func() { done <- s.await(t.Context(), "ann", s.tasks, s.threads) }()
		}
		synctest.Wait()
		s.tasks.advance(chatkitd.Position{Commit: 6, Prepare: 6}, time.Time{}, false, 0, 0, time.Now())
		synctest.Wait()
		s.tasks.advance(far, time.Time{}, true, 0, 0, time.Now())
		synctest.Wait()
		select {
		case err := <-done:
			t.Fatalf("it did not wait for threads: %v", err)
		default:
		}
		s.threads.advance(far, time.Time{}, true, 0, 0, time.Now())
		for range 3 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("the commit did not wake it: %s", took)
		}
	})
}

// TestReadYourWritesLive checks that a query right after an append never misses
// it.
func TestReadYourWritesLive(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.run()
	for i := range 300 {
		id := fmt.Sprintf("tsk_%d", i)
		s.NoteWrite("ann", w.user("ann", task(id, id)))
		page, err := s.Tasks(t.Context(), "ann", chatkitd.TaskFilter{Limit: 1})
		if err != nil {
			t.Fatal(err)
		}
		if page.Total != i+1 || string(page.Data[0].ID) != id {
			t.Fatalf("after %d tasks: %+v", i+1, page)
		}
	}
	eventually(t, "writes are forgotten", func() bool {
		s.writes.mu.Lock()
		defer s.writes.mu.Unlock()
		return len(s.writes.last) == 0 && len(s.writes.queue) == 0
	})
}

func TestWritesAreBounded(t *testing.T) {
	t.Parallel()
	w := newWrites()
	pos := func(n int) chatkitd.Position { return chatkitd.Position{Commit: uint64(n), Prepare: uint64(n)} }
	for i := range maxWrites + 10 {
		w.note(chatkitd.UserID(fmt.Sprint("user", i)), pos(i+1), pos(0))
	}
	if n := len(w.queue); n > maxWrites {
		t.Errorf("%d writes are remembered", n)
	}
	// Never too early: also for those who were forgotten.
	for _, i := range []int{0, 1, maxWrites, maxWrites + 9} {
		if at := w.of(chatkitd.UserID(fmt.Sprint("user", i))); at.Compare(pos(i+1)) < 0 {
			t.Errorf("user %d waits for %s only", i, at)
		}
	}
	w.passed(pos(maxWrites + 10))
	if at := w.of("user1"); !at.IsZero() || len(w.last) != 0 || len(w.queue) != 0 {
		t.Errorf("something is left: %s, %d, %d", at, len(w.last), len(w.queue))
	}
}

func raws(items ...json.RawMessage) []json.RawMessage { return append([]json.RawMessage{}, items...) }
