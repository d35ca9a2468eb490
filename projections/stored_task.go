package projections

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/internal/sqlite"
)

// storedTask is taskColumns of a row.
type storedTask struct {
	id, title, description string
	done                   bool
	priority               string
	tags, dueAt            sql.NullString
	created, updated       int64
	completed              sql.NullInt64
}

// load reads the row of a statement.
func (st *storedTask) load(r *sqlite.Stmt) {
	st.id, st.title, st.description, st.done, st.priority = r.Text(0), r.Text(1), r.Text(2), r.Int(3) != 0, r.Text(4)
	st.tags = sql.NullString{String: r.Text(5), Valid: !r.IsNull(5)}
	st.dueAt = sql.NullString{String: r.Text(6), Valid: !r.IsNull(6)}
	st.created, st.updated = r.Int(7), r.Int(8)
	st.completed = sql.NullInt64{Int64: r.Int(9), Valid: !r.IsNull(9)}
}

// scanner is a row of either kind.
type scanner interface{ Scan(dest ...any) error }

// scanTask reads taskColumns and then more.
func scanTask(row scanner, t *chatkitd.Task, more ...any) error {
	var st storedTask
	dest := append([]any{
		&st.id, &st.title, &st.description, &st.done, &st.priority, &st.tags, &st.dueAt, &st.created, &st.updated, &st.completed,
	}, more...)
	if err := row.Scan(dest...); err != nil {
		return err
	}
	return st.task(t)
}

// task makes the task of it.
func (st *storedTask) task(t *chatkitd.Task) error {
	*t = chatkitd.Task{
		ID: chatkitd.TaskID(st.id), Title: st.title, Description: st.description, Priority: chatkitd.Priority(st.priority),
		Completed: st.done, Status: chatkitd.TaskPending, CreatedAt: fromNanos(st.created), UpdatedAt: fromNanos(st.updated),
	}
	if st.done {
		t.Status = chatkitd.TaskCompleted
	}
	if st.tags.Valid {
		if err := json.Unmarshal([]byte(st.tags.String), &t.Tags); err != nil {
			return fmt.Errorf("tags of %s: %w", st.id, err)
		}
	}
	if st.dueAt.Valid {
		due, err := time.Parse(time.RFC3339Nano, st.dueAt.String)
		if err != nil {
			return fmt.Errorf("due date of %s: %w", st.id, err)
		}
		t.DueAt = &due
	}
	if st.completed.Valid {
		at := fromNanos(st.completed.Int64)
		t.CompletedAt = &at
	}
	return nil
}
