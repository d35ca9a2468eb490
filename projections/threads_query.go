package projections

import (
	"context"
	"database/sql"
	"encoding/json"
	"math"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/chatkit"
)

const (
	threadColumns = "num, id, title, status, reason, created"
	listThreads   = "SELECT " + threadColumns + " FROM threads WHERE user = ? AND num "
	findThread    = "SELECT " + threadColumns + " FROM threads WHERE id = ? AND user = ?"

	listItems = `SELECT id, item FROM thread_items
		WHERE thread = (SELECT thread FROM item_threads WHERE id = ? AND user = ?) AND hidden = 0 AND seq `
	findItem = `SELECT seq FROM thread_items
		WHERE thread = (SELECT thread FROM item_threads WHERE id = ? AND user = ?) AND id = ?`
	findItemThread = "SELECT thread FROM item_threads WHERE id = ? AND user = ?"
)

// page is a [chatkitd.PageQuery] within its limits.
type page struct {
	limit int
	desc  bool
	after string
}

func pageOf(q chatkitd.PageQuery) (page, error) {
	p := page{limit: q.Limit, after: q.After}
	switch q.Order {
	case "", "desc":
		p.desc = true
	case "asc":
	default:
		return p, chatkitd.Errorf(chatkitd.CodeInvalid, `order must be "asc" or "desc"`)
	}
	switch {
	case p.limit <= 0:
		p.limit = chatkit.DefaultLimit
	case p.limit > chatkit.MaxLimit:
		p.limit = chatkit.MaxLimit
	}
	return p, nil
}

// beyond returns the rest of a listing by a number, and the number to begin
// behind when there is no page before. A bare LIMIT ? would have SQLite compile the
// statement anew each time that it is bound, to plan for the limit of the day.
func (p page) beyond(column string) (text string, first int64) {
	if p.desc {
		return "< ? ORDER BY " + column + " DESC LIMIT ? + 0", math.MaxInt64
	}
	return "> ? ORDER BY " + column + " ASC LIMIT ? + 0", math.MinInt64
}

var errAfter = chatkitd.Errorf(chatkitd.CodeInvalid, "after is not the id of an element of this list")

func noThread() error { return chatkitd.Errorf(chatkitd.CodeNotFound, "there is no such thread") }

// Threads implements [chatkitd.ThreadReader].
func (s *Service) Threads(ctx context.Context, user chatkitd.UserID, q chatkitd.PageQuery) (chatkit.Page[chatkit.Thread], error) {
	var out chatkit.Page[chatkit.Thread]
	p, err := pageOf(q)
	if err != nil {
		return out, err
	}
	if err := s.await(ctx, user, s.threads); err != nil {
		return out, err
	}
	err = s.threads.read(ctx, func(v *view) error {
		text, from := p.beyond("num")
		if p.after != "" {
			var t chatkit.Thread
			found, err := v.thread(ctx, user, chatkitd.ThreadID(p.after), &t, &from)
			if err != nil {
				return err
			}
			if !found {
				return errAfter
			}
		}
		rows, err := v.query(ctx, listThreads+text, string(user), from, p.limit+1)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }() // its error is that of rows.Err
		out.Data = make([]chatkit.Thread, 0, min(p.limit, 16))
		for rows.Next() {
			if len(out.Data) == p.limit {
				out.HasMore = true
				break
			}
			var t chatkit.Thread
			var num int64
			if err := scanThread(rows, &t, &num); err != nil {
				return err
			}
			out.Data = append(out.Data, t)
		}
		return rows.Err()
	})
	if err != nil {
		return chatkit.Page[chatkit.Thread]{}, err
	}
	if n := len(out.Data); n > 0 {
		out.After = out.Data[n-1].ID
	}
	return out, nil
}

// thread reads one thread of a user, and its number.
func (v *view) thread(ctx context.Context, user chatkitd.UserID, id chatkitd.ThreadID, t *chatkit.Thread, num *int64) (bool, error) {
	if !chatkitd.ValidID(string(id)) {
		return false, nil
	}
	stmt, err := v.stmt(ctx, findThread)
	if err != nil {
		return false, err
	}
	err = scanThread(stmt.QueryRowContext(ctx, string(id), string(user)), t, num)
	if err == sql.ErrNoRows { //nolint:errorlint // database/sql returns it bare
		return false, nil
	}
	return err == nil, err
}

func scanThread(row scanner, t *chatkit.Thread, num *int64) error {
	var created int64
	if err := row.Scan(num, &t.ID, &t.Title, &t.Status.Type, &t.Status.Reason, &created); err != nil {
		return err
	}
	t.CreatedAt = fromNanos(created)
	t.Items.Data = []json.RawMessage{}
	return nil
}

// Thread implements [chatkitd.ThreadReader].
func (s *Service) Thread(ctx context.Context, user chatkitd.UserID, id chatkitd.ThreadID) (chatkit.Thread, error) {
	var t chatkit.Thread
	if err := s.await(ctx, user, s.threads, s.items); err != nil {
		return t, err
	}
	found := false
	err := s.threads.read(ctx, func(v *view) (err error) {
		var num int64
		found, err = v.thread(ctx, user, id, &t, &num)
		return err
	})
	if err != nil {
		return chatkit.Thread{}, err
	}
	if !found {
		return chatkit.Thread{}, noThread()
	}
	err = s.items.read(ctx, func(v *view) (err error) {
		t.Items, err = v.items(ctx, user, id, page{limit: chatkit.DefaultLimit})
		return err
	})
	if err != nil {
		return chatkit.Thread{}, err
	}
	return t, nil
}

// Items implements [chatkitd.ThreadReader].
func (s *Service) Items(ctx context.Context, user chatkitd.UserID, id chatkitd.ThreadID, q chatkitd.PageQuery) (chatkit.Page[json.RawMessage], error) {
	var out chatkit.Page[json.RawMessage]
	p, err := pageOf(q)
	if err != nil {
		return out, err
	}
	if !chatkitd.ValidID(string(id)) {
		return out, noThread()
	}
	if err := s.await(ctx, user, s.items); err != nil {
		return out, err
	}
	err = s.items.read(ctx, func(v *view) (err error) {
		out, err = v.items(ctx, user, id, p)
		return err
	})
	if err != nil {
		return chatkit.Page[json.RawMessage]{}, err
	}
	return out, nil
}

// items reads a page of items; only an empty one asks why it is empty.
func (v *view) items(ctx context.Context, user chatkitd.UserID, id chatkitd.ThreadID, p page) (chatkit.Page[json.RawMessage], error) {
	out := chatkit.Page[json.RawMessage]{Data: make([]json.RawMessage, 0, min(p.limit, 16))}
	text, from := p.beyond("seq")
	if p.after != "" {
		found, err := v.row(ctx, findItem, []any{string(id), string(user), p.after}, &from)
		switch {
		case err != nil:
			return out, err
		case !found:
			return out, v.missing(ctx, user, id, errAfter)
		}
	}
	rows, err := v.query(ctx, listItems+text, string(id), string(user), from, p.limit+1)
	if err != nil {
		return out, err
	}
	defer func() { _ = rows.Close() }() // its error is that of rows.Err
	for rows.Next() {
		if len(out.Data) == p.limit {
			out.HasMore = true
			break
		}
		var item []byte
		if err := rows.Scan(&out.After, &item); err != nil {
			return out, err
		}
		out.Data = append(out.Data, item)
	}
	if err := rows.Err(); err != nil {
		return out, err
	}
	if len(out.Data) == 0 {
		return out, v.missing(ctx, user, id, nil)
	}
	return out, nil
}

// missing is CodeNotFound when the user has no such thread, else otherwise.
func (v *view) missing(ctx context.Context, user chatkitd.UserID, id chatkitd.ThreadID, otherwise error) error {
	var thread int64
	found, err := v.row(ctx, findItemThread, []any{string(id), string(user)}, &thread)
	switch {
	case err != nil:
		return err
	case !found:
		return noThread()
	}
	return otherwise
}
