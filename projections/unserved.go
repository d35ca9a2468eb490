package projections

import (
	"errors"
	"fmt"
)

// Unserved returns an error for each projection that has nothing to answer with: its
// tables are damaged, or are built from the beginning while none serve. Queries of
// it are refused. Else it returns nil. It asks neither the log nor the database.
func (s *Service) Unserved() error {
	var errs []error
	for _, m := range s.models {
		m.mu.Lock()
		broken, phase, failure := m.broken, m.phase, m.failure
		m.mu.Unlock()
		switch {
		case broken:
			errs = append(errs, fmt.Errorf("projection %s cannot be read: %w", m.Name(), failure))
		case phase == Rebuilding:
			errs = append(errs, fmt.Errorf("projection %s is being built", m.Name()))
		}
	}
	return errors.Join(errs...)
}
