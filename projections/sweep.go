package projections

import (
	"context"
	"fmt"
)

// trash is what nobody will use again: a view that queries may still hold, and a
// file, of which either may be missing.
type trash struct {
	view *view
	path string
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

// retire closes what writes tables, and has their view closed once the queries that
// hold it have ended. The caller holds the model's work.
func (s *Service) retire(t *tables) error {
	s.discard(trash{view: t.view})
	return t.closeWriter()
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
	if t.view != nil {
		if err := t.view.close(); err != nil {
			return fmt.Errorf("close generation %d: %w", t.view.g, err)
		}
	}
	if t.path == "" {
		return nil
	}
	return removeFile(t.path)
}
