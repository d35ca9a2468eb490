package projections

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/internal/sqlite"
)

// apply brings a model from where it stands to pos. Rows and checkpoint commit
// in one transaction; a batch that has nothing for the model only moves the
// checkpoint in memory, and is saved later. A *Failure is an event's; what came
// before the event has been applied. Any other error may pass, and nothing has
// happened; of a damaged file the service is told.
func (s *Service) apply(ctx context.Context, m *model, records []record, pos chatkitd.Position, caughtUp bool) (err error) {
	m.work.Lock()
	defer m.work.Unlock()
	defer func() {
		if sqlite.IsCorrupt(err) { // told before a job can put other tables in their place
			s.damaged(m, m.tables.G, err)
		}
	}()
	if !m.is(Running) { // paused, since the runner looked
		return errStands
	}
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
		return s.pass(ctx, m, records, pos, caughtUp)
	}

	s.lastLive.Store(time.Now().UnixNano())
	var f fold
	var n int
	var blocking error
	c := checkpoint{position: pos}
	err = m.tables.transact(func() error {
		f = m.Fold(&batch{t: m.tables, watch: true})
		n, blocking = foldAll(m, f, records, nil)
		if _, ok := errors.AsType[*storageError](blocking); ok || n == 0 && blocking != nil {
			return failure(blocking, records, n)
		}
		if err := guard(func() error { return f.Flush(ctx) }); err != nil {
			return err
		}
		if blocking != nil {
			c.position, caughtUp = records[n-1].Position, false
		}
		c.proof = proofOf(&records[n-1].Recorded)
		return m.tables.save(c)
	})
	if err != nil {
		return err
	}
	pos = c.position
	last := &records[n-1].Recorded
	m.tables.checkpoint, m.proof = c, c.proof
	s.forgetFailure(ctx, m)
	m.advance(pos, last.Time, caughtUp, n, 0, start)
	if p, ok := f.(publisher); ok {
		s.hub.publish(p.Changes(), pos)
	}
	s.metrics.applied.WithLabelValues(m.Name()).Add(float64(n))
	s.metrics.batches.WithLabelValues(m.Name()).Observe(s.now().Sub(start).Seconds())
	return failure(blocking, records, n)
}

// follows reports whether a projection has anything to do with an event.
func (m *model) follows(r *record) bool {
	return r.folds&m.bit != 0 && strings.HasPrefix(r.Stream, m.Category())
}

// errStands says that a model is not to be written at the moment.
var errStands = errors.New("the projection does not run")

// pass goes past events that are not the model's. The caller holds m.work.
func (s *Service) pass(ctx context.Context, m *model, records []record, pos chatkitd.Position, caughtUp bool) error {
	m.mu.Lock()
	unsaved := m.unsaved + len(records)
	m.mu.Unlock()
	last := time.Time{}
	if n := len(records); n > 0 {
		m.proof = proofOf(&records[n-1].Recorded)
		last = records[n-1].Time
	}
	m.advance(pos, last, caughtUp, len(records), unsaved, s.now())
	if m == s.tasks {
		s.hub.publish(nil, pos)
	}
	s.metrics.applied.WithLabelValues(m.Name()).Add(float64(len(records)))
	if unsaved >= saveEvents {
		s.save(ctx, m)
	}
	return nil
}

// foldAll folds events in order, and returns how many were folded and the error
// of the one that was not. An event that an operator has skipped is still tried:
// in tables built anew it may do. skipped, if not nil, learns of those that were
// passed.
func foldAll(m *model, f fold, records []record, skipped func(chatkitd.Position)) (int, error) {
	for i := range records {
		r := &records[i]
		if !m.follows(r) {
			continue
		}
		err := r.err
		if err == nil {
			err = guard(func() error { return f.Apply(r) })
		}
		if err == nil {
			continue
		}
		if _, ok := errors.AsType[*storageError](err); ok || !m.skips(r.Position) {
			return i, err
		}
		if skipped != nil {
			skipped(r.Position)
		}
	}
	return len(records), nil
}

// skips reports whether an operator has had the model pass an event.
func (m *model) skips(pos chatkitd.Position) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.ContainsFunc(m.skipped, func(f Failure) bool { return f.Position == pos })
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

// saveAll saves the checkpoints that are in memory only. Losing one costs a few
// events that are passed again.
func (s *Service) saveAll(ctx context.Context) {
	for _, m := range s.models {
		m.work.Lock()
		if m.hasUnsaved() {
			s.save(ctx, m)
		}
		m.work.Unlock()
	}
}

func (m *model) hasUnsaved() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.unsaved > 0
}

// save saves the checkpoint. The caller holds m.work.
func (s *Service) save(ctx context.Context, m *model) {
	m.mu.Lock()
	c := checkpoint{m.position, m.proof}
	unsaved := m.unsaved
	m.unsaved, m.unsavedAt = 0, time.Now()
	m.mu.Unlock()
	if err := m.tables.transact(func() error { return m.tables.save(c) }); err != nil {
		m.mu.Lock()
		m.unsaved += unsaved
		m.mu.Unlock()
		s.log.WarnContext(ctx, "a checkpoint is not saved", "projection", m.Name(), "error", err)
		return
	}
	m.tables.checkpoint = c
}

func (s *Service) saveFailure(ctx context.Context, m *model, f *Failure) error {
	text, err := optional(f)
	if err != nil {
		return err
	}
	m.mu.Lock()
	m.stored = f != nil
	m.mu.Unlock()
	_, err = s.catalog.ExecContext(ctx, saveFailure, text, m.Name())
	return err
}

// forgetFailure is called when a model has gone on. When the catalog cannot be
// written, the next start sees by the checkpoint that the failure is of the past.
func (s *Service) forgetFailure(ctx context.Context, m *model) {
	m.mu.Lock()
	stored := m.stored
	m.mu.Unlock()
	if !stored {
		return
	}
	if err := s.saveFailure(ctx, m, nil); err != nil {
		s.log.WarnContext(ctx, "the end of a failure is not stored", "projection", m.Name(), "error", err)
	}
}
