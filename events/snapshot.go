package events

import (
	"context"

	"github.com/google/uuid"

	"github.com/chatkitd/chatkitd"
)

// Snapshot is a state that was folded from a stream up to one of its events. It is
// a cache: one that is missing, of another schema, unreadable, or of another log
// costs a longer load and nothing else.
type Snapshot struct {
	Schema   string // the shape of Data
	Revision uint64
	Position chatkitd.Position
	EventID  uuid.UUID // of the event at Revision: proves that the snapshot is of this log
	Data     []byte
}

// Snapshots keeps the latest snapshot of each stream.
type Snapshots interface {
	// Load returns the snapshot of a stream, and whether there is one.
	Load(ctx context.Context, stream string) (Snapshot, bool, error)
	// Save keeps a snapshot. It does not wait for it to be stored, and may drop
	// it.
	Save(stream string, s Snapshot)
}
