package chatkitd

import (
	"context"
	"fmt"
	"time"
)

// Phase is what a projection is doing.
type Phase string

// The phases.
const (
	PhaseRunning    Phase = "running"
	PhaseRebuilding Phase = "rebuilding" // its first build, or of a new version: nothing serves yet
	PhasePaused     Phase = "paused"
	PhaseFailed     Phase = "failed"
)

// ProjectionState says how a projection is doing.
type ProjectionState struct {
	Name       string             `json:"name"`
	Version    int                `json:"version"`
	Generation int64              `json:"generation"` // of the tables that serve
	State      Phase              `json:"state"`
	Position   Position           `json:"position"` // of the last event that queries see
	Head       Position           `json:"head"`     // of the log
	LagEvents  int                `json:"lag_events"`
	LagAtLeast bool               `json:"lag_at_least,omitempty"` // LagEvents were counted; there may be more
	LagSeconds float64            `json:"lag_seconds"`            // how long the first event that is missing has been there
	Rate       float64            `json:"rate"`                   // events per second, lately
	Failure    *ProjectionFailure `json:"failure,omitempty"`
	Rebuild    *RebuildState      `json:"rebuild,omitempty"`  // under way, or the last one
	Previous   *int64             `json:"previous,omitempty"` // the generation that a rollback would bring back

	Skipped []ProjectionFailure `json:"skipped,omitempty"` // events that an operator had it pass, and why they failed
}

// ProjectionFailure says why a projection does not go on. The event is the one
// before which it stopped; it has no type when the trouble is not the event's.
type ProjectionFailure struct {
	Reason   string    `json:"reason"`
	Position Position  `json:"position,omitzero"`
	Stream   string    `json:"stream,omitempty"`
	Revision uint64    `json:"revision,omitempty"`
	Type     string    `json:"type,omitempty"`
	Recorded time.Time `json:"recorded,omitzero"`
	Attempts int       `json:"attempts"`
	Since    time.Time `json:"since"`
}

// Error names the event and the reason.
func (f *ProjectionFailure) Error() string {
	if f.Type == "" {
		return f.Reason
	}
	return fmt.Sprintf("%s at %s (%s@%d): %s", f.Type, f.Position, f.Stream, f.Revision, f.Reason)
}

// The phases of a rebuild, in their order, and how it may end.
const (
	RebuildFold     = "fold"     // the log into new tables
	RebuildIndex    = "index"    // the new tables
	RebuildCatchUp  = "catch_up" // with what was appended meanwhile
	RebuildCompare  = "compare"  // new with old
	RebuildSwap     = "swap"     // new for old
	RebuildDone     = "done"
	RebuildFailed   = "failed"
	RebuildCanceled = "canceled"
)

// RebuildState says how far a rebuild beside the serving tables is.
type RebuildState struct {
	Phase   string         `json:"phase"`
	Paused  bool           `json:"paused,omitempty"`
	Events  int            `json:"events"`          // folded so far
	Total   int            `json:"total,omitempty"` // to be folded, when it is known
	Rate    float64        `json:"rate"`            // events per second
	ETA     float64        `json:"eta_seconds"`     // 0 when it is not known
	Started time.Time      `json:"started"`
	Ended   time.Time      `json:"ended,omitzero"`
	Error   string         `json:"error,omitempty"`
	Compare *CompareResult `json:"compare,omitempty"`
}

// CompareResult is how new tables differ from the old ones at the same position.
type CompareResult struct {
	Equal       bool   `json:"equal"`
	Rows        int    `json:"rows"`                  // of the new tables
	Differences []Diff `json:"differences,omitempty"` // the first few
	Hash        string `json:"hash"`                  // of the new rows
	More        int    `json:"more,omitempty"`        // differences that are not listed
}

// Diff is one row that differs. A row that is missing on one side is empty there.
type Diff struct {
	Table string `json:"table"`
	Key   string `json:"key"`
	Old   string `json:"old,omitempty"` // the row as JSON
	New   string `json:"new,omitempty"`
}

// Projections is what an operator does with projections. Errors: CodeNotFound
// for an unknown name, CodeConflict when the state does not allow it (it says
// why), CodeUnavailable.
type Projections interface {
	// States returns all of them, in a fixed order.
	States(ctx context.Context) ([]ProjectionState, error)
	// Rebuild starts to build new tables beside the ones that serve, and returns;
	// States tells how far it is. No names means all. Two at once are refused.
	Rebuild(ctx context.Context, names ...string) error
	// CancelRebuild stops a rebuild and drops what it has built.
	CancelRebuild(ctx context.Context) error
	// Pause halts a rebuild of that name if one is under way, else the projection;
	// Resume goes on.
	Pause(ctx context.Context, name string) error
	Resume(ctx context.Context, name string) error
	// Retry lets a projection that failed try its blocking event again; Skip
	// passes that event, which must be the one at position.
	Retry(ctx context.Context, name string) error
	Skip(ctx context.Context, name string, position Position) error
	// Rollback swaps the tables of before the last rebuild in again, once they
	// have caught up.
	Rollback(ctx context.Context, name string) error
}
