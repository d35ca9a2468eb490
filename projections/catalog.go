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

// layout is the version of the table "projections" itself. A file with another
// one is emptied: it is disposable.
const layout = 1

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

// entry is a row of the catalog: which tables a projection has, and up to where
// they hold the log.
type entry struct {
	name     string
	version  int
	g        generation
	position chatkitd.Position
	proof    proof
	failure  *Failure
}

// openCatalog makes sure that every projection has tables of its version, and
// that no other tables are there. It returns the entries by name.
func openCatalog(ctx context.Context, db *sql.DB, ps []projection) (map[string]entry, error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	var have int
	if err := tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&have); err != nil {
		return nil, err
	}
	if have != layout {
		if err := dropTables(ctx, tx, func(string, generation) bool { return false }); err != nil {
			return nil, err
		}
		if _, err := tx.ExecContext(ctx, "DROP TABLE IF EXISTS projections"); err != nil {
			return nil, err
		}
		if _, err := tx.ExecContext(ctx, createCatalog); err != nil {
			return nil, err
		}
		if _, err := tx.ExecContext(ctx, "PRAGMA user_version = "+strconv.Itoa(layout)); err != nil {
			return nil, err
		}
	}
	entries, err := loadCatalog(ctx, tx)
	if err != nil {
		return nil, err
	}
	keep := map[string]generation{}
	for _, p := range ps {
		if e, ok := entries[p.Name()]; ok && e.version == p.Version() {
			for _, t := range p.Tables() {
				keep[t.name] = e.g
			}
		}
	}
	// Older versions, what a rebuild left behind when it was cut off, and
	// projections that are no more.
	err = dropTables(ctx, tx, func(base string, g generation) bool { return keep[base] == g })
	if err != nil {
		return nil, err
	}
	current := map[string]entry{}
	for _, p := range ps {
		e, ok := entries[p.Name()]
		if !ok || e.version != p.Version() {
			if e, err = renew(ctx, tx, p, e.g+1); err != nil {
				return nil, err
			}
		}
		current[p.Name()] = e
		delete(entries, p.Name())
	}
	for name := range entries {
		if _, err := tx.ExecContext(ctx, "DELETE FROM projections WHERE name = ?", name); err != nil {
			return nil, err
		}
	}
	return current, tx.Commit()
}

// renew gives a projection empty tables of a new generation.
func renew(ctx context.Context, tx *sql.Tx, p projection, g generation) (entry, error) {
	e := entry{name: p.Name(), version: p.Version(), g: g}
	if err := create(ctx, tx, p, g, false); err != nil {
		return entry{}, err
	}
	return e, saveEntry(ctx, tx, e)
}

type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func loadCatalog(ctx context.Context, q querier) (map[string]entry, error) {
	rows, err := q.QueryContext(ctx, `SELECT name, version, generation, commit_position, prepare_position,
		stream, revision, event_id, failure FROM projections`)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // its error is that of rows.Err
	entries := map[string]entry{}
	for rows.Next() {
		var e entry
		var failure sql.NullString
		err := rows.Scan(&e.name, &e.version, &e.g, &e.position.Commit, &e.position.Prepare,
			&e.proof.stream, &e.proof.revision, &e.proof.id, &failure)
		if err != nil {
			return nil, err
		}
		if failure.Valid {
			if err := json.Unmarshal([]byte(failure.String), &e.failure); err != nil {
				return nil, fmt.Errorf("failure of projection %s: %w", e.name, err)
			}
		}
		entries[e.name] = e
	}
	return entries, rows.Err()
}

type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

func saveEntry(ctx context.Context, q execer, e entry) error {
	_, err := q.ExecContext(ctx, `INSERT INTO projections (name, version, generation, commit_position,
			prepare_position, stream, revision, event_id)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (name) DO UPDATE SET version = excluded.version, generation = excluded.generation,
			commit_position = excluded.commit_position, prepare_position = excluded.prepare_position,
			stream = excluded.stream, revision = excluded.revision, event_id = excluded.event_id, failure = NULL`,
		e.name, e.version, int64(e.g), int64(e.position.Commit), int64(e.position.Prepare), //nolint:gosec // below 2^63
		e.proof.stream, int64(e.proof.revision), e.proof.id) //nolint:gosec // below 2^63
	return err
}

const (
	// saveCheckpoint is prepared: it is part of every batch.
	saveCheckpoint = `UPDATE projections SET commit_position = ?, prepare_position = ?, stream = ?, revision = ?,
		event_id = ?, failure = NULL WHERE name = ?`
	saveFailure = "UPDATE projections SET failure = ? WHERE name = ?"
)

var tableName = regexp.MustCompile(`^(.+)_(\d+)$`)

// dropTables drops the generations that keep does not hold on to. What is named
// otherwise is not ours and stays.
func dropTables(ctx context.Context, tx *sql.Tx, keep func(base string, g generation) bool) error {
	rows, err := tx.QueryContext(ctx, "SELECT name FROM sqlite_schema WHERE type = 'table'")
	if err != nil {
		return err
	}
	var drop []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return errors.Join(err, rows.Close())
		}
		parts := tableName.FindStringSubmatch(name)
		if parts == nil {
			continue
		}
		g, err := strconv.ParseInt(parts[2], 10, 64)
		if err == nil && !keep(parts[1], generation(g)) {
			drop = append(drop, name)
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for _, name := range drop {
		if _, err := tx.ExecContext(ctx, `DROP TABLE "`+name+`"`); err != nil {
			return fmt.Errorf("drop table %s: %w", name, err)
		}
	}
	return nil
}
