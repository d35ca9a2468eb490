package projections

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/internal/sqlite"
)

// The checkpoint lies with the rows that it is of, and commits with them.
const (
	createCheckpoint = `CREATE TABLE checkpoint (
		one INTEGER PRIMARY KEY CHECK (one = 1),
		commit_position INTEGER NOT NULL,
		prepare_position INTEGER NOT NULL,
		stream TEXT NOT NULL,
		revision INTEGER NOT NULL,
		event_id TEXT NOT NULL)`
	saveCheckpoint = "REPLACE INTO checkpoint (one, commit_position, prepare_position, stream, revision, event_id) VALUES (1, ?, ?, ?, ?, ?)"
	loadCheckpoint = "SELECT commit_position, prepare_position, stream, revision, event_id FROM checkpoint"
)

// What the files of tables have in memory at most, each.
const (
	liveCache = 24 << 10 // KiB
	bulkCache = 64 << 10
	mapped    = 1 << 30 // bytes that reads may map
	readers   = 8       // connections
)

// proof names the last event behind a checkpoint. A log that does not hold it
// is another log.
type proof struct {
	Stream   string
	Revision uint64
	ID       string
}

// checkpoint says up to where tables hold the log.
type checkpoint struct {
	position chatkitd.Position
	proof    proof
}

// tables are one generation of a projection's tables: a file, the connection that
// writes it, which one goroutine at a time may use, and the view that reads it.
type tables struct {
	edition
	path string
	checkpoint

	conn  *sqlite.Conn
	stmts []*sqlite.Stmt // of the fold, and then saveCheckpoint
	view  *view          // nil in a bulk load
}

// createTables makes the file of an edition, with everything that it needs to
// serve.
func createTables(ctx context.Context, dir string, p projection, e edition, busy time.Duration) (*tables, error) {
	t := &tables{edition: e, path: e.G.path(dir, p.Name())}
	err := removeFile(t.path) // nobody knows it
	if err == nil {
		err = t.connect(ctx, sqlite.Options{BusyTimeout: busy, CacheKiB: liveCache})
	}
	if err == nil {
		err = t.transact(func() error { return errors.Join(t.create(p), t.index(p)) })
	}
	if err != nil {
		return nil, errors.Join(err, t.close())
	}
	return t.serve(ctx, p)
}

// loadTables begins the bulk load of an edition: its indexes and its view come
// later.
func loadTables(ctx context.Context, dir string, p projection, e edition) (*tables, error) {
	t := &tables{edition: e, path: e.G.path(dir, p.Name())}
	err := removeFile(t.path) // what a crash left
	if err == nil {
		err = t.connect(ctx, sqlite.Options{Bulk: true, CacheKiB: bulkCache})
	}
	if err == nil {
		err = t.conn.Exec("BEGIN")
	}
	if err == nil {
		err = t.create(p)
	}
	if err == nil {
		err = t.prepare(p)
	}
	if err != nil {
		return nil, errors.Join(err, t.close())
	}
	return t, nil
}

// openTables opens the file of an edition.
func openTables(ctx context.Context, dir string, p projection, e edition, busy time.Duration) (*tables, error) {
	t := &tables{edition: e, path: e.G.path(dir, p.Name())}
	if _, err := os.Stat(t.path); err != nil {
		return nil, err
	}
	if err := t.connect(ctx, sqlite.Options{BusyTimeout: busy, CacheKiB: liveCache}); err != nil {
		return nil, err
	}
	var err error
	if t.checkpoint, err = checkpointOf(t.conn); err != nil {
		return nil, errors.Join(err, t.close())
	}
	return t.serve(ctx, p)
}

func (t *tables) connect(ctx context.Context, o sqlite.Options) (err error) {
	t.conn, err = sqlite.Connect(ctx, t.path, o)
	return err
}

// serve prepares the statements and opens the view. On an error t is closed.
func (t *tables) serve(ctx context.Context, p projection) (*tables, error) {
	err := t.prepare(p)
	if err == nil {
		var db *sql.DB
		if db, err = sqlite.Open(ctx, t.path, sqlite.Options{ReadOnly: true, MaxConns: readers, MMap: mapped}); err == nil {
			t.view = newView(db, t.G)
		}
	}
	if err != nil {
		return nil, errors.Join(err, t.close())
	}
	return t, nil
}

func (t *tables) create(p projection) error {
	for _, table := range p.Tables() {
		if err := t.conn.Exec("CREATE TABLE " + table.name + " " + table.columns); err != nil {
			return fmt.Errorf("create table %s: %w", table.name, err)
		}
	}
	return t.conn.Exec(createCheckpoint)
}

func (t *tables) index(p projection) error {
	for _, i := range p.Indexes() {
		if err := t.createIndex(i); err != nil {
			return err
		}
	}
	return nil
}

func (t *tables) createIndex(i index) error {
	if err := t.conn.Exec("CREATE INDEX " + i.table + "_" + i.suffix + " ON " + i.table + " " + i.columns); err != nil {
		return fmt.Errorf("create index %s of %s: %w", i.suffix, i.table, err)
	}
	return nil
}

func (t *tables) prepare(p projection) error {
	for _, text := range append(append([]string{}, p.Statements()...), saveCheckpoint) {
		stmt, err := t.conn.Prepare(text)
		if err != nil {
			return fmt.Errorf("prepare %q: %w", text, err)
		}
		t.stmts = append(t.stmts, stmt)
	}
	return nil
}

// transact runs one transaction. An error of the database is a storageError.
func (t *tables) transact(do func() error) (err error) {
	if t.conn.InTransaction() { // a rollback has failed
		if err := t.conn.Exec("ROLLBACK"); err != nil {
			return stored(err)
		}
	}
	if err := t.conn.Exec("BEGIN IMMEDIATE"); err != nil {
		return stored(err)
	}
	defer func() {
		if err != nil && t.conn.InTransaction() {
			_ = t.conn.Exec("ROLLBACK") // or at the next begin
		}
	}()
	if err := do(); err != nil {
		return err
	}
	return stored(t.conn.Exec("COMMIT"))
}

// save writes a checkpoint. It is part of every transaction, and t has it once
// that has committed.
func (t *tables) save(c checkpoint) error {
	stmt := t.stmts[len(t.stmts)-1]
	stmt.BindInt(1, int64(c.position.Commit))  //nolint:gosec // below 2^63
	stmt.BindInt(2, int64(c.position.Prepare)) //nolint:gosec // below 2^63
	stmt.BindString(3, c.proof.Stream)
	stmt.BindInt(4, int64(c.proof.Revision)) //nolint:gosec // below 2^63
	stmt.BindString(5, c.proof.ID)
	return stored(stmt.Exec())
}

// seal ends a bulk load and has the file serve.
func (t *tables) seal(ctx context.Context, p projection) error {
	t.closeStatements()
	if err := errors.Join(t.conn.Seal(), t.conn.Close()); err != nil {
		return err
	}
	t.conn = nil
	if err := syncFolder(filepath.Dir(t.path)); err != nil {
		return err
	}
	if err := t.connect(ctx, sqlite.Options{CacheKiB: liveCache}); err != nil {
		return err
	}
	_, err := t.serve(ctx, p)
	return err
}

func (t *tables) closeStatements() {
	for _, stmt := range t.stmts {
		_ = stmt.Close() // it never fails
	}
	t.stmts = nil
}

// close waits for the queries that hold the view. The connection that writes goes
// last: it empties the WAL.
func (t *tables) close() error {
	var errs []error
	if t.view != nil {
		errs = append(errs, t.view.close())
	}
	t.closeStatements()
	if t.conn != nil {
		errs = append(errs, t.conn.Close())
		t.conn = nil
	}
	return errors.Join(errs...)
}

// checkpointOf reads the checkpoint of a file; the zero one before the first event.
func checkpointOf(conn *sqlite.Conn) (c checkpoint, err error) {
	stmt, err := conn.Prepare(loadCheckpoint)
	if err != nil {
		return c, err
	}
	row, err := stmt.Step()
	if row {
		c.position = chatkitd.Position{Commit: uint64(stmt.Int(0)), Prepare: uint64(stmt.Int(1))} //nolint:gosec // not negative
		c.proof = proof{Stream: stmt.Text(2), Revision: uint64(stmt.Int(3)), ID: stmt.Text(4)}    //nolint:gosec // not negative
	}
	return c, errors.Join(err, stmt.Close())
}

// readCheckpoint is checkpointOf for a reader of any kind.
func readCheckpoint(ctx context.Context, q rowQuerier) (c checkpoint, err error) {
	err = q.QueryRowContext(ctx, loadCheckpoint).Scan(&c.position.Commit, &c.position.Prepare, &c.proof.Stream, &c.proof.Revision, &c.proof.ID)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return c, err
}

type rowQuerier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}
