package projections

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/chatkit"
	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/internal/sqlite"
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
			FROM threads WHERE id = ?`,
		threadsPut: `INSERT INTO threads (num, id, user, title, status, reason, metadata, created, turn, turns,
				input_tokens, output_tokens)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (num) DO UPDATE SET title = excluded.title, status = excluded.status, reason = excluded.reason,
				turn = excluded.turn, turns = excluded.turns, input_tokens = excluded.input_tokens,
				output_tokens = excluded.output_tokens`,
		threadsDelete: "DELETE FROM threads WHERE num = ?",
	}
}

func (threads) Events() []events.Event {
	return []events.Event{
		events.ThreadCreated{},
		events.ThreadRenamed{},
		events.ThreadStatusChanged{},
		events.ThreadDeleted{},
		events.TurnStarted{},
		events.TurnCompleted{},
		events.TurnFailed{},
		events.TurnCancelled{},
		events.TurnInterrupted{},
	}
}

func (threads) Fold(q *batch) fold {
	return &threadsFold{q: q, rows: held[chatkitd.ThreadID, threadRow]{}}
}

type threadRow struct {
	id                   chatkitd.ThreadID
	num                  int64
	user, title          string
	status               chatkit.Status
	metadata             any // a JSON object, or nil
	created              int64
	turn                 string
	turns, input, output int64
	there, dirty         bool
	was                  bool  // a row is stored,
	wasNum               int64 // under this number
}

type threadsFold struct {
	q    *batch
	rows held[chatkitd.ThreadID, threadRow]
}

func (f *threadsFold) load(id chatkitd.ThreadID) (*threadRow, error) {
	return f.rows.load(id, func(t *threadRow) (err error) {
		t.id = id
		if !f.q.mayHold(threadsLoad, 0, string(id)) {
			return nil
		}
		t.was, err = f.q.row(threadsLoad, func(r *sqlite.Stmt) error {
			t.num, t.user, t.title = r.Int(0), r.Text(1), r.Text(2)
			t.status = chatkit.Status{Type: r.Text(3), Reason: r.Text(4)}
			if !r.IsNull(5) {
				t.metadata = r.Text(5)
			}
			t.created, t.turn = r.Int(6), r.Text(7)
			t.turns, t.input, t.output = r.Int(8), r.Int(9), r.Int(10)
			return nil
		}, string(id))
		t.there, t.wasNum = t.was, t.num
		return err
	})
}

// Apply implements [fold].
func (f *threadsFold) Apply(r *record) error {
	t, err := f.load(r.thread)
	if err != nil {
		return err
	}
	if created, ok := r.event.(events.ThreadCreated); ok {
		return t.create(created, r)
	}
	if !t.there {
		return orphan(r.event, r.thread)
	}
	t.dirty = true
	switch ev := r.event.(type) {
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
	}
	return nil
}

// orphan judges an event of a thread that is not there: a deleted thread may
// still see the end of the turn that ran, anything else is a broken history.
func orphan(ev events.Event, id chatkitd.ThreadID) error {
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
		id: r.thread, num: int64(r.Position.Commit), user: string(ev.UserID), title: ev.Title, //nolint:gosec // a log has fewer than 2^63 bytes
		status: chatkit.Status{Type: chatkit.StatusActive}, created: nanos(r.at),
		there: true, dirty: true, was: t.was, wasNum: t.wasNum,
	}
	if len(ev.Metadata) > 0 {
		text, err := json.Marshal(ev.Metadata)
		if err != nil {
			return fmt.Errorf("metadata of thread %s: %w", r.thread, err)
		}
		t.metadata = string(text)
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
	return f.rows.flush(func(t *threadRow) bool { return t.dirty },
		func(a, b *threadRow) int { return cmp.Compare(a.num, b.num) },
		func(t *threadRow) error { return f.put(ctx, t) })
}

func (f *threadsFold) put(ctx context.Context, t *threadRow) error {
	if t.was && (!t.there || t.num != t.wasNum) {
		if err := f.q.exec(ctx, threadsDelete, t.wasNum); err != nil {
			return err
		}
	}
	if !t.there {
		return nil
	}
	f.q.holds(threadsLoad, 0, string(t.id))
	return f.q.exec(ctx, threadsPut, t.num, string(t.id), t.user, t.title, t.status.Type, t.status.Reason,
		t.metadata, t.created, t.turn, t.turns, t.input, t.output)
}
