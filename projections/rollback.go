package projections

import (
	"context"
	"errors"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

// Rollback implements [chatkitd.Projections]. It returns when the tables are in;
// it gives up, and nothing has changed, when ctx ends before.
func (s *Service) Rollback(ctx context.Context, name string) error {
	m, err := s.one(name)
	if err != nil {
		return err
	}
	m.mu.Lock()
	previous := m.previous
	m.mu.Unlock()
	if previous == nil {
		return conflict("projection %s has no tables of before a rebuild", name)
	}
	j, err := s.start([]*model{m}, "rollback", func(ctx context.Context, _ *job) error { //nolint:contextcheck // it is Run's
		return (&rollback{s: s, model: m, to: *previous}).run(ctx)
	})
	if err != nil {
		return err
	}
	select {
	case <-j.done:
	case <-ctx.Done():
		j.cancel()
		<-j.done
	}
	switch {
	case j.err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(j.err, events.ErrUnavailable):
		return chatkitd.Errorf(chatkitd.CodeUnavailable, "the event log cannot be read").Because(j.err)
	case errors.Is(j.err, errOtherLog):
		return conflict("the tables of before the rebuild are of another log")
	}
	if f, ok := errors.AsType[*Failure](j.err); ok {
		return conflict("the tables of before the rebuild cannot catch up: %v", f)
	}
	return unstored(j.err)
}

var errOtherLog = errors.New("the checkpoint is of another log")

// rollback brings the tables of before the last rebuild up to date and back into
// service. Each step commits with its checkpoint: after a crash they are what they
// say.
type rollback struct {
	*model
	s    *Service
	to   edition
	next *tables
	last time.Time
}

func (r *rollback) run(ctx context.Context) (err error) {
	if r.next, err = openTables(ctx, r.s.dir, r.projection, r.to, r.s.busy); err != nil {
		return err
	}
	swapped := false
	defer func() {
		if !swapped {
			err = errors.Join(err, r.next.close())
		}
	}()
	switch ok, err := r.s.verify(ctx, r.next.checkpoint); {
	case err != nil:
		return err
	case !ok:
		return errOtherLog
	}
	for {
		n, err := r.catchUp(ctx)
		if err != nil {
			return err
		}
		if n > closing {
			continue
		}
		r.work.Lock()
		defer r.work.Unlock()
		if _, err = r.catchUp(ctx); err != nil {
			return err
		}
		swapped, err = r.swap(ctx)
		return err
	}
}

// catchUp folds the log into the old tables up to where the ones are that serve,
// and returns how many events that took.
func (r *rollback) catchUp(ctx context.Context) (n int, err error) {
	return catchUp(ctx, r.s, r.model, r.next, r.at(), func(records []record) error {
		f := r.Fold(&batch{t: r.next})
		if n, err := foldAll(r.model, f, records, nil); err != nil {
			return failure(err, records, n)
		}
		return guard(func() error { return f.Flush(ctx) })
	}, func(records []record) {
		r.last = records[len(records)-1].Time
		r.s.reached("rollback")
	})
}

// swap puts the tables back. The caller holds r.work.
func (r *rollback) swap(ctx context.Context) (done bool, err error) {
	s := r.s
	if pos := r.at(); r.next.position.Compare(pos) < 0 {
		return false, behind(r.next, pos)
	}
	r.mu.Lock()
	e := entry{name: r.Name(), edition: r.to, failure: r.failure, paused: r.phase == Paused, rebuild: r.rebuild}
	r.mu.Unlock()
	if err := saveEntry(ctx, s.catalog, e); err != nil {
		return false, err
	}
	// From here on they serve, whatever becomes of ctx.
	old := r.reset(r.next, s.restarter(r.model, r.next.position))
	s.discard(trash{tables: old})
	r.mu.Lock()
	r.previous, r.stored = nil, e.failure != nil
	if !r.last.IsZero() {
		r.model.last = r.last
	}
	r.mu.Unlock()
	r.verified = true
	s.dropEdition(r.projection, &old.edition)
	return true, nil
}
