package projections

import (
	"cmp"
	"context"
	"fmt"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/internal/sqlite"
)

// threadItems is the read model behind the items of [chatkitd.ThreadReader]. It
// keeps its own table of threads and owners, and so stands alone.
type threadItems struct{}

func (threadItems) Name() string     { return "thread_items" }
func (threadItems) Version() int     { return 1 }
func (threadItems) Layout() int      { return 1 }
func (threadItems) Category() string { return events.ThreadPrefix }

// thread is the position of thread.created. seq is the revision of item.added,
// and so the order of the items; a replaced item keeps it. The items of a thread
// lie side by side in that order.
func (threadItems) Tables() []table {
	return []table{
		{"item_threads", `(
			thread INTEGER PRIMARY KEY,
			id TEXT NOT NULL UNIQUE,
			user TEXT NOT NULL)`},
		{"thread_items", `(
			thread INTEGER NOT NULL,
			seq INTEGER NOT NULL,
			id TEXT NOT NULL,
			type TEXT NOT NULL,
			hidden INTEGER NOT NULL,
			item TEXT NOT NULL,
			PRIMARY KEY (thread, seq),
			UNIQUE (thread, id)) WITHOUT ROWID`},
	}
}

func (threadItems) Indexes() []index { return nil }

const (
	itemsLoad = iota
	itemsPutThread
	itemsDeleteThread
	itemsClear
	itemsPut
	itemsDelete
)

func (threadItems) Statements() []string {
	return []string{
		itemsLoad:         "SELECT thread FROM item_threads WHERE id = ?",
		itemsPutThread:    "INSERT INTO item_threads (thread, id, user) VALUES (?, ?, ?)",
		itemsDeleteThread: "DELETE FROM item_threads WHERE thread = ?",
		itemsClear:        "DELETE FROM thread_items WHERE thread = ?",
		itemsPut: `INSERT INTO thread_items (thread, seq, id, type, hidden, item) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT (thread, id) DO UPDATE SET type = excluded.type, hidden = excluded.hidden, item = excluded.item`,
		itemsDelete: "DELETE FROM thread_items WHERE thread = ? AND id = ?",
	}
}

func (threadItems) Events() []events.Event {
	return []events.Event{
		events.ThreadCreated{}, events.ThreadDeleted{}, events.ItemAdded{}, events.ItemReplaced{}, events.ItemRemoved{},
	}
}

func (threadItems) Fold(q *batch) fold {
	return &itemsFold{q: q, threads: held[chatkitd.ThreadID, itemThread]{}}
}

// itemThread is a thread that the batch is about. An item that is not in items
// is as the table has it.
type itemThread struct {
	id     chatkitd.ThreadID
	num    int64
	user   chatkitd.UserID
	there  bool
	was    bool  // a row is stored,
	wasNum int64 // under this number
	items  held[string, itemRow]
}

// itemRow is what becomes of an item: written over the stored one, or, when a
// stored one has been removed first, instead of it.
type itemRow struct {
	id     string
	seq    uint64
	typ    string
	hidden bool
	json   []byte // nil: removed
	clear  bool   // the stored row goes first
}

type itemsFold struct {
	q       *batch
	threads held[chatkitd.ThreadID, itemThread]
}

func (f *itemsFold) load(id chatkitd.ThreadID) (*itemThread, error) {
	return f.threads.load(id, func(t *itemThread) (err error) {
		t.id, t.items = id, held[string, itemRow]{}
		if !f.q.mayHold(itemsLoad, 0, string(id)) {
			return nil
		}
		t.was, err = f.q.row(itemsLoad, func(r *sqlite.Stmt) error {
			t.num = r.Int(0)
			return nil
		}, string(id))
		t.there, t.wasNum = t.was, t.num
		return err
	})
}

// Apply implements [fold].
func (f *itemsFold) Apply(r *record) error {
	t, err := f.load(r.thread)
	if err != nil {
		return err
	}
	if created, ok := r.event.(events.ThreadCreated); ok {
		if t.there {
			return fmt.Errorf("thread %s is created twice", r.thread)
		}
		t.num, t.user, t.there = int64(r.Position.Commit), created.UserID, true //nolint:gosec // a log has fewer than 2^63 bytes
		return nil
	}
	if !t.there {
		return fmt.Errorf("there is no thread %s", r.thread)
	}
	switch ev := r.event.(type) {
	case events.ItemAdded:
		t.put(r, ev.Item)
	case events.ItemReplaced:
		t.put(r, ev.Item)
	case events.ItemRemoved:
		t.items[string(ev.ItemID)] = &itemRow{id: string(ev.ItemID), clear: true}
	case events.ThreadDeleted:
		t.there = false
		clear(t.items)
	}
	return nil
}

// put keeps the place of the item that has this id, in the batch or in the table;
// without one, the item is the last of its thread.
func (t *itemThread) put(r *record, item []byte) {
	row, ok := t.items[r.item.ID]
	if !ok {
		row = &itemRow{id: r.item.ID, seq: r.Revision}
		t.items[r.item.ID] = row
	}
	if ok && row.json == nil {
		row.seq = r.Revision // removed before
	}
	row.typ, row.hidden, row.json = r.item.Type, r.hidden(), item
}

// Flush implements [fold].
func (f *itemsFold) Flush(ctx context.Context) error {
	return f.threads.flush(func(*itemThread) bool { return true },
		func(a, b *itemThread) int { return cmp.Compare(a.num, b.num) },
		func(t *itemThread) error { return f.putThread(ctx, t) })
}

func (f *itemsFold) putThread(ctx context.Context, t *itemThread) error {
	was := t.was
	if was && (!t.there || t.num != t.wasNum) {
		if err := f.q.exec(ctx, itemsClear, t.wasNum); err != nil {
			return err
		}
		if err := f.q.exec(ctx, itemsDeleteThread, t.wasNum); err != nil {
			return err
		}
		was = false
	}
	if !t.there {
		return nil
	}
	if !was {
		if err := f.q.exec(ctx, itemsPutThread, t.num, string(t.id), string(t.user)); err != nil {
			return err
		}
		f.q.holds(itemsLoad, 0, string(t.id))
	}
	return t.items.flush(func(*itemRow) bool { return true },
		func(a, b *itemRow) int { return cmp.Compare(a.seq, b.seq) },
		func(row *itemRow) error { return f.putItem(ctx, t.num, row, was) })
}

func (f *itemsFold) putItem(ctx context.Context, thread int64, row *itemRow, was bool) error {
	if row.clear && was {
		if err := f.q.exec(ctx, itemsDelete, thread, row.id); err != nil {
			return err
		}
	}
	if row.json == nil {
		return nil
	}
	return f.q.exec(ctx, itemsPut, thread, int64(row.seq), row.id, row.typ, flag(row.hidden), row.json) //nolint:gosec // a stream has fewer than 2^63 events
}
