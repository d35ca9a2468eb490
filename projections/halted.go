package projections

import (
	"errors"
	"fmt"
)

// each joins what tell says of each projection, under its lock.
func (s *Service) each(tell func(m *model) error) error {
	var errs []error
	for _, m := range s.models {
		m.mu.Lock()
		errs = append(errs, tell(m))
		m.mu.Unlock()
	}
	return errors.Join(errs...)
}

// Halted returns an error for each projection that has failed or is paused, or
// nil: what an operator has to look after. It asks neither the log nor the
// database.
func (s *Service) Halted() error {
	return s.each(func(m *model) error {
		switch {
		case m.phase == Paused:
			return fmt.Errorf("projection %s is paused", m.Name())
		case m.phase == Failed && m.failure != nil:
			return fmt.Errorf("projection %s has failed: %w", m.Name(), m.failure)
		case m.phase == Failed:
			return fmt.Errorf("projection %s has failed", m.Name())
		}
		return nil
	})
}

// Behind returns an error for each projection that is being built, or that had
// more to read at its last batch, or nil. Those that [Service.Halted] tells of do
// not count. It asks neither the log nor the database.
func (s *Service) Behind() error {
	return s.each(func(m *model) error {
		if m.phase == Rebuilding || m.phase == Running && !m.caughtUp {
			return fmt.Errorf("projection %s is at %s and catches up", m.Name(), m.position)
		}
		return nil
	})
}

// Unserved returns an error for each projection that has nothing to answer with: its
// tables are damaged, or are built from the beginning while none serve. Queries of
// it are refused. Else it returns nil. It asks neither the log nor the database.
func (s *Service) Unserved() error {
	return s.each(func(m *model) error {
		switch {
		case m.broken:
			return fmt.Errorf("projection %s cannot be read: %w", m.Name(), m.failure)
		case m.phase == Rebuilding:
			return fmt.Errorf("projection %s is being built", m.Name())
		}
		return nil
	})
}
