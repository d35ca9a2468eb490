package audit_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

func position(n uint64) chatkitd.Position { return chatkitd.Position{Commit: n, Prepare: n} }

func positions(vs []chatkitd.EventView) string {
	var b strings.Builder
	for _, v := range vs {
		b.WriteString(v.Position.String() + " ")
	}
	return strings.TrimSpace(b.String())
}

// seq writes the numbers from lo to hi, downwards too.
func seq(lo, hi int) string {
	var out []string
	for i := lo; ; {
		out = append(out, fmt.Sprint(i))
		if i == hi {
			return strings.Join(out, " ")
		}
		if lo < hi {
			i++
		} else {
			i--
		}
	}
}

// TestEvents asks in every way, with bisection and without it.
func TestEvents(t *testing.T) {
	w := newWorld(t)
	a := w.alice()
	tests := []struct {
		name string
		q    chatkitd.EventQuery
		want string
	}{
		{"all", chatkitd.EventQuery{}, seq(1, 34)},
		{"newest first", chatkitd.EventQuery{Newest: true, Limit: 3}, seq(34, 32)},
		{"a user", chatkitd.EventQuery{User: "alice"}, "5 8 23 30 34"},
		{"a user, newest first", chatkitd.EventQuery{User: "alice", Newest: true, Limit: 2}, "34 30"},
		{"a stream", chatkitd.EventQuery{Stream: "user-bob"}, "16"},
		{"a thread's calls", chatkitd.EventQuery{Thread: a.add.thread, Types: []string{"tool.called"}}, "4 7 22 29"},
		{"a category of types", chatkitd.EventQuery{Types: []string{"task"}}, "5 8 16 23 30 34"},
		{"types, some of them twice", chatkitd.EventQuery{Types: []string{"task.completed.v1", "task.completed", "task.updated.*"}}, "23 30"},
		{"positions", chatkitd.EventQuery{From: position(3), To: position(6)}, seq(3, 6)},
		{"positions, newest first", chatkitd.EventQuery{From: position(3), To: position(6), Newest: true}, seq(6, 3)},
		{"a page", chatkitd.EventQuery{After: position(10), Limit: 2}, "11 12"},
		{"a page, newest first", chatkitd.EventQuery{After: position(10), Newest: true, Limit: 2}, "9 8"},
		{"since", chatkitd.EventQuery{Since: monday.Add(90 * time.Minute)}, seq(27, 34)},
		{"until", chatkitd.EventQuery{Until: monday.Add(10 * time.Minute)}, seq(1, 19)},
		{"between, newest first", chatkitd.EventQuery{Since: monday.Add(10 * time.Minute), Until: monday.Add(time.Hour), Newest: true}, seq(26, 20)},
		{"a user between", chatkitd.EventQuery{User: "alice", Since: monday.Add(10 * time.Minute), Until: monday.Add(3 * time.Hour)}, "23 30"},
		{"a user until, newest first", chatkitd.EventQuery{User: "alice", Until: monday.Add(time.Hour), Newest: true}, "23 8 5"},
		{"a user from", chatkitd.EventQuery{User: "alice", From: position(9)}, "23 30 34"},
		{"a user up to, newest first", chatkitd.EventQuery{User: "alice", To: position(9), Newest: true}, "8 5"},
		{"nothing then", chatkitd.EventQuery{Since: monday.Add(99 * time.Hour)}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, denseLog := range []bool{true, false} {
				page, err := w.auditor(denseLog).Events(t.Context(), tt.q)
				if err != nil {
					t.Fatal(err)
				}
				if got := positions(page.Data); got != tt.want {
					t.Errorf("dense %v: got %s, want %s", denseLog, got, tt.want)
				}
				if page.Head != position(34) {
					t.Errorf("head %s", page.Head)
				}
			}
		})
	}
}

func TestPages(t *testing.T) {
	w := newWorld(t)
	w.alice()
	for _, newest := range []bool{false, true} {
		var got []chatkitd.EventView
		q := chatkitd.EventQuery{Limit: 4, Newest: newest}
		for more := true; more; {
			page, err := w.auditor(true).Events(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			got, more = append(got, page.Data...), page.HasMore
			if q.After, err = chatkitd.ParsePosition(page.After); err != nil {
				t.Fatal(err)
			}
		}
		want := seq(1, 34)
		if newest {
			want = seq(34, 1)
		}
		if positions(got) != want {
			t.Errorf("newest %v: %s", newest, positions(got))
		}
	}
}

// TestTimesOutOfOrder wants events found whose time is not that of their place.
func TestTimesOutOfOrder(t *testing.T) {
	w := newWorld(t)
	for i := range 200 {
		w.now = monday.Add(time.Duration(i) * time.Minute)
		if i%7 == 0 { // an append that waited
			w.now = w.now.Add(-50 * time.Minute)
		}
		w.task("alice", events.TaskAdded{TaskID: chatkitd.TaskID(fmt.Sprint(i)), Title: "x"})
	}
	for from := 0; from < 200; from += 9 {
		q := chatkitd.EventQuery{Since: monday.Add(time.Duration(from) * time.Minute), Until: monday.Add(time.Duration(from+20) * time.Minute)}
		slow, err := w.auditor(false).Events(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, newest := range []bool{false, true} {
			q.Newest = newest
			fast, err := w.auditor(true).Events(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			if len(fast.Data) != len(slow.Data) || len(fast.Data) == 0 {
				t.Errorf("since %s, newest %v: %d events, want %d", q.Since, newest, len(fast.Data), len(slow.Data))
			}
		}
	}
}

func TestBadQueries(t *testing.T) {
	w := newWorld(t)
	w.alice()
	tests := []struct {
		name string
		q    chatkitd.EventQuery
		code chatkitd.Code
		want string
	}{
		{"two subjects", chatkitd.EventQuery{User: "alice", Stream: "user-alice"}, chatkitd.CodeInvalid, "at most one"},
		{"an unknown type", chatkitd.EventQuery{Types: []string{"tasks"}}, chatkitd.CodeInvalid, "task.added.v1"},
		{"no type", chatkitd.EventQuery{Types: []string{""}}, chatkitd.CodeInvalid, "types are"},
		{"positions backwards", chatkitd.EventQuery{From: position(9), To: position(3)}, chatkitd.CodeInvalid, "backwards"},
		{"times backwards", chatkitd.EventQuery{Since: monday, Until: monday.Add(-1)}, chatkitd.CodeInvalid, "backwards"},
		{"past the end", chatkitd.EventQuery{From: position(35)}, chatkitd.CodeInvalid, "which is at 34"},
		{"up to past the end", chatkitd.EventQuery{To: position(35)}, chatkitd.CodeInvalid, "which is at 34"},
		{"too many", chatkitd.EventQuery{Limit: 1001}, chatkitd.CodeInvalid, "1 to 1000"},
		{"an unknown user", chatkitd.EventQuery{User: "Alice"}, chatkitd.CodeNotFound, "case"},
		{"an unknown thread", chatkitd.EventQuery{Thread: "thr_x"}, chatkitd.CodeNotFound, "thr_x"},
		{"an unknown stream", chatkitd.EventQuery{Stream: "alice"}, chatkitd.CodeNotFound, "user-<id>"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := w.auditor(true).Events(t.Context(), tt.q)
			if chatkitd.CodeOf(err) != tt.code || !strings.Contains(chatkitd.MessageOf(err), tt.want) {
				t.Errorf("%v", err)
			}
		})
	}
	if err := w.auditor(true).Follow(t.Context(), chatkitd.EventQuery{To: position(3)}, nil); chatkitd.CodeOf(err) != chatkitd.CodeInvalid {
		t.Errorf("follow up to a position: %v", err)
	}
}

// TestSummaries wants every type told in words.
func TestSummaries(t *testing.T) {
	w := newWorld(t)
	a := w.alice()
	w.append(events.ThreadStream(a.add.thread), events.Metadata{User: "alice"},
		events.ThreadRenamed{Title: "Shopping\x1b[2J", By: "user"}, events.ThreadStatusChanged{Status: "locked", Reason: "spam"},
		events.FeedbackGiven{ItemIDs: []chatkitd.ItemID{"msg_1"}, Kind: "positive"}, events.ThreadDeleted{},
		events.TurnFailed{Reason: "no\nmodel"}, events.TurnCancelled{Reason: "by the user"}, events.TurnInterrupted{Reason: "crash"},
		events.ToolReturned{Error: "it broke"}, events.ItemRemoved{ItemID: "msg_1", Reason: "user"})
	w.append("user-alice", events.Metadata{}, events.TaskReopened{TaskID: "tsk_1"}, events.TaskDeleted{TaskID: "tsk_1"},
		events.TaskUpdated{TaskID: "tsk_1", DueAt: chatkitd.Cleared[time.Time](), Tags: chatkitd.To([]string{"home"})})
	w.append("audit-root", events.Metadata{}, events.AuditRead{What: "replay"},
		events.ProjectionChanged{Name: "tasks", Action: "skip", Position: position(7)})
	w.raw("thread-thr_x", "thread.archived.v9", `{}`)
	page, err := w.auditor(true).Events(t.Context(), chatkitd.EventQuery{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, v := range page.Data {
		if v.Summary == "" || strings.ContainsAny(v.Summary, "\n\x1b") {
			t.Errorf("%s: %q", v.Type, v.Summary)
		}
		all.WriteString(v.Type + ": " + v.Summary + "\n")
	}
	for _, want := range []string{
		"task.added.v1: added “buy milk”, due Tue 24 Nov", "item.added.v1: alice: done with the milk", "item.added.v1: assistant: Done.",
		"turn.completed.v1: turn completed: gpt-5-mini, 120+53 tokens, 1.2 s", "tool.called.v1: calls some_tool(x: 1)",
		"tool.returned.v1: returned: done", "tool.returned.v1: returned: failed: it broke", "turn.failed.v1: turn failed: no model",
		"task.updated.v1: changed tsk_1: tags #home, no due", "task.reopened.v1: reopened tsk_1", "audit.read.v1: read replay",
		"projection.changed.v1: skip tasks at position 7", "thread.status_changed.v1: locked: spam", "thread.created.v1: alice opened “add buy milk",
		"thread.archived.v9: cannot be read", "added “water plants”, high priority", "feedback.given.v1: positive feedback on msg_1",
	} {
		if !strings.Contains(all.String(), want) {
			t.Errorf("no summary %q in\n%s", want, all.String())
		}
	}
}

// TestFollow wants what is there, and then what comes, once and in order.
func TestFollow(t *testing.T) {
	w := newWorld(t)
	w.alice()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	got := make(chan chatkitd.EventView, 100)
	ended := make(chan error, 1)
	go func() {
		ended <- w.auditor(true).Follow(ctx, chatkitd.EventQuery{User: "alice", From: position(9)}, func(v chatkitd.EventView) error {
			got <- v
			return nil
		})
	}()
	next := func() string {
		select {
		case v := <-got:
			return v.Position.String()
		case err := <-ended:
			t.Fatalf("it ended: %v", err)
		case <-time.After(10 * time.Second):
			t.Fatal("nothing comes")
		}
		return ""
	}
	for _, want := range []string{"23", "30", "34"} {
		if p := next(); p != want {
			t.Errorf("position %s, want %s", p, want)
		}
	}
	w.task("bob", events.TaskAdded{TaskID: "tsk_b", Title: "not hers"})
	w.task("alice", events.TaskAdded{TaskID: "tsk_a", Title: "hers"})
	if p := next(); p != "36" {
		t.Errorf("position %s, want 36", p)
	}
	stop()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
}
