package projections

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/internal/sqlite"
)

// tasks is the read model behind [chatkitd.TaskReader].
type tasks struct{}

func (tasks) Name() string     { return "tasks" }
func (tasks) Version() int     { return 1 }
func (tasks) Layout() int      { return 1 }
func (tasks) Category() string { return events.UserPrefix }

// A user is known by the position of the first task, an owner number that is
// short in every index. Moments are nanoseconds since 1970 but for due, the
// microseconds behind due_at, which is kept as it was given, zone and all. num is
// the revision of task.added: the order of tasks that were added in one moment.
func (tasks) Tables() []table {
	return []table{
		{"task_users", `(
			owner INTEGER PRIMARY KEY,
			user TEXT NOT NULL UNIQUE,
			pending INTEGER NOT NULL,
			completed INTEGER NOT NULL)`},
		{"tasks", `(
			owner INTEGER NOT NULL,
			id TEXT NOT NULL,
			num INTEGER NOT NULL,
			done INTEGER NOT NULL,
			title TEXT NOT NULL,
			title_folded TEXT NOT NULL,
			description TEXT NOT NULL,
			description_folded TEXT NOT NULL,
			priority TEXT NOT NULL,
			tags TEXT,
			due INTEGER,
			due_at TEXT,
			created INTEGER NOT NULL,
			updated INTEGER NOT NULL,
			completed INTEGER,
			PRIMARY KEY (owner, id)) WITHOUT ROWID`},
		{"task_tags", `(
			owner INTEGER NOT NULL,
			tag_folded TEXT NOT NULL,
			id TEXT NOT NULL,
			PRIMARY KEY (owner, tag_folded, id)) WITHOUT ROWID`},
	}
}

func (tasks) Indexes() []index {
	return []index{
		{"tasks", "created", "(owner, done, created, num)"},
		{"tasks", "due", "(owner, done, due, num)"},
		{"tasks", "title", "(owner, done, title_folded, num)"},
		{"tasks", "updated", "(owner, done, updated, num)"},
	}
}

const (
	tasksOwner = iota
	tasksPutOwner
	tasksLoad
	tasksPut
	tasksDelete
	tasksTag
	tasksUntag
)

// taskColumns are what a storedTask reads.
const taskColumns = "id, title, description, done, priority, tags, due_at, created, updated, completed"

func (tasks) Statements() []string {
	return []string{
		tasksOwner: "SELECT owner, pending, completed FROM task_users WHERE user = ?",
		tasksPutOwner: `INSERT INTO task_users (owner, user, pending, completed) VALUES (?, ?, ?, ?)
			ON CONFLICT (owner) DO UPDATE SET pending = excluded.pending, completed = excluded.completed`,
		tasksLoad: "SELECT " + taskColumns + ", num FROM tasks WHERE owner = ? AND id = ?",
		tasksPut: `INSERT INTO tasks (owner, id, num, done, title, title_folded, description, description_folded,
				priority, tags, due, due_at, created, updated, completed)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (owner, id) DO UPDATE SET num = excluded.num, done = excluded.done, title = excluded.title,
				title_folded = excluded.title_folded, description = excluded.description,
				description_folded = excluded.description_folded, priority = excluded.priority, tags = excluded.tags,
				due = excluded.due, due_at = excluded.due_at, created = excluded.created, updated = excluded.updated,
				completed = excluded.completed`,
		tasksDelete: "DELETE FROM tasks WHERE owner = ? AND id = ?",
		tasksTag:    "INSERT INTO task_tags (owner, tag_folded, id) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
		tasksUntag:  "DELETE FROM task_tags WHERE owner = ? AND tag_folded = ? AND id = ?",
	}
}

func (tasks) Events() []events.Event {
	return []events.Event{
		events.TaskAdded{}, events.TaskUpdated{}, events.TaskCompleted{}, events.TaskReopened{}, events.TaskDeleted{},
	}
}

func (tasks) Fold(q *batch) fold {
	return &tasksFold{q: q, owners: held[chatkitd.UserID, ownerRow]{}, tasks: held[taskKey, taskRow]{}}
}

type taskKey struct {
	owner int64
	id    chatkitd.TaskID
}

type ownerRow struct {
	user               chatkitd.UserID
	num                int64
	pending, completed int64
	dirty              bool
}

type taskRow struct {
	key   taskKey
	task  chatkitd.Task
	num   uint64
	there bool     // the task exists now
	was   bool     // a row of it is stored
	tags  []string // as stored
	dirty bool
}

type tasksFold struct {
	q       *batch
	owners  held[chatkitd.UserID, ownerRow]
	tasks   held[taskKey, taskRow]
	changes []userChange
}

// Changes implements [publisher].
func (f *tasksFold) Changes() []userChange { return f.changes }

// Apply implements [fold].
func (f *tasksFold) Apply(r *record) error {
	owner, err := f.owner(r)
	if err != nil {
		return err
	}
	switch ev := r.event.(type) {
	case events.TaskAdded:
		return f.added(owner, ev, r)
	case events.TaskUpdated:
		return f.change(owner, ev.TaskID, r, func(t *chatkitd.Task) {
			set(&t.Title, ev.Title)
			set(&t.Description, ev.Description)
			set(&t.Priority, ev.Priority)
			set(&t.Tags, ev.Tags)
			if ev.DueAt.Set {
				t.DueAt = nil
				if !ev.DueAt.Null {
					t.DueAt = &ev.DueAt.Value
				}
			}
		})
	case events.TaskCompleted:
		return f.change(owner, ev.TaskID, r, func(t *chatkitd.Task) {
			if at := r.at; !t.Completed {
				t.Completed, t.Status, t.CompletedAt = true, chatkitd.TaskCompleted, &at
			}
		})
	case events.TaskReopened:
		return f.change(owner, ev.TaskID, r, func(t *chatkitd.Task) {
			t.Completed, t.Status, t.CompletedAt = false, chatkitd.TaskPending, nil
		})
	case events.TaskDeleted:
		return f.deleted(owner, ev.TaskID, r)
	case events.EffectVoided:
		return nil // of no task, and never decoded
	}
	return nil
}

func set[T any](field *T, c chatkitd.Change[T]) {
	if c.Set {
		*field = c.Value
	}
}

func (f *tasksFold) owner(r *record) (*ownerRow, error) {
	return f.owners.load(r.user, func(o *ownerRow) error {
		o.user, o.num = r.user, int64(r.Position.Commit) //nolint:gosec // a log has fewer than 2^63 bytes
		if !f.q.mayHold(tasksOwner, 0, string(r.user)) {
			return nil
		}
		_, err := f.q.row(tasksOwner, func(row *sqlite.Stmt) error {
			o.num, o.pending, o.completed = row.Int(0), row.Int(1), row.Int(2)
			return nil
		}, string(r.user))
		return err
	})
}

func (f *tasksFold) load(o *ownerRow, id chatkitd.TaskID) (*taskRow, error) {
	key := taskKey{o.num, id}
	return f.tasks.load(key, func(t *taskRow) (err error) {
		t.key = key
		if !f.q.mayHold(tasksLoad, o.num, string(id)) {
			return nil
		}
		t.was, err = f.q.row(tasksLoad, func(row *sqlite.Stmt) error {
			var st storedTask
			st.load(row)
			t.num = uint64(row.Int(10)) //nolint:gosec // not negative
			return st.task(&t.task)
		}, o.num, string(id))
		t.there, t.tags = t.was, t.task.Tags
		return err
	})
}

func (f *tasksFold) added(o *ownerRow, ev events.TaskAdded, r *record) error {
	row, err := f.load(o, ev.TaskID)
	if err != nil {
		return err
	}
	if row.there {
		return fmt.Errorf("task %s is added twice", ev.TaskID)
	}
	row.num, row.there, row.dirty = r.Revision, true, true
	row.task = chatkitd.Task{
		ID: ev.TaskID, Title: ev.Title, Description: ev.Description, Status: chatkitd.TaskPending,
		Priority: ev.Priority, Tags: ev.Tags, DueAt: ev.DueAt, CreatedAt: r.at, UpdatedAt: r.at,
	}
	o.pending++
	o.dirty = true
	f.changed(r, &row.task)
	return nil
}

func (f *tasksFold) change(o *ownerRow, id chatkitd.TaskID, r *record, do func(*chatkitd.Task)) error {
	row, err := f.load(o, id)
	if err != nil {
		return err
	}
	if !row.there {
		return fmt.Errorf("there is no task %s", id)
	}
	was := row.task.Completed
	do(&row.task)
	row.task.UpdatedAt = r.at
	row.dirty = true
	if row.task.Completed != was {
		o.count(was, -1)
		o.count(!was, +1)
	}
	f.changed(r, &row.task)
	return nil
}

func (f *tasksFold) deleted(o *ownerRow, id chatkitd.TaskID, r *record) error {
	row, err := f.load(o, id)
	if err != nil {
		return err
	}
	if !row.there {
		return fmt.Errorf("there is no task %s", id)
	}
	row.there, row.dirty = false, true
	o.count(row.task.Completed, -1)
	if f.q.watch {
		f.changes = append(f.changes, userChange{r.user, chatkitd.TaskChange{Position: r.Position, ID: id}})
	}
	return nil
}

func (o *ownerRow) count(completed bool, by int64) {
	if completed {
		o.completed += by
	} else {
		o.pending += by
	}
	o.dirty = true
}

func (f *tasksFold) changed(r *record, t *chatkitd.Task) {
	if !f.q.watch {
		return
	}
	task := *t
	f.changes = append(f.changes, userChange{r.user, chatkitd.TaskChange{Position: r.Position, ID: t.ID, Task: &task}})
}

// Flush implements [fold].
func (f *tasksFold) Flush(ctx context.Context) error {
	err := f.owners.flush(func(o *ownerRow) bool { return o.dirty },
		func(a, b *ownerRow) int { return cmp.Compare(a.num, b.num) },
		func(o *ownerRow) error {
			f.q.holds(tasksOwner, 0, string(o.user))
			return f.q.exec(ctx, tasksPutOwner, o.num, string(o.user), o.pending, o.completed)
		})
	if err != nil {
		return err
	}
	return f.tasks.flush(func(t *taskRow) bool { return t.dirty },
		func(a, b *taskRow) int {
			return cmp.Or(cmp.Compare(a.key.owner, b.key.owner), cmp.Compare(a.key.id, b.key.id))
		},
		func(t *taskRow) error { return f.flush(ctx, t) })
}

func (f *tasksFold) flush(ctx context.Context, row *taskRow) error {
	k := row.key
	var tags []string
	if row.there {
		tags = row.task.Tags
	}
	if !slices.Equal(tags, row.tags) {
		for _, tag := range row.tags {
			if err := f.q.exec(ctx, tasksUntag, k.owner, foldCase(tag), string(k.id)); err != nil {
				return err
			}
		}
		for _, tag := range tags {
			if err := f.q.exec(ctx, tasksTag, k.owner, foldCase(tag), string(k.id)); err != nil {
				return err
			}
		}
	}
	switch {
	case row.there:
		return f.put(ctx, row)
	case row.was:
		return f.q.exec(ctx, tasksDelete, k.owner, string(k.id))
	}
	return nil
}

func (f *tasksFold) put(ctx context.Context, row *taskRow) error {
	k, t := row.key, &row.task
	var tags, due, dueAt, completed any
	if t.Tags != nil {
		text, err := json.Marshal(t.Tags)
		if err != nil {
			return fmt.Errorf("tags of %s: %w", k.id, err)
		}
		tags = string(text)
	}
	if t.DueAt != nil {
		due, dueAt = t.DueAt.UnixMicro(), t.DueAt.Format(time.RFC3339Nano)
	}
	if t.CompletedAt != nil {
		completed = nanos(*t.CompletedAt)
	}
	f.q.holds(tasksLoad, k.owner, string(k.id))
	return f.q.exec(ctx, tasksPut, k.owner, string(k.id), int64(row.num), flag(t.Completed), //nolint:gosec // a stream has fewer than 2^63 events
		t.Title, foldCase(t.Title), t.Description, foldCase(t.Description), string(t.Priority),
		tags, due, dueAt, nanos(t.CreatedAt), nanos(t.UpdatedAt), completed)
}
