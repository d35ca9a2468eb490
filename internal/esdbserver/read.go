package esdbserver

import (
	"context"
	"errors"
	"iter"
	"math"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

// Read implements the rpc: a stream or the log, a number of events or a
// subscription.
func (s *Server) Read(req *streams.ReadReq, call streams.Streams_ReadServer) error {
	o := req.GetOptions()
	if o.GetUuidOption().GetContent() == nil {
		return status.Error(codes.InvalidArgument, "'uuid_option' is required")
	}
	_, asString := o.GetUuidOption().GetContent().(*streams.ReadReq_Options_UUIDOption_String_)
	r := &read{s: s, call: call, o: o, asString: asString}
	_, subscription := o.GetCountOption().(*streams.ReadReq_Options_Subscription)
	switch {
	case o.GetCountOption() == nil:
		return status.Error(codes.InvalidArgument, "'count_option' is required")
	case o.GetStream() != nil && subscription:
		return r.followStream(call.Context(), o.GetStream())
	case o.GetStream() != nil:
		return r.stream(call.Context(), o.GetStream())
	case o.GetAll() != nil && subscription:
		return r.followAll(call.Context(), o.GetAll())
	case o.GetAll() != nil:
		return r.all(call.Context(), o.GetAll())
	}
	return status.Error(codes.InvalidArgument, "'stream_option' is required")
}

// read is one call.
type read struct {
	s        *Server
	call     streams.Streams_ReadServer
	o        *streams.ReadReq_Options
	asString bool
}

func (r *read) backwards() bool {
	return r.o.GetReadDirection() == streams.ReadReq_Options_Backwards
}

func (r *read) send(rec events.Recorded) error { return r.call.Send(recorded(rec, r.asString)) }

// stream reads a stream. A missing one is a message, not an error.
func (r *read) stream(ctx context.Context, o *streams.ReadReq_Options_StreamOptions) error {
	name := nameOf(o.GetStreamIdentifier())
	meta, err := r.s.metaOf(ctx, name)
	if err != nil {
		return status.FromContextError(err).Err()
	}
	what := events.StreamRead{Backwards: r.backwards()}
	switch at := o.GetRevisionOption().(type) {
	case *streams.ReadReq_Options_StreamOptions_Revision:
		what.From = at.Revision
	case *streams.ReadReq_Options_StreamOptions_End:
		what.FromEnd, what.From = true, math.MaxInt64
	}
	lowest, err := r.lowest(ctx, name, meta)
	if err != nil {
		return err
	}
	left := r.o.GetCount()
	for rec, err := range r.s.engine.ReadStream(ctx, name, what) {
		switch {
		case errors.Is(err, events.ErrStreamNotFound):
			return r.call.Send(&streams.ReadResp{Content: &streams.ReadResp_StreamNotFound_{
				StreamNotFound: &streams.ReadResp_StreamNotFound{StreamIdentifier: o.GetStreamIdentifier()},
			}})
		case err != nil:
			return r.s.explain(ctx, name, err)
		case left == 0:
			return nil
		case rec.Revision < lowest || meta.expired(rec):
			continue
		}
		if err := r.send(rec); err != nil {
			return err
		}
		left--
	}
	return nil
}

// lowest returns the first revision that metadata leaves to be read.
func (r *read) lowest(ctx context.Context, name string, meta streamMeta) (uint64, error) {
	lowest := meta.TruncateBefore
	if lowest == deletedBefore {
		lowest = 0 // the engine knows where the deleted part ends
	}
	if meta.MaxCount == 0 {
		return lowest, nil
	}
	for rec, err := range r.s.engine.ReadStream(ctx, name, events.StreamRead{Backwards: true, FromEnd: true, Limit: 1}) {
		switch {
		case errors.Is(err, events.ErrStreamNotFound):
			return lowest, nil
		case err != nil:
			return 0, r.s.explain(ctx, name, err)
		case rec.Revision >= meta.MaxCount:
			lowest = max(lowest, rec.Revision-meta.MaxCount+1)
		}
	}
	return lowest, nil
}

func (m streamMeta) expired(rec events.Recorded) bool {
	return m.MaxAge > 0 && time.Since(rec.Time) > time.Duration(min(m.MaxAge, math.MaxInt32))*time.Second
}

// all reads the log: forwards from a position on, backwards before it.
func (r *read) all(ctx context.Context, o *streams.ReadReq_Options_AllOptions) error {
	filter, err := newFilter(r.o)
	if err != nil {
		return err
	}
	what := events.AllRead{Backwards: r.backwards()}
	switch at := o.GetAllOption().(type) {
	case *streams.ReadReq_Options_AllOptions_Position:
		pos := chatkitd.Position{Commit: at.Position.GetCommitPosition(), Prepare: at.Position.GetPreparePosition()}
		switch {
		case what.Backwards && pos.IsZero():
			return nil
		case what.Backwards:
			what.Before = pos
		default:
			if what.After, err = r.before(ctx, pos); err != nil {
				return r.s.explain(ctx, "$all", err)
			}
		}
	case *streams.ReadReq_Options_AllOptions_Start:
		if what.Backwards {
			return nil
		}
	case *streams.ReadReq_Options_AllOptions_End:
		if !what.Backwards {
			return nil
		}
	}
	left := r.o.GetCount()
	for rec, err := range r.s.engine.ReadAll(ctx, what) {
		switch {
		case err != nil:
			return r.s.explain(ctx, "$all", err)
		case left == 0:
			return nil
		case !filter.match(rec):
			continue
		}
		if err := r.send(rec); err != nil {
			return err
		}
		left--
	}
	return nil
}

// before returns the position of the last event before pos: reading after it is
// reading from pos on. Positions are opaque, so there is no other way.
func (r *read) before(ctx context.Context, pos chatkitd.Position) (chatkitd.Position, error) {
	if pos.IsZero() {
		return pos, nil
	}
	return lastOf(r.s.engine.ReadAll(ctx, events.AllRead{Backwards: true, Before: pos, Limit: 1}))
}

func lastOf(recs iter.Seq2[events.Recorded, error]) (chatkitd.Position, error) {
	for rec, err := range recs {
		return rec.Position, err
	}
	return chatkitd.Position{}, nil
}
