package projections

import (
	"context"
	"time"

	"github.com/chatkitd/chatkitd"
)

func conflict(format string, args ...any) error {
	return chatkitd.Errorf(chatkitd.CodeConflict, format, args...)
}

func unstored(err error) error {
	return chatkitd.Errorf(chatkitd.CodeUnavailable, "the read models cannot be written at the moment").Because(err)
}

// Pause implements [chatkitd.Projections]. A projection that is paused stays so
// over a restart. Queries see what it has; those that would have to wait for more
// are refused.
func (s *Service) Pause(ctx context.Context, name string) error {
	m, err := s.one(name)
	if err != nil {
		return err
	}
	if j := s.jobOf(m); j != nil {
		if !j.setPaused(true) {
			return conflict("the %s of %s is paused already", j.what, name)
		}
		return nil
	}
	m.work.Lock() // a batch that is being applied ends first
	defer m.work.Unlock()
	m.mu.Lock()
	phase := m.phase
	m.mu.Unlock()
	if phase != Running {
		return conflict("projection %s is %s; only one that runs can be paused", name, phase)
	}
	if _, err := s.catalog.ExecContext(ctx, savePaused, true, name); err != nil {
		return unstored(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.phase, m.failure, m.attempts, m.retryAt, m.caughtUp = Paused, nil, 0, time.Time{}, false
	m.notify()
	return nil
}

// Resume implements [chatkitd.Projections].
func (s *Service) Resume(ctx context.Context, name string) error {
	m, err := s.one(name)
	if err != nil {
		return err
	}
	if j := s.jobOf(m); j != nil && j.setPaused(false) {
		return nil
	}
	m.work.Lock()
	defer m.work.Unlock()
	if !m.is(Paused) {
		return conflict("projection %s is not paused", name)
	}
	if _, err := s.catalog.ExecContext(ctx, savePaused, false, name); err != nil {
		return unstored(err)
	}
	m.run()
	s.lookAgain()
	return nil
}

// run makes a model take part again. The caller holds m.work.
func (m *model) run() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.phase, m.failure, m.attempts, m.retryAt, m.delay = Running, nil, 0, time.Time{}, 0
}

// Retry implements [chatkitd.Projections].
func (s *Service) Retry(_ context.Context, name string) error {
	m, err := s.one(name)
	if err != nil {
		return err
	}
	m.work.Lock()
	defer m.work.Unlock()
	if !m.is(Failed) {
		return conflict("projection %s has not failed", name)
	}
	m.mu.Lock()
	broken := m.broken
	if broken {
		m.retryAt = time.Now() // it is built anew, and not later
	}
	m.mu.Unlock()
	if !broken {
		m.run()
	}
	s.lookAgain()
	return nil
}

// Skip implements [chatkitd.Projections]. The event is remembered: a rebuild tries
// it, and passes it when it still cannot be applied.
func (s *Service) Skip(ctx context.Context, name string, position chatkitd.Position) error {
	m, err := s.one(name)
	if err != nil {
		return err
	}
	m.work.Lock()
	defer m.work.Unlock()
	m.mu.Lock()
	phase, failure := m.phase, m.failure
	m.mu.Unlock()
	switch {
	case phase != Failed || failure == nil:
		return conflict("projection %s has not failed", name)
	case failure.Type == "":
		return conflict("projection %s waits for no event: %s", name, failure.Reason)
	case failure.Position != position:
		return conflict("projection %s stands before the event at %s, not at %s", name, failure.Position, position)
	}
	if err := addSkip(ctx, s.catalog, name, failure); err != nil {
		return unstored(err)
	}
	m.mu.Lock()
	m.skipped = append(m.skipped, *failure)
	m.mu.Unlock()
	s.log.WarnContext(ctx, "an event is skipped", "projection", name, "position", position, "event", failure.Type,
		"stream", failure.Stream, "revision", failure.Revision)
	m.run()
	s.lookAgain()
	return nil
}
