package projections

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"github.com/chatkitd/chatkitd/internal/sqlite"
)

// layout is the version of the catalog itself. A file with one that is not known
// is replaced: it is disposable.
const layout = 3

var createCatalog = []string{
	`CREATE TABLE projections (
		name TEXT PRIMARY KEY,
		version INTEGER NOT NULL,
		layout INTEGER NOT NULL,
		generation INTEGER NOT NULL,
		paused INTEGER NOT NULL,
		failure TEXT,
		previous TEXT,
		rebuild TEXT) WITHOUT ROWID`,
	`CREATE TABLE projection_skips (
		name TEXT NOT NULL,
		commit_position INTEGER NOT NULL,
		prepare_position INTEGER NOT NULL,
		failure TEXT NOT NULL,
		PRIMARY KEY (name, commit_position, prepare_position)) WITHOUT ROWID`,
	"PRAGMA user_version = " + strconv.Itoa(layout),
}

// edition names a generation of a projection's tables, and what made them.
type edition struct {
	G       generation `json:"generation"`
	Version int        `json:"version"`
	Layout  int        `json:"layout"`
}

// entry is a row of the catalog.
type entry struct {
	name string
	edition
	failure  *Failure
	paused   bool
	previous *edition      // what a rollback brings back
	rebuild  *RebuildState // the last one
	skipped  []Failure     // in the order of the log
}

// openCatalog opens the catalog of a folder, or makes it. One of an earlier layout,
// and one that is damaged, is replaced. What an operator had decided is kept if it
// can be read; fresh says why the tables are to be made anew.
func openCatalog(ctx context.Context, dir string, busy time.Duration) (db *sql.DB, fresh string, err error) {
	file := filepath.Join(dir, CatalogFile)
	open := func() error {
		// What it says is to hold even when the power fails: a file that it no longer
		// names is deleted.
		db, err = sqlite.Open(ctx, file, sqlite.Options{Durable: true, MaxConns: 1, BusyTimeout: busy})
		return err
	}
	var have, tables int
	if err = open(); err == nil {
		err = db.QueryRowContext(ctx, "SELECT (SELECT user_version FROM pragma_user_version), count(*) FROM sqlite_schema").Scan(&have, &tables)
	}
	var kept []entry
	switch {
	case err == nil && have == layout:
		if _, err = loadCatalog(ctx, db); err == nil {
			return db, "", nil
		}
		if !sqlite.IsCorrupt(err) {
			return nil, "", errors.Join(err, db.Close())
		}
		fresh = "the catalog is damaged"
	case err == nil && tables == 0:
	case err == nil && (have == 1 || have == 2):
		fresh = "the files are of an earlier version"
		if have == 2 {
			kept, err = keepOfLayout2(ctx, db)
		}
	case err == nil:
		fresh = "the files are of another version"
	case sqlite.IsCorrupt(err):
		fresh = "the catalog is damaged"
	}
	if err != nil && !sqlite.IsCorrupt(err) {
		if db != nil {
			err = errors.Join(err, db.Close())
		}
		return nil, "", err
	}
	if db != nil {
		if err := db.Close(); err != nil {
			return nil, "", err
		}
	}
	if fresh != "" {
		if err := removeFile(file); err != nil {
			return nil, "", err
		}
	}
	if err := open(); err != nil {
		return nil, "", err
	}
	if err := fillCatalog(ctx, db, kept); err != nil {
		return nil, "", errors.Join(err, db.Close())
	}
	return db, fresh, nil
}

func fillCatalog(ctx context.Context, db *sql.DB, kept []entry) error {
	return inTx(ctx, db, func(tx *sql.Tx) error {
		for _, text := range createCatalog {
			if _, err := tx.ExecContext(ctx, text); err != nil {
				return err
			}
		}
		for _, e := range kept {
			if err := saveEntry(ctx, tx, e); err != nil {
				return err
			}
			for _, f := range e.skipped {
				if err := addSkip(ctx, tx, e.name, &f); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// keepOfLayout2 reads what an operator had decided from the one file that held all
// read models before. Its tables are made anew.
func keepOfLayout2(ctx context.Context, db *sql.DB) ([]entry, error) {
	rows, err := db.QueryContext(ctx, "SELECT name, paused FROM projections")
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // its error is that of rows.Err
	entries := map[string]entry{}
	for rows.Next() {
		var e entry
		if err := rows.Scan(&e.name, &e.paused); err != nil {
			return nil, err
		}
		entries[e.name] = e
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, err
	}
	if err := loadSkips(ctx, db, entries); err != nil {
		return nil, err
	}
	kept := make([]entry, 0, len(entries))
	for _, e := range entries {
		kept = append(kept, e)
	}
	return kept, nil
}

func loadCatalog(ctx context.Context, db *sql.DB) (map[string]entry, error) {
	rows, err := db.QueryContext(ctx, "SELECT name, version, layout, generation, failure, paused, previous, rebuild FROM projections")
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // its error is that of rows.Err
	entries := map[string]entry{}
	for rows.Next() {
		var e entry
		var failure, previous, rebuild sql.NullString
		if err := rows.Scan(&e.name, &e.Version, &e.Layout, &e.G, &failure, &e.paused, &previous, &rebuild); err != nil {
			return nil, err
		}
		if err := errors.Join(parse(failure, &e.failure), parse(previous, &e.previous), parse(rebuild, &e.rebuild)); err != nil {
			return nil, fmt.Errorf("catalog of projection %s: %w", e.name, err)
		}
		entries[e.name] = e
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, err
	}
	return entries, loadSkips(ctx, db, entries)
}

func parse(text sql.NullString, into any) error {
	if !text.Valid {
		return nil
	}
	return json.Unmarshal([]byte(text.String), into)
}

func loadSkips(ctx context.Context, db *sql.DB, entries map[string]entry) error {
	rows, err := db.QueryContext(ctx, "SELECT name, failure FROM projection_skips ORDER BY commit_position, prepare_position")
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

// inTx runs one transaction.
func inTx(ctx context.Context, db *sql.DB, do func(tx *sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	if err := do(tx); err != nil {
		return err
	}
	return tx.Commit()
}

type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// saveEntry writes the row of an entry; skipped events have their own.
func saveEntry(ctx context.Context, q execer, e entry) error {
	failure, err1 := optional(e.failure)
	previous, err2 := optional(e.previous)
	rebuild, err3 := optional(e.rebuild)
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	_, err := q.ExecContext(ctx, `REPLACE INTO projections (name, version, layout, generation, failure, paused, previous, rebuild)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?)`, e.name, e.Version, e.Layout, int64(e.G), failure, e.paused, previous, rebuild)
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
	saveFailure = "UPDATE projections SET failure = ? WHERE name = ?"
	savePaused  = "UPDATE projections SET paused = ? WHERE name = ?"
	saveRebuild = "UPDATE projections SET rebuild = ? WHERE name = ?"
	dropSkip    = "DELETE FROM projection_skips WHERE name = ? AND commit_position = ? AND prepare_position = ?"
)

func addSkip(ctx context.Context, q execer, name string, f *Failure) error {
	text, err := optional(f)
	if err != nil {
		return err
	}
	_, err = q.ExecContext(ctx, "REPLACE INTO projection_skips (name, commit_position, prepare_position, failure) VALUES (?, ?, ?, ?)",
		name, int64(f.Position.Commit), int64(f.Position.Prepare), text) //nolint:gosec // below 2^63
	return err
}
