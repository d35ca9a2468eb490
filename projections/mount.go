package projections

import (
	"context"
	"errors"
	"io/fs"

	"github.com/chatkitd/chatkitd/internal/sqlite"
)

// mountAll opens the tables of all projections, or makes them. Which other files
// there are it only notes: to delete them takes time.
func (s *Service) mountAll(ctx context.Context, ps []projection) error {
	db, fresh, err := openCatalog(ctx, s.dir, s.busy)
	if err != nil {
		return err
	}
	s.catalog = db
	if fresh != "" {
		s.log.WarnContext(ctx, "the read models are built anew from the log", "why", fresh)
	}
	entries, err := loadCatalog(ctx, db)
	if err != nil {
		return err
	}
	top := map[string]generation{}
	if err := listFiles(s.dir, func(name string, g generation) { top[name] = max(top[name], g) }); err != nil {
		return err
	}
	for i, p := range ps {
		e := entries[p.Name()]
		e.name = p.Name()
		m := &model{projection: p, bit: 1 << i, phase: Running, top: max(top[p.Name()], e.G)}
		m.damage = func(g generation, err error) { s.damaged(m, g, err) }
		t, err := s.mount(ctx, m, &e)
		if err != nil {
			return err
		}
		m.reset(t, nil)
		m.skipped, m.previous, m.rebuild, m.stored = e.skipped, e.previous, e.rebuild, e.failure != nil
		if e.paused {
			m.phase = Paused
		}
		s.models = append(s.models, m)
		switch p.Name() {
		case tasks{}.Name():
			s.tasks = m
		case threads{}.Name():
			s.threads = m
		case threadItems{}.Name():
			s.items = m
		}
	}
	return s.findTrash(ctx)
}

// mount opens the tables of an entry. Those that this program's statements cannot
// work on it replaces: what an operator has decided stays.
func (s *Service) mount(ctx context.Context, m *model, e *entry) (*tables, error) {
	if e.G != 0 && e.Layout == m.Layout() {
		t, err := openTables(ctx, s.dir, m.projection, e.edition, s.busy)
		if err == nil {
			return t, nil
		}
		if !sqlite.IsCorrupt(err) && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		s.log.WarnContext(ctx, "a read model is damaged and is built anew from the log", "projection", m.Name(), "error", err)
	}
	m.top++
	*e = entry{name: e.name, edition: edition{G: m.top, Version: m.Version(), Layout: m.Layout()}, paused: e.paused, skipped: e.skipped}
	return s.replace(ctx, m.projection, *e)
}

// findTrash notes the files that no entry names: what a rebuild left behind when it
// was cut off, other layouts, and projections that are no more.
func (s *Service) findTrash(ctx context.Context) error {
	keep := map[string]bool{}
	for _, m := range s.models {
		keep[m.tables.path] = true
		if m.previous != nil {
			keep[m.previous.G.path(s.dir, m.Name())] = true
		}
	}
	return listFiles(s.dir, func(name string, g generation) {
		if path := g.path(s.dir, name); !keep[path] {
			s.discard(trash{path: path})
		}
	})
}
