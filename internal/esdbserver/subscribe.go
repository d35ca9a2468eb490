package esdbserver

import (
	"context"
	"errors"
	"math"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

func (r *read) confirm() error {
	return r.call.Send(&streams.ReadResp{Content: &streams.ReadResp_Confirmation{
		Confirmation: &streams.ReadResp_SubscriptionConfirmation{SubscriptionId: uuid.NewString()},
	}})
}

func (r *read) caughtUp() error {
	return r.call.Send(&streams.ReadResp{Content: &streams.ReadResp_CaughtUp_{CaughtUp: &streams.ReadResp_CaughtUp{}}})
}

// followAll sends the log after a position, for ever. A filtered one gets a
// checkpoint after every so many events that were considered.
func (r *read) followAll(ctx context.Context, o *streams.ReadReq_Options_AllOptions) (err error) {
	filter, err := newFilter(r.o)
	if err != nil {
		return err
	}
	var after chatkitd.Position
	switch at := o.GetAllOption().(type) {
	case *streams.ReadReq_Options_AllOptions_Position:
		after = chatkitd.Position{Commit: at.Position.GetCommitPosition(), Prepare: at.Position.GetPreparePosition()}
	case *streams.ReadReq_Options_AllOptions_End:
		if after, err = r.s.engine.Head(ctx); err != nil {
			return r.s.explain(ctx, "$all", err)
		}
	}
	considered := uint32(0)
	checkpoint := func(p chatkitd.Position) error {
		considered = 0
		return r.call.Send(&streams.ReadResp{Content: &streams.ReadResp_Checkpoint_{
			Checkpoint: &streams.ReadResp_Checkpoint{CommitPosition: p.Commit, PreparePosition: p.Prepare},
		}})
	}
	each := func(rec events.Recorded) error {
		if filter.match(rec) {
			if err := r.send(rec); err != nil {
				return err
			}
		}
		if considered++; filter.set && considered >= filter.interval {
			return checkpoint(rec.Position)
		}
		return nil
	}
	live := func(p chatkitd.Position) error {
		if filter.set && !p.IsZero() {
			if err := checkpoint(p); err != nil {
				return err
			}
		}
		return r.caughtUp()
	}
	return r.follow(ctx, after, events.Filter{}, each, live)
}

// followStream sends the events of a stream after a revision, for ever.
func (r *read) followStream(ctx context.Context, o *streams.ReadReq_Options_StreamOptions) error {
	name := nameOf(o.GetStreamIdentifier())
	next := uint64(0)
	switch at := o.GetRevisionOption().(type) {
	case *streams.ReadReq_Options_StreamOptions_Revision:
		next = at.Revision + 1
	case *streams.ReadReq_Options_StreamOptions_End:
		for rec, err := range r.s.engine.ReadStream(ctx, name, events.StreamRead{Backwards: true, FromEnd: true, Limit: 1}) {
			if err != nil && !errors.Is(err, events.ErrStreamNotFound) {
				return r.s.explain(ctx, name, err)
			}
			if err == nil {
				next = rec.Revision + 1
			}
		}
	}
	each := func(rec events.Recorded) error {
		switch {
		case rec.Stream == tombstones && string(rec.Data) == name:
			if err := r.send(rec); err != nil {
				return err
			}
			return streamDeleted(ctx, name)
		case rec.Stream == name && rec.Revision >= next && rec.Revision != math.MaxInt64:
			return r.send(rec)
		}
		return nil
	}
	return r.follow(ctx, chatkitd.Position{}, events.Filter{StreamPrefixes: []string{name, tombstones}}, each,
		func(chatkitd.Position) error { return r.caughtUp() })
}

// follow runs a subscription of the engine until the call ends. It calls live
// once, when everything that there was has been sent.
func (r *read) follow(ctx context.Context, after chatkitd.Position, f events.Filter,
	each func(events.Recorded) error, live func(chatkitd.Position) error,
) error {
	sub, err := r.s.engine.Subscribe(ctx, after, f)
	if err != nil {
		return r.s.explain(ctx, "$all", err)
	}
	defer func() { _ = sub.Close() }() // it only lets go
	if err := r.confirm(); err != nil {
		return err
	}
	for isLive := false; ; {
		b, err := sub.Next(ctx)
		if err != nil {
			return r.s.explain(ctx, "$all", err)
		}
		for _, rec := range b.Events {
			if err := each(rec); err != nil {
				return err
			}
		}
		if b.CaughtUp && !isLive {
			isLive = true
			if err := live(b.Position); err != nil {
				return err
			}
		}
	}
}
