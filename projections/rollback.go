package projections

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
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
	s     *Service
	to    tables
	stmts []*sql.Stmt
	last  time.Time
}

func (r *rollback) run(ctx context.Context) (err error) {
	if ok, err := r.s.verify(ctx, r.to.Position, r.to.Proof); err != nil || !ok {
		return errors.Join(err, errOtherLog)
	}
	if r.stmts, err = prepare(ctx, r.s.write, r.projection, r.to.G); err != nil {
		return err
	}
	defer func() {
		for _, stmt := range r.stmts {
			_ = stmt.Close() // nobody needs it any more
		}
	}()
	for {
		n, err := r.catchUp(ctx, r.at())
		if err != nil {
			return err
		}
		if n > closing {
			continue
		}
		r.work.Lock()
		if _, err = r.catchUp(ctx, r.at()); err == nil {
			err = r.swap(ctx)
		}
		r.work.Unlock()
		return err
	}
}

// catchUp folds the log into the old tables up to a position, and returns how many
// events that took.
func (r *rollback) catchUp(ctx context.Context, goal chatkitd.Position) (n int, err error) {
	if r.to.Position.Compare(goal) >= 0 {
		return 0, nil
	}
	chunk := make([]record, 0, events.MaxBatch)
	for rec, err := range r.s.store.ReadAll(ctx, events.AllRead{After: r.to.Position}) {
		if err != nil {
			return n, err
		}
		if rec.Position.Compare(goal) > 0 {
			break
		}
		chunk = append(chunk, decode(rec))
		n++
		if len(chunk) == cap(chunk) {
			if err := r.write(ctx, chunk); err != nil {
				return n, err
			}
			chunk = chunk[:0]
		}
		if rec.Position == goal {
			break
		}
	}
	return n, r.write(ctx, chunk)
}

func (r *rollback) write(ctx context.Context, records []record) error {
	if len(records) == 0 {
		return nil
	}
	to := r.to
	last := &records[len(records)-1].Recorded
	to.Position, to.Proof = last.Position, proofOf(last)
	text, err := optional(&to)
	if err != nil {
		return err
	}
	err = r.s.inTx(ctx, func(tx *sql.Tx) error {
		f := r.Fold(newBatch(tx, r.stmts, false))
		if n, err := foldAll(ctx, r.model, f, records, nil); err != nil {
			return failure(err, records, n)
		}
		if err := guard(func() error { return f.Flush(ctx) }); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, savePrevious, text, r.Name())
		return err
	})
	if err != nil {
		return err
	}
	r.to, r.last = to, last.Time
	r.s.reached("rollback")
	r.mu.Lock()
	r.previous = &to
	r.mu.Unlock()
	return nil
}

// swap puts the tables back. The caller holds r.work.
func (r *rollback) swap(ctx context.Context) error {
	s := r.s
	pos := r.at()
	if r.to.Position.Compare(pos) < 0 {
		return fmt.Errorf("the tables are at %s, not at %s", r.to.Position, pos)
	}
	r.mu.Lock()
	e := entry{name: r.Name(), tables: r.to, failure: r.failure, paused: r.phase == Paused, rebuild: r.rebuild}
	r.mu.Unlock()
	g := r.view.g
	if err := s.inTx(ctx, func(tx *sql.Tx) error { return saveEntry(ctx, tx, e) }); err != nil {
		return err
	}
	// From here on they serve, whatever becomes of ctx.
	v := r.retired[r.to.G]
	delete(r.retired, r.to.G)
	if v == nil {
		v = newView(s.read, r.to.G)
	}
	err := r.reset(v, r.stmts, r.to)
	r.stmts = nil
	r.mu.Lock()
	r.previous = nil
	if !r.last.IsZero() {
		r.model.last = r.last
	}
	r.mu.Unlock()
	r.verified = true
	if r.model == s.tasks {
		s.hub.start(r.to.Position)
	}
	s.discard(r.projection, &tables{G: g})
	return err
}
