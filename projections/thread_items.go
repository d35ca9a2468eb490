package projections

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
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
		itemsLoad:         "SELECT thread FROM item_threads_{g} WHERE id = ?",
		itemsPutThread:    "INSERT INTO item_threads_{g} (thread, id, user) VALUES (?, ?, ?)",
		itemsDeleteThread: "DELETE FROM item_threads_{g} WHERE thread = ?",
		itemsClear:        "DELETE FROM thread_items_{g} WHERE thread = ?",
		itemsPut: `INSERT INTO thread_items_{g} (thread, seq, id, type, hidden, item) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT (thread, id) DO UPDATE SET type = excluded.type, hidden = excluded.hidden, item = excluded.item`,
		itemsDelete: "DELETE FROM thread_items_{g} WHERE thread = ? AND id = ?",
	}
}

func (threadItems) Fold(q *batch) fold {
	return &itemsFold{q: q, threads: map[chatkitd.ThreadID]*itemThread{}}
}

// itemThread is a thread that the batch is about. An item that is not in items
// is as the table has it.
type itemThread struct {
	num    int64
	user   chatkitd.UserID
	there  bool
	was    bool  // a row is stored,
	wasNum int64 // under this number
	items  map[string]*itemRow
}

// itemRow is what becomes of an item: written over the stored one, or, when a
// stored one has been removed first, instead of it.
type itemRow struct {
	seq    uint64
	typ    string
	hidden bool
	json   []byte // nil: removed
	clear  bool   // the stored row goes first
}

type itemsFold struct {
	q       *batch
	threads map[chatkitd.ThreadID]*itemThread
}

func (f *itemsFold) load(ctx context.Context, id chatkitd.ThreadID) (*itemThread, error) {
	if t, ok := f.threads[id]; ok {
		return t, nil
	}
	t := &itemThread{items: map[string]*itemRow{}}
	found, err := f.q.row(ctx, itemsLoad, string(id), &t.num)
	if err != nil {
		return nil, err
	}
	t.there, t.was, t.wasNum = found, found, t.num
	f.threads[id] = t
	return t, nil
}

// Apply implements [fold].
func (f *itemsFold) Apply(ctx context.Context, r *record) error {
	ev, ok := r.event.(events.Thread)
	if !ok {
		if r.event == nil {
			return nil
		}
		return fmt.Errorf("%s is no event of a thread", r.Type)
	}
	switch ev.(type) {
	case events.ThreadRenamed, events.ThreadStatusChanged, events.FeedbackGiven, events.ToolCalled, events.ToolReturned,
		events.TurnCancelRequested, events.TurnStarted, events.TurnCompleted, events.TurnFailed, events.TurnCancelled, events.TurnInterrupted:
		return nil
	default:
	}
	t, err := f.load(ctx, r.thread)
	if err != nil {
		return err
	}
	if created, ok := ev.(events.ThreadCreated); ok {
		if t.there {
			return fmt.Errorf("thread %s is created twice", r.thread)
		}
		t.num, t.user, t.there = int64(r.Position.Commit), created.UserID, true //nolint:gosec // a log has fewer than 2^63 bytes
		return nil
	}
	if !t.there {
		return fmt.Errorf("there is no thread %s", r.thread)
	}
	switch ev := ev.(type) {
	case events.ItemAdded:
		t.put(r, ev.Item)
	case events.ItemReplaced:
		t.put(r, ev.Item)
	case events.ItemRemoved:
		t.items[string(ev.ItemID)] = &itemRow{clear: true}
	case events.ThreadDeleted:
		t.there = false
		clear(t.items)
	case events.ThreadCreated, events.ThreadRenamed, events.ThreadStatusChanged, events.FeedbackGiven,
		events.ToolCalled, events.ToolReturned, events.TurnStarted, events.TurnCompleted, events.TurnFailed,
		events.TurnCancelled, events.TurnInterrupted, events.TurnCancelRequested, events.ModelCalled: // see above
	}
	return nil
}

// put keeps the place of the item that has this id, in the batch or in the table;
// without one, the item is the last of its thread.
func (t *itemThread) put(r *record, item []byte) {
	row, ok := t.items[r.item.ID]
	if !ok {
		row = &itemRow{seq: r.Revision}
		t.items[r.item.ID] = row
	}
	if ok && row.json == nil {
		row.seq = r.Revision // removed before
	}
	row.typ, row.hidden, row.json = r.item.Type, r.hidden(), item
}

// Flush implements [fold].
func (f *itemsFold) Flush(ctx context.Context) error {
	ids := make([]chatkitd.ThreadID, 0, len(f.threads))
	for id := range f.threads {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b chatkitd.ThreadID) int {
		return cmp.Compare(f.threads[a].num, f.threads[b].num)
	})
	for _, id := range ids {
		if err := f.flush(ctx, id, f.threads[id]); err != nil {
			return err
		}
	}
	return nil
}

func (f *itemsFold) flush(ctx context.Context, id chatkitd.ThreadID, t *itemThread) error {
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
		if err := f.q.exec(ctx, itemsPutThread, t.num, string(id), string(t.user)); err != nil {
			return err
		}
		f.q.holds(itemsLoad, 0, string(id))
	}
	items := make([]string, 0, len(t.items))
	for item := range t.items {
		items = append(items, item)
	}
	slices.SortFunc(items, func(a, b string) int { return cmp.Compare(t.items[a].seq, t.items[b].seq) })
	for _, item := range items {
		row := t.items[item]
		if row.clear && was {
			if err := f.q.exec(ctx, itemsDelete, t.num, item); err != nil {
				return err
			}
		}
		if row.json == nil {
			continue
		}
		err := f.q.exec(ctx, itemsPut, t.num, int64(row.seq), item, row.typ, row.hidden, string(row.json)) //nolint:gosec // a stream has fewer than 2^63 events
		if err != nil {
			return err
		}
	}
	return nil
}
