package projections

import (
	"context"
	"errors"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

// verifyAll makes sure that each checkpoint is of this log. A read model of
// another log, such as one that was deleted or restored, begins anew.
func (s *Service) verifyAll(ctx context.Context) error {
	for _, m := range s.models {
		if err := s.verifyModel(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) verifyModel(ctx context.Context, m *model) error {
	m.work.Lock()
	defer m.work.Unlock()
	if m.verified {
		return nil
	}
	ok, err := s.verify(ctx, m.saved, m.proof)
	if err != nil {
		return err
	}
	if !ok {
		s.log.WarnContext(ctx, "read model is of another log and begins anew", "projection", m.Name(), "position", m.saved)
		if err := s.renew(ctx, m); err != nil {
			return err
		}
	}
	m.verified = true
	return nil
}

// verify reports whether the log holds the event behind a checkpoint.
func (s *Service) verify(ctx context.Context, pos chatkitd.Position, p proof) (bool, error) {
	if pos.IsZero() {
		return true, nil
	}
	head, err := s.store.Head(ctx)
	if err != nil {
		return false, err
	}
	if pos.Compare(head) > 0 {
		return false, nil
	}
	for rec, err := range s.store.ReadStream(ctx, p.Stream, events.StreamRead{From: p.Revision, Limit: 1}) {
		if errors.Is(err, events.ErrStreamNotFound) || errors.Is(err, events.ErrStreamDeleted) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		return rec.ID.String() == p.ID, nil
	}
	return false, nil
}

// renew empties a model. The caller holds m.work.
func (s *Service) renew(ctx context.Context, m *model) error {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	m.top++
	e, err := renew(ctx, tx, m.projection, m.top)
	if err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	s.discard(m.projection, &tables{G: m.view.g})
	m.mu.Lock()
	previous := m.previous
	m.previous, m.rebuild, m.skipped, m.failure, m.built = nil, nil, nil, nil, false
	m.phase = Running
	m.mu.Unlock()
	s.discard(m.projection, previous)
	if err := s.mount(ctx, m, e); err != nil {
		return err
	}
	if m == s.tasks {
		s.hub.start(chatkitd.Position{})
	}
	return nil
}
