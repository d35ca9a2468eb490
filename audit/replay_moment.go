package audit

import (
	"context"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

// moment returns how many events of a stream lie before or at the moment that was
// asked for.
func (a *Auditor) moment(ctx context.Context, about subject, q chatkitd.ReplayQuery) (uint64, error) {
	bounds := 0
	for _, set := range []bool{!q.At.IsZero(), q.Position != nil, q.Revision != nil} {
		if set {
			bounds++
		}
	}
	if bounds > 1 {
		return 0, invalid("name at most one of at, position and revision")
	}
	if q.Position != nil {
		head, err := a.store.Head(ctx)
		if err != nil {
			return 0, err
		}
		if err := checkPosition("position", *q.Position, head); err != nil {
			return 0, err
		}
	}
	stream := about.name()
	last, _, err := one(a.store.ReadStream(ctx, stream, events.StreamRead{Backwards: true, FromEnd: true, Limit: 1}))
	if err != nil {
		return 0, about.missing(err)
	}
	n := last.Revision + 1
	switch {
	case !q.At.IsZero():
		return a.untilTime(ctx, about, q, n)
	case q.Position != nil:
		return bisect(n, a.streamAt(ctx, stream), func(rec *events.Recorded) bool { return rec.Position.Compare(*q.Position) <= 0 })
	case q.Revision != nil && *q.Revision >= n:
		return 0, invalid("revision: %s ends at revision %d", stream, last.Revision)
	case q.Revision != nil:
		return *q.Revision + 1, nil
	}
	return n, nil
}

// untilTime counts the events up to the last one whose time is not behind q.At.
// Times are in no order where clocks were apart: the stream is read from behind,
// from the first event on that the store took too late for it to be older.
func (a *Auditor) untilTime(ctx context.Context, about subject, q chatkitd.ReplayQuery, n uint64) (uint64, error) {
	younger := until(q.At)
	n, err := bisect(n, a.streamAt(ctx, about.name()), func(rec *events.Recorded) bool { return !younger(rec) })
	if err != nil || n == 0 {
		return 0, err
	}
	for rec, err := range a.store.ReadStream(ctx, about.name(), events.StreamRead{From: n - 1, Backwards: true}) {
		if err != nil {
			return 0, about.missing(err)
		}
		if !timeOf(&rec).After(q.At) {
			return rec.Revision + 1, nil
		}
	}
	return 0, nil
}
