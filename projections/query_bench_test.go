package projections

import (
	"context"
	"fmt"
	"testing"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

// BenchmarkQuery asks a user with 10,000 tasks and 10,000 threads, one of them
// with 1,000 items.
func BenchmarkQuery(b *testing.B) {
	w := newWorld(b)
	for i := range 10_000 {
		evs := []events.Event{events.TaskAdded{
			TaskID: chatkitd.TaskID(fmt.Sprintf("tsk_%d", i)), Title: fmt.Sprintf("Buy milk %d", i),
			Description: "whole, two bottles, and look at the date", Tags: []string{fmt.Sprint("tag", i%10)},
		}}
		if i%3 == 0 {
			evs = append(evs, events.TaskCompleted{TaskID: chatkitd.TaskID(fmt.Sprintf("tsk_%d", i))})
		}
		w.user("ann", evs...)
		id := chatkitd.ThreadID(fmt.Sprintf("thr_%d", i))
		w.thread(id, events.ThreadCreated{ThreadID: id, UserID: "ann", Title: "A thread"})
	}
	for i := range 1000 {
		w.thread("thr_0", events.ItemAdded{Item: item(fmt.Sprintf("msg_%d", i), "user_message", "add buy milk tomorrow")})
	}
	s := w.open()
	ctx := context.Background()
	if err := s.RebuildOffline(ctx, nil, nil); err != nil {
		b.Fatal(err)
	}
	list := func(f chatkitd.TaskFilter) func() error {
		return func() error { _, err := s.Tasks(ctx, "ann", f); return err }
	}
	for _, q := range []struct {
		name string
		do   func() error
	}{
		{"Tasks", list(chatkitd.TaskFilter{})},
		{"TasksPendingByTitle", list(chatkitd.TaskFilter{Status: "pending", Sort: "title"})},
		{"TasksAfter", list(chatkitd.TaskFilter{After: "tsk_5000"})},
		{"TasksByText", list(chatkitd.TaskFilter{Query: "milk 77"})},
		{"TasksByTag", list(chatkitd.TaskFilter{Tag: "tag7"})},
		{"FindTasksExact", func() error { _, err := s.FindTasks(ctx, "ann", "BUY MILK 77", 10); return err }},
		{"FindTasksPart", func() error { _, err := s.FindTasks(ctx, "ann", "milk 999", 10); return err }},
		{"Threads", func() error { _, err := s.Threads(ctx, "ann", chatkitd.PageQuery{}); return err }},
		{"ThreadsAfter", func() error { _, err := s.Threads(ctx, "ann", chatkitd.PageQuery{After: "thr_5000"}); return err }},
		{"Thread", func() error { _, err := s.Thread(ctx, "ann", "thr_0"); return err }},
		{"Items", func() error { _, err := s.Items(ctx, "ann", "thr_0", chatkitd.PageQuery{}); return err }},
	} {
		b.Run(q.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := q.do(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
