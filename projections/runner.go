package projections

import (
	"context"
	"errors"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/internal/sqlite"
)

const (
	firstDelay = 100 * time.Millisecond // before a retry; doubled each time
	lastDelay  = 10 * time.Second
	patience   = 5               // attempts of a batch or an event before the others go on without, or it is given up
	saveEvery  = time.Second     // a checkpoint of events that changed nothing
	saveEvents = events.MaxBatch // or so many of them
	// linger is how long the runner lets events gather before the next batch,
	// unless a query waits for them. A transaction costs much more than an event.
	linger = 10 * time.Millisecond
)

// ErrRunning is returned by [Service.Run] and [Service.RebuildOffline] while the
// other one, or another Run, is at work.
var ErrRunning = errors.New("projections: already at work")

// Run follows the log until ctx ends, and returns nil then, with all that it
// started ended too. Neither an outage of the log, nor of the database, nor an
// event that cannot be applied ends it: [Service.States] tells. It returns
// ErrRunning at once when it may not run.
func (s *Service) Run(ctx context.Context) error {
	if !s.runner.TryLock() {
		return ErrRunning
	}
	defer s.runner.Unlock()
	defer s.hub.close()
	defer s.saveAll(context.WithoutCancel(ctx))
	defer s.begin(ctx)()
	s.sweep() //nolint:contextcheck // it has Run's, from begin
	delay := time.Duration(0)
	for ctx.Err() == nil {
		err := s.follow(ctx, func() { delay = 0 })
		if err == nil || ctx.Err() != nil {
			continue
		}
		if delay == 0 {
			s.log.WarnContext(ctx, "projections lost the log, trying again", "error", err)
		}
		delay = min(max(2*delay, firstDelay), lastDelay)
		s.trouble(err)
		sleep(ctx, delay)
	}
	return nil
}

// follow subscribes for all projections that run, from where the last of them
// stands, until the log fails or another projection is to take part.
func (s *Service) follow(ctx context.Context, healthy func()) error {
	// Who wants the runner to look at the models again ends look, not ctx: a
	// batch that is being applied goes on.
	look, done := s.looking(ctx)
	defer done()
	if err := s.learnHead(ctx); err != nil {
		return err
	}
	if err := s.repair(ctx); err != nil {
		return err
	}
	if err := s.verifyAll(ctx); err != nil {
		return err
	}
	if err := s.buildOutdated(ctx); err != nil {
		return err
	}
	active := s.startable()
	if len(active) == 0 {
		healthy()
		s.saveAll(ctx)
		s.pause(look)
		return nil
	}
	sub, err := s.store.Subscribe(ctx, lowest(active), events.Filter{})
	if err != nil {
		return err
	}
	defer func() { _ = sub.Close() }() // it only lets go
	for {
		b, again, err := s.next(look, sub)
		switch {
		case ctx.Err() == nil && look.Err() != nil, again: // a projection wants to take part
			return nil
		case err != nil:
			return err
		}
		healthy()
		s.seen.batch(b.Events)
		if active = s.applyAll(ctx, active, b); len(active) == 0 || ctx.Err() != nil {
			return nil
		}
		if b.CaughtUp && len(b.Events) > 0 {
			s.linger(ctx)
		}
	}
}

// looking returns a context that ends with ctx, and when [Service.lookAgain] is
// called.
func (s *Service) looking(ctx context.Context) (context.Context, context.CancelFunc) {
	look, cancel := context.WithCancel(ctx)
	s.mu.Lock()
	s.again = cancel
	s.mu.Unlock()
	return look, cancel
}

// lookAgain tells the runner that a projection may have begun to run.
func (s *Service) lookAgain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.again != nil {
		s.again()
	}
}

// lowest returns the position that all models have reached.
func lowest(models []*model) chatkitd.Position {
	low := models[0].at()
	for _, m := range models[1:] {
		if pos := m.at(); pos.Compare(low) < 0 {
			low = pos
		}
	}
	return low
}

// linger lets events gather, until a query waits for one.
func (s *Service) linger(ctx context.Context) {
	t := time.NewTimer(linger)
	defer t.Stop()
	for s.waiting.Load() == 0 {
		select {
		case <-s.hurry: // perhaps of a query that does not wait any more
		case <-t.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// hasten makes the runner go on at once, until done is called.
func (s *Service) hasten() (done func()) {
	s.waiting.Add(1)
	select {
	case s.hurry <- struct{}{}:
	default: // it is told already
	}
	return func() { s.waiting.Add(-1) }
}

// next waits for a batch, or until a projection is due for a retry (again).
// Meanwhile it saves checkpoints that have been waiting.
func (s *Service) next(ctx context.Context, sub events.Subscription) (b events.Batch, again bool, err error) {
	for {
		due, save := s.deadline()
		if !due.IsZero() && !time.Now().Before(due) {
			if !save {
				return events.Batch{}, true, nil
			}
			s.saveAll(ctx)
			continue
		}
		b, err = nextBefore(ctx, sub, due)
		if err == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return b, false, err
		}
	}
}

func nextBefore(ctx context.Context, sub events.Subscription, due time.Time) (events.Batch, error) {
	if !due.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, due)
		defer cancel()
	}
	return sub.Next(ctx)
}

// deadline returns when the runner has to do something else than wait for events:
// save checkpoints (save), or retry a projection.
func (s *Service) deadline() (due time.Time, save bool) {
	for _, m := range s.models {
		m.mu.Lock()
		if m.unsaved > 0 {
			if at := m.unsavedAt.Add(saveEvery); due.IsZero() || at.Before(due) {
				due, save = at, true
			}
		}
		if at := m.retryAt; !at.IsZero() && (due.IsZero() || at.Before(due)) {
			due, save = at, false
		}
		m.mu.Unlock()
	}
	return due, save
}

// startable returns the models that run or are due for a retry.
func (s *Service) startable() []*model {
	var active []*model
	now := time.Now()
	for _, m := range s.models {
		m.mu.Lock()
		if !m.retryAt.IsZero() && !now.Before(m.retryAt) && !m.broken {
			m.phase, m.retryAt = Running, time.Time{}
		}
		if m.phase == Running && m.retryAt.IsZero() {
			active = append(active, m)
		}
		m.mu.Unlock()
	}
	return active
}

// pause waits until a retry is due.
func (s *Service) pause(ctx context.Context) {
	due, _ := s.deadline()
	var timer <-chan time.Time
	if !due.IsZero() {
		t := time.NewTimer(time.Until(due))
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-timer:
	case <-ctx.Done():
	}
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// applyAll applies a batch to the models, one after the other, each in its own
// transaction: one that fails takes nothing from the others. It returns those
// that go on.
func (s *Service) applyAll(ctx context.Context, active []*model, b events.Batch) []*model {
	records := make([]record, 0, len(b.Events))
	low := lowest(active)
	for _, rec := range b.Events {
		if rec.Position.Compare(low) > 0 {
			records = append(records, s.interest.decode(rec, everybody))
		}
	}
	for len(records) > s.batchSize {
		part := records[:s.batchSize]
		active = s.applyPart(ctx, active, part, part[len(part)-1].Position, false)
		if len(active) == 0 {
			return nil
		}
		records = records[s.batchSize:]
	}
	active = s.applyPart(ctx, active, records, b.Position, b.CaughtUp)
	s.writes.passed(s.behind())
	return active
}

func (s *Service) applyPart(ctx context.Context, active []*model, records []record, pos chatkitd.Position, caughtUp bool) []*model {
	rest := make([]*model, 0, len(active))
	for _, m := range active {
		if s.applyPatiently(ctx, m, records, pos, caughtUp) {
			rest = append(rest, m)
		}
	}
	return rest
}

// applyPatiently applies a batch to one model, and reports whether the model goes
// on. When the database fails it tries again after a while, and after some
// attempts takes the model out until its next retry. An event that cannot be
// applied takes it out at once, the others do not wait: it is tried again some
// times, and then given up.
func (s *Service) applyPatiently(ctx context.Context, m *model, records []record, pos chatkitd.Position, caughtUp bool) bool {
	for attempt := 1; ; attempt++ {
		err := s.apply(ctx, m, records, pos, caughtUp)
		switch {
		case err == nil:
			return true
		case ctx.Err() != nil, errors.Is(err, errStands):
			return false
		}
		s.metrics.failures.WithLabelValues(m.Name()).Inc()
		if sqlite.IsCorrupt(err) { // apply has told
			return false
		}
		if f, ok := errors.AsType[*Failure](err); ok {
			s.blocked(ctx, m, f)
			return false
		}
		f := &Failure{Reason: err.Error(), Attempts: attempt}
		if attempt >= patience {
			s.fail(ctx, m, f, true)
			return false
		}
		m.mu.Lock()
		f.Since = s.since(m)
		m.failure = f
		m.mu.Unlock()
		sleep(ctx, firstDelay<<(attempt-1))
	}
}

// since keeps the beginning of a trouble that goes on. The caller holds m.mu.
func (s *Service) since(m *model) time.Time {
	if m.failure != nil {
		return m.failure.Since
	}
	return s.now()
}

// blocked takes a model out for an event that it cannot apply, until the next
// attempt or for good.
func (s *Service) blocked(ctx context.Context, m *model, f *Failure) {
	m.mu.Lock()
	if m.phase != Running { // paused meanwhile
		m.mu.Unlock()
		return
	}
	m.attempts++
	f.Attempts, f.Since = m.attempts, s.since(m)
	if m.attempts < patience {
		m.failure, m.caughtUp = f, false
		m.retryAt = time.Now().Add(s.retry << (m.attempts - 1))
		m.last = f.Recorded
		m.mu.Unlock()
		return
	}
	m.mu.Unlock()
	s.fail(ctx, m, f, false)
}

// fail takes a model out: for good, or until its next retry.
func (s *Service) fail(ctx context.Context, m *model, f *Failure, retry bool) {
	m.mu.Lock()
	if m.phase != Running { // paused meanwhile
		m.mu.Unlock()
		return
	}
	f.Since = s.since(m)
	m.phase, m.failure, m.caughtUp, m.retryAt = Failed, f, false, time.Time{}
	if retry {
		m.delay = min(max(2*m.delay, firstDelay<<patience), lastDelay)
		m.retryAt = time.Now().Add(m.delay)
	}
	if !f.Recorded.IsZero() {
		m.last = f.Recorded
	}
	m.notify()
	m.mu.Unlock()
	s.log.ErrorContext(ctx, "projection has stopped", "projection", m.Name(), "position", m.at(), "retries", retry,
		"event", f.Type, "stream", f.Stream, "revision", f.Revision, "error", f)
	if err := s.saveFailure(ctx, m, f); err != nil {
		s.log.WarnContext(ctx, "the failure of a projection is not stored", "projection", m.Name(), "error", err)
	}
}

// trouble shows a failure of the log in every state.
func (s *Service) trouble(err error) {
	for _, m := range s.models {
		m.mu.Lock()
		m.caughtUp = false
		if m.phase == Running {
			attempts := 1
			if m.failure != nil {
				attempts += m.failure.Attempts
			}
			m.failure = &Failure{Reason: err.Error(), Attempts: attempts, Since: s.since(m)}
		}
		m.mu.Unlock()
	}
}
