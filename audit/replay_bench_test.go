package audit_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/audit"
	"github.com/chatkitd/chatkitd/chatkit"
	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/internal/embedded"
)

// BenchmarkStepsPage measures a page of 100 steps at the end of a long stream, and
// in the middle of it, each asked for the first time; and the page behind one.
func BenchmarkStepsPage(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		store, err := embedded.Open(b.Context(), embedded.Options{Dir: b.TempDir()})
		if err != nil {
			b.Fatal(err)
		}
		fillLong(b, store, n)
		ask := func(b *testing.B, a *audit.Auditor, q chatkitd.ReplayQuery) {
			b.Helper()
			if r, err := a.Replay(b.Context(), q); err != nil || len(r.Steps) != 100 {
				b.Fatal(err)
			}
		}
		for _, q := range []chatkitd.ReplayQuery{{User: "alice"}, {Thread: "thr_1"}} {
			for _, after := range []int{n / 2, n - 101} {
				q.Steps, q.After = true, to(uint64(after))
				b.Run(fmt.Sprintf("%s%s_%d_of_%d", q.User, q.Thread, after, n), func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						ask(b, audit.New(store, audit.Options{Dense: true}), q)
					}
				})
			}
			b.Run(fmt.Sprintf("%s%s_next_of_%d", q.User, q.Thread, n), func(b *testing.B) {
				b.ReportAllocs()
				a, after := audit.New(store, audit.Options{Dense: true}), uint64(n/2)
				q.After = &after
				ask(b, a, q)
				for b.Loop() {
					if after += 100; after+100 >= uint64(n) {
						b.Skip("at the end: ask for fewer iterations")
					}
					ask(b, a, q)
				}
			})
		}
		if err := store.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// fillLong gives alice a stream of n events, and a thread of as many.
func fillLong(b *testing.B, store events.Store, n int) {
	b.Helper()
	w := &world{t: b, now: monday}
	msg := chatkit.AssistantMessage{Content: []chatkit.OutputText{{Text: "An answer of about a hundred characters, which is what the model says here on the average, more or less."}}}
	request := w.id(chatkitd.PrefixRequest)
	for at := 0; at < n; at += 500 {
		var tasks, items []events.Event
		for i := at; i < at+500; i++ {
			if id := chatkitd.TaskID(fmt.Sprint("tsk_", i-i%4)); i%4 == 0 {
				tasks = append(tasks, events.TaskAdded{TaskID: id, Title: fmt.Sprint("task number ", i)})
			} else {
				tasks = append(tasks, events.TaskUpdated{TaskID: id, Title: chatkitd.To(fmt.Sprint("task number ", i))})
			}
			if msg.ItemBase = w.base(chatkitd.PrefixMessage, "thr_1"); i == 0 {
				items = append(items, events.ThreadCreated{ThreadID: "thr_1", UserID: "alice"})
			} else {
				items = append(items, events.ItemAdded{Item: w.item(msg)})
			}
		}
		for stream, evs := range map[string][]events.Event{"user-alice": tasks, "thread-thr_1": items} {
			recs, err := events.Prepare(stream, events.Metadata{Correlation: request, Causation: request, User: "alice", RecordedAt: time.Now()}, fmt.Sprint(at), evs...)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := store.Append(b.Context(), stream, events.Any, recs...); err != nil {
				b.Fatal(err)
			}
		}
	}
}
