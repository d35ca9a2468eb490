// Package seed writes logs as a chatkitd in use would have: users, threads,
// turns, tool calls and what they do to tasks. The same seed gives the same
// events with the same ids in the same order; only the store's own times differ.
package seed

import (
	"context"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/chatkit"
	"github.com/chatkitd/chatkitd/events"
)

// begin is the time of the first event.
var begin = time.Date(2026, 1, 5, 7, 0, 0, 0, time.UTC)

// writer makes up what happens and appends it.
type writer struct {
	ctx   context.Context //nolint:containedctx // of one call of Mix or Heavy
	store events.Store
	rand  *rand.Rand
	now   time.Time
	serno int // of idempotency keys
	count int // events appended
}

func newWriter(ctx context.Context, store events.Store, seed uint64) *writer {
	return &writer{ctx: ctx, store: store, rand: rand.New(rand.NewPCG(seed, 0x63686174)), now: begin} //nolint:gosec // not a secret: the same every time
}

// pass lets time go by, up to d.
func (w *writer) pass(d time.Duration) time.Time {
	w.now = w.now.Add(time.Duration(1+w.rand.Int64N(int64(d/time.Microsecond)))*time.Microsecond + time.Microsecond)
	return w.now
}

var idEncoding = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

// id returns an id as [chatkitd.NewID] makes them.
func (w *writer) id(prefix string) string {
	var b [24]byte
	binary.BigEndian.PutUint64(b[:8], uint64(w.now.UnixMilli())) //nolint:gosec // after 1970
	binary.BigEndian.PutUint64(b[8:16], w.rand.Uint64())
	binary.BigEndian.PutUint64(b[16:], w.rand.Uint64())
	return prefix + idEncoding.EncodeToString(b[2:20])
}

// piece collects the events of one stream for one append. Each event has the
// metadata of what was behind it.
type piece struct {
	stream string
	recs   []events.New
	size   int
}

// add adds events that one command or one step of a turn wrote.
func (w *writer) add(p *piece, m events.Metadata, evs ...events.Event) error {
	m.RecordedAt = w.now
	key := m.Key
	if key == "" {
		w.serno++
		key = fmt.Sprint("seed", w.serno)
	}
	recs, err := events.Prepare(p.stream, m, key, evs...)
	if err != nil {
		return err
	}
	for _, r := range recs {
		p.size += r.Size()
	}
	p.recs = append(p.recs, recs...)
	if p.size > events.MaxAppend/2 {
		return w.flush(p)
	}
	return nil
}

// flush appends what was collected.
func (w *writer) flush(p *piece) error {
	if len(p.recs) == 0 {
		return nil
	}
	if _, err := w.store.Append(w.ctx, p.stream, events.Any, p.recs...); err != nil {
		return err
	}
	w.count += len(p.recs)
	p.recs, p.size = nil, 0
	return nil
}

// base returns the base of a new item.
func (w *writer) base(prefix string, thread chatkitd.ThreadID) chatkit.ItemBase {
	return chatkit.ItemBase{ID: w.id(prefix), ThreadID: string(thread), CreatedAt: w.now}
}

func added(it chatkit.Item) (events.ItemAdded, error) {
	raw, err := chatkit.EncodeItem(it)
	return events.ItemAdded{Item: raw}, err
}

// message returns what a user says.
func (w *writer) message(thread chatkitd.ThreadID, said string) (events.ItemAdded, error) {
	return added(chatkit.UserMessage{
		ItemBase: w.base(chatkitd.PrefixMessage, thread),
		Content:  []chatkit.UserContent{{Type: chatkit.TypeInputText, Text: said}},
	})
}

// answer returns what the agent says, and the id of that.
func (w *writer) answer(thread chatkitd.ThreadID, said string) (events.ItemAdded, chatkitd.ItemID, error) {
	m := chatkit.AssistantMessage{
		ItemBase: w.base(chatkitd.PrefixMessage, thread), Content: []chatkit.OutputText{{Text: said}},
	}
	ev, err := added(m)
	return ev, chatkitd.ItemID(m.ID), err
}
