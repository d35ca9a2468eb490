package audit_test

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"strconv"
	"testing"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/audit"
	"github.com/chatkitd/chatkitd/chatkit"
	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/internal/memstore"
)

// monday is when the stories of the tests begin.
var monday = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

// world is a log that a test writes.
type world struct {
	t     testing.TB
	store *clocked
	now   time.Time
	n     int
}

// clocked is a store with a clock of its own.
type clocked struct {
	*memstore.Store
	now   func() time.Time
	taken map[chatkitd.Position]time.Time
	reads int
}

func (c *clocked) Append(ctx context.Context, stream string, expected events.Revision, evs ...events.New) (events.Appended, error) {
	at, err := c.Store.Append(ctx, stream, expected, evs...)
	if err != nil {
		return at, err
	}
	for i := range evs {
		c.taken[position(at.Position.Commit-uint64(i))] = c.now()
	}
	return at, nil
}

func (c *clocked) ReadStream(ctx context.Context, stream string, o events.StreamRead) iter.Seq2[events.Recorded, error] {
	return c.dated(c.Store.ReadStream(ctx, stream, o))
}

func (c *clocked) ReadAll(ctx context.Context, o events.AllRead) iter.Seq2[events.Recorded, error] {
	return c.dated(c.Store.ReadAll(ctx, o))
}

func (c *clocked) dated(seq iter.Seq2[events.Recorded, error]) iter.Seq2[events.Recorded, error] {
	return func(yield func(events.Recorded, error) bool) {
		for rec, err := range seq {
			rec.Time = c.taken[rec.Position]
			c.reads++
			if !yield(rec, err) {
				return
			}
		}
	}
}

func newWorld(tb testing.TB) *world {
	tb.Helper()
	w := &world{t: tb, now: monday}
	w.store = &clocked{Store: memstore.New(), now: func() time.Time { return w.now }, taken: map[chatkitd.Position]time.Time{}}
	tb.Cleanup(func() { _ = w.store.Close() })
	return w
}

func (w *world) auditor(denseLog bool) *audit.Auditor {
	return audit.New(w.store, audit.Options{Dense: denseLog})
}

// id makes ids that tell the time of the story, as [chatkitd.NewID] does.
func (w *world) id(prefix string) string {
	const digits = "0123456789abcdefghijklmnopqrstuv"
	ms := w.now.UnixMilli() << 2
	code := make([]byte, 10)
	for i := 9; i >= 0; i-- {
		code[i] = digits[ms&31]
		ms >>= 5
	}
	w.n++
	return prefix + string(code) + fmt.Sprintf("%019d", w.n)
}

func (w *world) pass(d time.Duration) { w.now = w.now.Add(d) }

func (w *world) append(stream string, m events.Metadata, evs ...events.Event) events.Appended {
	w.t.Helper()
	w.n++
	return w.appendAs(strconv.Itoa(w.n), stream, m, evs...)
}

// appendAs names the events' ids by key.
func (w *world) appendAs(key, stream string, m events.Metadata, evs ...events.Event) events.Appended {
	w.t.Helper()
	m.RecordedAt = w.now
	recs, err := events.Prepare(stream, m, key, evs...)
	if err != nil {
		w.t.Fatal(err)
	}
	at, err := w.store.Append(w.t.Context(), stream, events.Any, recs...)
	if err != nil {
		w.t.Fatal(err)
	}
	return at
}

// raw appends bytes as they are.
func (w *world) raw(stream, typ, data string) {
	w.t.Helper()
	w.n++
	e := events.New{ID: events.ID(stream, strconv.Itoa(w.n), 0), Type: typ, Data: []byte(data), Meta: []byte(`{"recorded_at":"2026-11-23T09:00:00Z"}`)}
	if _, err := w.store.Append(w.t.Context(), stream, events.Any, e); err != nil {
		w.t.Fatal(err)
	}
}

// task is a change that a person made without a conversation.
func (w *world) task(user chatkitd.UserID, ev events.User) (request string) {
	w.t.Helper()
	request = w.id(chatkitd.PrefixRequest)
	w.append(events.UserStream(user), events.Metadata{Correlation: request, Causation: request, User: user}, ev)
	return request
}

// turn is a conversation's turn: a message, one tool call for each effect, an
// answer.
type turn struct {
	thread   chatkitd.ThreadID
	request  string
	id       chatkitd.TurnID
	message  chatkitd.ItemID
	calls    []string
	position chatkitd.Position // of the last event
}

func (w *world) item(it chatkit.Item) json.RawMessage {
	w.t.Helper()
	raw, err := chatkit.EncodeItem(it)
	if err != nil {
		w.t.Fatal(err)
	}
	return raw
}

func (w *world) base(prefix string, thread chatkitd.ThreadID) chatkit.ItemBase {
	return chatkit.ItemBase{ID: w.id(prefix), ThreadID: string(thread), CreatedAt: w.now}
}

// say lets a user say something; an empty thread is a new one.
func (w *world) say(user chatkitd.UserID, thread chatkitd.ThreadID, text string, effects ...events.User) turn {
	w.t.Helper()
	tn := turn{thread: thread, request: w.id(chatkitd.PrefixRequest), id: chatkitd.TurnID(w.id(chatkitd.PrefixTurn))}
	var start []events.Event
	if thread == "" {
		tn.thread = chatkitd.ThreadID(w.id(chatkitd.PrefixThread))
		start = append(start, events.ThreadCreated{ThreadID: tn.thread, UserID: user, Title: text})
	}
	message := chatkit.UserMessage{ItemBase: w.base(chatkitd.PrefixMessage, tn.thread), Content: []chatkit.UserContent{{Type: chatkit.TypeInputText, Text: text}}}
	tn.message = chatkitd.ItemID(message.ID)
	start = append(start, events.ItemAdded{Item: w.item(message)},
		events.TurnStarted{TurnID: tn.id, Trigger: events.TriggerMessage, Model: "gpt-5-mini"})
	w.run(user, &tn, start, effects)
	return tn
}

// retry answers a message again.
func (w *world) retry(user chatkitd.UserID, of turn, removed chatkitd.ItemID) turn {
	w.t.Helper()
	tn := turn{thread: of.thread, request: w.id(chatkitd.PrefixRequest), id: chatkitd.TurnID(w.id(chatkitd.PrefixTurn)), message: of.message}
	w.run(user, &tn, []events.Event{
		events.ItemRemoved{ItemID: removed, Reason: "retried"},
		events.TurnStarted{TurnID: tn.id, Trigger: events.TriggerRetry, Model: "gpt-5-mini"},
	}, nil)
	return tn
}

func (w *world) run(user chatkitd.UserID, tn *turn, start []events.Event, effects []events.User) {
	w.t.Helper()
	stream := events.ThreadStream(tn.thread)
	m := events.Metadata{Correlation: tn.request, Causation: tn.request, User: user}
	w.append(stream, m, start...)
	m.Causation = string(tn.id)
	w.pass(400 * time.Millisecond)
	for _, effect := range effects {
		call := w.id(chatkitd.PrefixToolUse)
		tn.calls = append(tn.calls, call)
		w.append(stream, m, events.ToolCalled{TurnID: tn.id, CallID: call, Name: "some_tool", Arguments: json.RawMessage(`{"x":1}`)})
		w.pass(5 * time.Millisecond)
		w.append(events.UserStream(user), events.Metadata{
			Correlation: tn.request, Causation: call, User: user, Key: chatkitd.EffectKey(tn.id, call), Fingerprint: "f",
		}, effect)
		w.pass(500 * time.Millisecond)
		w.append(stream, m, events.ToolReturned{TurnID: tn.id, CallID: call, Output: json.RawMessage(`{"success":true,"message":"done"}`)})
	}
	answer := chatkit.AssistantMessage{ItemBase: w.base(chatkitd.PrefixMessage, tn.thread), Content: []chatkit.OutputText{{Text: "Done."}}}
	tn.position = w.append(stream, m, events.ItemAdded{Item: w.item(answer)}, events.TurnCompleted{
		TurnID: tn.id, Usage: chatkitd.Usage{Input: 120, Output: 53}, Model: "gpt-5-mini", DurationMS: 1200, ResponseIDs: []string{"resp_1"},
	}).Position
	w.pass(time.Second)
}

// alice is the story that most tests ask about: by ten she had milk and Anna on
// her list, then she was done with the milk.
type alice struct {
	milk, anna        chatkitd.TaskID
	add, done, rename turn
	plants            string // the request that added a task by itself
}

func (w *world) alice() alice {
	a := alice{milk: chatkitd.TaskID(w.id(chatkitd.PrefixTask)), anna: chatkitd.TaskID(w.id(chatkitd.PrefixTask))}
	due := monday.Add(24 * time.Hour)
	a.add = w.say("alice", "", "add buy milk tomorrow, and call Anna",
		events.TaskAdded{TaskID: a.milk, Title: "buy milk", DueAt: &due}, events.TaskAdded{TaskID: a.anna, Title: "call Anna"})
	w.say("bob", "", "add nothing of alice’s", events.TaskAdded{TaskID: "tsk_bob", Title: "bob’s own"})
	w.now = monday.Add(30 * time.Minute)
	a.done = w.say("alice", a.add.thread, "done with the milk", events.TaskCompleted{TaskID: a.milk})
	w.now = monday.Add(2 * time.Hour)
	a.rename = w.say("alice", a.add.thread, "call Anna about the trip", events.TaskUpdated{TaskID: a.anna, Title: chatkitd.To("call Anna about the trip")})
	w.now = monday.Add(26 * time.Hour)
	a.plants = w.task("alice", events.TaskAdded{TaskID: "tsk_plants", Title: "water plants", Priority: chatkitd.PriorityHigh})
	return a
}
