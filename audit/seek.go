package audit

import (
	"context"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

// disorder bounds by how much the time of an event may differ from when the store
// took it. It is taken before the append, which waits while the store is away, for
// as long as a turn may take: an hour; and by clocks that are apart. The times of
// events are therefore in no order by which one could search. Those of the store
// are: a search goes by them, keeps this distance, and looks at the time of every
// event that is left.
const disorder = time.Hour

// timeOf returns the time of an event as every state has it; the store's own for
// an event whose metadata do not tell.
func timeOf(rec *events.Recorded) time.Time {
	if m, err := events.DecodeMetadata(rec.Meta); err == nil && !m.RecordedAt.IsZero() {
		return m.RecordedAt
	}
	return rec.Time
}

// since says of an event that it and all before it are older than a time. None of
// them is younger than when the store took it, but for the disorder.
func since(at time.Time) func(*events.Recorded) bool {
	return func(rec *events.Recorded) bool { return rec.Time.Before(at.Add(-disorder)) }
}

// until says of an event that it and all behind it are younger than a time. That
// is not known of a log that was filled from another one, whose events the store
// took long after they happened: as soon as such an event is seen, none is said to
// be too young.
func until(at time.Time) func(*events.Recorded) bool {
	copied := false
	return func(rec *events.Recorded) bool {
		copied = copied || rec.Time.Sub(timeOf(rec)) > disorder
		return !copied && rec.Time.After(at.Add(disorder))
	}
}

// bounds say of an event whether it and all before it are too early, or it and
// all behind it are too late. Either may be nil: nothing is.
type bounds struct{ early, late func(*events.Recorded) bool }

func never(*events.Recorded) bool { return false }

// at returns the i-th event of a sequence.
type at func(i uint64) (events.Recorded, bool, error)

// bisect returns the smallest i below n whose event is not before, n if there is
// none. Whatever before says, event i-1 is and event i is not.
func bisect(n uint64, event at, before func(*events.Recorded) bool) (uint64, error) {
	lo, hi := uint64(0), n
	for lo < hi {
		mid := lo + (hi-lo)/2
		rec, ok, err := event(mid)
		if err != nil {
			return 0, err
		}
		if ok && before(&rec) {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo, nil
}

// one returns the first event of a sequence.
func one(seq func(func(events.Recorded, error) bool)) (rec events.Recorded, ok bool, err error) {
	for rec, err := range seq {
		return rec, err == nil, err
	}
	return rec, false, nil
}

// logAt reads the i-th event of a dense log, from 0.
func (a *Auditor) logAt(ctx context.Context) at {
	return func(i uint64) (events.Recorded, bool, error) {
		return one(a.store.ReadAll(ctx, events.AllRead{After: dense(i), Limit: 1}))
	}
}

// dense is the position of the n-th event of a dense log, from 1.
func dense(n uint64) chatkitd.Position { return chatkitd.Position{Commit: n, Prepare: n} }

// streamAt reads the event of a stream with revision i. Of a stream whose begin
// is gone it is the first that is left: not before anything that can be found.
func (a *Auditor) streamAt(ctx context.Context, stream string) at {
	return func(i uint64) (events.Recorded, bool, error) {
		return one(a.store.ReadStream(ctx, stream, events.StreamRead{From: i, Limit: 1}))
	}
}

// readStream yields the events of a stream within bounds, and does not read the
// others but for a few.
func (a *Auditor) readStream(ctx context.Context, stream string, b bounds, backwards bool, yield func(*events.Recorded) (bool, error)) error {
	last, ok, err := one(a.store.ReadStream(ctx, stream, events.StreamRead{Backwards: true, FromEnd: true, Limit: 1}))
	if err != nil || !ok {
		return err
	}
	n := last.Revision + 1
	o := events.StreamRead{Backwards: backwards}
	outside := b.late
	if backwards {
		o.From, o.FromEnd, outside = 0, true, b.early
		if b.late != nil {
			first, err := bisect(n, a.streamAt(ctx, stream), func(r *events.Recorded) bool { return !b.late(r) })
			if err != nil || first == 0 {
				return err
			}
			o.From, o.FromEnd = first-1, false
		}
	} else if b.early != nil {
		if o.From, err = bisect(n, a.streamAt(ctx, stream), b.early); err != nil || o.From == n {
			return err
		}
	}
	return drain(a.store.ReadStream(ctx, stream, o), outside, yield)
}

// readLog does with the log what readStream does with a stream.
func (a *Auditor) readLog(ctx context.Context, f events.Filter, b bounds, backwards bool, yield func(*events.Recorded) (bool, error)) error {
	o := events.AllRead{Backwards: backwards, Filter: f}
	outside := b.late
	head, err := a.store.Head(ctx)
	if err != nil {
		return err
	}
	switch {
	case backwards:
		outside = b.early
		if b.late != nil && a.o.Dense {
			first, err := bisect(head.Commit, a.logAt(ctx), func(r *events.Recorded) bool { return !b.late(r) })
			if err != nil || first == 0 {
				return err
			}
			o.Before = dense(first + 1)
		}
	case b.early != nil && a.o.Dense:
		first, err := bisect(head.Commit, a.logAt(ctx), b.early)
		if err != nil {
			return err
		}
		o.After = dense(first)
	}
	return drain(a.store.ReadAll(ctx, o), outside, yield)
}

func drain(seq func(func(events.Recorded, error) bool), outside func(*events.Recorded) bool, yield func(*events.Recorded) (bool, error)) error {
	if outside == nil {
		outside = never
	}
	for rec, err := range seq {
		if err != nil {
			return err
		}
		if outside(&rec) {
			return nil
		}
		if more, err := yield(&rec); err != nil || !more {
			return err
		}
	}
	return nil
}
