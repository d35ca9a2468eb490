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
		if e, ok := entries[p.Name()]; ok && e.version == p.Version() {
			st.Generation, st.Position, st.Failure, st.State = int64(e.g), e.position, e.failure, Running
			if e.failure != nil && e.failure.Type != "" {
				st.State = Failed
			}
		}
		states = append(states, st)
	}
	return states, measure(ctx, store, states, time.Now())
}
