package projections

import (
	"context"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
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
	// Statements are those of the fold, by number.
	Statements() []string
	// Events are the events that it folds. Of those in its streams that it does not
	// fold it never sees any, but for what no program of this version has written.
	Events() []events.Event
	// Fold begins a batch.
	Fold(q *batch) fold
}

// table is one table.
type table struct{ name, columns string }

// index is one index of a table; its name is the table's with a suffix.
type index struct{ table, suffix, columns string }

// fold takes the events of one batch into memory, loading the rows it needs, and
// then writes every changed row once.
type fold interface {
	// Apply folds one event or leaves everything as it was. A storageError is
	// the database's failure, any other one is the event's.
	Apply(r *record) error
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
