package projections

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/chatkit"
	"github.com/chatkitd/chatkitd/internal/sqlite"
)

// Snapshot is the read models, each at one moment, row by row and in words of the
// log rather than of the tables, for whoever checks them against a fold of their
// own. It works beside the process that writes them, whose WALs cannot be reset
// before Close.
type Snapshot struct {
	models map[string]*snapshotModel
}

type snapshotModel struct {
	db       *sql.DB
	tx       *sql.Tx
	position chatkitd.Position
}

// OpenSnapshot takes a snapshot of the read models in a folder. Close it.
func OpenSnapshot(ctx context.Context, dir string) (s *Snapshot, err error) {
	err = settled(func() error {
		s = &Snapshot{models: map[string]*snapshotModel{}}
		if err := s.open(ctx, dir); err != nil {
			return errors.Join(err, s.Close())
		}
		return nil
	})
	return s, err
}

func (s *Snapshot) open(ctx context.Context, dir string) error {
	entries, err := readCatalog(ctx, dir)
	if err != nil {
		return err
	}
	for name, e := range entries {
		m := &snapshotModel{}
		s.models[name] = m
		if m.db, err = sqlite.Open(ctx, e.G.path(dir, name), sqlite.Options{ReadOnly: true, MaxConns: 1, MMap: mapped}); err != nil {
			return err
		}
		if m.tx, err = m.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true}); err != nil {
			return err
		}
		c, err := readCheckpoint(ctx, m.tx)
		if err != nil {
			return fmt.Errorf("read the checkpoint of %s: %w", name, err)
		}
		m.position = c.position
	}
	return nil
}

// Close gives the snapshot back.
func (s *Snapshot) Close() error {
	var errs []error
	for _, m := range s.models {
		if m.tx != nil {
			errs = append(errs, m.tx.Rollback())
		}
		if m.db != nil {
			errs = append(errs, m.db.Close())
		}
	}
	return errors.Join(errs...)
}

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
		return m.tasks(ctx, yield)
	case threads{}.Name():
		return m.threads(ctx, yield)
	case threadItems{}.Name():
		return m.items(ctx, yield)
	}
	return fmt.Errorf("the rows of %q are not known", name)
}

func (m *snapshotModel) each(ctx context.Context, query string, scan func(*sql.Rows) error) error {
	rows, err := m.tx.QueryContext(ctx, query)
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

func (m *snapshotModel) tasks(ctx context.Context, yield Row) error {
	owners := map[int64]string{}
	err := m.each(ctx, "SELECT owner, user, pending, completed FROM task_users", func(rows *sql.Rows) error {
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
	tags, err := m.tags(ctx)
	if err != nil {
		return err
	}
	name := func(k taskKey) string {
		if user, ok := owners[k.owner]; ok {
			return user + " " + string(k.id)
		}
		return fmt.Sprintf("owner %d, who is not there, %s", k.owner, k.id)
	}
	query := "SELECT " + taskColumns + ", num, owner, title_folded, description_folded, due FROM tasks"
	err = m.each(ctx, query, func(rows *sql.Rows) error {
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

func (m *snapshotModel) tags(ctx context.Context) (map[taskKey][]string, error) {
	tags := map[taskKey][]string{}
	err := m.each(ctx, "SELECT owner, id, tag_folded FROM task_tags", func(rows *sql.Rows) error {
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

func (m *snapshotModel) threads(ctx context.Context, yield Row) error {
	query := `SELECT num, id, user, title, status, reason, metadata, created, turn, turns, input_tokens, output_tokens
		FROM threads`
	return m.each(ctx, query, func(rows *sql.Rows) error {
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

func (m *snapshotModel) items(ctx context.Context, yield Row) error {
	ids := map[int64]string{}
	err := m.each(ctx, "SELECT thread, id, user FROM item_threads", func(rows *sql.Rows) error {
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
	query := "SELECT thread, seq, id, type, hidden, item FROM thread_items"
	return m.each(ctx, query, func(rows *sql.Rows) error {
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
