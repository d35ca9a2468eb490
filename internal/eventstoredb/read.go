package eventstoredb

import (
	"context"
	"errors"
	"io"
	"iter"
	"math"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

// A read is made of pages, each a call of its own that has ended before its events
// are yielded: so a reader that is slow, or stops half way, holds nothing of the
// server's, and a failure in the middle is repeated from where it was.
const (
	firstPage = 256 // most readers want no more
	pageRows  = 2000
	pageBytes = 4 << 20 // more ends a page
)

// ReadStream implements [events.Store]. The events of a later page may be younger
// than the read.
func (s *Store) ReadStream(ctx context.Context, stream string, o events.StreamRead) iter.Seq2[events.Recorded, error] {
	return func(yield func(events.Recorded, error) bool) {
		left, rows := o.Limit, firstPage
		for {
			limit := rows
			if left > 0 {
				limit = min(limit, left)
			}
			var page []events.Recorded
			var more bool
			err := s.page(ctx, func(ctx context.Context, n *node) (err error) {
				page, more, err = streamPage(ctx, n, stream, o, limit)
				return err
			})
			if !emit(ctx, page, err, yield) {
				return
			}
			if left -= len(page); left == 0 || !more {
				return
			}
			last := page[len(page)-1].Revision
			if o.Backwards && last == 0 {
				return
			}
			o.FromEnd = false
			if o.From = last + 1; o.Backwards {
				o.From = last - 1
			}
			rows = pageRows
		}
	}
}

// page makes the call of a page, with attempts.
func (s *Store) page(ctx context.Context, read func(ctx context.Context, n *node) error) error {
	ctx, c, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer c.cancel()
	return c.try(ctx, s.set.defaultDeadline, func(ctx context.Context, n *node, _ bool) error { return read(ctx, n) })
}

// emit yields a page, or its error, and reports whether to go on.
func emit(ctx context.Context, page []events.Recorded, err error, yield func(events.Recorded, error) bool) bool {
	if err != nil {
		yield(events.Recorded{}, err)
		return false
	}
	for _, rec := range page {
		if err := ctx.Err(); err != nil {
			yield(events.Recorded{}, err)
			return false
		}
		if !yield(rec, nil) {
			return false
		}
	}
	return true
}

// streamPage reads at most limit events of a stream and reports whether there may
// be more. o.Limit is not looked at.
func streamPage(ctx context.Context, n *node, stream string, o events.StreamRead, limit int) (page []events.Recorded, more bool, err error) {
	of := &streams.ReadReq_Options_StreamOptions{StreamIdentifier: identifier(stream)}
	switch {
	case o.Backwards && o.FromEnd:
		of.RevisionOption = &streams.ReadReq_Options_StreamOptions_End{End: &shared.Empty{}}
	default:
		of.RevisionOption = &streams.ReadReq_Options_StreamOptions_Revision{Revision: revision(o.From)}
	}
	bytes := 0
	_, more, err = n.read(ctx, &streams.ReadReq_Options{
		StreamOption: &streams.ReadReq_Options_Stream{Stream: of},
		FilterOption: noFilter(),
	}, stream, o.Backwards, limit, func(rec events.Recorded) bool {
		page = append(page, rec)
		bytes += size(&rec)
		return bytes < pageBytes
	})
	return page, more, err
}

// positionOf returns the position of one event.
func positionOf(ctx context.Context, n *node, stream string, at uint64) (chatkitd.Position, error) {
	page, _, err := streamPage(ctx, n, stream, events.StreamRead{From: at}, 1)
	if err != nil || len(page) == 0 {
		return chatkitd.Position{}, unreachable(errors.Join(errors.New("the appended event cannot be read"), err))
	}
	return page[0].Position, nil
}

// ReadAll implements [events.Store]. The events of a later page may be younger
// than the read.
func (s *Store) ReadAll(ctx context.Context, o events.AllRead) iter.Seq2[events.Recorded, error] {
	return func(yield func(events.Recorded, error) bool) {
		left, rows := o.Limit, firstPage
		if left > 0 {
			rows = min(pageRows, left+hiddenAllowance)
		}
		for {
			var page []events.Recorded
			var last chatkitd.Position
			var more bool
			err := s.page(ctx, func(ctx context.Context, n *node) (err error) {
				page, last, more, err = s.logPage(ctx, n, o, rows)
				return err
			})
			if o.Limit > 0 && len(page) > left {
				page = page[:left]
			}
			if !emit(ctx, page, err, yield) {
				return
			}
			if left -= len(page); o.Limit > 0 && left == 0 || !more {
				return
			}
			if o.After = last; o.Backwards {
				o.Before = last
			}
			rows = pageRows
		}
	}
}

// hiddenAllowance is how many events more than wanted are asked for, since some
// are dropped on this side: what is read twice and what the store hides.
const hiddenAllowance = 4

// logPage reads at most limit events of the log and returns those to show, the
// position of the last that was looked at, and whether there may be more.
func (s *Store) logPage(ctx context.Context, n *node, o events.AllRead, limit int) (page []events.Recorded, last chatkitd.Position, more bool, err error) {
	of := &streams.ReadReq_Options_AllOptions{}
	switch {
	case !o.Backwards && o.After.IsZero():
		of.AllOption = &streams.ReadReq_Options_AllOptions_Start{Start: &shared.Empty{}}
	case !o.Backwards: // inclusive: the event at the position comes again
		of.AllOption = position(o.After)
	case o.Before.IsZero():
		of.AllOption = &streams.ReadReq_Options_AllOptions_End{End: &shared.Empty{}}
	default: // exclusive
		of.AllOption = position(o.Before)
	}
	bytes := 0
	last, more, err = n.read(ctx, &streams.ReadReq_Options{
		StreamOption: &streams.ReadReq_Options_All{All: of},
		FilterOption: s.wireFilter(o.Filter),
	}, "$all", o.Backwards, limit, func(rec events.Recorded) bool {
		if !s.shows(o.Filter, &rec) || !o.Backwards && rec.Position.Compare(o.After) <= 0 {
			return true
		}
		page = append(page, rec)
		bytes += size(&rec)
		return bytes < pageBytes
	})
	return page, last, more, err
}

func position(p chatkitd.Position) *streams.ReadReq_Options_AllOptions_Position {
	return &streams.ReadReq_Options_AllOptions_Position{Position: &streams.ReadReq_Options_Position{
		CommitPosition: p.Commit, PreparePosition: p.Prepare,
	}}
}

// read makes one call for at most limit events and hands them to keep, which
// returns false to end it. It returns the position of the last event that came
// and whether there may be more.
func (n *node) read(ctx context.Context, o *streams.ReadReq_Options, stream string, backwards bool, limit int,
	keep func(events.Recorded) bool,
) (last chatkitd.Position, more bool, err error) {
	ctx, cancel := context.WithCancel(requireLeader(ctx))
	defer cancel() // ends a call that is not read to its end
	conn, err := n.forReads()
	if err != nil {
		return last, false, unreachable(err)
	}
	if backwards {
		o.ReadDirection = streams.ReadReq_Options_Backwards
	}
	o.CountOption = &streams.ReadReq_Options_Count{Count: uint64(max(limit, 1))} //nolint:gosec // above 0
	o.UuidOption = structured()
	call, err := streams.NewStreamsClient(conn).Read(ctx, &streams.ReadReq{Options: o})
	if err != nil {
		return last, false, explain(stream, events.Any, err, nil)
	}
	for count := 0; ; {
		resp, err := call.Recv()
		if errors.Is(err, io.EOF) {
			return last, count >= limit, nil
		}
		if err != nil {
			return last, false, explain(stream, events.Any, err, call.Trailer())
		}
		switch m := resp.GetContent().(type) {
		case *streams.ReadResp_StreamNotFound_:
			return last, false, events.ErrStreamNotFound
		case *streams.ReadResp_Event:
			if m.Event.GetEvent() == nil {
				continue // a link whose target is gone
			}
			rec, err := recordedFromWire(m.Event)
			if err != nil {
				return last, false, err
			}
			last = rec.Position
			count++
			if !keep(rec) {
				return last, true, nil
			}
		}
	}
}

func structured() *streams.ReadReq_Options_UUIDOption {
	return &streams.ReadReq_Options_UUIDOption{Content: &streams.ReadReq_Options_UUIDOption_Structured{Structured: &shared.Empty{}}}
}

// rawHead returns the position of the last event of the log, shown or not.
func rawHead(ctx context.Context, n *node) (chatkitd.Position, error) {
	last, _, err := n.read(ctx, &streams.ReadReq_Options{
		StreamOption: &streams.ReadReq_Options_All{All: &streams.ReadReq_Options_AllOptions{
			AllOption: &streams.ReadReq_Options_AllOptions_End{End: &shared.Empty{}},
		}},
		FilterOption: noFilter(),
	}, "$all", true, 1, func(events.Recorded) bool { return true })
	return last, err
}

// maxRevision is that of a tombstone's event.
const maxRevision = math.MaxInt64
