package projections

import (
	"context"
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
const buildChunk = 32_768

// build fills new tables beside the ones that serve.
type build struct {
	s        *Service
	parts    []*part
	pace     *pace
	offline  bool
	paused   func() bool
	wants    mask
	start    time.Time
	progress func(Progress) // nil: nobody asks
	telling  sync.Mutex     // progress is called by one part at a time
	head     chatkitd.Position
	folded   error // of the fold, once the parts have their last chunk
}

// newBuild is for a job, or, without one, for when nothing runs beside it.
func newBuild(s *Service, j *job) *build {
	b := &build{s: s, start: time.Now(), offline: j == nil, paused: func() bool { return false }}
	gate := func(ctx context.Context) error { return ctx.Err() }
	if j != nil {
		gate, b.paused = j.gate, j.paused
	}
	b.pace = newPace(s, b.offline, gate)
	return b
}

// run builds the tables of models beside one another, and puts each in its place
// when it is ready. A model for which that fails keeps what it has; the others go
// on.
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
		b.parts = append(b.parts, newPart(b, m))
		b.wants |= m.bit
	}
	var wg sync.WaitGroup
	for _, p := range b.parts {
		wg.Go(func() {
			p.err = p.build(ctx)
			p.end(context.WithoutCancel(ctx))
		})
	}
	b.folded = b.fold(ctx)
	for _, p := range b.parts {
		close(p.chunks)
	}
	wg.Wait()
	errs := make([]error, 0, len(b.parts))
	for _, p := range b.parts {
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

// fold reads the log once, decodes it in parallel, and hands it in order to all
// parts, each up to its limit.
func (b *build) fold(ctx context.Context) error {
	var end chatkitd.Position
	for _, p := range b.parts {
		if p.limit.Compare(end) > 0 {
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
	d := newDecoder(ctx, &wg, b)
	var readErr error
	wg.Go(func() {
		defer close(d.ordered)
		readErr = d.read(end)
	})

	chunk := make([]record, 0, buildChunk+events.MaxBatch)
	for job := range d.ordered {
		select {
		case <-job.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		if chunk = append(chunk, job.out...); len(chunk) >= buildChunk {
			if err := b.hand(ctx, chunk); err != nil {
				return err
			}
			chunk = make([]record, 0, buildChunk+events.MaxBatch)
		}
	}
	if readErr != nil { // set before ordered was closed
		return readErr
	}
	return b.hand(ctx, chunk)
}

// hand gives a chunk to the parts that go on.
func (b *build) hand(ctx context.Context, chunk []record) error {
	failed := 0
	for _, p := range b.parts {
		select {
		case p.chunks <- chunk:
		case <-p.failed:
			failed++
		case <-ctx.Done():
			return ctx.Err()
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

// decoder decodes batches of events in parallel and hands them on in order.
type decoder struct {
	ctx     context.Context //nolint:containedctx // it is the life of the decoder
	b       *build
	jobs    chan *decodeJob
	ordered chan *decodeJob
}

type decodeJob struct {
	in   []events.Recorded
	out  []record
	done chan struct{}
}

func newDecoder(ctx context.Context, wg *sync.WaitGroup, b *build) *decoder {
	workers := runtime.GOMAXPROCS(0)
	d := &decoder{ctx, b, make(chan *decodeJob, workers), make(chan *decodeJob, 2*workers)}
	for range workers {
		wg.Go(d.work)
	}
	return d
}

func (d *decoder) work() {
	for job := range d.jobs {
		t, err := d.b.pace.begin(d.ctx)
		job.out = make([]record, len(job.in))
		for i := 0; i < len(job.in) && err == nil; i++ {
			job.out[i] = d.b.s.interest.decode(job.in[i], d.b.wants)
			err = t.step(d.ctx)
		}
		t.end()
		if err != nil {
			return // the context has ended, and with it whoever waits for the job
		}
		close(job.done)
	}
}

// read feeds the log up to end to the workers. After an outage it goes on where
// it was.
func (d *decoder) read(end chatkitd.Position) error {
	defer close(d.jobs)
	var sent chatkitd.Position
	for attempt := 0; ; attempt++ {
		before := sent
		err := d.readAfter(&sent, end)
		if err == nil {
			return nil
		}
		if before != sent {
			attempt = 0
		}
		if !d.b.again(d.ctx, err, attempt) {
			return err
		}
	}
}

func (d *decoder) readAfter(sent *chatkitd.Position, end chatkitd.Position) error {
	t, err := d.b.pace.begin(d.ctx)
	if err != nil {
		return err
	}
	defer func() { t.end() }()
	in := make([]events.Recorded, 0, events.MaxBatch)
	for rec, err := range d.b.s.store.ReadAll(d.ctx, events.AllRead{After: *sent}) {
		if err == nil {
			err = t.step(d.ctx)
		}
		if err != nil {
			return err
		}
		if rec.Position.Compare(end) > 0 {
			break
		}
		if in = append(in, rec); len(in) == cap(in) {
			t.end()
			if err := d.send(in, sent); err != nil {
				return err
			}
			if err := t.again(d.ctx); err != nil {
				return err
			}
			in = make([]events.Recorded, 0, events.MaxBatch)
		}
		if rec.Position == end {
			break
		}
	}
	t.end()
	if len(in) > 0 {
		return d.send(in, sent)
	}
	return nil
}

func (d *decoder) send(in []events.Recorded, sent *chatkitd.Position) error {
	job := &decodeJob{in: in, done: make(chan struct{})}
	for _, ch := range []chan *decodeJob{d.jobs, d.ordered} {
		select {
		case ch <- job:
		case <-d.ctx.Done():
			return d.ctx.Err()
		}
	}
	*sent = in[len(in)-1].Position
	return nil
}
