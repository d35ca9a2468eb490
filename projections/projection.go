package projections

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/chatkitd/chatkitd"
)

// A projection is a named, versioned fold of the log into tables of its own. It
// only says what the tables are and how a batch is folded; the runner decides
// when, and into which generation of the tables.
type projection interface {
	// Name is the key of the checkpoint, and the name on the command line.
	Name() string
	// Version is raised with every change of the tables or of the fold: then the
	// read model is built anew, while the old one serves.
	Version() int
	// Layout is raised as well when the statements and queries of this version
	// cannot work on the tables of the one before: then nothing serves until the
	// new ones are built.
	Layout() int
	// Category is the prefix of the streams that it follows.
	Category() string
	// Tables are the tables and the keys that the fold itself looks rows up by.
	Tables() []table
	// Indexes are for queries only: a bulk load makes them last.
	Indexes() []index
	// Statements are those of the fold, by number; "{g}" in a statement, table
	// or index stands for the generation.
	Statements() []string
	// Fold begins a batch.
	Fold(q *batch) fold
}

// table is one table; every name ends in "_{g}".
type table struct{ name, columns string }

// index is one index of a table; its name is the table's with a suffix.
type index struct{ table, suffix, columns string }

// fold takes the events of one batch into memory, loading the rows it needs, and
// then writes every changed row once.
type fold interface {
	// Apply folds one event or leaves everything as it was. A storageError is
	// the database's failure, any other one is the event's.
	Apply(ctx context.Context, r *record) error
	// Flush writes what has changed.
	Flush(ctx context.Context) error
}

// publisher is a fold whose changes are watched.
type publisher interface {
	Changes() []userChange
}

type userChange struct {
	user chatkitd.UserID
	chatkitd.TaskChange
}

// storageError is a failure of the database under a fold, which may pass.
type storageError struct{ err error }

func (e *storageError) Error() string { return "read model: " + e.err.Error() }
func (e *storageError) Unwrap() error { return e.err }

func stored(err error) error {
	if err == nil {
		return nil
	}
	return &storageError{err}
}

// generation names one set of a projection's tables.
type generation int64

func (g generation) sql(text string) string {
	return strings.ReplaceAll(text, "{g}", fmt.Sprint(int64(g)))
}

// create makes the tables of a generation, with all indexes unless bare.
func create(ctx context.Context, tx *sql.Tx, p projection, g generation, bare bool) error {
	for _, t := range p.Tables() {
		if _, err := tx.ExecContext(ctx, g.sql("CREATE TABLE "+t.name+"_{g} "+t.columns)); err != nil {
			return fmt.Errorf("create table %s: %w", t.name, err)
		}
	}
	if bare {
		return nil
	}
	return createIndexes(ctx, tx, p, g)
}

func createIndexes(ctx context.Context, tx *sql.Tx, p projection, g generation) error {
	for _, i := range p.Indexes() {
		if err := createIndex(ctx, tx, i, g); err != nil {
			return err
		}
	}
	return nil
}

func createIndex(ctx context.Context, tx *sql.Tx, i index, g generation) error {
	text := "CREATE INDEX " + i.table + "_{g}_" + i.suffix + " ON " + i.table + "_{g} " + i.columns
	if _, err := tx.ExecContext(ctx, g.sql(text)); err != nil {
		return fmt.Errorf("create index %s of %s: %w", i.suffix, i.table, err)
	}
	return nil
}
