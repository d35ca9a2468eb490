package projections

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"github.com/chatkitd/chatkitd"
)

// layout is the version of the catalog itself. A file with one that is not known
// is emptied: it is disposable.
const layout = 2

const createCatalog = `CREATE TABLE projections (
	name TEXT PRIMARY KEY,
	version INTEGER NOT NULL,
	generation INTEGER NOT NULL,
	commit_position INTEGER NOT NULL,
	prepare_position INTEGER NOT NULL,
	stream TEXT NOT NULL,
	revision INTEGER NOT NULL,
	event_id TEXT NOT NULL,
	failure TEXT) WITHOUT ROWID`

// extendCatalog leads from layout 1, the statement above, to layout 2.
var extendCatalog = []string{
	"ALTER TABLE projections ADD COLUMN layout INTEGER NOT NULL DEFAULT 1",
	"ALTER TABLE projections ADD COLUMN paused INTEGER NOT NULL DEFAULT 0",
	"ALTER TABLE projections ADD COLUMN previous TEXT", // what a rollback brings back, a JSON tables
	"ALTER TABLE projections ADD COLUMN rebuild TEXT",  // the last one, as JSON
	`CREATE TABLE projection_skips (
		name TEXT NOT NULL,
		commit_position INTEGER NOT NULL,
		prepare_position INTEGER NOT NULL,
		failure TEXT NOT NULL,
		PRIMARY KEY (name, commit_position, prepare_position)) WITHOUT ROWID`,
}

// tables are a generation of a projection's tables, and up to where they hold the
// log.
type tables struct {
	G        generation        `json:"generation"`
	Version  int               `json:"version"`
	Layout   int               `json:"layout"`
	Position chatkitd.Position `json:"position"`
	Proof    proof             `json:"proof"`
}

// entry is a row of the catalog.
type entry struct {
	name string
	tables
	failure  *Failure
	paused   bool
	previous *tables
	rebuild  *RebuildState
	skipped  []Failure // in the order of the log
}

// opened is what the catalog knew when the service began.
type opened struct {
	entries map[string]entry
	garbage []string // tables that nobody needs
	top     map[string]generation
}

// openCatalog makes sure that every projection has tables that its statements can
// work on. Which other tables there are it only tells: to drop them takes time.
func openCatalog(ctx context.Context, db *sql.DB, ps []projection) (*opened, error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	if err := migrate(ctx, tx); err != nil {
		return nil, err
	}
	entries, err := loadCatalog(ctx, tx)
	if err != nil {
		return nil, err
	}
	keep := map[string]bool{}
	for _, p := range ps {
		e, ok := entries[p.Name()]
		if !ok || e.Layout != p.Layout() {
			continue
		}
		for _, t := range p.Tables() {
			keep[e.G.sql(t.name+"_{g}")] = true
			if e.previous != nil {
				keep[e.previous.G.sql(t.name+"_{g}")] = true
			}
		}
	}
	o := &opened{entries: map[string]entry{}}
	// What a rebuild left behind when it was cut off, other layouts, and
	// projections that are no more.
	if o.garbage, o.top, err = otherTables(ctx, tx, keep); err != nil {
		return nil, err
	}
	for _, p := range ps {
		e, ok := entries[p.Name()]
		if !ok || e.Layout != p.Layout() {
			if e, err = renew(ctx, tx, p, o.next(p)); err != nil {
				return nil, err
			}
		}
		o.entries[p.Name()] = e
		delete(entries, p.Name())
	}
	for name := range entries {
		if err := forget(ctx, tx, name); err != nil {
			return nil, err
		}
	}
	return o, tx.Commit()
}

// next returns the first generation that none of a projection's tables has had.
func (o *opened) next(p projection) generation {
	top := generation(0)
	for _, t := range p.Tables() {
		top = max(top, o.top[t.name])
	}
	return top + 1
}

// migrate brings the catalog to this layout.
func migrate(ctx context.Context, tx *sql.Tx) error {
	var have int
	if err := tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&have); err != nil {
		return err
	}
	var todo []string
	switch have {
	case layout:
		return nil
	case 1:
		todo = extendCatalog
	default:
		garbage, _, err := otherTables(ctx, tx, nil)
		if err != nil {
			return err
		}
		for _, name := range garbage {
			todo = append(todo, `DROP TABLE "`+name+`"`)
		}
		todo = append(todo, "DROP TABLE IF EXISTS projections", "DROP TABLE IF EXISTS projection_skips", createCatalog)
		todo = append(todo, extendCatalog...)
	}
	for _, text := range append(todo, "PRAGMA user_version = "+strconv.Itoa(layout)) {
		if _, err := tx.ExecContext(ctx, text); err != nil {
			return err
		}
	}
	return nil
}

// renew gives a projection empty tables of a new generation, and forgets what was
// before.
func renew(ctx context.Context, tx *sql.Tx, p projection, g generation) (entry, error) {
	e := entry{name: p.Name(), tables: tables{G: g, Version: p.Version(), Layout: p.Layout()}}
	if err := create(ctx, tx, p, g, false); err != nil {
		return entry{}, err
	}
	if err := forget(ctx, tx, p.Name()); err != nil {
		return entry{}, err
	}
	return e, saveEntry(ctx, tx, e)
}

func forget(ctx context.Context, tx *sql.Tx, name string) error {
	for _, text := range []string{"DELETE FROM projections WHERE name = ?", "DELETE FROM projection_skips WHERE name = ?"} {
		if _, err := tx.ExecContext(ctx, text, name); err != nil {
			return err
		}
	}
	return nil
}

type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func loadCatalog(ctx context.Context, q querier) (map[string]entry, error) {
	rows, err := q.QueryContext(ctx, `SELECT name, version, layout, generation, commit_position, prepare_position,
		stream, revision, event_id, failure, paused, previous, rebuild FROM projections`)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // its error is that of rows.Err
	entries := map[string]entry{}
	for rows.Next() {
		var e entry
		var failure, previous, rebuild sql.NullString
		err := rows.Scan(&e.name, &e.Version, &e.Layout, &e.G, &e.Position.Commit, &e.Position.Prepare,
			&e.Proof.Stream, &e.Proof.Revision, &e.Proof.ID, &failure, &e.paused, &previous, &rebuild)
		if err != nil {
			return nil, err
		}
		if err := errors.Join(parse(failure, &e.failure), parse(previous, &e.previous), parse(rebuild, &e.rebuild)); err != nil {
			return nil, fmt.Errorf("catalog of projection %s: %w", e.name, err)
		}
		entries[e.name] = e
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	return entries, loadSkips(ctx, q, entries)
}

func parse(text sql.NullString, into any) error {
	if !text.Valid {
		return nil
	}
	return json.Unmarshal([]byte(text.String), into)
}

func loadSkips(ctx context.Context, q querier, entries map[string]entry) error {
	rows, err := q.QueryContext(ctx, "SELECT name, failure FROM projection_skips ORDER BY commit_position, prepare_position")
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // its error is that of rows.Err
	for rows.Next() {
		var name, text string
		if err := rows.Scan(&name, &text); err != nil {
			return err
		}
		var f Failure
		if err := json.Unmarshal([]byte(text), &f); err != nil {
			return fmt.Errorf("skipped event of projection %s: %w", name, err)
		}
		if e, ok := entries[name]; ok {
			e.skipped = append(e.skipped, f)
			entries[name] = e
		}
	}
	return rows.Err()
}

type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// saveEntry writes the row of an entry; skipped events have their own.
func saveEntry(ctx context.Context, q execer, e entry) error {
	previous, err := optional(e.previous)
	if err != nil {
		return err
	}
	rebuild, err := optional(e.rebuild)
	if err != nil {
		return err
	}
	_, err = q.ExecContext(ctx, `REPLACE INTO projections (name, version, layout, generation, commit_position,
			prepare_position, stream, revision, event_id, paused, previous, rebuild)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		e.name, e.Version, e.Layout, int64(e.G), int64(e.Position.Commit), int64(e.Position.Prepare), //nolint:gosec // below 2^63
		e.Proof.Stream, int64(e.Proof.Revision), e.Proof.ID, e.paused, previous, rebuild) //nolint:gosec // below 2^63
	return err
}

// optional is nil or JSON.
func optional[T any](v *T) (any, error) {
	if v == nil {
		return nil, nil //nolint:nilnil // an SQL NULL
	}
	text, err := json.Marshal(v)
	return string(text), err
}

const (
	// saveCheckpoint is prepared: it is part of every batch.
	saveCheckpoint = `UPDATE projections SET commit_position = ?, prepare_position = ?, stream = ?, revision = ?,
		event_id = ?, failure = NULL WHERE name = ?`
	// savePassed is a checkpoint of events that changed nothing.
	savePassed = `UPDATE projections SET commit_position = ?, prepare_position = ?, stream = ?, revision = ?,
		event_id = ? WHERE name = ?`
	saveFailure  = "UPDATE projections SET failure = ? WHERE name = ?"
	savePaused   = "UPDATE projections SET paused = ? WHERE name = ?"
	savePrevious = "UPDATE projections SET previous = ? WHERE name = ?"
	saveRebuild  = "UPDATE projections SET rebuild = ? WHERE name = ?"
	saveSkip     = "REPLACE INTO projection_skips (name, commit_position, prepare_position, failure) VALUES (?, ?, ?, ?)"
	dropSkip     = "DELETE FROM projection_skips WHERE name = ? AND commit_position = ? AND prepare_position = ?"
)

var tableName = regexp.MustCompile(`^(.+)_(\d+)$`)

// otherTables returns the tables that are not to be kept, and the highest
// generation of each name. What is named otherwise is not ours.
func otherTables(ctx context.Context, tx *sql.Tx, keep map[string]bool) (garbage []string, top map[string]generation, err error) {
	rows, err := tx.QueryContext(ctx, "SELECT name FROM sqlite_schema WHERE type = 'table'")
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = rows.Close() }() // its error is that of rows.Err
	top = map[string]generation{}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, nil, err
		}
		parts := tableName.FindStringSubmatch(name)
		if parts == nil {
			continue
		}
		g, err := strconv.ParseInt(parts[2], 10, 64)
		if err != nil {
			continue
		}
		top[parts[1]] = max(top[parts[1]], generation(g))
		if !keep[name] {
			garbage = append(garbage, name)
		}
	}
	return garbage, top, rows.Err()
}
