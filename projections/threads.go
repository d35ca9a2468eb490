package projections

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/chatkit"
	"github.com/chatkitd/chatkitd/events"
)

// threads is the read model behind the lists of [chatkitd.ThreadReader].
type threads struct{}

func (threads) Name() string     { return "threads" }
func (threads) Version() int     { return 1 }
func (threads) Layout() int      { return 1 }
func (threads) Category() string { return events.ThreadPrefix }

// num is the position of thread.created, and so the order by age. turn is the
// turn that runs, empty when none does.
func (threads) Tables() []table {
	return []table{{"threads", `(
		num INTEGER PRIMARY KEY,
		id TEXT NOT NULL UNIQUE,
		user TEXT NOT NULL,
		title TEXT NOT NULL,
		status TEXT NOT NULL,
		reason TEXT NOT NULL,
		metadata TEXT,
		created INTEGER NOT NULL,
		turn TEXT NOT NULL,
		turns INTEGER NOT NULL,
		input_tokens INTEGER NOT NULL,
		output_tokens INTEGER NOT NULL)`}}
}

func (threads) Indexes() []index {
	return []index{
		{"threads", "user", "(user, num)"},
		{"threads", "turn", "(num) WHERE turn <> ''"},
	}
}

const (
	threadsLoad = iota
	threadsPut
	threadsDelete
)

func (threads) Statements() []string {
	return []string{
		threadsLoad: `SELECT num, user, title, status, reason, metadata, created, turn, turns, input_tokens, output_tokens
			FROM threads_{g} WHERE id = ?`,
		threadsPut: `INSERT INTO threads_{g} (num, id, user, title, status, reason, metadata, created, turn, turns,
				input_tokens, output_tokens)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (num) DO UPDATE SET title = excluded.title, status = excluded.status, reason = excluded.reason,
				turn = excluded.turn, turns = excluded.turns, input_tokens = excluded.input_tokens,
				output_tokens = excluded.output_tokens`,
		threadsDelete: "DELETE FROM threads_{g} WHERE num = ?",
	}
}

func (threads) Fold(q *batch) fold {
	return &threadsFold{q: q, rows: map[chatkitd.ThreadID]*threadRow{}}
}

type threadRow struct {
	num                  int64
	user, title          string
	status               chatkit.Status
	metadata             *string
	created              int64
	turn                 string
	turns, input, output int64
	there, dirty         bool
	was                  bool  // a row is stored,
	wasNum               int64 // under this number
}

type threadsFold struct {
	q    *batch
	rows map[chatkitd.ThreadID]*threadRow
}

func (f *threadsFold) load(ctx context.Context, id chatkitd.ThreadID) (*threadRow, error) {
	if t, ok := f.rows[id]; ok {
		return t, nil
	}
	t := &threadRow{}
	found, err := f.q.row(ctx, threadsLoad, string(id), &t.num, &t.user, &t.title, &t.status.Type, &t.status.Reason,
		&t.metadata, &t.created, &t.turn, &t.turns, &t.input, &t.output)
	if err != nil {
		return nil, err
	}
	t.there, t.was, t.wasNum = found, found, t.num
	f.rows[id] = t
	return t, nil
}

// Apply implements [fold].
func (f *threadsFold) Apply(ctx context.Context, r *record) error {
	ev, ok := r.event.(events.Thread)
	if !ok {
		if r.event == nil {
			return nil
		}
		return fmt.Errorf("%s is no event of a thread", r.Type)
	}
	switch ev.(type) {
	case events.ItemAdded, events.ItemReplaced, events.ItemRemoved, events.FeedbackGiven,
		events.ToolCalled, events.ToolReturned, events.TurnCancelRequested:
		return nil
	default:
	}
	t, err := f.load(ctx, r.thread)
	if err != nil {
		return err
	}
	if created, ok := ev.(events.ThreadCreated); ok {
		return t.create(created, r)
	}
	if !t.there {
		return orphan(ev, r.thread)
	}
	t.dirty = true
	switch ev := ev.(type) {
	case events.ThreadRenamed:
		t.title = ev.Title
	case events.ThreadStatusChanged:
		t.status = chatkit.Status{Type: ev.Status, Reason: ev.Reason}
	case events.ThreadDeleted:
		t.there = false
	case events.TurnStarted:
		t.turn = string(ev.TurnID)
		t.turns++
	case events.TurnCompleted:
		t.end(ev.TurnID)
		t.input += ev.Usage.Input
		t.output += ev.Usage.Output
	case events.TurnFailed:
		t.end(ev.TurnID)
	case events.TurnCancelled:
		t.end(ev.TurnID)
	case events.TurnInterrupted:
		t.end(ev.TurnID)
	case events.ThreadCreated, events.ItemAdded, events.ItemReplaced, events.ItemRemoved,
		events.FeedbackGiven, events.ModelCalled, events.ToolCalled, events.ToolReturned, events.TurnCancelRequested: // see above
	}
	return nil
}

// orphan judges an event of a thread that is not there: a deleted thread may
// still see the end of the turn that ran, anything else is a broken history.
func orphan(ev events.Thread, id chatkitd.ThreadID) error {
	switch ev.(type) {
	case events.TurnCompleted, events.TurnFailed, events.TurnCancelled, events.TurnInterrupted:
		return nil
	default:
		return fmt.Errorf("there is no thread %s", id)
	}
}

func (t *threadRow) create(ev events.ThreadCreated, r *record) error {
	if t.there {
		return fmt.Errorf("thread %s is created twice", r.thread)
	}
	if ev.ThreadID != r.thread || ev.UserID == "" {
		return fmt.Errorf("stream of thread %s holds thread %s of user %q", r.thread, ev.ThreadID, ev.UserID)
	}
	*t = threadRow{
		num: int64(r.Position.Commit), user: string(ev.UserID), title: ev.Title, //nolint:gosec // a log has fewer than 2^63 bytes
		status: chatkit.Status{Type: chatkit.StatusActive}, created: nanos(r.at),
		there: true, dirty: true, was: t.was, wasNum: t.wasNum,
	}
	if len(ev.Metadata) > 0 {
		text, err := json.Marshal(ev.Metadata)
		if err != nil {
			return fmt.Errorf("metadata of thread %s: %w", r.thread, err)
		}
		s := string(text)
		t.metadata = &s
	}
	return nil
}

func (t *threadRow) end(turn chatkitd.TurnID) {
	if t.turn == string(turn) {
		t.turn = ""
	}
}

// Flush implements [fold].
func (f *threadsFold) Flush(ctx context.Context) error {
	ids := make([]chatkitd.ThreadID, 0, len(f.rows))
	for id, t := range f.rows {
		if t.dirty {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b chatkitd.ThreadID) int { return cmp.Compare(f.rows[a].num, f.rows[b].num) })
	for _, id := range ids {
		if err := f.flush(ctx, id, f.rows[id]); err != nil {
			return err
		}
	}
	return nil
}

func (f *threadsFold) flush(ctx context.Context, id chatkitd.ThreadID, t *threadRow) error {
	if t.was && (!t.there || t.num != t.wasNum) {
		if err := f.q.exec(ctx, threadsDelete, t.wasNum); err != nil {
			return err
		}
	}
	if !t.there {
		return nil
	}
	f.q.holds(threadsLoad, 0, string(id))
	return f.q.exec(ctx, threadsPut, t.num, string(id), t.user, t.title, t.status.Type, t.status.Reason,
		t.metadata, t.created, t.turn, t.turns, t.input, t.output)
}
