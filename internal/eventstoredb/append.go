package eventstoredb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/grpc"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

// appendOverhead is what an append counts beside its events.
const appendOverhead = 256

// Append implements [events.Store]. It tries again until the server has answered,
// for as long as ctx and the deadline of the connection string let it, always with
// the same ids: so an append whose first answer was lost is found and not
// repeated.
func (s *Store) Append(ctx context.Context, stream string, expected events.Revision, evs ...events.New) (events.Appended, error) {
	began := time.Now()
	last, err := s.append(ctx, stream, expected, evs)
	s.metrics.appended(time.Since(began), err)
	return last, err
}

func (s *Store) append(ctx context.Context, stream string, expected events.Revision, evs []events.New) (last events.Appended, err error) {
	if err := events.CheckAppend(stream, evs); err != nil {
		return last, err
	}
	size := int64(appendOverhead)
	for i := range evs {
		size += int64(evs[i].Size())
	}
	ctx, c, err := s.begin(ctx)
	if err != nil {
		return last, err
	}
	defer c.cancel()
	if err := s.take(size); err != nil {
		return last, err
	}
	defer s.give(size)
	doubt := false // an attempt was sent and not answered
	err = c.try(ctx, attemptTimeout, func(ctx context.Context, n *node, again bool) error {
		if _, exact := expected.Exact(); again && !exact && expected != events.NoStream {
			// The server remembers the ids of such appends in memory only.
			found, ok, err := s.recent(ctx, n, stream, evs)
			if ok || err != nil {
				last = found
				return err
			}
		}
		last, err = appendOnce(ctx, n, stream, expected, evs)
		doubt = doubt || errors.Is(err, events.ErrInDoubt)
		if wrong, ok := errors.AsType[*events.WrongRevisionError](err); ok && expected == events.NoStream && wrong.Actual != events.NoStream {
			// Behind a soft deletion the server looks for the ids where the stream
			// once began.
			if found, ok, readErr := s.beginning(ctx, n, stream, evs); ok || temporary(readErr) {
				last, err = found, readErr
			}
		}
		return err
	})
	if doubt && temporary(err) && !errors.Is(err, events.ErrInDoubt) {
		err = fmt.Errorf("%w: %w", events.ErrInDoubt, err)
	}
	return last, err
}

// take refuses an append when too much is under way: more waiting would make none
// of it faster, and the caller can tell its client when to come back.
func (s *Store) take(size int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken >= s.o.Calls || s.bytes+size > s.o.CallBytes {
		return fmt.Errorf("%w: %d appends of %d bytes are under way", events.ErrUnavailable, s.taken, s.bytes)
	}
	s.taken++
	s.bytes += size
	return nil
}

func (s *Store) give(size int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken--
	s.bytes -= size
}

// noReplay keeps gRPC from repeating an append by itself. It does so, on another
// connection, with the messages that it has at that time; when that is in the
// middle of an append, the server takes the first part of it for the whole.
var noReplay = grpc.MaxRetryRPCBufferSize(0)

// appendOnce makes one attempt, whose context ends with it.
func appendOnce(ctx context.Context, n *node, stream string, expected events.Revision, evs []events.New) (events.Appended, error) {
	conn, err := n.forWrites()
	if err != nil {
		return events.Appended{}, unreachable(err)
	}
	call, err := streams.NewStreamsClient(conn).Append(requireLeader(ctx), noReplay)
	if err != nil {
		return events.Appended{}, explain(stream, expected, err, nil)
	}
	if err := propose(call, stream, expected, evs); err != nil && !errors.Is(err, io.EOF) {
		return events.Appended{}, unanswered(explain(stream, expected, err, call.Trailer()))
	}
	// After an EOF the server has answered already: here is what.
	resp, err := call.CloseAndRecv()
	if err != nil {
		return events.Appended{}, unanswered(explain(stream, expected, err, call.Trailer()))
	}
	if conflict := resp.GetWrongExpectedVersion(); conflict != nil {
		actual := events.NoStream
		if at, ok := conflict.GetCurrentRevisionOption().(*streams.AppendResp_WrongExpectedVersion_CurrentRevision); ok {
			actual = events.At(at.CurrentRevision)
		}
		return events.Appended{}, &events.WrongRevisionError{Stream: stream, Expected: expected, Actual: actual}
	}
	success := resp.GetSuccess()
	last := events.Appended{Revision: success.GetCurrentRevision()}
	if at, exact := expected.Exact(); exact && last.Revision != at+uint64(len(evs)) || last.Revision+1 < uint64(len(evs)) {
		return last, fmt.Errorf("eventstoredb: %d events appended to %s, expecting %s, were answered with revision %d", len(evs), stream, expected, last.Revision)
	}
	if p := success.GetPosition(); p != nil {
		last.Position = chatkitd.Position{Commit: p.GetCommitPosition(), Prepare: p.GetPreparePosition()}
		return last, nil
	}
	// A repeated append may come without its position.
	last.Position, err = positionOf(ctx, n, stream, last.Revision)
	return last, err
}

// propose sends an append. gRPC has encoded what it is given when Send returns.
func propose(call streams.Streams_AppendClient, stream string, expected events.Revision, evs []events.New) error {
	options := &streams.AppendReq_Options{StreamIdentifier: identifier(stream)}
	switch at, exact := expected.Exact(); {
	case exact:
		options.ExpectedStreamRevision = &streams.AppendReq_Options_Revision{Revision: revision(at)}
	case expected == events.NoStream:
		options.ExpectedStreamRevision = &streams.AppendReq_Options_NoStream{NoStream: &shared.Empty{}}
	case expected == events.Exists:
		options.ExpectedStreamRevision = &streams.AppendReq_Options_StreamExists{StreamExists: &shared.Empty{}}
	default:
		options.ExpectedStreamRevision = &streams.AppendReq_Options_Any{Any: &shared.Empty{}}
	}
	if err := call.Send(&streams.AppendReq{Content: &streams.AppendReq_Options_{Options: options}}); err != nil {
		return err
	}
	for i := range evs {
		err := call.Send(&streams.AppendReq{Content: &streams.AppendReq_ProposedMessage_{ProposedMessage: &streams.AppendReq_ProposedMessage{
			Id:             uuidToWire(evs[i].ID),
			Metadata:       map[string]string{"type": evs[i].Type, "content-type": "application/json"},
			CustomMetadata: evs[i].Meta,
			Data:           evs[i].Data,
		}}})
		if err != nil {
			return err
		}
	}
	return nil
}

// recentEvents is how far back, in a stream, an append that names no revision is
// looked for.
const recentEvents = 64

// recent looks for an append at the end of its stream.
func (s *Store) recent(ctx context.Context, n *node, stream string, evs []events.New) (events.Appended, bool, error) {
	page, _, err := streamPage(ctx, n, stream, events.StreamRead{Backwards: true, FromEnd: true}, len(evs)+recentEvents)
	slices.Reverse(page)
	return sameIDs(page, evs, err)
}

// beginning looks for an append at the first revision that a stream has.
func (s *Store) beginning(ctx context.Context, n *node, stream string, evs []events.New) (events.Appended, bool, error) {
	page, _, err := streamPage(ctx, n, stream, events.StreamRead{}, len(evs))
	if len(page) == 0 || page[0].ID != evs[0].ID {
		return events.Appended{}, false, err
	}
	return sameIDs(page, evs, err)
}

// sameIDs returns where the last of evs is when they follow each other in page.
func sameIDs(page []events.Recorded, evs []events.New, err error) (events.Appended, bool, error) {
	if errors.Is(err, events.ErrStreamNotFound) {
		return events.Appended{}, false, nil
	}
	from := slices.IndexFunc(page, func(rec events.Recorded) bool { return rec.ID == evs[0].ID })
	if err != nil || from < 0 || len(page)-from < len(evs) {
		return events.Appended{}, false, err
	}
	for i := range evs {
		if page[from+i].ID != evs[i].ID {
			return events.Appended{}, false, nil
		}
	}
	last := page[from+len(evs)-1]
	return events.Appended{Revision: last.Revision, Position: last.Position}, true, nil
}
