package audit_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

func summaries(views []chatkitd.EventView) []string {
	var out []string
	for _, v := range views {
		out = append(out, v.Summary)
	}
	return out
}

// titled is a log in which a task is renamed between other things.
func titled(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.task("alice", events.TaskAdded{TaskID: "tsk_1", Title: "milk"})
	w.task("bob", events.TaskAdded{TaskID: "tsk_1", Title: "bob’s, under the same id"})
	w.task("alice", events.TaskCompleted{TaskID: "tsk_1"})
	w.task("alice", events.TaskUpdated{TaskID: "tsk_1", Title: chatkitd.To("oat milk")})
	w.task("alice", events.TaskReopened{TaskID: "tsk_1"})
	w.task("bob", events.TaskCompleted{TaskID: "tsk_1"})
	w.task("alice", events.TaskUpdated{TaskID: "tsk_1", Priority: chatkitd.To(chatkitd.PriorityLow)})
	w.append("thread-thr_1", events.Metadata{}, events.ThreadCreated{ThreadID: "thr_1", UserID: "bob", Title: "Groceries"}, events.ThreadDeleted{})
	w.task("alice", events.TaskDeleted{TaskID: "tsk_1"})
	w.task("alice", events.TaskCompleted{TaskID: "tsk_gone"})
	return w
}

// TestTitles wants every event to name its task as it was called then, whatever is
// asked for: the whole log, its end, or only some types.
func TestTitles(t *testing.T) {
	w := titled(t)
	all := []string{
		"added “milk”", "added “bob’s, under the same id”", "completed “milk”", "changed “milk”: title “oat milk”", "reopened “oat milk”",
		"completed “bob’s, under the same id”", "changed “oat milk”: priority low", "bob opened “Groceries”", "deleted the thread “Groceries”",
		"deleted “oat milk”", "completed tsk_gone",
	}
	tests := []struct {
		name string
		q    chatkitd.EventQuery
		want []string
	}{
		{"all", chatkitd.EventQuery{}, all},
		{"the end", chatkitd.EventQuery{From: position(5)}, all[4:]},
		{"behind a rename", chatkitd.EventQuery{After: position(4), Limit: 3}, all[4:7]},
		{"a stream", chatkitd.EventQuery{User: "alice", From: position(3)}, []string{all[2], all[3], all[4], all[6], all[9], all[10]}},
		{"one type", chatkitd.EventQuery{Types: []string{"task.completed", "task.reopened", "task.deleted"}}, []string{all[2], all[4], all[5], all[9], all[10]}},
		{"bare", chatkitd.EventQuery{Bare: true, Limit: 2}, []string{"", ""}},
	}
	for _, tt := range tests {
		for _, newest := range []bool{false, true} {
			q, want := tt.q, slices.Clone(tt.want)
			if q.Newest = newest; newest {
				if q.After != (chatkitd.Position{}) || q.Bare {
					continue
				}
				slices.Reverse(want)
			}
			page, err := w.auditor(true).Events(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			if got := summaries(page.Data); !slices.Equal(got, want) {
				t.Errorf("%s, newest %v:\n got %q\nwant %q", tt.name, newest, got, want)
			}
		}
	}
	for _, q := range []chatkitd.EventQuery{{After: position(2)}, {After: position(2), Types: []string{"task.completed", "task.deleted"}}} {
		var want []string
		for i, s := range all[2:] {
			if len(q.Types) == 0 || i == 0 || i == 3 || i >= 7 {
				want = append(want, s)
			}
		}
		ctx, stop := context.WithCancel(t.Context())
		var got []string
		_ = w.auditor(true).Follow(ctx, q, func(v chatkitd.EventView) error { // it ends when it is stopped
			if got = append(got, v.Summary); len(got) == len(want) {
				stop()
			}
			return nil
		})
		stop()
		if !slices.Equal(got, want) {
			t.Errorf("followed:\n got %q\nwant %q", got, want)
		}
	}
}

// TestTitlesReadLittle wants a title that lies far back to cost a bounded number of
// reads: the event keeps the id.
func TestTitlesReadLittle(t *testing.T) {
	w := newWorld(t)
	w.task("alice", events.TaskAdded{TaskID: "tsk_old", Title: "old"})
	for i := range 12 {
		evs := make([]events.Event, 1000)
		for n := range evs {
			evs[n] = events.TaskReopened{TaskID: chatkitd.TaskID(fmt.Sprint("tsk_", i, "_", n))}
		}
		w.append("user-alice", events.Metadata{}, evs...)
	}
	w.task("alice", events.TaskCompleted{TaskID: "tsk_old"})
	read := w.store.reads
	page, err := w.auditor(true).Events(t.Context(), chatkitd.EventQuery{Newest: true, Limit: 50})
	if err != nil || page.Data[0].Summary != "completed tsk_old" {
		t.Errorf("%q %v", page.Data[0].Summary, err)
	}
	if n := w.store.reads - read; n > 10_200 {
		t.Errorf("%d events read for a page of 50", n)
	}
}

// TestSummariesAreShort wants what a person wrote cut: a summary is one line.
func TestSummariesAreShort(t *testing.T) {
	w := newWorld(t)
	w.say("alice", "", strings.Repeat("añ", 50_000), events.TaskAdded{TaskID: "tsk_1", Title: strings.Repeat("b\u202e", 50_000)})
	page, err := w.auditor(true).Events(t.Context(), chatkitd.EventQuery{})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range page.Data {
		if n := utf8.RuneCountInString(v.Summary); n > 600 || !utf8.ValidString(v.Summary) {
			t.Errorf("%s: %d characters", v.Type, n)
		}
	}
}
