package projections

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/chatkit"
)

// Snapshot is the read models at one moment, row by row and in words of the log
// rather than of the tables, for whoever checks them against a fold of their own.
// It works beside the process that writes them, whose WAL cannot be reset before
// Close.
type Snapshot struct {
	tx     *sql.Tx
	models map[string]snapshotModel
}

type snapshotModel struct {
	g        generation
	position chatkitd.Position
}

// OpenSnapshot takes a snapshot; db is open for reading. Close it.
func OpenSnapshot(ctx context.Context, db *sql.DB) (*Snapshot, error) {
	tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	s := &Snapshot{tx: tx, models: map[string]snapshotModel{}}
	err = s.each(ctx, "SELECT name, generation, commit_position, prepare_position FROM projections", func(rows *sql.Rows) error {
		var name string
		var m snapshotModel
		if err := rows.Scan(&name, &m.g, &m.position.Commit, &m.position.Prepare); err != nil {
			return err
		}
		s.models[name] = m
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the catalog of read models: %w", cmp.Or(err, s.Close()))
	}
	return s, nil
}

// Close gives the snapshot back.
func (s *Snapshot) Close() error { return s.tx.Rollback() }

// Positions returns up to which event each read model holds the log.
func (s *Snapshot) Positions() map[string]chatkitd.Position {
	at := make(map[string]chatkitd.Position, len(s.models))
	for name, m := range s.models {
		at[name] = m.position
	}
	return at
}

// Row takes one row: its table, a key that names it, and the row as JSON. Of an
// item the row is without the item itself, which comes as the bytes that are
// stored. What a row only derives from its other columns is in it when it is not
// as it should be.
type Row = func(table, key string, row json.RawMessage, item []byte) error

// Each passes every row of a read model to yield, in no order.
func (s *Snapshot) Each(ctx context.Context, name string, yield Row) error {
	m, ok := s.models[name]
	if !ok {
		return fmt.Errorf("there is no read model %q in the file", name)
	}
	switch name {
	case tasks{}.Name():
		return s.tasks(ctx, m.g, yield)
	case threads{}.Name():
		return s.threads(ctx, m.g, yield)
	case threadItems{}.Name():
		return s.items(ctx, m.g, yield)
	}
	return fmt.Errorf("the rows of %q are not known", name)
}

func (s *Snapshot) each(ctx context.Context, query string, scan func(*sql.Rows) error) error {
	rows, err := s.tx.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // its error is that of rows.Err
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func emit(yield Row, table, key string, row any, item []byte) error {
	raw, err := json.Marshal(row)
	if err != nil {
		return fmt.Errorf("row %s of %s: %w", key, table, err)
	}
	return yield(table, key, raw, item)
}

// taskSnapshot is a row of tasks.
type taskSnapshot struct {
	Revision uint64        `json:"revision"` // of task.added
	Task     chatkitd.Task `json:"task"`
	Derived  []string      `json:"derived,omitempty"` // columns that do not follow from the task
}

func (s *Snapshot) tasks(ctx context.Context, g generation, yield Row) error {
	owners := map[int64]string{}
	err := s.each(ctx, g.sql("SELECT owner, user, pending, completed FROM task_users_{g}"), func(rows *sql.Rows) error {
		var owner int64
		var user string
		var pending, completed int
		if err := rows.Scan(&owner, &user, &pending, &completed); err != nil {
			return err
		}
		owners[owner] = user
		return emit(yield, "task_users", user, struct {
			Owner     int64 `json:"owner"`
			Pending   int   `json:"pending"`
			Completed int   `json:"completed"`
		}{owner, pending, completed}, nil)
	})
	if err != nil {
		return err
	}
	tags, err := s.tags(ctx, g)
	if err != nil {
		return err
	}
	name := func(k taskKey) string {
		if user, ok := owners[k.owner]; ok {
			return user + " " + string(k.id)
		}
		return fmt.Sprintf("owner %d, who is not there, %s", k.owner, k.id)
	}
	query := g.sql("SELECT " + taskColumns + ", num, owner, title_folded, description_folded, due FROM tasks_{g}")
	err = s.each(ctx, query, func(rows *sql.Rows) error {
		var row taskSnapshot
		var owner int64
		var title, description string
		var due sql.NullInt64
		if err := scanTask(rows, &row.Task, &row.Revision, &owner, &title, &description, &due); err != nil {
			return err
		}
		k := taskKey{owner, row.Task.ID}
		row.derived(title, description, due, tags[k])
		delete(tags, k)
		return emit(yield, "tasks", name(k), row, nil)
	})
	if err != nil {
		return err
	}
	for k, left := range tags {
		if err := emit(yield, "task_tags", name(k), left, nil); err != nil {
			return err
		}
	}
	return nil
}

// derived notes what does not follow from the task.
func (r *taskSnapshot) derived(title, description string, due sql.NullInt64, tags []string) {
	note := func(column string, value any) { r.Derived = append(r.Derived, fmt.Sprintf("%s is %v", column, value)) }
	if title != foldCase(r.Task.Title) {
		note("title_folded", title)
	}
	if description != foldCase(r.Task.Description) {
		note("description_folded", description)
	}
	if due.Valid != (r.Task.DueAt != nil) || due.Valid && due.Int64 != r.Task.DueAt.UnixMicro() {
		note("due", due)
	}
	want := map[string]bool{}
	for _, tag := range r.Task.Tags {
		want[foldCase(tag)] = true
	}
	for _, tag := range tags {
		if !want[tag] {
			note("task_tags", tag)
		}
		delete(want, tag)
	}
	for tag := range want {
		note("task_tags lacks", tag)
	}
	slices.Sort(r.Derived)
}

func (s *Snapshot) tags(ctx context.Context, g generation) (map[taskKey][]string, error) {
	tags := map[taskKey][]string{}
	err := s.each(ctx, g.sql("SELECT owner, id, tag_folded FROM task_tags_{g}"), func(rows *sql.Rows) error {
		var k taskKey
		var tag string
		if err := rows.Scan(&k.owner, &k.id, &tag); err != nil {
			return err
		}
		tags[k] = append(tags[k], tag)
		return nil
	})
	return tags, err
}

func (s *Snapshot) threads(ctx context.Context, g generation, yield Row) error {
	query := g.sql(`SELECT num, id, user, title, status, reason, metadata, created, turn, turns, input_tokens, output_tokens
		FROM threads_{g}`)
	return s.each(ctx, query, func(rows *sql.Rows) error {
		var id string
		var created int64
		var metadata sql.NullString
		var row struct {
			Num       int64           `json:"num"` // the position of thread.created
			User      string          `json:"user"`
			Title     string          `json:"title"`
			Status    chatkit.Status  `json:"status"`
			Metadata  json.RawMessage `json:"metadata"`
			CreatedAt time.Time       `json:"created_at"`
			Turn      string          `json:"turn"`
			Turns     int64           `json:"turns"`
			Input     int64           `json:"input_tokens"`
			Output    int64           `json:"output_tokens"`
		}
		err := rows.Scan(&row.Num, &id, &row.User, &row.Title, &row.Status.Type, &row.Status.Reason, &metadata, &created,
			&row.Turn, &row.Turns, &row.Input, &row.Output)
		if err != nil {
			return err
		}
		row.CreatedAt = fromNanos(created)
		if metadata.Valid {
			row.Metadata = json.RawMessage(metadata.String)
		}
		return emit(yield, "threads", id, row, nil)
	})
}

func (s *Snapshot) items(ctx context.Context, g generation, yield Row) error {
	ids := map[int64]string{}
	err := s.each(ctx, g.sql("SELECT thread, id, user FROM item_threads_{g}"), func(rows *sql.Rows) error {
		var num int64
		var id, user string
		if err := rows.Scan(&num, &id, &user); err != nil {
			return err
		}
		ids[num] = id
		return emit(yield, "item_threads", id, struct {
			Num  int64  `json:"num"`
			User string `json:"user"`
		}{num, user}, nil)
	})
	if err != nil {
		return err
	}
	query := g.sql("SELECT thread, seq, id, type, hidden, item FROM thread_items_{g}")
	return s.each(ctx, query, func(rows *sql.Rows) error {
		var num int64
		var id string
		var item sql.RawBytes
		var row struct {
			Seq    int64  `json:"seq"` // the revision of item.added
			Type   string `json:"type"`
			Hidden bool   `json:"hidden"`
		}
		if err := rows.Scan(&num, &row.Seq, &id, &row.Type, &row.Hidden, &item); err != nil {
			return err
		}
		thread, ok := ids[num]
		if !ok {
			thread = fmt.Sprintf("thread %d, which is not there,", num)
		}
		return emit(yield, "thread_items", strings.Join([]string{thread, id}, " "), row, item)
	})
}
