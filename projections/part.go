package projections

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

// part is what a build has of one model: its next tables.
type part struct {
	*model
	b     *build
	next  generation
	stmts []*sql.Stmt
	look  []*sql.Stmt
	known *keys

	serves   bool              // there are old tables to compare with
	beside   bool              // the runner feeds the old tables meanwhile
	limit    chatkitd.Position // the fold goes no further
	position chatkitd.Position
	last     proof
	lastTime time.Time
	events   int
	passed   map[chatkitd.Position]bool // events that were skipped here, too
	swapped  bool
	err      error
}

// newPart decides where the fold ends first: where the old tables are, so that
// they can be compared.
func newPart(b *build, m *model) *part {
	p := &part{model: m, b: b, known: newKeys(b.head.Commit), limit: b.head, passed: map[chatkitd.Position]bool{}}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.position.IsZero() {
		p.serves, p.limit = true, m.position
		p.beside = !b.offline && m.phase != Failed
	}
	m.rebuild = &RebuildState{Phase: chatkitd.RebuildFold, Started: b.s.now()}
	return p
}

// create makes the new tables. With nothing beside the build the indexes that only
// queries need are made last, which is cheaper; each locks live batches out for as
// long as it takes, so that else they grow with the tables.
func (p *part) create(ctx context.Context) (err error) {
	p.work.Lock()
	p.top++
	p.next = p.top
	p.work.Unlock()
	s := p.b.s
	err = s.inTx(ctx, func(tx *sql.Tx) error { return create(ctx, tx, p.projection, p.next, p.b.offline) })
	if err != nil {
		return err
	}
	if p.stmts, err = prepare(ctx, s.write, p.projection, p.next); err != nil {
		return err
	}
	p.look, err = prepare(ctx, s.read, p.projection, p.next)
	return err
}

// write folds records that come right after the position.
func (p *part) write(ctx context.Context, records []record, pace *pace) (err error) {
	if len(records) == 0 {
		return nil
	}
	q := newBatch(nil, p.stmts, false)
	q.write, q.look, q.known, q.pace = p.b.s.write, p.look, p.known, pace
	defer func() { err = errors.Join(err, q.rollback()) }()
	f := p.Fold(q)
	skipped := func(pos chatkitd.Position) { p.passed[pos] = true }
	if n, err := foldAll(ctx, p.model, f, records, skipped); err != nil {
		return failure(err, records, n)
	}
	if err := guard(func() error { return f.Flush(ctx) }); err != nil {
		return err
	}
	if err := q.commit(); err != nil {
		return stored(err)
	}
	last := &records[len(records)-1].Recorded
	p.events += len(records)
	p.position, p.last, p.lastTime = last.Position, proofOf(last), last.Time
	p.tell("")
	if p.events == len(records) {
		p.b.s.reached(chatkitd.RebuildFold)
	}
	return nil
}

// foldTo reads and folds the log up to a position, and returns how many events
// that took.
func (p *part) foldTo(ctx context.Context, goal chatkitd.Position, pace *pace) (n int, err error) {
	if p.position.Compare(goal) >= 0 {
		return 0, nil
	}
	chunk := make([]record, 0, events.MaxBatch)
	for rec, err := range p.b.s.store.ReadAll(ctx, events.AllRead{After: p.position}) {
		if err != nil {
			return n, err
		}
		if rec.Position.Compare(goal) > 0 {
			break
		}
		chunk = append(chunk, decode(rec))
		n++
		if rec.Position == goal {
			break
		}
		if len(chunk) == buildChunk {
			if err := p.write(ctx, chunk, pace); err != nil {
				return n, err
			}
			clear(chunk)
			chunk = chunk[:0]
			if err := p.b.gate(ctx); err != nil {
				return n, err
			}
		}
	}
	if err := p.write(ctx, chunk, pace); err != nil {
		return n, err
	}
	if p.position.Compare(goal) < 0 { // there is no event there
		p.position = goal
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
		n, err := p.foldTo(ctx, goal(), p.b.pace)
		if err == nil && n > closing {
			continue
		}
		if err == nil {
			p.work.Lock()
			if _, err = p.foldTo(ctx, p.at(), &pace{s: p.b.s, free: true}); err == nil {
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
	if err := p.index(ctx); err != nil {
		return err
	}
	goal := p.at
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
	if err := p.b.gate(ctx); err != nil {
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

func (p *part) index(ctx context.Context) error {
	p.tell(chatkitd.RebuildIndex)
	if !p.b.offline {
		return p.b.gate(ctx) // they have grown with the table
	}
	for _, i := range p.Indexes() {
		if err := p.b.gate(ctx); err != nil {
			return err
		}
		p.b.pace.begin()
		err := p.b.s.inTx(ctx, func(tx *sql.Tx) error { return createIndex(ctx, tx, i, p.next) })
		if err != nil {
			return err
		}
		if err := p.b.pace.rest(ctx); err != nil {
			return err
		}
	}
	return nil
}

// swap makes the new tables the ones that are read. The caller holds p.work.
func (p *part) swap(ctx context.Context) error {
	s := p.b.s
	t := tables{G: p.next, Version: p.Version(), Layout: p.Layout(), Position: p.position, Proof: p.last}
	p.mu.Lock()
	old := tables{G: p.view.g, Version: p.version, Layout: p.Layout(), Position: p.model.position, Proof: p.proof}
	before := p.previous
	e := entry{name: p.Name(), tables: t, paused: p.phase == Paused, rebuild: p.rebuild}
	if p.serves {
		e.previous = &old
	}
	done := *p.rebuild
	done.Phase, done.Ended, done.Error = chatkitd.RebuildDone, s.now(), ""
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
	err := s.inTx(ctx, func(tx *sql.Tx) error {
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
	err = p.reset(newView(s.read, p.next), p.stmts, t)
	p.stmts = nil
	p.mu.Lock()
	p.previous, p.skipped, p.rebuild, p.built = e.previous, rest, &done, true
	if p.phase != Paused {
		p.phase, p.failure, p.attempts, p.retryAt, p.delay = Running, nil, 0, time.Time{}, 0
	}
	if !p.lastTime.IsZero() {
		p.model.last = p.lastTime
	}
	p.mu.Unlock()
	p.verified = true
	if p.model == s.tasks && (old.Position != t.Position || done.Compare == nil || !done.Compare.Equal) {
		s.hub.start(t.Position) // what was told may not be so
	}
	s.discard(p.projection, before)
	if e.previous == nil {
		s.discard(p.projection, &old)
	}
	p.report(chatkitd.RebuildDone)
	s.reached(chatkitd.RebuildDone)
	return err
}

// end drops what is not in place, and says how it ended.
func (p *part) end(ctx context.Context) {
	for _, stmt := range append(p.look, p.stmts...) {
		_ = stmt.Close() // nobody needs it any more
	}
	p.look, p.stmts = nil, nil
	if p.swapped {
		return
	}
	s := p.b.s
	if p.next != 0 {
		s.discard(p.projection, &tables{G: p.next})
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
		_, err = s.write.ExecContext(ctx, saveRebuild, text, p.Name())
	}
	if err != nil {
		s.log.WarnContext(ctx, "the end of a rebuild is not stored", "projection", p.Name(), "error", err)
	}
}

// note changes what is told of the rebuild.
func (p *part) note(change func(*RebuildState)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	st := *p.rebuild // others may read the one before
	change(&st)
	p.rebuild = &st
}

// tell says how far the part is, and which phase begins, if one does.
func (p *part) tell(phase string) {
	b := p.b
	p.note(func(st *RebuildState) {
		if phase != "" {
			st.Phase = phase
		}
		st.Events, st.Error, st.Total = p.events, "", 0
		if took := b.s.now().Sub(st.Started).Seconds(); took > 0 {
			st.Rate = float64(p.events) / took
		}
		if p.events > 0 && uint64(p.events) == p.position.Commit { //nolint:gosec // not negative
			st.Total = int(max(b.head.Commit, p.position.Commit)) //nolint:gosec // a number of events
		}
		st.ETA = 0
		if left := st.Total - st.Events; left > 0 && st.Rate > 0 {
			st.ETA = float64(left) / st.Rate
		}
	})
	if phase != "" {
		b.s.reached(phase)
	}
	p.mu.Lock()
	phase = p.rebuild.Phase
	p.mu.Unlock()
	p.report(phase)
}

func (p *part) report(phase string) {
	if b := p.b; b.progress != nil {
		head := b.head
		if head.Compare(p.position) < 0 {
			head = p.position
		}
		b.progress(Progress{phase, p.events, p.position, head, time.Since(b.start)})
	}
}
