package esdbserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/chatkitd/chatkitd/events"
)

// Append implements the rpc: options, then events until the client has no more.
func (s *Server) Append(call streams.Streams_AppendServer) error {
	ctx := call.Context()
	req, err := call.Recv()
	if err != nil {
		return err
	}
	options := req.GetOptions()
	if options == nil {
		return status.Error(codes.InvalidArgument, "the first message has no options")
	}
	stream := nameOf(options.GetStreamIdentifier())
	evs, err := receive(call)
	if err != nil {
		return err
	}
	expected := appendRevision(options)
	last, err := s.engine.Append(ctx, stream, expected, evs...)
	if wrong, ok := errors.AsType[*events.WrongRevisionError](err); ok {
		if expected == events.Exists && s.wasDeleted(ctx, stream) {
			return streamDeleted(ctx, stream)
		}
		return call.SendAndClose(conflict(wrong))
	}
	if err != nil {
		return s.explain(ctx, stream, err)
	}
	return call.SendAndClose(&streams.AppendResp{Result: &streams.AppendResp_Success_{Success: &streams.AppendResp_Success{
		CurrentRevisionOption: &streams.AppendResp_Success_CurrentRevision{CurrentRevision: last.Revision},
		PositionOption:        appendPosition(last.Position),
	}}})
}

// receive reads the events of an append. Like the real server it refuses in the
// middle, while the client is still sending.
func receive(call streams.Streams_AppendServer) ([]events.New, error) {
	var evs []events.New
	size := 0
	for {
		req, err := call.Recv()
		if errors.Is(err, io.EOF) {
			return evs, nil
		}
		if err != nil {
			return nil, err
		}
		m := req.GetProposedMessage()
		typ, contentType := m.GetMetadata()["type"], m.GetMetadata()["content-type"]
		if typ == "" || contentType == "" {
			return nil, failure(call.Context(), codes.InvalidArgument, "missing-required-metadata-property", "Required Metadata Property 'type' or 'content-type' is missing")
		}
		id, err := uuidFromWire(m.GetId())
		if err != nil {
			return nil, status.Error(codes.InvalidArgument, err.Error())
		}
		ev := events.New{ID: id, Type: typ, Data: m.GetData(), Meta: m.GetCustomMetadata()}
		evs = append(evs, ev)
		if size += ev.Size(); size > events.MaxAppend {
			return nil, failure(call.Context(), codes.InvalidArgument, "maximum-append-size-exceeded",
				fmt.Sprintf("Maximum Append Size of %d Exceeded.", events.MaxAppend), "maximum-append-size", strconv.Itoa(events.MaxAppend))
		}
	}
}

func appendRevision(o *streams.AppendReq_Options) events.Revision {
	switch r := o.GetExpectedStreamRevision().(type) {
	case *streams.AppendReq_Options_Revision:
		return events.At(r.Revision)
	case *streams.AppendReq_Options_NoStream:
		return events.NoStream
	case *streams.AppendReq_Options_StreamExists:
		return events.Exists
	}
	return events.Any
}

// conflict is an answer with status OK.
func conflict(w *events.WrongRevisionError) *streams.AppendResp {
	c := &streams.AppendResp_WrongExpectedVersion{}
	empty := &shared.Empty{}
	if at, exact := w.Actual.Exact(); exact {
		c.CurrentRevisionOption = &streams.AppendResp_WrongExpectedVersion_CurrentRevision{CurrentRevision: at}
		c.CurrentRevisionOption_20_6_0 = &streams.AppendResp_WrongExpectedVersion_CurrentRevision_20_6_0{CurrentRevision_20_6_0: at}
	} else {
		c.CurrentRevisionOption = &streams.AppendResp_WrongExpectedVersion_CurrentNoStream{CurrentNoStream: empty}
		c.CurrentRevisionOption_20_6_0 = &streams.AppendResp_WrongExpectedVersion_NoStream_20_6_0{NoStream_20_6_0: empty}
	}
	switch at, exact := w.Expected.Exact(); {
	case exact:
		c.ExpectedRevisionOption = &streams.AppendResp_WrongExpectedVersion_ExpectedRevision{ExpectedRevision: at}
		c.ExpectedRevisionOption_20_6_0 = &streams.AppendResp_WrongExpectedVersion_ExpectedRevision_20_6_0{ExpectedRevision_20_6_0: at}
	case w.Expected == events.NoStream:
		c.ExpectedRevisionOption = &streams.AppendResp_WrongExpectedVersion_ExpectedNoStream{ExpectedNoStream: empty}
	case w.Expected == events.Exists:
		c.ExpectedRevisionOption = &streams.AppendResp_WrongExpectedVersion_ExpectedStreamExists{ExpectedStreamExists: empty}
		c.ExpectedRevisionOption_20_6_0 = &streams.AppendResp_WrongExpectedVersion_StreamExists_20_6_0{StreamExists_20_6_0: empty}
	default:
		c.ExpectedRevisionOption = &streams.AppendResp_WrongExpectedVersion_ExpectedAny{ExpectedAny: empty}
		c.ExpectedRevisionOption_20_6_0 = &streams.AppendResp_WrongExpectedVersion_Any_20_6_0{Any_20_6_0: empty}
	}
	return &streams.AppendResp{Result: &streams.AppendResp_WrongExpectedVersion_{WrongExpectedVersion: c}}
}

// explain turns an error of the engine into one of the protocol.
func (s *Server) explain(ctx context.Context, stream string, err error) error {
	if wrong, ok := errors.AsType[*events.WrongRevisionError](err); ok {
		return wrongVersion(ctx, wrong)
	}
	switch {
	case errors.Is(err, events.ErrStreamDeleted):
		return streamDeleted(ctx, stream)
	case errors.Is(err, events.ErrTooLarge):
		return failure(ctx, codes.InvalidArgument, "maximum-append-size-exceeded", err.Error())
	case ctx.Err() != nil:
		return status.FromContextError(ctx.Err()).Err()
	case errors.Is(err, events.ErrUnavailable), errors.Is(err, events.ErrClosed):
		s.log.Warn("the engine is not available", "error", err)
		return status.Error(codes.Unavailable, "Server Is Not Ready")
	}
	return status.Error(codes.InvalidArgument, err.Error())
}
