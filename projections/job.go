package projections

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/chatkitd/chatkitd"
)

// job is a rebuild or a rollback beside the runner. There is one at a time.
type job struct {
	what   string
	models []*model
	cancel context.CancelFunc
	done   chan struct{}
	err    error // once done is closed

	mu      sync.Mutex
	resumed chan struct{} // nil when it is not paused
}

// begin makes jobs possible until end is called, which ends them and waits.
func (s *Service) begin(ctx context.Context) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	s.mu.Lock()
	s.base = ctx
	s.mu.Unlock()
	return func() {
		s.mu.Lock()
		s.base, s.again = nil, nil
		s.mu.Unlock()
		cancel()
		s.jobs.Wait()
	}
}

// start starts a job.
func (s *Service) start(models []*model, what string, do func(ctx context.Context, j *job) error) (*job, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.base == nil {
		return nil, chatkitd.Errorf(chatkitd.CodeUnavailable, "the projections are not running")
	}
	if s.job != nil {
		return nil, chatkitd.Errorf(chatkitd.CodeConflict, "a %s of %v is under way; wait for it or cancel it", s.job.what, namesOf(s.job.models))
	}
	ctx, cancel := context.WithCancel(s.base)
	j := &job{what: what, models: models, cancel: cancel, done: make(chan struct{})}
	s.job = j
	s.jobs.Go(func() {
		defer cancel()
		err := do(ctx, j)
		switch {
		case err == nil:
			s.log.InfoContext(ctx, "read models are in place", "job", what, "projections", namesOf(models))
		case errors.Is(err, context.Canceled):
			s.log.InfoContext(ctx, "read models stay as they are", "job", what, "projections", namesOf(models))
		default:
			s.log.ErrorContext(ctx, "read models stay as they are", "job", what, "projections", namesOf(models), "error", err)
		}
		s.sweep() //nolint:contextcheck // it outlives the job, in Run
		s.mu.Lock()
		s.job = nil
		s.mu.Unlock()
		j.err = err
		close(j.done)
		s.lookAgain()
	})
	return j, nil
}

func namesOf(models []*model) []string {
	names := make([]string, len(models))
	for i, m := range models {
		names[i] = m.Name()
	}
	return names
}

// CancelRebuild implements [chatkitd.Projections]. It returns when the rebuild has
// ended, or ctx has.
func (s *Service) CancelRebuild(ctx context.Context) error {
	s.mu.Lock()
	j := s.job
	s.mu.Unlock()
	if j == nil {
		return chatkitd.Errorf(chatkitd.CodeConflict, "no rebuild is under way")
	}
	j.cancel()
	select {
	case <-j.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// jobOf returns the rebuild under way of a model that is not in place yet.
func (s *Service) jobOf(m *model) *job {
	s.mu.Lock()
	j := s.job
	s.mu.Unlock()
	if j == nil || !slices.Contains(j.models, m) {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.rebuild == nil || !m.rebuild.Ended.IsZero() {
		return nil
	}
	return j
}

// setPaused halts the job or makes it go on, and reports whether that changed
// anything.
func (j *job) setPaused(paused bool) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if paused == (j.resumed != nil) {
		return false
	}
	if paused {
		j.resumed = make(chan struct{})
	} else {
		close(j.resumed)
		j.resumed = nil
	}
	for _, m := range j.models {
		m.mu.Lock()
		if m.rebuild != nil && m.rebuild.Ended.IsZero() {
			m.rebuild.Paused = paused
		}
		m.mu.Unlock()
	}
	return true
}

func (j *job) paused() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.resumed != nil
}

// gate waits while the job is paused.
func (j *job) gate(ctx context.Context) error {
	j.mu.Lock()
	resumed := j.resumed
	j.mu.Unlock()
	if resumed == nil {
		return ctx.Err()
	}
	select {
	case <-resumed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// reached tells a test that a phase has begun.
func (s *Service) reached(phase string) {
	if s.hook != nil {
		s.hook(phase)
	}
}
