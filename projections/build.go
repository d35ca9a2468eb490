package projections

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

// build is a rebuild in progress.
type build struct {
	s        *Service
	parts    []*part
	head     chatkitd.Position
	start    time.Time
	progress func(Progress)

	events   int
	position chatkitd.Position
	last     proof
	lastTime time.Time
}

// part is a model and its next tables.
type part struct {
	*model
	next  generation
	stmts []*sql.Stmt
}

// add makes the tables, in the place of what an earlier build may have left.
func (b *build) add(ctx context.Context, m *model) error {
	p := &part{model: m, next: m.view.g + 1}
	if err := b.s.drop(ctx, m.projection, p.next); err != nil {
		return err
	}
	b.parts = append(b.parts, p)
	err := b.tx(ctx, func(tx *sql.Tx) error { return create(ctx, tx, m.projection, p.next, true) })
	if err != nil {
		return err
	}
	p.stmts, err = prepare(ctx, b.s.write, m.projection, p.next)
	return err
}

func (b *build) tx(ctx context.Context, do func(tx *sql.Tx) error) error {
	tx, err := b.s.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	if err := do(tx); err != nil {
		return err
	}
	return tx.Commit()
}

func (b *build) tell(phase string) {
	if b.progress != nil {
		b.progress(Progress{phase, b.events, b.position, b.head, time.Since(b.start)})
	}
}

// fold reads the log once, decodes it on all processors, and folds it in order.
func (b *build) fold(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	d := newDecoder(ctx, &wg)
	var readErr error
	wg.Go(func() {
		defer close(d.ordered)
		readErr = d.read(b.s.store, b.head)
	})

	chunk := make([]record, 0, buildChunk+events.MaxBatch)
	for job := range d.ordered {
		select {
		case <-job.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		if chunk = append(chunk, job.out...); len(chunk) >= buildChunk {
			if err := b.write(ctx, chunk); err != nil {
				return err
			}
			clear(chunk)
			chunk = chunk[:0]
		}
	}
	if readErr != nil { // set before ordered was closed
		return readErr
	}
	return b.write(ctx, chunk)
}

// write folds a chunk into each part.
func (b *build) write(ctx context.Context, chunk []record) error {
	if len(chunk) == 0 {
		return nil
	}
	for _, p := range b.parts {
		err := b.tx(ctx, func(tx *sql.Tx) error {
			f := p.Fold(newBatch(tx, p.stmts, false))
			if n, err := foldAll(ctx, p.model, f, chunk); err != nil {
				return failure(err, chunk, n)
			}
			return f.Flush(ctx)
		})
		if err != nil {
			return fmt.Errorf("projection %s: %w", p.Name(), err)
		}
	}
	last := &chunk[len(chunk)-1].Recorded
	b.events += len(chunk)
	b.position, b.last, b.lastTime = last.Position, proofOf(last), last.Time
	b.tell(BuildFold)
	return nil
}

func (b *build) index(ctx context.Context) error {
	for _, p := range b.parts {
		err := b.tx(ctx, func(tx *sql.Tx) error { return createIndexes(ctx, tx, p.projection, p.next) })
		if err != nil {
			return fmt.Errorf("projection %s: %w", p.Name(), err)
		}
		b.tell(BuildIndex)
	}
	return nil
}

// swap makes the new tables the ones that are read, all at once.
func (b *build) swap(ctx context.Context) error {
	entries := make([]entry, len(b.parts))
	err := b.tx(ctx, func(tx *sql.Tx) error {
		for i, p := range b.parts {
			entries[i] = entry{name: p.Name(), version: p.Version(), g: p.next, position: b.position, proof: b.last}
			if err := saveEntry(ctx, tx, entries[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	// From here on the new tables are the truth, whatever becomes of ctx.
	ctx = context.WithoutCancel(ctx)
	var errs []error
	for i, p := range b.parts {
		old := p.view.g
		stmts := p.stmts
		p.stmts = nil
		errs = append(errs, p.reset(newView(b.s.read, p.next), stmts, entries[i].position, entries[i].proof))
		p.mu.Lock()
		p.last = b.lastTime
		p.mu.Unlock()
		p.verified, p.built = true, true
		if p.model == b.s.tasks {
			b.s.hub.start(entries[i].position)
		}
		errs = append(errs, b.s.drop(ctx, p.projection, old))
	}
	b.tell(BuildSwap)
	return errors.Join(errs...)
}

// close drops what has not been swapped in.
func (b *build) close(ctx context.Context, built bool) error {
	if built {
		return nil
	}
	var errs []error
	for _, p := range b.parts {
		for _, stmt := range p.stmts {
			errs = append(errs, stmt.Close())
		}
		if p.view.g != p.next {
			errs = append(errs, b.s.drop(ctx, p.projection, p.next))
		}
	}
	return errors.Join(errs...)
}

// decoder decodes batches of events in parallel and hands them on in order.
type decoder struct {
	ctx     context.Context //nolint:containedctx // it is the life of the decoder
	jobs    chan *decodeJob
	ordered chan *decodeJob
}

type decodeJob struct {
	in   []events.Recorded
	out  []record
	done chan struct{}
}

func newDecoder(ctx context.Context, wg *sync.WaitGroup) *decoder {
	workers := runtime.GOMAXPROCS(0)
	d := &decoder{ctx, make(chan *decodeJob, workers), make(chan *decodeJob, 2*workers)}
	for range workers {
		wg.Go(d.work)
	}
	return d
}

func (d *decoder) work() {
	for job := range d.jobs {
		job.out = make([]record, len(job.in))
		for i, rec := range job.in {
			job.out[i] = decode(rec)
		}
		close(job.done)
	}
}

// read feeds the log up to head to the workers.
func (d *decoder) read(store events.Store, head chatkitd.Position) error {
	defer close(d.jobs)
	in := make([]events.Recorded, 0, events.MaxBatch)
	for rec, err := range store.ReadAll(d.ctx, events.AllRead{}) {
		if err != nil {
			return err
		}
		if in = append(in, rec); len(in) == cap(in) {
			if !d.send(in) {
				return d.ctx.Err()
			}
			in = make([]events.Recorded, 0, events.MaxBatch)
		}
		if rec.Position.Compare(head) >= 0 {
			break
		}
	}
	if len(in) > 0 && !d.send(in) {
		return d.ctx.Err()
	}
	return nil
}

func (d *decoder) send(in []events.Recorded) bool {
	job := &decodeJob{in: in, done: make(chan struct{})}
	for _, ch := range []chan *decodeJob{d.jobs, d.ordered} {
		select {
		case ch <- job:
		case <-d.ctx.Done():
			return false
		}
	}
	return true
}
