package projections

import (
	"context"
	"database/sql"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/chatkitd/chatkitd"
)

// The limits of a page of tasks.
const (
	defaultTasks = 50
	maxTasks     = 100
)

// taskOrder is how a sort is carried out: by a column of one of the indexes, ties
// by num, both in the same direction. Rows without the column come last, by num.
type taskOrder struct {
	column   string
	desc     bool
	nullable bool
}

var taskOrders = map[string]taskOrder{
	"-created_at": {column: "created", desc: true},
	"created_at":  {column: "created"},
	"due_at":      {column: "due", nullable: true},
	"-due_at":     {column: "due", desc: true, nullable: true},
	"title":       {column: "title_folded"},
	"-updated_at": {column: "updated", desc: true},
}

// taskQuery is a [chatkitd.TaskFilter] within its limits, as SQL and arguments.
// The arguments are numbered, so that the same one may be used in several places.
type taskQuery struct {
	order taskOrder
	done  []string // the literal values of done
	where string   // the filters that no index has, " AND …"
	limit int
	args  []any
}

func (q *taskQuery) arg(v any) string {
	q.args = append(q.args, v)
	return "?" + strconv.Itoa(len(q.args))
}

func taskQueryOf(owner int64, f chatkitd.TaskFilter) (*taskQuery, error) {
	q := &taskQuery{limit: f.Limit}
	sort := f.Sort
	if sort == "" {
		sort = chatkitd.TaskSorts[0]
	}
	var ok bool
	if q.order, ok = taskOrders[sort]; !ok {
		return nil, chatkitd.Errorf(chatkitd.CodeInvalid, "sort must be one of %s", strings.Join(chatkitd.TaskSorts, ", "))
	}
	switch f.Status {
	case "":
		q.done = []string{"0", "1"}
	case chatkitd.TaskPending:
		q.done = []string{"0"}
	case chatkitd.TaskCompleted:
		q.done = []string{"1"}
	default:
		return nil, chatkitd.Errorf(chatkitd.CodeInvalid, "status must be %s or %s", chatkitd.TaskPending, chatkitd.TaskCompleted)
	}
	switch {
	case q.limit <= 0:
		q.limit = defaultTasks
	case q.limit > maxTasks:
		q.limit = maxTasks
	}
	own := q.arg(owner) // always ?1
	if f.Priority != "" {
		q.where += " AND priority = " + q.arg(string(f.Priority))
	}
	if f.Query != "" {
		n := q.arg(foldCase(f.Query))
		q.where += " AND (instr(title_folded, " + n + ") OR instr(description_folded, " + n + "))"
	}
	if f.Tag != "" {
		q.where += " AND id IN (SELECT id FROM task_tags WHERE owner = " + own + " AND tag_folded = " + q.arg(foldCase(f.Tag)) + ")"
	}
	return q, nil
}

// filtered reports whether the counters of the user do not tell the total.
func (q *taskQuery) filtered() bool { return q.where != "" }

func (q *taskQuery) count() string {
	return "SELECT count(*) FROM tasks WHERE owner = ?1 AND done IN (" + strings.Join(q.done, ", ") + ")" + q.where
}

// mark is where a page ends: the sort key (nil for none) and num of its last
// task.
type mark struct {
	key any
	num int64
}

// page returns the statement for rows in order behind a mark (nil: from the
// beginning), of those that have the key or of those that have none. Each status
// is a range of one index; two are merged by SQLite.
func (q *taskQuery) page(after *mark, keyed bool, limit int) (string, []any) {
	args := q.args
	num := func(v any) string {
		args = append(args, v)
		return "?" + strconv.Itoa(len(args))
	}
	args = slices.Clip(args)
	dir, op := " ASC", " > "
	if q.order.desc {
		dir, op = " DESC", " < "
	}
	key := q.order.column
	where := ""
	switch {
	case !keyed:
		where, key = " AND "+key+" IS NULL", "0"
		if after != nil {
			where += " AND num" + op + num(after.num)
		}
	case after != nil:
		where = " AND (" + key + ", num)" + op + "(" + num(after.key) + ", " + num(after.num) + ")"
	case q.order.nullable:
		where = " AND " + key + " IS NOT NULL"
	}
	texts := make([]string, len(q.done))
	for i, done := range q.done {
		texts[i] = "SELECT " + taskColumns + ", " + key + " AS k, num FROM tasks WHERE owner = ?1 AND done = " + done + where + q.where
	}
	order := "k" + dir + ", num" + dir
	if !keyed {
		order = "num" + dir
	}
	return strings.Join(texts, " UNION ALL ") + " ORDER BY " + order + " LIMIT " + num(limit), args
}

// snapshot runs queries of tasks that must agree.
func (s *Service) snapshot(ctx context.Context, query func(v *taskView) error) error {
	return s.tasks.read(ctx, func(v *view) error {
		t := &taskView{view: v}
		if err := t.run(ctx, query); err != nil {
			return err
		}
		for _, text := range t.unknown {
			if _, err := v.stmt(ctx, text); err != nil {
				return err
			}
		}
		return nil
	})
}

// taskView is a view at one moment.
type taskView struct {
	*view
	tx      *sql.Tx
	unknown []string // texts to prepare for the next time
}

func (v *taskView) run(ctx context.Context, query func(v *taskView) error) (err error) {
	if v.tx, err = v.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true}); err != nil {
		return err
	}
	defer func() { _ = v.tx.Rollback() }() // it has only read
	return query(v)
}

func (v *taskView) row(ctx context.Context, text string, args []any, dest ...any) (bool, error) {
	rows, err := v.query(ctx, text, args...)
	if err != nil {
		return false, err
	}
	defer func() { _ = rows.Close() }() // its error is that of rows.Err
	if !rows.Next() {
		return false, rows.Err()
	}
	if err := rows.Scan(dest...); err != nil {
		return false, err
	}
	return true, rows.Err()
}

// query never prepares a statement for the pool: that takes another connection,
// and readers that hold one each while they wait for one more wait for ever.
func (v *taskView) query(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	stmt := v.prepared(text)
	if stmt == nil {
		v.unknown = append(v.unknown, text)
		return v.tx.QueryContext(ctx, text, args...)
	}
	return v.tx.StmtContext(ctx, stmt).QueryContext(ctx, args...)
}

// taskOwner is a user who has, or had, tasks.
type taskOwner struct {
	num                int64
	pending, completed int
}

func (v *taskView) owner(ctx context.Context, user chatkitd.UserID) (o taskOwner, found bool, err error) {
	found, err = v.row(ctx, "SELECT owner, pending, completed FROM task_users WHERE user = ?",
		[]any{string(user)}, &o.num, &o.pending, &o.completed)
	return o, found, err
}

// Tasks implements [chatkitd.TaskReader].
func (s *Service) Tasks(ctx context.Context, user chatkitd.UserID, f chatkitd.TaskFilter) (chatkitd.TaskPage, error) {
	if _, err := taskQueryOf(0, f); err != nil {
		return chatkitd.TaskPage{}, err
	}
	if err := s.await(ctx, user, s.tasks); err != nil {
		return chatkitd.TaskPage{}, err
	}
	out := chatkitd.TaskPage{Data: []chatkitd.Task{}}
	err := s.snapshot(ctx, func(v *taskView) error {
		owner, found, err := v.owner(ctx, user)
		switch {
		case err != nil:
			return err
		case !found && f.After != "":
			return errAfter
		case !found:
			return nil
		}
		out.Pending, out.Completed = owner.pending, owner.completed
		return v.page(ctx, owner, f, &out)
	})
	if err != nil {
		return chatkitd.TaskPage{}, err
	}
	return out, nil
}

func (v *taskView) page(ctx context.Context, owner taskOwner, f chatkitd.TaskFilter, out *chatkitd.TaskPage) error {
	q, err := taskQueryOf(owner.num, f)
	if err != nil {
		return err
	}
	switch {
	case q.filtered():
		if _, err := v.row(ctx, q.count(), q.args, &out.Total); err != nil {
			return err
		}
	case f.Status == chatkitd.TaskPending:
		out.Total = owner.pending
	case f.Status == chatkitd.TaskCompleted:
		out.Total = owner.completed
	default:
		out.Total = owner.pending + owner.completed
	}
	after, err := v.mark(ctx, owner, q.order, f.After)
	if err != nil {
		return err
	}
	if after == nil || after.key != nil {
		if err := v.rows(ctx, q, after, true, out); err != nil {
			return err
		}
		after = nil
	}
	if q.order.nullable && len(out.Data) <= q.limit {
		if err := v.rows(ctx, q, after, false, out); err != nil {
			return err
		}
	}
	if len(out.Data) > q.limit {
		out.Data, out.HasMore = out.Data[:q.limit], true
	}
	if n := len(out.Data); n > 0 {
		out.After = string(out.Data[n-1].ID)
	}
	return nil
}

// mark looks up the last task of the page before.
func (v *taskView) mark(ctx context.Context, owner taskOwner, o taskOrder, after chatkitd.TaskID) (*mark, error) {
	if after == "" {
		return nil, nil
	}
	m := &mark{}
	found, err := v.row(ctx, "SELECT "+o.column+", num FROM tasks WHERE owner = ? AND id = ?",
		[]any{owner.num, string(after)}, &m.key, &m.num)
	if err == nil && !found {
		err = errAfter
	}
	return m, err
}

// rows appends to the page, one task more than the limit if there is one.
func (v *taskView) rows(ctx context.Context, q *taskQuery, after *mark, keyed bool, out *chatkitd.TaskPage) error {
	text, args := q.page(after, keyed, q.limit+1-len(out.Data))
	rows, err := v.query(ctx, text, args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // its error is that of rows.Err
	for rows.Next() {
		var t chatkitd.Task
		var key, num any
		if err := scanTask(rows, &t, &key, &num); err != nil {
			return err
		}
		out.Data = append(out.Data, t)
	}
	return rows.Err()
}

func noTask() error { return chatkitd.Errorf(chatkitd.CodeNotFound, "there is no such task") }

const findTask = "SELECT " + taskColumns + ` FROM tasks
	WHERE owner = (SELECT owner FROM task_users WHERE user = ?) AND id = ?`

// Task implements [chatkitd.TaskReader].
func (s *Service) Task(ctx context.Context, user chatkitd.UserID, id chatkitd.TaskID) (chatkitd.Task, error) {
	if !chatkitd.ValidID(string(id)) {
		return chatkitd.Task{}, noTask()
	}
	if err := s.await(ctx, user, s.tasks); err != nil {
		return chatkitd.Task{}, err
	}
	var t chatkitd.Task
	err := s.tasks.read(ctx, func(v *view) error {
		stmt, err := v.stmt(ctx, findTask)
		if err != nil {
			return err
		}
		err = scanTask(stmt.QueryRowContext(ctx, string(user), string(id)), &t)
		if err == sql.ErrNoRows { //nolint:errorlint // database/sql returns it bare
			return noTask()
		}
		return err
	})
	if err != nil {
		return chatkitd.Task{}, err
	}
	return t, nil
}

// findBy returns tasks by title, pending and newest first. The index that is
// ordered by title holds all that is needed to search it, so it is searched first
// and alone: left to itself, SQLite would read all rows of the user.
func findBy(condition string) string {
	return "SELECT " + qualified("t", taskColumns) + ` FROM (
			SELECT id, done, num FROM tasks INDEXED BY tasks_title
			WHERE owner = ?1 AND done IN (0, 1) AND ` + condition + ` ORDER BY done, num DESC LIMIT ?3 + 0) AS f
		CROSS JOIN tasks AS t ON t.owner = ?1 AND t.id = f.id ORDER BY f.done, f.num DESC`
}

// qualified puts an alias before each column of a list.
func qualified(alias, columns string) string {
	return alias + "." + strings.ReplaceAll(columns, ", ", ", "+alias+".")
}

var (
	findExact = findBy("title_folded = ?2")
	findPart  = findBy("instr(title_folded, ?2)")
)

// FindTasks implements [chatkitd.TaskReader]: pending tasks first, newest first.
// Blanks around name do not count; an empty name finds nothing.
func (s *Service) FindTasks(ctx context.Context, user chatkitd.UserID, name string, limit int) ([]chatkitd.Task, error) {
	if err := s.await(ctx, user, s.tasks); err != nil {
		return nil, err
	}
	name = foldCase(strings.TrimSpace(name))
	if limit <= 0 || limit > math.MaxInt32 {
		limit = defaultTasks
	}
	if name == "" {
		return nil, nil
	}
	var found []chatkitd.Task
	err := s.snapshot(ctx, func(v *taskView) error {
		owner, known, err := v.owner(ctx, user)
		if err != nil || !known {
			return err
		}
		for _, text := range []string{findExact, findPart} {
			if found, err = v.find(ctx, text, owner.num, name, limit); err != nil || len(found) > 0 {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

func (v *taskView) find(ctx context.Context, text string, owner int64, name string, limit int) ([]chatkitd.Task, error) {
	rows, err := v.query(ctx, text, owner, name, limit)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // its error is that of rows.Err
	var found []chatkitd.Task
	for rows.Next() {
		var t chatkitd.Task
		if err := scanTask(rows, &t); err != nil {
			return nil, err
		}
		found = append(found, t)
	}
	return found, rows.Err()
}
