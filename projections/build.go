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

// buildChunk is how many events a build folds in memory before it writes. It
// bounds the memory, and a row that changes often in one chunk is written once.
const buildChunk = 16_384

// build fills new tables beside the ones that serve.
type build struct {
	s        *Service
	parts    []*part
	pace     *pace
	gate     func(ctx context.Context) error
	offline  bool
	workers  int
	start    time.Time
	progress func(Progress) // nil: nobody asks
	head     chatkitd.Position
}

// newBuild is for a job, or, without one, for when nothing runs beside it.
func newBuild(s *Service, j *job) *build {
	b := &build{s: s, start: time.Now(), offline: j == nil, workers: runtime.GOMAXPROCS(0)}
	if b.offline {
		b.gate = func(ctx context.Context) error { return ctx.Err() }
	} else {
		b.gate = j.gate
		b.workers = max(1, b.workers/2) // turns need the rest
	}
	b.pace = &pace{s: s, free: b.offline, gate: b.gate}
	return b
}

// run builds the tables of models and puts them in their place, one after the
// other. A model for which that fails keeps what it has; the others go on.
func (b *build) run(ctx context.Context, models []*model) error {
	defer b.s.unbuilt(models)
	var err error
	for attempt := 0; ; attempt++ {
		if b.head, err = b.s.store.Head(ctx); err == nil || !b.again(ctx, err, attempt) {
			break
		}
	}
	if err != nil {
		return err
	}
	for _, m := range models {
		p := newPart(b, m)
		b.parts = append(b.parts, p)
		p.err = p.create(ctx)
	}
	if err := b.fold(ctx); err != nil {
		for _, p := range b.parts {
			p.err = errors.Join(p.err, err)
		}
	}
	errs := make([]error, 0, len(b.parts))
	for _, p := range b.parts {
		if p.err == nil {
			p.err = p.finish(ctx)
		}
		p.end(context.WithoutCancel(ctx))
		if p.err != nil {
			errs = append(errs, fmt.Errorf("projection %s: %w", p.Name(), p.err))
		}
	}
	return errors.Join(errs...)
}

// again waits after an outage of the log and reports whether to go on where the
// build was. Offline nobody waits for a log.
func (b *build) again(ctx context.Context, err error, attempt int) bool {
	if b.offline || ctx.Err() != nil || !errors.Is(err, events.ErrUnavailable) {
		return false
	}
	for _, p := range b.parts {
		p.note(func(st *RebuildState) { st.Error = "waiting for the log: " + err.Error() })
	}
	sleep(ctx, min(firstDelay<<min(attempt, 10), lastDelay))
	return ctx.Err() == nil
}

// fold reads the log once, decodes it in parallel, and folds it in order into all
// parts, each up to its limit.
func (b *build) fold(ctx context.Context) error {
	var end chatkitd.Position
	for _, p := range b.parts {
		if p.err == nil && p.limit.Compare(end) > 0 {
			end = p.limit
		}
	}
	if end.IsZero() {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	d := newDecoder(ctx, &wg, b.workers)
	var readErr error
	wg.Go(func() {
		defer close(d.ordered)
		readErr = d.read(b, end)
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

// write folds a chunk into the parts. An error is one of the whole build.
func (b *build) write(ctx context.Context, chunk []record) error {
	failed := 0
	for _, p := range b.parts {
		if p.err == nil {
			if err := b.gate(ctx); err != nil {
				return err
			}
			p.err = p.write(ctx, upTo(chunk, p.limit), b.pace)
		}
		if p.err != nil {
			failed++
		}
	}
	if failed == len(b.parts) {
		return errStands
	}
	return nil
}

// upTo returns the records that are not behind a position.
func upTo(records []record, limit chatkitd.Position) []record {
	n := len(records)
	for n > 0 && records[n-1].Position.Compare(limit) > 0 {
		n--
	}
	return records[:n]
}

// inTx runs one transaction on the connection that writes.
func (s *Service) inTx(ctx context.Context, do func(tx *sql.Tx) error) error {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	if err := do(tx); err != nil {
		return err
	}
	return tx.Commit()
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

func newDecoder(ctx context.Context, wg *sync.WaitGroup, workers int) *decoder {
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

// read feeds the log up to end to the workers. After an outage it goes on where
// it was.
func (d *decoder) read(b *build, end chatkitd.Position) error {
	defer close(d.jobs)
	var sent chatkitd.Position
	for attempt := 0; ; attempt++ {
		before := sent
		err := d.readAfter(b.s.store, &sent, end)
		if err == nil {
			return nil
		}
		if before != sent {
			attempt = 0
		}
		if !b.again(d.ctx, err, attempt) {
			return err
		}
	}
}

func (d *decoder) readAfter(store events.Store, sent *chatkitd.Position, end chatkitd.Position) error {
	in := make([]events.Recorded, 0, events.MaxBatch)
	for rec, err := range store.ReadAll(d.ctx, events.AllRead{After: *sent}) {
		if err != nil {
			return err
		}
		if rec.Position.Compare(end) > 0 {
			break
		}
		if in = append(in, rec); len(in) == cap(in) {
			if !d.send(in, sent) {
				return d.ctx.Err()
			}
			in = make([]events.Recorded, 0, events.MaxBatch)
		}
		if rec.Position == end {
			break
		}
	}
	if len(in) > 0 && !d.send(in, sent) {
		return d.ctx.Err()
	}
	return nil
}

func (d *decoder) send(in []events.Recorded, sent *chatkitd.Position) bool {
	job := &decodeJob{in: in, done: make(chan struct{})}
	for _, ch := range []chan *decodeJob{d.jobs, d.ordered} {
		select {
		case ch <- job:
		case <-d.ctx.Done():
			return false
		}
	}
	*sent = in[len(in)-1].Position
	return true
}
