package projections

import (
	"errors"
	"fmt"
)

// Halted returns an error for each projection that has failed or is paused, or
// nil: what an operator has to look after. It asks neither the log nor the
// database.
func (s *Service) Halted() error {
	var errs []error
	for _, m := range s.models {
		m.mu.Lock()
		phase, failure := m.phase, m.failure
		m.mu.Unlock()
		switch {
		case phase == Paused:
			errs = append(errs, fmt.Errorf("projection %s is paused", m.Name()))
		case phase == Failed && failure != nil:
			errs = append(errs, fmt.Errorf("projection %s has failed: %w", m.Name(), failure))
		case phase == Failed:
			errs = append(errs, fmt.Errorf("projection %s has failed", m.Name()))
		}
	}
	return errors.Join(errs...)
}

// Behind returns an error for each projection that is being built, or that had
// more to read at its last batch, or nil. Those that [Service.Halted] tells of do
// not count. It asks neither the log nor the database.
func (s *Service) Behind() error {
	var errs []error
	for _, m := range s.models {
		m.mu.Lock()
		phase, caughtUp, pos := m.phase, m.caughtUp, m.position
		m.mu.Unlock()
		if phase == Rebuilding || phase == Running && !caughtUp {
			errs = append(errs, fmt.Errorf("projection %s is at %s and catches up", m.Name(), pos))
		}
	}
	return errors.Join(errs...)
}
