package projections

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/chatkitd/chatkitd"
)

// The phases of a rebuild.
const (
	BuildFold  = "fold"  // the log into new tables
	BuildIndex = "index" // the new tables
	BuildSwap  = "swap"  // new for old
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

// buildChunk is how many events a build folds in memory before it writes. It
// bounds the memory, and a row that changes often in one chunk is written once.
const buildChunk = 16_384

// Rebuild folds the whole log into new tables of the named projections (none:
// all) and puts them in the place of the old ones in one transaction; until then
// the old ones serve, and they stay when it fails. progress, if not nil, is called
// after every chunk. It returns ErrRunning while Run is at work, CodeInvalid for
// an unknown name, a [*Failure] for an event that cannot be applied, and errors of
// the log and the database.
func (s *Service) Rebuild(ctx context.Context, names []string, progress func(Progress)) error {
	if !s.runner.TryLock() {
		return ErrRunning
	}
	defer s.runner.Unlock()
	models, err := s.named(names)
	if err != nil {
		return err
	}
	return s.build(ctx, models, progress)
}

func (s *Service) named(names []string) ([]*model, error) {
	if len(names) == 0 {
		return s.models, nil
	}
	var models []*model
	for _, name := range names {
		i := slices.IndexFunc(s.models, func(m *model) bool { return m.Name() == name })
		if i < 0 {
			return nil, chatkitd.Errorf(chatkitd.CodeInvalid, "there is no projection %q: there are %v", name, Names())
		}
		if !slices.Contains(models, s.models[i]) {
			models = append(models, s.models[i])
		}
	}
	return models, nil
}

// buildNew fills the models that have seen nothing yet, the fast way. An event
// that cannot be applied is left to the runner, which stops before it.
func (s *Service) buildNew(ctx context.Context) error {
	var fresh []*model
	for _, m := range s.models {
		if m.at().IsZero() && !m.built {
			m.built = true
			fresh = append(fresh, m)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	start := time.Now()
	done := Progress{}
	err := s.build(ctx, fresh, func(p Progress) { done = p })
	if f, ok := errors.AsType[*Failure](err); ok {
		s.log.WarnContext(ctx, "read models cannot be built at once", "error", f)
		return nil
	}
	if err != nil {
		for _, m := range fresh {
			m.built = false
		}
		return err
	}
	s.log.InfoContext(ctx, "read models built", "models", len(fresh), "events", done.Events, "seconds", time.Since(start).Seconds())
	return nil
}

func (s *Service) build(ctx context.Context, models []*model, progress func(Progress)) (err error) {
	head, err := s.store.Head(ctx)
	if err != nil {
		return err
	}
	for _, m := range models {
		m.setPhase(Rebuilding)
	}
	defer func() {
		for _, m := range models {
			m.endBuild(err == nil)
		}
	}()
	b := &build{s: s, head: head, start: time.Now(), progress: progress}
	defer func() { err = errors.Join(err, b.close(context.WithoutCancel(ctx), err == nil)) }()
	for _, m := range models {
		if err := b.add(ctx, m); err != nil {
			return err
		}
	}
	if !head.IsZero() {
		if err := b.fold(ctx); err != nil {
			return err
		}
	}
	if err := b.index(ctx); err != nil {
		return err
	}
	return b.swap(ctx)
}

func (m *model) setPhase(p Phase) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.phase, m.caughtUp = p, false
}

// endBuild returns to where the model was before, unless the new tables are in.
func (m *model) endBuild(built bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.phase = Running
	if built {
		m.failure, m.retryAt, m.delay = nil, time.Time{}, 0
	} else if m.failure != nil && m.failure.Type != "" {
		m.phase = Failed
	}
	m.notify()
}
