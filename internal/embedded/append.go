package embedded

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/chatkitd/chatkitd/events"
)

type operation uint8

const (
	opAppend operation = iota
	opDelete
	opTombstone
	opProbe
)

// A request waits in the queue for the writer.
type request struct {
	ctx      context.Context // the caller's: the writer skips a request whose caller has gone
	op       operation
	stream   string
	expected events.Revision
	evs      []events.New
	size     int64
	answer   chan answer // room for one: the writer never waits for a caller
}

type answer struct {
	last     events.Appended
	repeated bool // last is of an earlier append
	err      error
}

// requestOverhead is what a request counts beside its events.
const requestOverhead = 256

// Append implements [events.Store]. A full queue is ErrUnavailable.
func (s *Store) Append(ctx context.Context, stream string, expected events.Revision, evs ...events.New) (events.Appended, error) {
	if s.writer == nil {
		return events.Appended{}, ErrReadOnly
	}
	began := time.Now()
	size := int64(requestOverhead)
	for i := range evs {
		size += int64(evs[i].Size())
	}
	err := events.CheckAppend(stream, evs)
	var a answer
	if err == nil {
		a = s.do(ctx, &request{ctx: ctx, op: opAppend, stream: stream, expected: expected, evs: evs, size: size})
		err = a.err
	}
	s.metrics.latency.Observe(time.Since(began).Seconds())
	s.count(a, err)
	return a.last, err
}

func (s *Store) count(a answer, err error) {
	switch {
	case err == nil && a.repeated:
		s.metrics.appends.WithLabelValues("repeated").Inc()
	case err == nil:
		s.metrics.ok.Inc()
	case errors.Is(err, events.ErrWrongRevision):
		s.metrics.appends.WithLabelValues("conflict").Inc()
	case errors.Is(err, events.ErrUnavailable), errors.Is(err, events.ErrClosed):
		s.metrics.appends.WithLabelValues("unavailable").Inc()
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		s.metrics.appends.WithLabelValues("canceled").Inc()
	default:
		s.metrics.appends.WithLabelValues("refused").Inc()
	}
}

// Delete implements [events.Store].
func (s *Store) Delete(ctx context.Context, stream string, expected events.Revision) error {
	return s.remove(ctx, opDelete, stream, expected)
}

// Tombstone implements [events.Store].
func (s *Store) Tombstone(ctx context.Context, stream string, expected events.Revision) error {
	return s.remove(ctx, opTombstone, stream, expected)
}

func (s *Store) remove(ctx context.Context, op operation, stream string, expected events.Revision) error {
	if s.writer == nil {
		return ErrReadOnly
	}
	return s.do(ctx, &request{ctx: ctx, op: op, stream: stream, expected: expected, size: requestOverhead}).err
}

// Ready returns nil when the store takes appends. After a failed one it finds out
// by a small write of its own, which changes nothing: so a store that was full is
// ready again as soon as there is room, without anybody's append.
func (s *Store) Ready(ctx context.Context) error {
	if s.writer == nil || !s.failing.Load() {
		_, err := s.Head(ctx)
		return err
	}
	return s.do(ctx, &request{ctx: ctx, op: opProbe, size: requestOverhead}).err
}

// do hands r to the writer and waits.
func (s *Store) do(ctx context.Context, r *request) answer {
	if err := ctx.Err(); err != nil {
		return answer{err: err}
	}
	r.answer = make(chan answer, 1)
	if err := s.enqueue(r); err != nil {
		return answer{err: err}
	}
	select {
	case a := <-r.answer:
		return a
	case <-ctx.Done():
		return answer{err: ctx.Err()}
	}
}

// enqueue refuses instead of waiting: a queue that is full grows no shorter by
// more waiting, and the caller can tell its client when to come back.
func (s *Store) enqueue(r *request) error {
	s.gate.RLock()
	defer s.gate.RUnlock()
	if s.shut {
		return events.ErrClosed
	}
	if n := s.bytes.Add(r.size); n > s.o.QueueBytes {
		s.bytes.Add(-r.size)
		return fmt.Errorf("%w: %d bytes wait to be written", events.ErrUnavailable, n-r.size)
	}
	select {
	case s.queue <- r:
		return nil
	default:
		s.bytes.Add(-r.size)
		return fmt.Errorf("%w: %d appends wait to be written", events.ErrUnavailable, cap(s.queue))
	}
}
