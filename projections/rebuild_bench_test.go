package projections

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

// fill appends turns as a chat has them: a message, a tool call that adds a task,
// an answer. It returns the number of events.
func (w *world) fill(turns int) int {
	w.t.Helper()
	count := 0
	answer := strings.Repeat("The list is as long as it was before. ", 8)
	for i := range turns {
		user := chatkitd.UserID(fmt.Sprintf("user%d", i%50))
		thread := chatkitd.ThreadID(fmt.Sprintf("thr_%d", i/10))
		turn := chatkitd.TurnID(fmt.Sprintf("trn_%d", i))
		w.now = w.now.Add(time.Millisecond)
		var evs []events.Event
		if i%10 == 0 {
			evs = append(evs, events.ThreadCreated{ThreadID: thread, UserID: user})
		}
		evs = append(evs,
			events.ItemAdded{Item: item(fmt.Sprintf("msg_%da", i), "user_message", "add buy milk tomorrow")},
			events.TurnStarted{TurnID: turn, Trigger: events.TriggerMessage, Model: "offline"},
			events.ToolCalled{TurnID: turn, CallID: "call_1", Name: "add_task", Arguments: json.RawMessage(`{"title":"buy milk"}`)},
			events.ToolReturned{TurnID: turn, CallID: "call_1", Output: json.RawMessage(`{"success":true}`)},
			events.ItemAdded{Item: item(fmt.Sprintf("msg_%db", i), "assistant_message", answer)},
			events.TurnCompleted{TurnID: turn, Model: "offline"})
		appendAt(w.t, w.store, events.ThreadStream(thread), w.now, evs...)
		id := chatkitd.TaskID(fmt.Sprintf("tsk_%d", i))
		tasks := []events.Event{events.TaskAdded{TaskID: id, Title: fmt.Sprintf("Buy milk %d", i), Tags: []string{"home"}}}
		if i%2 == 0 {
			tasks = append(tasks, events.TaskCompleted{TaskID: id})
		}
		appendAt(w.t, w.store, events.UserStream(user), w.now, tasks...)
		count += len(evs) + len(tasks)
	}
	return count
}

// BenchmarkRebuild folds a log of about 150,000 events into all read models.
func BenchmarkRebuild(b *testing.B) {
	w := newWorld(b)
	count := w.fill(20_000)
	s := w.open()
	for b.Loop() {
		if err := s.RebuildOffline(context.Background(), nil, nil); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(count)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkApply follows a log in batches.
func BenchmarkApply(b *testing.B) {
	for _, size := range []int{1, 100, 1000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			w := newWorld(b)
			count := w.fill(2000)
			var recs []events.Recorded
			for rec, err := range w.store.ReadAll(context.Background(), events.AllRead{}) {
				if err != nil {
					b.Fatal(err)
				}
				recs = append(recs, rec)
			}
			s := w.open()
			for b.Loop() {
				b.StopTimer()
				for _, m := range s.models {
					m.work.Lock()
					err := s.renew(context.Background(), m, nil)
					m.work.Unlock()
					if err != nil {
						b.Fatal(err)
					}
				}
				s.sweepAll(context.Background())
				b.StartTimer()
				for i := 0; i < len(recs); i += size {
					part := recs[i:min(i+size, len(recs))]
					s.applyAll(context.Background(), s.models, events.Batch{Events: part, Position: part[len(part)-1].Position})
				}
			}
			b.ReportMetric(float64(count)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkRebuildLive rebuilds all read models of a log of about 200,000 events
// beside the ones that serve, while a user adds a task and waits to see it, fifty
// times a second. It reports how long that takes before and meanwhile.
func BenchmarkRebuildLive(b *testing.B) {
	w := durable(b, b.TempDir())
	s := w.run()
	count := w.fill(27_000)
	w.caughtUp()
	n := 0
	turn := func() time.Duration {
		n++
		id := fmt.Sprintf("tsk_live_%d", n)
		pos := w.user("ann", task(id, "live"))
		start := time.Now()
		s.NoteWrite("ann", pos)
		if _, err := s.Task(context.Background(), "ann", chatkitd.TaskID(id)); err != nil {
			b.Fatal(err)
		}
		return time.Since(start)
	}
	load := func(while func() bool) (took []time.Duration) {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for while() {
			took = append(took, turn())
			<-tick.C
		}
		slices.Sort(took)
		return took
	}
	end := time.Now().Add(4 * time.Second)
	before := load(func() bool { return time.Now().Before(end) })
	var during []time.Duration
	var seconds float64
	for b.Loop() {
		if err := s.Rebuild(context.Background()); err != nil {
			b.Fatal(err)
		}
		start := time.Now()
		during = append(during, load(func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.job != nil
		})...)
		seconds += time.Since(start).Seconds()
	}
	slices.Sort(during)
	for _, st := range w.states() {
		if st.Rebuild.Phase != chatkitd.RebuildDone || !st.Rebuild.Compare.Equal {
			b.Fatalf("%+v", st.Rebuild)
		}
	}
	ms := func(d []time.Duration, q int) float64 { return float64(d[(len(d)-1)*q/100].Microseconds()) / 1000 }
	b.ReportMetric(float64(count)*float64(b.N)/seconds, "events/s")
	b.ReportMetric(ms(before, 50), "before_p50_ms")
	b.ReportMetric(ms(before, 99), "before_p99_ms")
	b.ReportMetric(ms(during, 50), "during_p50_ms")
	b.ReportMetric(ms(during, 99), "during_p99_ms")
	b.ReportMetric(ms(during, 100), "during_max_ms")
}
