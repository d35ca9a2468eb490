package projections

import (
	"context"
	"fmt"
)

// trash is tables that nobody will use again: those of a generation, or one by
// its name.
type trash struct {
	p     projection
	g     generation
	table string
}

// discard has the tables of a generation dropped when there is time.
func (s *Service) discard(p projection, t *tables) {
	if t == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trash = append(s.trash, trash{p: p, g: t.G})
}

// sweep drops what has been discarded, beside the runner.
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

// sweepAll drops what has been discarded. What it cannot drop is found again at
// the next start.
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
		if err := s.drop(ctx, t); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "tables that nobody needs are not dropped", "error", err)
		}
	}
}

// drop drops tables, once the queries that read them have ended.
func (s *Service) drop(ctx context.Context, t trash) error {
	names := []string{t.table}
	if t.p != nil {
		names = nil
		for _, tb := range t.p.Tables() {
			names = append(names, t.g.sql(tb.name+"_{g}"))
		}
		if err := s.release(t); err != nil {
			return err
		}
	}
	pace := &pace{s: s, gate: func(ctx context.Context) error { return ctx.Err() }}
	for _, name := range names {
		pace.begin()
		if _, err := s.write.ExecContext(ctx, `DROP TABLE IF EXISTS "`+name+`"`); err != nil {
			return fmt.Errorf("drop table %s: %w", name, err)
		}
		if err := pace.rest(ctx); err != nil {
			return err
		}
	}
	return nil
}

// release closes the view of a generation.
func (s *Service) release(t trash) error {
	for _, m := range s.models {
		if m.Name() != t.p.Name() {
			continue
		}
		m.work.Lock()
		v := m.retired[t.g]
		delete(m.retired, t.g)
		m.work.Unlock()
		if v != nil {
			return v.close()
		}
	}
	return nil
}
