package projections

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/internal/sqlite"
)

// Inspect reads the states of the projections from the files in dir, for a process
// beside the one that runs them. dense is as in [Options]. What only that process
// knows, such as a retry under way, is not in the answer. It returns CodeUnavailable
// when the log cannot be read.
func Inspect(ctx context.Context, dir string, store events.Store, dense bool) ([]State, error) {
	var states []State
	err := settled(func() (err error) {
		states, err = inspect(ctx, dir)
		return err
	})
	if err != nil {
		return nil, err
	}
	return states, measure(ctx, store, states, time.Now(), dense)
}

func inspect(ctx context.Context, dir string) (_ []State, err error) {
	entries, err := readCatalog(ctx, dir)
	if err != nil {
		return nil, err
	}
	states := make([]State, 0, len(entries))
	for _, p := range all() {
		st := State{Name: p.Name(), Version: p.Version(), State: Rebuilding} // not built by this version yet
		if e, ok := entries[p.Name()]; ok && e.Layout == p.Layout() {
			conn, err := sqlite.Connect(ctx, e.G.path(dir, p.Name()), sqlite.Options{ReadOnly: true})
			if err != nil {
				return nil, err
			}
			c, err := checkpointOf(conn)
			if err := errors.Join(err, conn.Close()); err != nil {
				return nil, fmt.Errorf("projection %s: %w", p.Name(), err)
			}
			st = e.state(c.position)
		}
		states = append(states, st)
	}
	return states, nil
}

// readCatalog reads the catalog of a folder that another process may write.
func readCatalog(ctx context.Context, dir string) (_ map[string]entry, err error) {
	db, err := sqlite.Open(ctx, filepath.Join(dir, CatalogFile), sqlite.Options{ReadOnly: true, MaxConns: 1})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var have int
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&have); err != nil {
		return nil, err
	}
	if have != layout {
		return nil, fmt.Errorf("the read models are of another version of chatkitd (layout %d, not %d): start the server once, and it builds them anew", have, layout)
	}
	entries, err := loadCatalog(ctx, db)
	if err != nil {
		return nil, fmt.Errorf("read the catalog of read models: %w", err)
	}
	return entries, nil
}

// settled tries a read of several files again when one has been replaced
// meanwhile.
func settled(read func() error) (err error) {
	for range 5 {
		if err = read(); !sqlite.IsIO(err) {
			break
		}
	}
	return err
}

// state is what the catalog tells.
func (e *entry) state(position chatkitd.Position) State {
	st := State{
		Name: e.name, Version: e.Version, Generation: int64(e.G), State: Running, Position: position,
		Failure: e.failure, Rebuild: e.rebuild, Skipped: e.skipped,
	}
	switch {
	case e.paused:
		st.State = Paused
	case e.failure != nil && e.failure.Type != "" && e.failure.Position.Compare(position) > 0:
		st.State = Failed
	default:
		st.Failure = nil
	}
	if e.previous != nil {
		g := int64(e.previous.G)
		st.Previous = &g
	}
	return st
}
