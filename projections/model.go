package projections

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

// model is a projection with its tables: where it stands, and how it is read.
type model struct {
	projection

	// swap is held to read by every query, so that the tables under it stay.
	swap sync.RWMutex
	view *view

	mu       sync.Mutex
	phase    Phase
	position chatkitd.Position // of the last event that every query sees
	last     time.Time         // when that event was recorded by the store
	caughtUp bool
	failure  *Failure
	retryAt  time.Time     // zero: not by itself
	delay    time.Duration // before the next retry
	changed  chan struct{} // closed with the next change; nil when nobody waits

	// Of the runner alone:
	write     []*sql.Stmt
	saved     chatkitd.Position // the checkpoint in the database
	proof     proof             // of position
	unsaved   int               // events since then
	unsavedAt time.Time
	built     bool // the fast way has been tried
	verified  bool // the checkpoint is of this log
}

// proof names the last event behind a checkpoint. A log that does not hold it
// is another log.
type proof struct {
	stream   string
	revision uint64
	id       string
}

func proofOf(rec *events.Recorded) proof { return proof{rec.Stream, rec.Revision, rec.ID.String()} }

// view reads one generation of tables. Its statements are made when they are
// first needed; there are as many as queries have shapes.
type view struct {
	g  generation
	db *sql.DB

	mu    sync.RWMutex
	stmts map[string]*sql.Stmt
}

func newView(db *sql.DB, g generation) *view {
	return &view{g: g, db: db, stmts: map[string]*sql.Stmt{}}
}

func (v *view) stmt(ctx context.Context, text string) (*sql.Stmt, error) {
	v.mu.RLock()
	stmt, ok := v.stmts[text]
	v.mu.RUnlock()
	if ok {
		return stmt, nil
	}
	stmt, err := v.db.PrepareContext(ctx, v.g.sql(text))
	if err != nil {
		return nil, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if other, ok := v.stmts[text]; ok {
		return other, stmt.Close()
	}
	v.stmts[text] = stmt
	return stmt, nil
}

func (v *view) query(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	stmt, err := v.stmt(ctx, text)
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(ctx, args...)
}

func (v *view) row(ctx context.Context, text string, args []any, dest ...any) (found bool, err error) {
	stmt, err := v.stmt(ctx, text)
	if err != nil {
		return false, err
	}
	switch err := stmt.QueryRowContext(ctx, args...).Scan(dest...); {
	case err == nil:
		return true, nil
	case errors.Is(err, sql.ErrNoRows):
		return false, nil
	default:
		return false, err
	}
}

func (v *view) close() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	var errs []error
	for _, stmt := range v.stmts {
		errs = append(errs, stmt.Close())
	}
	clear(v.stmts)
	return errors.Join(errs...)
}

// read runs a query, and turns a failure into an *Error for the caller.
func (m *model) read(ctx context.Context, query func(v *view) error) error {
	m.swap.RLock()
	defer m.swap.RUnlock()
	return translate(ctx, query(m.view))
}

// translate leaves application errors as they are; the database's are
// CodeUnavailable, unless the caller's context ended.
func translate(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*chatkitd.Error](err); ok {
		return err
	}
	switch ended := ctx.Err(); {
	case errors.Is(ended, context.DeadlineExceeded):
		return chatkitd.Errorf(chatkitd.CodeTimeout, "the query took too long").Because(err)
	case ended != nil:
		return chatkitd.Errorf(chatkitd.CodeCanceled, "the query was given up").Because(err)
	}
	return chatkitd.Errorf(chatkitd.CodeUnavailable, "the data cannot be read at the moment").Because(err)
}

// waitFor returns once the read model has reached a position.
func (m *model) waitFor(ctx context.Context, pos chatkitd.Position) error {
	for {
		m.mu.Lock()
		if m.position.Compare(pos) >= 0 {
			m.mu.Unlock()
			return nil
		}
		if m.phase == Failed {
			cause := fmt.Errorf("projection %s: %w", m.Name(), m.failure)
			m.mu.Unlock()
			return chatkitd.Errorf(chatkitd.CodeUnavailable, "the data is behind and cannot catch up at the moment").Because(cause)
		}
		if m.changed == nil {
			m.changed = make(chan struct{})
		}
		changed := m.changed
		m.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// notify wakes whoever waits. The caller holds m.mu.
func (m *model) notify() {
	if m.changed != nil {
		close(m.changed)
		m.changed = nil
	}
}

// advance says that queries now see everything up to pos.
func (m *model) advance(pos chatkitd.Position, last time.Time, caughtUp bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.position.Compare(pos) < 0 {
		m.position = pos
	}
	if !last.IsZero() {
		m.last = last
	}
	m.caughtUp = caughtUp
	m.phase, m.failure, m.retryAt, m.delay = Running, nil, time.Time{}, 0
	m.notify()
}

func (m *model) at() chatkitd.Position {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.position
}

// reset puts the model at a position on a generation of tables, and closes the
// statements of the one before.
func (m *model) reset(v *view, write []*sql.Stmt, pos chatkitd.Position, p proof) error {
	m.swap.Lock()
	old := m.view
	m.view = v
	m.swap.Unlock()
	errs := make([]error, 0, len(m.write)+1)
	for _, stmt := range m.write {
		errs = append(errs, stmt.Close())
	}
	m.write, m.saved, m.proof, m.unsaved = write, pos, p, 0
	m.mu.Lock()
	m.position, m.caughtUp = pos, false
	m.notify()
	m.mu.Unlock()
	if old != nil {
		errs = append(errs, old.close())
	}
	return errors.Join(errs...)
}
