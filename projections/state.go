package projections

import (
	"context"
	"slices"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

// Phase is the root's, as are the other words of states.
type Phase = chatkitd.Phase

// State says how a projection is doing.
type State = chatkitd.ProjectionState

// Failure says why a projection does not go on.
type Failure = chatkitd.ProjectionFailure

// RebuildState says how far a rebuild is.
type RebuildState = chatkitd.RebuildState

// The phases.
const (
	Running    = chatkitd.PhaseRunning
	Rebuilding = chatkitd.PhaseRebuilding
	Paused     = chatkitd.PhasePaused
	Failed     = chatkitd.PhaseFailed
)

// maxLag is the largest lag in events that is counted out in a log whose positions
// do not count its events.
const maxLag = 10_000

func (m *model) state(now time.Time) State {
	m.swap.RLock()
	g := m.view.g
	m.swap.RUnlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	s := State{
		Name: m.Name(), Version: m.version, Generation: int64(g), State: m.phase, Position: m.position,
		Rate: m.rate.at(now), Skipped: slices.Clone(m.skipped),
	}
	if m.failure != nil {
		f := *m.failure
		s.Failure = &f
	}
	if m.previous != nil {
		previous := int64(m.previous.G)
		s.Previous = &previous
	}
	if m.rebuild != nil {
		r := *m.rebuild
		s.Rebuild = &r
	}
	return s
}

// States returns how the projections are doing, in the order of [Names]. Lags
// are exact in a dense log, else counted up to 10,000: that many, or more. With
// CodeUnavailable, when the log cannot be read, come the states as far as they are
// known.
func (s *Service) States(ctx context.Context) ([]State, error) {
	states := make([]State, 0, len(s.models))
	for _, m := range s.models {
		states = append(states, m.state(s.now()))
	}
	return states, measure(ctx, s.store, states, s.now(), s.dense)
}

// measure fills in head and lags.
func measure(ctx context.Context, store events.Store, states []State, now time.Time, dense bool) error {
	head, err := store.Head(ctx)
	if err != nil {
		return chatkitd.Errorf(chatkitd.CodeUnavailable, "the event log cannot be read").Because(err)
	}
	limit := maxLag
	if dense {
		limit = 1
	}
	for i := range states {
		st := &states[i]
		st.Head = head
		if st.Position.Compare(head) >= 0 {
			continue
		}
		for rec, err := range store.ReadAll(ctx, events.AllRead{After: st.Position, Limit: limit}) {
			if err != nil {
				return chatkitd.Errorf(chatkitd.CodeUnavailable, "the event log cannot be read").Because(err)
			}
			if st.LagEvents == 0 {
				st.LagSeconds = max(0, now.Sub(rec.Time).Seconds())
			}
			st.LagEvents++
		}
		st.LagAtLeast = !dense && st.LagEvents == limit
		if dense {
			st.LagEvents = int(head.Commit - st.Position.Commit) //nolint:gosec // a number of events
		}
	}
	return nil
}
