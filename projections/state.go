package projections

import (
	"context"
	"fmt"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

// Phase is what a projection is doing.
type Phase string

// The phases.
const (
	Running    Phase = "running"
	Rebuilding Phase = "rebuilding"
	Paused     Phase = "paused" // nothing pauses a projection yet
	Failed     Phase = "failed"
)

// MaxLag is the largest lag in events that is counted out.
const MaxLag = 10_000

// State says how a projection is doing.
type State struct {
	Name       string            `json:"name"`
	Version    int               `json:"version"`
	Generation int64             `json:"generation"` // of its tables
	State      Phase             `json:"state"`
	Position   chatkitd.Position `json:"position"` // of the last event that queries see
	Head       chatkitd.Position `json:"head"`     // of the log
	LagEvents  int               `json:"lag_events"`
	LagSeconds float64           `json:"lag_seconds"`       // how long the first event that is missing has been there
	Failure    *Failure          `json:"failure,omitempty"` // the last error; a running projection has one while it retries
}

// Failure says why a projection does not go on. The event is the one before
// which it stopped; it has no type when the trouble is not the event's.
type Failure struct {
	Reason   string            `json:"reason"`
	Position chatkitd.Position `json:"position,omitzero"`
	Stream   string            `json:"stream,omitempty"`
	Revision uint64            `json:"revision,omitempty"`
	Type     string            `json:"type,omitempty"`
	Recorded time.Time         `json:"recorded,omitzero"`
	Attempts int               `json:"attempts"`
	Since    time.Time         `json:"since"`
}

func (f *Failure) Error() string {
	if f.Type == "" {
		return f.Reason
	}
	return fmt.Sprintf("%s at %s (%s@%d): %s", f.Type, f.Position, f.Stream, f.Revision, f.Reason)
}

func (m *model) state() State {
	m.swap.RLock()
	g := m.view.g
	m.swap.RUnlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	s := State{Name: m.Name(), Version: m.Version(), Generation: int64(g), State: m.phase, Position: m.position}
	if m.failure != nil {
		f := *m.failure
		s.Failure = &f
	}
	return s
}

// States returns how the projections are doing, in the order of [Names]. Lags
// are counted in the log, up to [MaxLag] events. It returns CodeUnavailable when
// the log cannot be read.
func (s *Service) States(ctx context.Context) ([]State, error) {
	states := make([]State, 0, len(s.models))
	for _, m := range s.models {
		states = append(states, m.state())
	}
	return states, measure(ctx, s.store, states, s.now())
}

// measure fills in head and lags.
func measure(ctx context.Context, store events.Store, states []State, now time.Time) error {
	head, err := store.Head(ctx)
	if err != nil {
		return chatkitd.Errorf(chatkitd.CodeUnavailable, "the event log cannot be read").Because(err)
	}
	for i := range states {
		st := &states[i]
		st.Head = head
		if st.Position.Compare(head) >= 0 {
			continue
		}
		for rec, err := range store.ReadAll(ctx, events.AllRead{After: st.Position, Limit: MaxLag}) {
			if err != nil {
				return chatkitd.Errorf(chatkitd.CodeUnavailable, "the event log cannot be read").Because(err)
			}
			if st.LagEvents == 0 {
				st.LagSeconds = max(0, now.Sub(rec.Time).Seconds())
			}
			st.LagEvents++
		}
	}
	return nil
}
