package projections

import (
	"context"
	"slices"
	"time"

	"github.com/chatkitd/chatkitd"
)

// The phases of a rebuild.
const (
	BuildFold  = chatkitd.RebuildFold
	BuildIndex = chatkitd.RebuildIndex
	BuildSwap  = chatkitd.RebuildSwap
)

// Progress says how far a rebuild is. Position/Head is a fair estimate of the
// part that is done.
type Progress struct {
	Phase    string            `json:"phase"`
	Events   int               `json:"events"`
	Position chatkitd.Position `json:"position"`
	Head     chatkitd.Position `json:"head"` // where the rebuild ends
	Elapsed  time.Duration     `json:"elapsed"`
}

// Rebuild implements [chatkitd.Projections]. It returns CodeUnavailable while Run
// is not at work.
func (s *Service) Rebuild(ctx context.Context, names ...string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	models, err := s.named(names)
	if err != nil {
		return err
	}
	_, err = s.start(models, "rebuild", func(ctx context.Context, j *job) error { //nolint:contextcheck // it outlives the call, in Run
		return newBuild(s, j).run(ctx, models)
	})
	return err
}

// RebuildOffline rebuilds the named projections (none: all) while Run is not at
// work, and returns when they are in place; the old ones stay when it fails.
// progress, if not nil, is called after every step. It returns ErrRunning while
// Run is at work, CodeNotFound for an unknown name, a [*Failure] for an event that
// cannot be applied, and errors of the log and the database.
func (s *Service) RebuildOffline(ctx context.Context, names []string, progress func(Progress)) error {
	if !s.runner.TryLock() {
		return ErrRunning
	}
	defer s.runner.Unlock()
	models, err := s.named(names)
	if err != nil {
		return err
	}
	if err := s.verifyAll(ctx); err != nil {
		return err
	}
	b := newBuild(s, nil)
	b.progress = progress
	err = b.run(ctx, models)
	s.sweepAll(context.WithoutCancel(ctx))
	return err
}

func (s *Service) named(names []string) ([]*model, error) {
	if len(names) == 0 {
		return s.models, nil
	}
	var models []*model
	for _, name := range names {
		m, err := s.one(name)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(models, m) {
			models = append(models, m)
		}
	}
	return models, nil
}

func (s *Service) one(name string) (*model, error) {
	i := slices.IndexFunc(s.models, func(m *model) bool { return m.Name() == name })
	if i < 0 {
		return nil, chatkitd.Errorf(chatkitd.CodeNotFound, "there is no projection %q: there are %v", name, s.names())
	}
	return s.models[i], nil
}

func (s *Service) names() []string {
	var names []string
	for _, m := range s.models {
		names = append(names, m.Name())
	}
	return names
}

// buildOutdated starts to build the models that have no tables with anything in
// them, and those whose tables are of another version: the latter serve meanwhile.
// It tries once.
func (s *Service) buildOutdated(ctx context.Context) error {
	head, err := s.store.Head(ctx)
	if err != nil {
		return err
	}
	var outdated []*model
	for _, m := range s.models {
		m.mu.Lock()
		if empty := m.position.IsZero(); !m.built && (empty && !head.IsZero() && m.phase != Paused || !empty && m.version != m.Version()) {
			outdated = append(outdated, m)
			if empty {
				m.phase = Rebuilding
			}
		}
		m.built = true
		m.mu.Unlock()
	}
	if len(outdated) == 0 {
		return nil
	}
	_, err = s.start(outdated, "build", func(ctx context.Context, j *job) error { //nolint:contextcheck // it is Run's
		return newBuild(s, j).run(ctx, outdated)
	})
	if err != nil { // an operator was faster
		s.log.WarnContext(ctx, "read models are not built at once", "error", err)
		s.unbuilt(outdated)
	}
	return nil
}

// unbuilt leaves what could not be built the fast way to the runner, which applies
// the log batch by batch and stops before an event that cannot be applied.
func (s *Service) unbuilt(models []*model) {
	for _, m := range models {
		m.mu.Lock()
		if m.phase == Rebuilding {
			m.phase = Running
		}
		m.mu.Unlock()
	}
	s.lookAgain()
}
