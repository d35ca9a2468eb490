package memstore

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

// ReadStream implements [events.Store]. It yields the stream as it was at the
// first step.
func (m *Store) ReadStream(ctx context.Context, name string, o events.StreamRead) iter.Seq2[events.Recorded, error] {
	return func(yield func(events.Recorded, error) bool) {
		m.mu.RLock()
		log, s, closed := m.log, m.streams[name], m.closed
		var at []int
		var first uint64
		tombstone := false
		if s != nil {
			at, first, tombstone = s.at, s.first, s.tombstone
		}
		m.mu.RUnlock()
		switch {
		case closed:
			failed(events.ErrClosed)(yield)
			return
		case tombstone:
			failed(events.ErrStreamDeleted)(yield)
			return
		case s == nil || uint64(len(at)) == first:
			failed(events.ErrStreamNotFound)(yield)
			return
		}
		lo, hi := first, uint64(len(at)) // revisions to yield: lo ≤ r < hi
		if o.Backwards {
			if !o.FromEnd && o.From < hi {
				hi = o.From + 1
			}
		} else {
			lo = max(lo, o.From)
		}
		if lo >= hi {
			return
		}
		at = at[lo:hi]
		each := slices.All(at)
		if o.Backwards {
			each = slices.Backward(at)
		}
		left := o.Limit
		for _, i := range each {
			if !step(ctx, log[i], yield) {
				return
			}
			if left--; left == 0 {
				return
			}
		}
	}
}

// ReadAll implements [events.Store]. It yields the log as it was at the first
// step.
func (m *Store) ReadAll(ctx context.Context, o events.AllRead) iter.Seq2[events.Recorded, error] {
	return func(yield func(events.Recorded, error) bool) {
		m.mu.RLock()
		log, closed := m.log, m.closed
		m.mu.RUnlock()
		if closed {
			failed(events.ErrClosed)(yield)
			return
		}
		var each iter.Seq2[int, events.Recorded]
		if o.Backwards {
			if !o.Before.IsZero() && o.Before.Commit <= uint64(len(log)) {
				log = log[:o.Before.Commit-1]
			}
			each = slices.Backward(log)
		} else {
			each = slices.All(log[min(o.After.Commit, uint64(len(log))):])
		}
		left := o.Limit
		for _, rec := range each {
			if !o.Filter.Match(rec.Stream, rec.Type) {
				continue
			}
			if !step(ctx, rec, yield) {
				return
			}
			if left--; left == 0 {
				return
			}
		}
	}
}

func step(ctx context.Context, rec events.Recorded, yield func(events.Recorded, error) bool) bool {
	if err := ctx.Err(); err != nil {
		yield(events.Recorded{}, err)
		return false
	}
	return yield(clone(rec), nil)
}

// errAhead is returned for a position that the log has not come to.
var errAhead = errors.New("memstore: the position is past the end of the log")

// Subscribe implements [events.Store].
func (m *Store) Subscribe(ctx context.Context, after chatkitd.Position, f events.Filter) (events.Subscription, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return nil, events.ErrClosed
	}
	if after.Compare(m.head()) > 0 {
		return nil, errAhead
	}
	return &subscription{m: m, after: after, filter: f, done: make(chan struct{})}, nil
}

type subscription struct {
	m      *Store
	filter events.Filter
	once   sync.Once
	done   chan struct{} // closed by Close

	after    chatkitd.Position
	caughtUp bool // said so at after
}

// Next implements [events.Subscription].
func (s *subscription) Next(ctx context.Context) (events.Batch, error) {
	for {
		if err := ctx.Err(); err != nil {
			return events.Batch{}, err
		}
		select {
		case <-s.done:
			return events.Batch{}, events.ErrClosed
		case <-s.m.done:
			return events.Batch{}, events.ErrClosed
		default:
		}
		s.m.mu.RLock()
		log, grown := s.m.log, s.m.grown
		s.m.mu.RUnlock()
		if s.after.Commit < uint64(len(log)) || !s.caughtUp {
			return s.take(log), nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
		case <-s.done:
		case <-s.m.done:
		}
	}
}

// take makes a batch of the log after s.after.
func (s *subscription) take(log []events.Recorded) events.Batch {
	var b events.Batch
	for _, rec := range log[s.after.Commit:] {
		if len(b.Events) == events.MaxBatch {
			break
		}
		s.after = rec.Position
		if s.filter.Match(rec.Stream, rec.Type) {
			b.Events = append(b.Events, clone(rec))
		}
	}
	s.caughtUp = s.after.Commit == uint64(len(log))
	b.Position, b.CaughtUp = s.after, s.caughtUp
	return b
}

// Close implements [events.Subscription].
func (s *subscription) Close() error {
	s.once.Do(func() { close(s.done) })
	return nil
}
