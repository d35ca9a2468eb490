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
	"github.com/chatkitd/chatkitd/internal/sqlite"
)

// model is a projection with its tables: where it stands, and how it is read.
type model struct {
	projection
	damage func(g generation, err error) // tells the service that a file is damaged

	bit mask // of this projection

	swap sync.RWMutex // of view, and held for no longer than it takes to get it
	view *view

	// work is held by whoever writes the tables that serve, or puts others in
	// their place. It comes before mu.
	work     sync.Mutex
	tables   *tables
	proof    proof      // of position
	verified bool       // the checkpoint is of this log
	top      generation // the highest that has been used

	mu        sync.Mutex
	phase     Phase
	version   int               // of the tables that serve
	position  chatkitd.Position // of the last event that every query sees
	last      time.Time         // when that event was recorded by the store
	caughtUp  bool
	failure   *Failure
	stored    bool          // the catalog has a failure
	attempts  int           // at the event of failure
	retryAt   time.Time     // zero: not by itself
	delay     time.Duration // before the next retry
	changed   chan struct{} // closed with the next change; nil when nobody waits
	unsaved   int           // events since saved
	unsavedAt time.Time
	rate      rate
	skipped   []Failure // what an operator had it pass, in the order of the log
	previous  *edition
	rebuild   *RebuildState
	built     bool // its first build has been tried
	serving   generation
	broken    bool      // its file is damaged
	repairs   int       // how often that was so
	repairAt  time.Time // the next repair comes no sooner
}

func proofOf(rec *events.Recorded) proof { return proof{rec.Stream, rec.Revision, rec.ID.String()} }

// view reads one generation of tables. Its statements are made when they are
// first needed; there are as many as queries have shapes. Whoever uses a view holds
// it, so that its tables are not dropped.
type view struct {
	g  generation
	db *sql.DB

	held  sync.RWMutex // to read by a query; to write, once, when it is retired
	mu    sync.RWMutex
	stmts map[string]*sql.Stmt
}

func newView(db *sql.DB, g generation) *view {
	return &view{g: g, db: db, stmts: map[string]*sql.Stmt{}}
}

func (v *view) stmt(ctx context.Context, text string) (*sql.Stmt, error) {
	if stmt := v.prepared(text); stmt != nil {
		return stmt, nil
	}
	stmt, err := v.db.PrepareContext(ctx, text)
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

// prepared returns a statement that has been needed before, or nil.
func (v *view) prepared(text string) *sql.Stmt {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.stmts[text]
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

// close waits for the queries that hold the view, and closes its connections.
func (v *view) close() error {
	v.held.Lock()
	defer v.held.Unlock()
	v.mu.Lock()
	defer v.mu.Unlock()
	var errs []error
	for _, stmt := range v.stmts {
		errs = append(errs, stmt.Close())
	}
	clear(v.stmts)
	return errors.Join(append(errs, v.db.Close())...)
}

// read runs a query, and turns a failure into an *Error for the caller.
func (m *model) read(ctx context.Context, query func(v *view) error) error {
	m.swap.RLock()
	v := m.view
	v.held.RLock() // nobody waits for it before the view is out of reach
	m.swap.RUnlock()
	defer v.held.RUnlock()
	err := query(v)
	if sqlite.IsCorrupt(err) {
		m.damage(v.g, err)
	}
	return translate(ctx, err)
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

// waitFor returns once the read model has reached a position. Of a projection that
// will not reach it by itself it returns CodeUnavailable at once. One that is built
// for the first time is waited for: that of a short log is built in no time.
func (m *model) waitFor(ctx context.Context, pos chatkitd.Position) error {
	for {
		m.mu.Lock()
		if m.position.Compare(pos) >= 0 {
			m.mu.Unlock()
			return nil
		}
		switch m.phase {
		case Failed:
			cause := fmt.Errorf("projection %s: %w", m.Name(), m.failure)
			m.mu.Unlock()
			return chatkitd.Errorf(chatkitd.CodeUnavailable, "the data is behind and cannot catch up at the moment").Because(cause)
		case Paused:
			m.mu.Unlock()
			return chatkitd.Errorf(chatkitd.CodeUnavailable, "the data is behind: its updates are paused").
				Because(fmt.Errorf("projection %s is paused", m.Name()))
		case Running, Rebuilding:
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

// advance says that queries now see everything up to pos, n more events, and how
// many of them are not saved.
func (m *model) advance(pos chatkitd.Position, last time.Time, caughtUp bool, n, unsaved int, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.position.Compare(pos) < 0 {
		m.position = pos
	}
	if !last.IsZero() {
		m.last = last
	}
	if m.unsaved == 0 && unsaved > 0 {
		m.unsavedAt = now
	}
	m.rate.add(n, now)
	m.caughtUp, m.unsaved = caughtUp, unsaved
	m.failure, m.attempts, m.retryAt, m.delay = nil, 0, time.Time{}, 0
	if m.phase == Failed {
		m.phase = Running
	}
	m.notify()
}

func (m *model) at() chatkitd.Position {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.position
}

func (m *model) is(p Phase) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.phase == p
}

// reset puts the model on other tables and returns the ones before, of which the
// view may still be in use. restart, if not nil, is called when queries read the new
// tables and before those that wait for them go on. The caller holds m.work.
func (m *model) reset(t *tables, restart func()) (old *tables) {
	old = m.tables
	m.swap.Lock()
	m.view = t.view
	m.swap.Unlock()
	m.tables, m.proof, m.top = t, t.proof, max(m.top, t.G)
	if restart != nil {
		restart()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.serving, m.broken = t.G, false
	m.version, m.position, m.caughtUp, m.unsaved = t.Version, t.position, m.caughtUp && m.position == t.position, 0
	m.notify()
	return old
}
