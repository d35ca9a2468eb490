package embedded

import (
	"context"
	"errors"
	"fmt"

	"github.com/chatkitd/chatkitd/internal/sqlite"
)

// CorruptError says that the file does not hold what was written to it. The store
// does not open: an event that is missing or altered would go into every read
// model and every decision from then on.
type CorruptError struct {
	Path  string
	Where string
	Err   error // may be nil
}

func (e *CorruptError) Error() string {
	s := fmt.Sprintf("the event store %s is damaged: %s", e.Path, e.Where)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s + "; restore it from a backup, or move it away to begin anew"
}

func (e *CorruptError) Unwrap() error { return e.Err }

func (s *Store) check(_ context.Context, _ *sqlite.Conn) error { return nil }

var _ = errors.Join
