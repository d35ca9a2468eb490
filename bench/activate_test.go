package bench

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/actors"
	"github.com/chatkitd/chatkitd/chatkit"
	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/internal/embedded"
	"github.com/chatkitd/chatkitd/internal/snapshots"
)

// BenchmarkActivate loads a thread's actor from the embedded store: a command to
// an actor that is not live, on a stream of so many events.
func BenchmarkActivate(b *testing.B) {
	for _, n := range []int{1000, 10_000} {
		for _, snaps := range []bool{false, true} {
			b.Run(fmt.Sprintf("events=%d/snapshot=%v", n, snaps), func(b *testing.B) { benchmarkActivate(b, n, snaps) })
		}
	}
}

func benchmarkActivate(b *testing.B, n int, withSnapshot bool) {
	b.Helper()
	dir := b.TempDir()
	store, err := embedded.Open(b.Context(), embedded.Options{Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	fillThread(b, store, n)
	var shelf events.Snapshots
	if withSnapshot {
		s, err := snapshots.Open(b.Context(), dir, slog.New(slog.DiscardHandler), nil)
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		shelf = s
	}
	attach := func() time.Duration {
		sys, err := actors.New(actors.Options{
			Store: store, Snapshots: shelf, Log: slog.New(slog.DiscardHandler),
			Agent: func(chatkitd.Tasks) chatkitd.Agent { return nil },
		})
		if err != nil {
			b.Fatal(err)
		}
		began := time.Now()
		if _, err := sys.AttachTurn(b.Context(), "alice", "thr_1"); err != nil {
			b.Fatal(err)
		}
		took := time.Since(began)
		if err := sys.Close(b.Context()); err != nil {
			b.Fatal(err)
		}
		return took
	}
	attach()
	if withSnapshot { // the first load leaves one; it is written beside
		for deadline := time.Now().Add(5 * time.Second); ; {
			if _, ok, err := shelf.Load(b.Context(), "thread-thr_1"); ok || err != nil || time.Now().After(deadline) {
				break
			}
		}
	}
	var total time.Duration
	count := 0
	for b.Loop() {
		total += attach()
		count++
	}
	b.ReportMetric(float64(total.Microseconds())/float64(count)/1000, "ms/activation")
}

// fillThread writes a thread of n events or a few less: turns with one tool call.
func fillThread(b *testing.B, store events.Store, n int) {
	b.Helper()
	stream := events.ThreadStream("thr_1")
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	item := func(it chatkit.Item) events.Thread {
		raw, err := chatkit.EncodeItem(it)
		if err != nil {
			b.Fatal(err)
		}
		return events.ItemAdded{Item: raw}
	}
	base := func() chatkit.ItemBase {
		return chatkit.ItemBase{ID: chatkitd.NewID(chatkitd.PrefixMessage), ThreadID: "thr_1", CreatedAt: at}
	}
	evs := []events.Event{events.ThreadCreated{ThreadID: "thr_1", UserID: "alice"}}
	for len(evs)+6 <= n {
		turn := chatkitd.TurnID(chatkitd.NewID(chatkitd.PrefixTurn))
		evs = append(
			evs,
			item(chatkit.UserMessage{ItemBase: base(), Content: []chatkit.UserContent{{Type: chatkit.TypeInputText, Text: "please add buy milk for tomorrow, and call Anna about the trip"}}}),
			events.TurnStarted{TurnID: turn, Trigger: events.TriggerMessage, Model: "m"},
			events.ToolCalled{TurnID: turn, CallID: "c", Name: "add_task", Arguments: json.RawMessage(`{"title":"buy milk"}`)},
			events.ToolReturned{TurnID: turn, CallID: "c", Output: json.RawMessage(`{"success":true,"message":"added"}`)},
			item(chatkit.AssistantMessage{ItemBase: base(), Content: []chatkit.OutputText{{Text: "Added 2 tasks: buy milk, due tomorrow (Tue 24 Nov), and call Anna."}}}),
			events.TurnCompleted{TurnID: turn, Model: "m"},
		)
	}
	for i := 0; i < len(evs); i += 500 {
		part := evs[i:min(i+500, len(evs))]
		meta := events.Metadata{User: "alice", Correlation: "req_1", Causation: "trn_1", RecordedAt: at}
		recs, err := events.Prepare(stream, meta, fmt.Sprint(i), part...)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := store.Append(b.Context(), stream, events.Any, recs...); err != nil {
			b.Fatal(err)
		}
	}
}
