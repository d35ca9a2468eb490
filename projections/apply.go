package projections

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

// apply brings a model from where it stands to pos. Rows and checkpoint commit
// in one transaction; a batch that has nothing for the model only moves the
// checkpoint in memory, and is saved later. A *Failure is an event's; what came
// before the event has been applied. Any other error may pass, and nothing has
// happened.
func (s *Service) apply(ctx context.Context, m *model, records []record, pos chatkitd.Position, caughtUp bool) error {
	start := s.now()
	position := m.at()
	first := 0
	for first < len(records) && records[first].Position.Compare(position) <= 0 {
		first++
	}
	records = records[first:]
	if pos.Compare(position) < 0 {
		pos, caughtUp = position, false
	}
	relevant := false
	for i := range records {
		relevant = relevant || m.follows(&records[i])
	}
	if !relevant {
		return s.skip(ctx, m, records, pos, caughtUp)
	}

	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return stored(err)
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	q := newBatch(tx, m.write, true)
	f := m.Fold(q)
	n, blocking := foldAll(ctx, m, f, records)
	if _, ok := errors.AsType[*storageError](blocking); ok || n == 0 && blocking != nil {
		return failure(blocking, records, n)
	}
	if err := guard(func() error { return f.Flush(ctx) }); err != nil {
		return err
	}
	if blocking != nil {
		pos, caughtUp = records[n-1].Position, false
	}
	last := &records[n-1].Recorded
	if err := m.checkpoint(ctx, q, pos, proofOf(last)); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return stored(err)
	}
	m.saved, m.proof, m.unsaved = pos, proofOf(last), 0
	m.advance(pos, last.Time, caughtUp)
	if p, ok := f.(publisher); ok {
		s.hub.publish(p.Changes(), pos)
	}
	s.metrics.applied.WithLabelValues(m.Name()).Add(float64(n))
	s.metrics.batches.WithLabelValues(m.Name()).Observe(s.now().Sub(start).Seconds())
	return failure(blocking, records, n)
}

// follows reports whether a projection has anything to do with an event.
func (m *model) follows(r *record) bool {
	return (r.event != nil || r.err != nil) && strings.HasPrefix(r.Stream, m.Category())
}

// skip passes events that are not the model's.
func (s *Service) skip(ctx context.Context, m *model, records []record, pos chatkitd.Position, caughtUp bool) error {
	last := time.Time{}
	if n := len(records); n > 0 {
		if m.unsaved == 0 {
			m.unsavedAt = time.Now()
		}
		m.unsaved += n
		m.proof = proofOf(&records[n-1].Recorded)
		last = records[n-1].Time
	}
	m.advance(pos, last, caughtUp)
	if m == s.tasks {
		s.hub.publish(nil, pos)
	}
	s.metrics.applied.WithLabelValues(m.Name()).Add(float64(len(records)))
	if m.unsaved >= saveEvents {
		s.save(ctx, m)
	}
	return nil
}

// foldAll folds events in order, and returns how many were folded and the error
// of the one that was not.
func foldAll(ctx context.Context, m *model, f fold, records []record) (int, error) {
	for i := range records {
		r := &records[i]
		if !m.follows(r) {
			continue
		}
		if r.err != nil {
			return i, r.err
		}
		if err := guard(func() error { return f.Apply(ctx, r) }); err != nil {
			return i, err
		}
	}
	return len(records), nil
}

// guard turns a panic of a fold into the failure of its event.
func guard(do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return do()
}

// failure says which event a fold could not apply. A failure of the database is
// nobody's.
func failure(err error, records []record, n int) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*storageError](err); ok {
		return err
	}
	r := &records[n]
	return &Failure{
		Reason: err.Error(), Position: r.Position, Stream: r.Stream, Revision: r.Revision,
		Type: r.Type, Recorded: r.Time, Attempts: 1,
	}
}

// checkpoint is the last statement of every batch.
func (m *model) checkpoint(ctx context.Context, q *batch, pos chatkitd.Position, p proof) error {
	return q.exec(ctx, len(m.write)-1, int64(pos.Commit), int64(pos.Prepare), //nolint:gosec // below 2^63
		p.stream, int64(p.revision), p.id, m.Name()) //nolint:gosec // below 2^63
}

// saveAll saves the checkpoints that are in memory only. Losing one costs a few
// events that are passed again.
func (s *Service) saveAll(ctx context.Context) {
	for _, m := range s.models {
		if m.unsaved > 0 {
			s.save(ctx, m)
		}
	}
}

func (s *Service) save(ctx context.Context, m *model) {
	m.unsavedAt = time.Now()
	pos := m.at()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_, err := s.write.ExecContext(ctx, saveCheckpoint, int64(pos.Commit), int64(pos.Prepare), //nolint:gosec // below 2^63
		m.proof.stream, int64(m.proof.revision), m.proof.id, m.Name()) //nolint:gosec // below 2^63
	if err != nil {
		s.log.WarnContext(ctx, "a checkpoint is not saved", "projection", m.Name(), "error", err)
		return
	}
	m.saved, m.unsaved = pos, 0
}

func (s *Service) saveFailure(ctx context.Context, m *model, f *Failure) error {
	text, err := json.Marshal(f)
	if err != nil {
		return err
	}
	_, err = s.write.ExecContext(ctx, saveFailure, string(text), m.Name())
	return err
}

// verifyAll makes sure that each checkpoint is of this log. A read model of
// another log, such as one that was deleted or restored, begins anew.
func (s *Service) verifyAll(ctx context.Context) error {
	for _, m := range s.models {
		if m.verified || m.saved.IsZero() {
			m.verified = true
			continue
		}
		ok, err := s.verify(ctx, m)
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
	}
	return nil
}

func (s *Service) verify(ctx context.Context, m *model) (bool, error) {
	head, err := s.store.Head(ctx)
	if err != nil {
		return false, err
	}
	if m.saved.Compare(head) > 0 {
		return false, nil
	}
	for rec, err := range s.store.ReadStream(ctx, m.proof.stream, events.StreamRead{From: m.proof.revision, Limit: 1}) {
		if errors.Is(err, events.ErrStreamNotFound) || errors.Is(err, events.ErrStreamDeleted) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		return rec.ID.String() == m.proof.id, nil
	}
	return false, nil
}

// renew empties a model.
func (s *Service) renew(ctx context.Context, m *model) error {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	old := m.view.g
	e, err := renew(ctx, tx, m.projection, old+1)
	if err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	if err := s.mount(ctx, m, e); err != nil {
		return err
	}
	if m == s.tasks {
		s.hub.start(chatkitd.Position{})
	}
	return s.drop(ctx, m.projection, old)
}

// drop drops a generation that nobody reads any more.
func (s *Service) drop(ctx context.Context, p projection, g generation) error {
	for _, t := range p.Tables() {
		if _, err := s.write.ExecContext(ctx, g.sql("DROP TABLE IF EXISTS "+t.name+"_{g}")); err != nil {
			return fmt.Errorf("drop table %s: %w", t.name, err)
		}
	}
	return nil
}
