package projections

import (
	"context"
	"database/sql"
	"errors"
	"time"

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
	ok, err := s.verify(ctx, checkpoint{m.tables.position, m.proof})
	if err != nil {
		return err
	}
	if !ok {
		s.log.WarnContext(ctx, "read model is of another log and begins anew", "projection", m.Name(), "position", m.tables.position)
		if err := s.renew(ctx, m, nil); err != nil {
			return err
		}
	}
	m.verified = true
	return nil
}

// verify reports whether the log holds the event behind a checkpoint.
func (s *Service) verify(ctx context.Context, c checkpoint) (bool, error) {
	pos, p := c.position, c.proof
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

// renew gives a model empty tables, and forgets all but the skipped events that it
// is given. The caller holds m.work.
func (s *Service) renew(ctx context.Context, m *model, skipped []Failure) error {
	m.top++
	e := entry{name: m.Name(), edition: edition{G: m.top, Version: m.Version(), Layout: m.Layout()}, skipped: skipped}
	t, err := s.replace(ctx, m.projection, e)
	if err != nil {
		return err
	}
	old := m.reset(t, s.restarter(m, chatkitd.Position{}))
	m.mu.Lock()
	previous := m.previous
	m.previous, m.rebuild, m.skipped, m.failure, m.stored, m.built = nil, nil, skipped, nil, false, false
	m.attempts, m.retryAt, m.caughtUp, m.phase = 0, time.Time{}, false, Running
	m.mu.Unlock()
	s.discard(trash{tables: old})
	s.dropEdition(m.projection, &old.edition)
	s.dropEdition(m.projection, previous)
	return nil
}

// restarter returns what ends every watch of a model's changes: what was told may
// not be so any more. It is nil for a model that nobody watches.
func (s *Service) restarter(m *model, at chatkitd.Position) func() {
	if m != s.tasks {
		return nil
	}
	return func() { s.hub.start(at) }
}

// replace makes the empty tables of an entry and has the catalog name them.
func (s *Service) replace(ctx context.Context, p projection, e entry) (*tables, error) {
	t, err := createTables(ctx, s.dir, p, e.edition, s.busy)
	if err != nil {
		return nil, err
	}
	err = inTx(ctx, s.catalog, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM projection_skips WHERE name = ?", e.name); err != nil {
			return err
		}
		for _, f := range e.skipped {
			if err := addSkip(ctx, tx, e.name, &f); err != nil {
				return err
			}
		}
		return saveEntry(ctx, tx, e)
	})
	if err != nil {
		return nil, errors.Join(err, t.close())
	}
	return t, nil
}
