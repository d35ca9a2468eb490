package projections

import (
	"context"
	"fmt"
)

// trash is what nobody will use again: tables whose view queries may still hold, and
// a file, of which either may be missing.
type trash struct {
	tables *tables
	path   string
}

// discard has trash cleared away when there is time.
func (s *Service) discard(t ...trash) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trash = append(s.trash, t...)
}

// dropEdition has the file of an edition deleted.
func (s *Service) dropEdition(p projection, e *edition) {
	if e != nil {
		s.discard(trash{path: e.G.path(s.dir, p.Name())})
	}
}

// sweep clears away what has been discarded, beside the runner.
func (s *Service) sweep() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.base == nil || s.sweeping || len(s.trash) == 0 {
		return
	}
	s.sweeping = true
	ctx := s.base
	s.jobs.Go(func() { s.sweepAll(ctx) })
}

// sweepAll clears away what has been discarded. What it cannot delete is found
// again at the next start.
func (s *Service) sweepAll(ctx context.Context) {
	for {
		s.mu.Lock()
		if len(s.trash) == 0 || ctx.Err() != nil {
			s.sweeping = false
			s.mu.Unlock()
			return
		}
		t := s.trash[0]
		s.trash = s.trash[1:]
		s.mu.Unlock()
		if err := t.clear(); err != nil {
			s.log.WarnContext(ctx, "tables that nobody needs are not deleted", "error", err)
		}
	}
}

func (t trash) clear() error {
	if t.tables != nil {
		if err := t.tables.close(); err != nil {
			return fmt.Errorf("close %s: %w", t.tables.path, err)
		}
	}
	if t.path == "" {
		return nil
	}
	return removeFile(t.path)
}
