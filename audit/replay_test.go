package audit_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/chatkit"
	"github.com/chatkitd/chatkitd/events"
)

func to[T any](v T) *T { return &v }

func titles(tasks []chatkitd.Task) string {
	var out []string
	for _, task := range tasks {
		s := task.Title
		if task.Completed {
			s += " (done)"
		}
		out = append(out, s)
	}
	return strings.Join(out, ", ")
}

// TestReplayUser asks for Alice's list at every kind of moment.
func TestReplayUser(t *testing.T) {
	w := newWorld(t)
	w.alice()
	tests := []struct {
		name     string
		q        chatkitd.ReplayQuery
		want     string
		revision int
	}{
		{"now", chatkitd.ReplayQuery{}, "water plants, call Anna about the trip, buy milk (done)", 4},
		{"on Monday at ten", chatkitd.ReplayQuery{At: monday.Add(time.Hour)}, "call Anna, buy milk (done)", 2},
		{"at the moment of an event", chatkitd.ReplayQuery{At: monday.Add(26 * time.Hour)}, "water plants, call Anna about the trip, buy milk (done)", 4},
		{"before she had any", chatkitd.ReplayQuery{At: monday.Add(-time.Hour)}, "", -1},
		{"at a revision", chatkitd.ReplayQuery{Revision: to(uint64(0))}, "buy milk", 0},
		{"at her event's position", chatkitd.ReplayQuery{Position: to(position(8))}, "call Anna, buy milk", 1},
		{"at a position of others", chatkitd.ReplayQuery{Position: to(position(22))}, "call Anna, buy milk", 1},
		{"at the begin", chatkitd.ReplayQuery{Position: &chatkitd.Position{}}, "", -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.q.User = "alice"
			for _, steps := range []bool{false, true} {
				tt.q.Steps = steps
				r, err := w.auditor(true).Replay(t.Context(), tt.q)
				if err != nil {
					t.Fatal(err)
				}
				revision := -1
				if r.Revision != nil {
					revision = int(*r.Revision)
				}
				if titles(r.Tasks) != tt.want || revision != tt.revision || steps && len(r.Steps) != tt.revision+1 {
					t.Errorf("%s at revision %d, %d steps", titles(r.Tasks), revision, len(r.Steps))
				}
			}
		})
	}
}

// TestStepsTellTheMessage is the question of which message changed the list.
func TestStepsTellTheMessage(t *testing.T) {
	w := newWorld(t)
	a := w.alice()
	r, err := w.auditor(true).Replay(t.Context(), chatkitd.ReplayQuery{User: "alice", Steps: true})
	if err != nil {
		t.Fatal(err)
	}
	want := []struct{ summary, text string }{
		{"added “buy milk”, due Tue 24 Nov 09:00", "add buy milk tomorrow, and call Anna"},
		{"added “call Anna”", "add buy milk tomorrow, and call Anna"},
		{"completed “buy milk”", "done with the milk"},
		{"changed “call Anna”: title “call Anna about the trip”", "call Anna about the trip"},
		{"added “water plants”, high priority", ""},
	}
	for i, s := range r.Steps {
		if s.Event.Summary != want[i].summary || s.Cause.Text != want[i].text {
			t.Errorf("step %d: %q because of %q", i, s.Event.Summary, s.Cause.Text)
		}
	}
	done := r.Steps[2]
	wantCause := &chatkitd.ReplayCause{
		Request: a.done.request, Thread: a.add.thread, Message: a.done.message, Text: "done with the milk",
		Turn: a.done.id, Call: a.done.calls[0], Tool: "some_tool",
	}
	if d := cmp.Diff(wantCause, done.Cause); d != "" {
		t.Error(d)
	}
	var before, after chatkitd.Task
	if err := json.Unmarshal(done.Before, &before); err != nil || before.Completed {
		t.Errorf("before: %s %v", done.Before, err)
	}
	if err := json.Unmarshal(done.After, &after); err != nil || !after.Completed || done.Subject != string(a.milk) {
		t.Errorf("after: %s of %s %v", done.After, done.Subject, err)
	}
	if string(r.Steps[0].Before) != "null" || r.Steps[4].Cause.Request != a.plants {
		t.Errorf("%s %+v", r.Steps[0].Before, r.Steps[4].Cause)
	}
}

func TestReplayThread(t *testing.T) {
	w := newWorld(t)
	first := w.say("alice", "", "one")
	r, err := w.auditor(true).Replay(t.Context(), chatkitd.ReplayQuery{Thread: first.thread})
	if err != nil || len(r.Items) != 2 {
		t.Fatalf("%+v %v", r, err)
	}
	answer, err := chatkit.DecodeItem(r.Items[1])
	if err != nil {
		t.Fatal(err)
	}
	again := w.retry("alice", first, chatkitd.ItemID(answer.Base().ID))
	w.append(events.ThreadStream(first.thread), events.Metadata{User: "alice", Correlation: "req_del"}, events.ThreadDeleted{})

	r, err = w.auditor(true).Replay(t.Context(), chatkitd.ReplayQuery{Thread: first.thread, Position: &again.position, Steps: true})
	if err != nil || r.Thread == nil || r.Thread.Title != "one" || len(r.Items) != 2 {
		t.Fatalf("%+v %v", r, err)
	}
	removed := r.Steps[slices.IndexFunc(r.Steps, func(s chatkitd.ReplayStep) bool { return s.Event.Type == "item.removed.v1" })]
	if removed.Subject != answer.Base().ID || string(removed.After) != "null" || !strings.Contains(string(removed.Before), "Done.") {
		t.Errorf("%+v", removed)
	}
	if last := r.Steps[len(r.Steps)-1].Cause; last.Text != "one" || last.Turn != again.id || last.Message != first.message {
		t.Errorf("%+v", last)
	}
	r, err = w.auditor(true).Replay(t.Context(), chatkitd.ReplayQuery{Thread: first.thread, Steps: true})
	if err != nil || r.Thread != nil || len(r.Items) != 0 {
		t.Errorf("after it was deleted: %+v %v", r, err)
	}
	if s := r.Steps[len(r.Steps)-1]; s.Subject != "thread" || string(s.After) != "null" || string(s.Before) == "null" {
		t.Errorf("the deletion: %+v", s)
	}
}

func TestBadReplays(t *testing.T) {
	w := newWorld(t)
	w.alice()
	tests := []struct {
		name string
		q    chatkitd.ReplayQuery
		code chatkitd.Code
		want string
	}{
		{"nothing", chatkitd.ReplayQuery{}, chatkitd.CodeInvalid, "one user or one thread"},
		{"both", chatkitd.ReplayQuery{User: "alice", Thread: "thr_1"}, chatkitd.CodeInvalid, "one user or one thread"},
		{"two moments", chatkitd.ReplayQuery{User: "alice", At: monday, Revision: to(uint64(1))}, chatkitd.CodeInvalid, "at most one"},
		{"a position past the end", chatkitd.ReplayQuery{User: "alice", Position: to(position(99))}, chatkitd.CodeInvalid, "which is at 34"},
		{"a revision past the end", chatkitd.ReplayQuery{User: "alice", Revision: to(uint64(5))}, chatkitd.CodeInvalid, "ends at revision 4"},
		{"an unknown user", chatkitd.ReplayQuery{User: "zoe"}, chatkitd.CodeNotFound, "zoe"},
		{"an unknown thread", chatkitd.ReplayQuery{Thread: "thr_1"}, chatkitd.CodeNotFound, "thr_1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := w.auditor(true).Replay(t.Context(), tt.q)
			if chatkitd.CodeOf(err) != tt.code || !strings.Contains(chatkitd.MessageOf(err), tt.want) {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestReplayIsThePrefix changes tasks at random and keeps its own list, which the
// replay must equal at every revision, position and time.
func TestReplayIsThePrefix(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		var list []chatkitd.Task // newest first
		var lists [][]chatkitd.Task
		var times []time.Time
		for i := range rapid.IntRange(1, 25).Draw(rt, "events") {
			w.pass(time.Second)
			w.task("bob", events.TaskAdded{TaskID: chatkitd.TaskID(fmt.Sprint("b", i)), Title: "bob’s"})
			ev := draw(rt, &list, i, w.now)
			w.task("alice", ev)
			lists, times = append(lists, slices.Clone(list)), append(times, w.now)
		}
		a := w.auditor(rapid.Bool().Draw(rt, "dense"))
		for i, want := range lists {
			for _, q := range []chatkitd.ReplayQuery{
				{Revision: to(uint64(i))}, {Position: to(position(uint64(2*i + 2)))}, {At: times[i]}, {At: times[i].Add(time.Second - 1), Steps: true},
			} {
				q.User = "alice"
				r, err := a.Replay(t.Context(), q)
				if err != nil {
					rt.Fatal(err)
				}
				if d := cmp.Diff(want, r.Tasks, emptyIsNil); d != "" {
					rt.Fatalf("%+v: %s", q, d)
				}
			}
		}
	})
}

var emptyIsNil = cmp.Transformer("empty", func(s []chatkitd.Task) map[int]chatkitd.Task {
	m := map[int]chatkitd.Task{}
	for i, t := range s {
		m[i] = t
	}
	return m
})

// draw makes one change and applies it to the list.
func draw(rt *rapid.T, list *[]chatkitd.Task, i int, now time.Time) events.User {
	now = now.UTC()
	kind := "add"
	if len(*list) > 0 {
		kind = rapid.SampledFrom([]string{"add", "title", "due", "complete", "reopen", "delete"}).Draw(rt, "kind")
	}
	if kind == "add" {
		task := chatkitd.Task{
			ID: chatkitd.TaskID(fmt.Sprintf("tsk_%d", i)), Title: rapid.StringN(1, 20, -1).Draw(rt, "title"),
			Status: chatkitd.TaskPending, CreatedAt: now, UpdatedAt: now,
		}
		*list = append([]chatkitd.Task{task}, *list...)
		return events.TaskAdded{TaskID: task.ID, Title: task.Title}
	}
	n := rapid.IntRange(0, len(*list)-1).Draw(rt, "task")
	task := &(*list)[n]
	task.UpdatedAt = now
	switch kind {
	case "title":
		task.Title = rapid.StringN(1, 20, -1).Draw(rt, "title")
		return events.TaskUpdated{TaskID: task.ID, Title: chatkitd.To(task.Title)}
	case "due":
		due := now.Add(time.Hour)
		task.DueAt = &due
		return events.TaskUpdated{TaskID: task.ID, DueAt: chatkitd.To(due)}
	case "complete":
		task.Status, task.Completed, task.CompletedAt = chatkitd.TaskCompleted, true, &now
		return events.TaskCompleted{TaskID: task.ID}
	case "reopen":
		task.Status, task.Completed, task.CompletedAt = chatkitd.TaskPending, false, nil
		return events.TaskReopened{TaskID: task.ID}
	}
	id := task.ID
	*list = slices.Delete(*list, n, n+1)
	return events.TaskDeleted{TaskID: id}
}
