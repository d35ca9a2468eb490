package projections

import (
	"context"

	"github.com/chatkitd/chatkitd"
)

// awaitAsked waits until models have seen a position that the caller names, which
// it has from another server of the same log (or from this one).
func (s *Service) awaitAsked(ctx context.Context, pos chatkitd.Position, models ...*model) error {
	known := false
	for _, m := range models {
		if m.at().Compare(pos) >= 0 {
			continue
		}
		if !known {
			if err := s.exists(ctx, pos); err != nil {
				return err
			}
			known = true
		}
		if err := s.awaitModel(ctx, m, pos); err != nil {
			if chatkitd.CodeOf(err) == chatkitd.CodeTimeout {
				return chatkitd.Errorf(chatkitd.CodeUnavailable, "this server has not seen position %s in time: try again in a moment", pos).Because(err)
			}
			return err
		}
	}
	return nil
}

// exists returns nil if the log has come to a position, so that nobody can make
// queries wait for what will not come. It asks the log only for a position that
// the runner has not heard of.
func (s *Service) exists(ctx context.Context, pos chatkitd.Position) error {
	if s.seen.reaches(pos) {
		return nil
	}
	head, err := s.store.Head(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		return translate(ctx, err)
	case err != nil:
		return chatkitd.Errorf(chatkitd.CodeUnavailable, "the event log cannot be read").Because(err)
	case head.Compare(pos) < 0:
		return chatkitd.Errorf(chatkitd.CodeUnknownPosition,
			"position %s lies past the end of the log: forget it, it is of another log, and ask without one", pos)
	}
	s.seen.at(head)
	return nil
}
