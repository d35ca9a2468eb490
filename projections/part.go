package projections

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

// part is what a build has of one model: its next tables.
type part struct {
	*model
	b      *build
	next   *tables
	known  *keys
	chunks chan []record
	failed chan struct{} // closed when no more chunks are taken

	serves   bool              // there are old tables to compare with
	beside   bool              // the runner feeds the old tables meanwhile
	limit    chatkitd.Position // the fold goes no further
	at       checkpoint        // of the new tables
	lastTime time.Time
	events   int
	passed   map[chatkitd.Position]bool // events that were skipped here, too
	lost     bool                       // the old tables are damaged
	swapped  bool
	err      error
}

// newPart decides where the fold ends first: where the old tables are, so that
// they can be compared.
func newPart(b *build, m *model) *part {
	p := &part{
		// In a sparse log there are fewer events than that, and the filter is larger than
		// it need be, up to its bound.
		model: m, b: b, known: newKeys(b.head.Commit), limit: b.head, passed: map[chatkitd.Position]bool{},
		chunks: make(chan []record, 1), failed: make(chan struct{}),
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.position.IsZero() {
		p.serves, p.limit = true, m.position
		p.beside = !b.offline && m.phase != Failed
	}
	m.rebuild = &RebuildState{Phase: chatkitd.RebuildFold, Started: b.s.now()}
	return p
}

// build makes the new tables and brings them into service.
func (p *part) build(ctx context.Context) error {
	err := p.load(ctx)
	close(p.failed)
	if err == nil {
		err = p.b.folded
	}
	if err != nil {
		return err
	}
	if err := p.index(ctx); err != nil {
		return err
	}
	return p.finish(ctx)
}

// load folds the chunks into a file that nobody else knows. The indexes that only
// queries need come later, which is cheaper.
func (p *part) load(ctx context.Context) (err error) {
	p.work.Lock()
	p.top++
	e := edition{G: p.top, Version: p.Version(), Layout: p.Layout()}
	p.work.Unlock()
	if p.next, err = loadTables(ctx, p.b.s.dir, p.projection, e); err != nil {
		return err
	}
	for chunk := range p.chunks {
		if err := p.write(ctx, upTo(chunk, p.limit)); err != nil {
			return err
		}
	}
	return nil
}

// write folds records that come right after the position, in the bulk load.
func (p *part) write(ctx context.Context, records []record) error {
	if len(records) == 0 {
		return nil
	}
	t, err := p.b.pace.begin(ctx)
	defer t.end()
	if err != nil {
		return err
	}
	if err := p.fold(ctx, &batch{t: p.next, known: p.known, stint: t}, records); err != nil {
		return err
	}
	p.took(records)
	if p.events == len(records) {
		p.b.s.reached(chatkitd.RebuildFold)
	}
	return nil
}

// foldSteps is how many events are folded between two looks at the clock.
const foldSteps = 64

func (p *part) fold(ctx context.Context, q *batch, records []record) error {
	f := p.Fold(q)
	skipped := func(pos chatkitd.Position) { p.passed[pos] = true }
	for some := range slices.Chunk(records, foldSteps) {
		if n, err := foldAll(p.model, f, some, skipped); err != nil {
			return failure(err, some, n)
		}
		if q.stint == nil {
			continue
		}
		if err := q.stint.look(ctx); err != nil {
			return err
		}
	}
	return guard(func() error { return f.Flush(ctx) })
}

// took notes that records are in the new tables.
func (p *part) took(records []record) {
	last := &records[len(records)-1].Recorded
	p.events += len(records)
	p.at, p.lastTime = checkpoint{last.Position, proofOf(last)}, last.Time
	p.tell("")
}

// index ends the bulk load: indexes, and what makes the file one that serves.
func (p *part) index(ctx context.Context) error {
	p.tell(chatkitd.RebuildIndex)
	t, err := p.b.pace.begin(ctx)
	defer func() { t.end() }()
	if err != nil {
		return err
	}
	if err := p.next.save(p.at); err != nil {
		return err
	}
	if err := p.next.conn.Exec("COMMIT"); err != nil {
		return stored(err)
	}
	p.next.checkpoint = p.at
	for _, i := range p.Indexes() {
		if err := p.next.createIndex(i); err != nil {
			return stored(err)
		}
		t.end()
		if err := t.again(ctx); err != nil {
			return err
		}
	}
	return stored(p.next.seal(ctx, p.projection))
}

// foldTo reads and folds the log up to a position into tables that are sealed, and
// returns how many events that took.
func (p *part) foldTo(ctx context.Context, goal chatkitd.Position) (n int, err error) {
	n, err = catchUp(ctx, p.b.s, p.model, p.next, goal, func(records []record) error {
		return p.fold(ctx, &batch{t: p.next}, records)
	}, p.took)
	p.at = p.next.checkpoint
	return n, err
}

// catchUp reads and folds the log into tables up to a position, each batch with its
// checkpoint in one transaction, and returns how many events that took.
func catchUp(ctx context.Context, s *Service, m *model, t *tables, goal chatkitd.Position,
	fold func([]record) error, took func([]record),
) (n int, err error) {
	if t.position.Compare(goal) >= 0 {
		return 0, nil
	}
	chunk := make([]record, 0, events.MaxBatch)
	write := func() error {
		if len(chunk) == 0 {
			return nil
		}
		last := &chunk[len(chunk)-1].Recorded
		c := checkpoint{last.Position, proofOf(last)}
		err := t.transact(func() error {
			if err := fold(chunk); err != nil {
				return err
			}
			return t.save(c)
		})
		if err != nil {
			return err
		}
		t.checkpoint = c
		took(chunk)
		n += len(chunk)
		clear(chunk)
		chunk = chunk[:0]
		return nil
	}
	for rec, err := range s.store.ReadAll(ctx, events.AllRead{After: t.position}) {
		if err != nil {
			return n, err
		}
		if rec.Position.Compare(goal) > 0 {
			break
		}
		if chunk = append(chunk, s.interest.decode(rec, m.bit)); len(chunk) == cap(chunk) {
			if err := write(); err != nil {
				return n, err
			}
		}
		if rec.Position == goal {
			break
		}
	}
	if err := write(); err != nil {
		return n, err
	}
	if t.position.Compare(goal) < 0 { // there is no event there
		t.position = goal
	}
	return n, nil
}

// closing is how few events may be missing for the rest to be folded while the
// old tables stand still.
const closing = 500

// meet folds on until the new tables are not behind goal nor behind the old ones,
// and returns with p.work held, so that the old ones stay where they are.
func (p *part) meet(ctx context.Context, goal func() chatkitd.Position) error {
	for attempt := 0; ; attempt++ {
		n, err := p.foldTo(ctx, goal())
		if err == nil && n > closing {
			if err := p.b.pace.gate(ctx); err != nil {
				return err
			}
			continue
		}
		if err == nil {
			p.work.Lock()
			if _, err = p.foldTo(ctx, p.model.at()); err == nil {
				return nil
			}
			p.work.Unlock()
		}
		if !p.b.again(ctx, err, attempt) {
			return err
		}
	}
}

// finish brings the new tables into service.
func (p *part) finish(ctx context.Context) error {
	goal := p.model.at
	if p.serves {
		p.tell(chatkitd.RebuildCatchUp)
		if err := p.compare(ctx); err != nil {
			return err
		}
	}
	if !p.beside {
		// The old tables do not move. The new ones come as far as the log.
		head, err := p.b.s.store.Head(ctx)
		if err != nil {
			return err
		}
		goal = func() chatkitd.Position { return head }
	}
	if err := p.b.pace.gate(ctx); err != nil {
		return err
	}
	p.tell(chatkitd.RebuildCatchUp)
	if err := p.meet(ctx, goal); err != nil {
		return err
	}
	defer p.work.Unlock()
	p.tell(chatkitd.RebuildSwap)
	return p.swap(ctx)
}

// swap makes the new tables the ones that are read. The caller holds p.work.
func (p *part) swap(ctx context.Context) error {
	s := p.b.s
	old := p.tables
	p.mu.Lock()
	position, version := p.position, p.version
	before := p.previous
	e := entry{name: p.Name(), edition: p.next.edition, paused: p.phase == Paused}
	keep := p.serves && !p.lost
	done := *p.rebuild
	done.Phase, done.Ended, done.Error, done.ETA = chatkitd.RebuildDone, s.now(), "", 0
	e.rebuild = &done
	var rest []Failure
	for _, f := range p.skipped {
		if p.passed[f.Position] {
			rest = append(rest, f)
		} else {
			e.skipped = append(e.skipped, f) // it could be applied after all
		}
	}
	p.mu.Unlock()
	if keep { // a rollback finds it where it was read
		c := checkpoint{position, p.proof}
		if err := old.transact(func() error { return old.save(c) }); err != nil {
			s.log.WarnContext(ctx, "the old tables cannot be kept for a rollback", "projection", p.Name(), "error", err)
			keep = false
		}
	}
	if keep {
		e.previous = &edition{G: old.G, Version: version, Layout: p.Layout()}
	}
	err := inTx(ctx, s.catalog, func(tx *sql.Tx) error {
		for _, f := range e.skipped {
			if _, err := tx.ExecContext(ctx, dropSkip, p.Name(), int64(f.Position.Commit), int64(f.Position.Prepare)); err != nil { //nolint:gosec // below 2^63
				return err
			}
		}
		return saveEntry(ctx, tx, e)
	})
	if err != nil {
		return err
	}
	// From here on the new tables are the truth, whatever becomes of ctx.
	p.swapped = true
	restart := s.restarter(p.model, p.at.position)
	if position == p.at.position && done.Compare != nil && done.Compare.Equal {
		restart = nil // nobody notices
	}
	s.discard(trash{tables: p.reset(p.next, restart)})
	p.mu.Lock()
	p.previous, p.skipped, p.rebuild, p.built, p.stored = e.previous, rest, &done, true, false
	if p.phase != Paused {
		p.phase, p.failure, p.attempts, p.retryAt, p.delay = Running, nil, 0, time.Time{}, 0
	}
	if !p.lastTime.IsZero() {
		p.last = p.lastTime
	}
	p.mu.Unlock()
	p.verified = true
	s.dropEdition(p.projection, before)
	if e.previous == nil {
		s.dropEdition(p.projection, &old.edition)
	}
	p.report(chatkitd.RebuildDone)
	s.reached(chatkitd.RebuildDone)
	return nil
}

// end drops what is not in place, and says how it ended.
func (p *part) end(ctx context.Context) {
	if p.swapped {
		return
	}
	s := p.b.s
	if p.next != nil {
		if err := p.next.close(); err != nil {
			s.log.WarnContext(ctx, "tables that were not finished are not closed", "projection", p.Name(), "error", err)
		}
		s.dropEdition(p.projection, &p.next.edition)
	}
	p.note(func(st *RebuildState) {
		st.Phase, st.Ended, st.Error, st.ETA = chatkitd.RebuildFailed, s.now(), "", 0
		if errors.Is(p.err, context.Canceled) {
			st.Phase = chatkitd.RebuildCanceled
		} else if p.err != nil {
			st.Error = p.err.Error()
		}
	})
	p.mu.Lock()
	text, err := optional(p.rebuild)
	p.mu.Unlock()
	if err == nil {
		_, err = s.catalog.ExecContext(ctx, saveRebuild, text, p.Name())
	}
	if err != nil {
		s.log.WarnContext(ctx, "the end of a rebuild is not stored", "projection", p.Name(), "error", err)
	}
}

var errBehind = errors.New("the tables are not where they should be")

// behind reports tables that are not at a position.
func behind(t *tables, pos chatkitd.Position) error {
	return fmt.Errorf("%w: at %s, not at %s", errBehind, t.position, pos)
}
