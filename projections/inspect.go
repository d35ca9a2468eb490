package projections

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/chatkitd/chatkitd/events"
)

// Inspect reads the states of the projections from their file, for a process
// beside the one that runs them: db is open for reading. What only that process
// knows, such as a retry under way, is not in the answer. It returns CodeUnavailable
// when the log cannot be read.
func Inspect(ctx context.Context, db *sql.DB, store events.Store) ([]State, error) {
	entries, err := loadCatalog(ctx, db)
	if err != nil {
		return nil, fmt.Errorf("read the catalog of read models: %w", err)
	}
	states := make([]State, 0, len(entries))
	for _, p := range all() {
		st := State{Name: p.Name(), Version: p.Version(), State: Rebuilding} // not built by this version yet
		if e, ok := entries[p.Name()]; ok && e.Layout == p.Layout() {
			st = e.state()
		}
		states = append(states, st)
	}
	return states, measure(ctx, store, states, time.Now(), false)
}

// state is what the catalog tells.
func (e *entry) state() State {
	st := State{
		Name: e.name, Version: e.Version, Generation: int64(e.G), State: Running, Position: e.Position,
		Failure: e.failure, Rebuild: e.rebuild, Skipped: e.skipped,
	}
	switch {
	case e.paused:
		st.State = Paused
	case e.failure != nil && e.failure.Type != "":
		st.State = Failed
	}
	if e.previous != nil {
		g := int64(e.previous.G)
		st.Previous = &g
	}
	return st
}
