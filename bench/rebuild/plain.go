package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/internal/sqlite"
)

// The peer: what one writes first. Each event is decoded and becomes one prepared
// statement on tables with their indexes, a transaction with its checkpoint holds
// a thousand. It keeps less than the read models do: no counts, no search.
const plainSchema = `
CREATE TABLE tasks (user TEXT, id TEXT, title TEXT, description TEXT, priority TEXT, tags TEXT, due TEXT, done INT, created TEXT, updated TEXT, PRIMARY KEY (user, id)) WITHOUT ROWID;
CREATE INDEX tasks_created ON tasks (user, created);
CREATE TABLE threads (id TEXT PRIMARY KEY, user TEXT, title TEXT, status TEXT, turn TEXT, created TEXT);
CREATE INDEX threads_user ON threads (user, created);
CREATE TABLE items (thread TEXT, id TEXT, pos INT, item TEXT, PRIMARY KEY (thread, id));
CREATE INDEX items_pos ON items (thread, pos);
CREATE TABLE checkpoint (one INT PRIMARY KEY, pos INT);`

var plainStatements = map[string]string{
	"add":      "INSERT OR REPLACE INTO tasks VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?, ?)",
	"title":    "UPDATE tasks SET title = COALESCE(?, title), priority = COALESCE(?, priority), updated = ? WHERE user = ? AND id = ?",
	"done":     "UPDATE tasks SET done = ?, updated = ? WHERE user = ? AND id = ?",
	"delete":   "DELETE FROM tasks WHERE user = ? AND id = ?",
	"thread":   "INSERT OR REPLACE INTO threads VALUES (?, ?, ?, 'active', '', ?)",
	"rename":   "UPDATE threads SET title = ? WHERE id = ?",
	"status":   "UPDATE threads SET status = ? WHERE id = ?",
	"turn":     "UPDATE threads SET turn = ? WHERE id = ?",
	"forget":   "DELETE FROM threads WHERE id = ?",
	"item":     "INSERT INTO items VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET item = ?4",
	"remove":   "DELETE FROM items WHERE thread = ? AND id = ?",
	"empty":    "DELETE FROM items WHERE thread = ?",
	"progress": "INSERT OR REPLACE INTO checkpoint VALUES (1, ?)",
}

// plain folds events into tables.
type plain struct {
	ctx   context.Context //nolint:containedctx // of one fold
	db    *sql.DB
	stmts map[string]*sql.Stmt
	tx    *sql.Tx
	open  int // events in tx
}

// plainFold folds a whole log into a new file and counts its events.
func plainFold(ctx context.Context, data, file string) (n int, err error) {
	db, err := sqlite.Open(ctx, file, sqlite.Options{MaxConns: 1, CacheKiB: 64 << 10})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if _, err := db.ExecContext(ctx, plainSchema); err != nil {
		return 0, err
	}
	p := &plain{ctx: ctx, db: db, stmts: make(map[string]*sql.Stmt)}
	for name, text := range plainStatements {
		if p.stmts[name], err = db.PrepareContext(ctx, text); err != nil {
			return 0, err
		}
	}
	var last chatkitd.Position
	n, err = scan(ctx, data, func(rec events.Recorded) error {
		last = rec.Position
		return p.apply(rec)
	})
	return n, errors.Join(err, p.commit(last))
}

func (p *plain) do(name string, args ...any) error {
	_, err := p.tx.StmtContext(p.ctx, p.stmts[name]).ExecContext(p.ctx, args...)
	return err
}

func (p *plain) commit(at chatkitd.Position) error {
	if p.tx == nil {
		return nil
	}
	err := p.do("progress", at.Commit)
	err = errors.Join(err, p.tx.Commit())
	p.tx, p.open = nil, 0
	return err
}

func (p *plain) apply(rec events.Recorded) (err error) {
	if p.tx == nil {
		if p.tx, err = p.db.BeginTx(p.ctx, nil); err != nil {
			return err
		}
	}
	ev, err := events.Decode(rec.Type, rec.Data)
	if err != nil {
		return err
	}
	meta, err := events.DecodeMetadata(rec.Meta)
	if err != nil {
		return err
	}
	if user, ok := events.UserOf(rec.Stream); ok {
		err = p.task(user, ev, meta.RecordedAt.String())
	} else if thread, ok := events.ThreadOf(rec.Stream); ok {
		err = p.thread(thread, ev, rec.Position, meta.RecordedAt.String())
	}
	if err != nil {
		return err
	}
	if p.open++; p.open == 1000 {
		return p.commit(rec.Position)
	}
	return nil
}

func (p *plain) task(user chatkitd.UserID, ev events.Event, now string) error {
	switch ev := ev.(type) {
	case events.TaskAdded:
		tags, err := json.Marshal(ev.Tags)
		if err != nil {
			return err
		}
		due := ""
		if ev.DueAt != nil {
			due = ev.DueAt.String()
		}
		return p.do("add", user, ev.TaskID, ev.Title, ev.Description, ev.Priority, string(tags), due, now, now)
	case events.TaskUpdated:
		return p.do("title", value(ev.Title), value(ev.Priority), now, user, ev.TaskID)
	case events.TaskCompleted:
		return p.do("done", 1, now, user, ev.TaskID)
	case events.TaskReopened:
		return p.do("done", 0, now, user, ev.TaskID)
	case events.TaskDeleted:
		return p.do("delete", user, ev.TaskID)
	}
	return nil
}

func value[T ~string](c chatkitd.Change[T]) any {
	if !c.Set {
		return nil
	}
	return string(c.Value)
}

func (p *plain) thread(thread chatkitd.ThreadID, ev events.Event, at chatkitd.Position, now string) error {
	switch ev := ev.(type) {
	case events.ThreadCreated:
		return p.do("thread", thread, ev.UserID, ev.Title, now)
	case events.ThreadRenamed:
		return p.do("rename", ev.Title, thread)
	case events.ThreadStatusChanged:
		return p.do("status", ev.Status, thread)
	case events.ThreadDeleted:
		return errors.Join(p.do("forget", thread), p.do("empty", thread))
	case events.ItemAdded:
		return p.item(thread, ev.Item, at)
	case events.ItemReplaced:
		return p.item(thread, ev.Item, at)
	case events.ItemRemoved:
		return p.do("remove", thread, ev.ItemID)
	case events.TurnStarted:
		return p.do("turn", ev.TurnID, thread)
	case events.TurnCompleted, events.TurnFailed, events.TurnCancelled, events.TurnInterrupted:
		return p.do("turn", "", thread)
	}
	return nil
}

func (p *plain) item(thread chatkitd.ThreadID, raw json.RawMessage, at chatkitd.Position) error {
	var head struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		return err
	}
	return p.do("item", thread, head.ID, at.Commit, string(raw))
}
