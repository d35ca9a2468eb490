package esdbserver

import (
	"context"
	"encoding/binary"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

// The numbers of expected revisions in trailers.
const (
	versionNoStream = -1
	versionAny      = -2
	versionExists   = -4
)

// failure returns an error with the trailers that clients go by: exception, and
// pairs of key and value.
func failure(ctx context.Context, code codes.Code, exception, message string, pairs ...string) error {
	md := metadata.Pairs(append([]string{"exception", exception}, pairs...)...)
	if err := grpc.SetTrailer(ctx, md); err != nil {
		return status.Error(codes.Internal, err.Error())
	}
	return status.Error(code, message)
}

func streamDeleted(ctx context.Context, stream string) error {
	return failure(ctx, codes.FailedPrecondition, "stream-deleted", "Event stream '"+stream+"' is deleted.", "stream-name", stream)
}

func wrongVersion(ctx context.Context, w *events.WrongRevisionError) error {
	return failure(ctx, codes.FailedPrecondition, "wrong-expected-version",
		"Append failed due to WrongExpectedVersion. Stream: "+w.Stream,
		"stream-name", w.Stream, "expected-version", version(w.Expected), "actual-version", version(w.Actual))
}

func version(r events.Revision) string {
	n := int64(versionAny)
	switch at, exact := r.Exact(); {
	case exact:
		n = int64(at) //nolint:gosec // a revision on the wire is an int64
	case r == events.NoStream:
		n = versionNoStream
	case r == events.Exists:
		n = versionExists
	}
	return strconv.FormatInt(n, 10)
}

func nameOf(id *shared.StreamIdentifier) string { return string(id.GetStreamName()) }

func identifier(stream string) *shared.StreamIdentifier {
	return &shared.StreamIdentifier{StreamName: []byte(stream)}
}

func uuidFromWire(id *shared.UUID) (uuid.UUID, error) {
	if s, ok := id.GetValue().(*shared.UUID_String_); ok {
		return uuid.Parse(s.String_)
	}
	var u uuid.UUID
	b := id.GetStructured()
	binary.BigEndian.PutUint64(u[:8], uint64(b.GetMostSignificantBits()))  //nolint:gosec // bits
	binary.BigEndian.PutUint64(u[8:], uint64(b.GetLeastSignificantBits())) //nolint:gosec // bits
	return u, nil
}

func uuidToWire(u uuid.UUID, asString bool) *shared.UUID {
	if asString {
		return &shared.UUID{Value: &shared.UUID_String_{String_: u.String()}}
	}
	return &shared.UUID{Value: &shared.UUID_Structured_{Structured: &shared.UUID_Structured{
		MostSignificantBits:  int64(binary.BigEndian.Uint64(u[:8])), //nolint:gosec // bits
		LeastSignificantBits: int64(binary.BigEndian.Uint64(u[8:])), //nolint:gosec // bits
	}}}
}

// recorded puts an event on the wire. The log keeps no content type: what is not
// JSON by its first byte is told as binary.
func recorded(rec events.Recorded, asString bool) *streams.ReadResp {
	if rec.Stream == tombstones {
		rec.Stream, rec.Revision, rec.Data = string(rec.Data), math.MaxInt64, nil
	}
	contentType := "application/octet-stream"
	if b := strings.TrimLeft(string(rec.Data[:min(len(rec.Data), 64)]), " \t\r\n"); b != "" && (b[0] == '{' || b[0] == '[') {
		contentType = "application/json"
	}
	ticks := rec.Time.UnixNano() / int64(100*time.Nanosecond)
	return &streams.ReadResp{Content: &streams.ReadResp_Event{Event: &streams.ReadResp_ReadEvent{
		Event: &streams.ReadResp_ReadEvent_RecordedEvent{
			Id: uuidToWire(rec.ID, asString), StreamIdentifier: identifier(rec.Stream), StreamRevision: rec.Revision,
			CommitPosition: rec.Position.Commit, PreparePosition: rec.Position.Prepare,
			Metadata: map[string]string{
				"type": rec.Type, "content-type": contentType, "created": strconv.FormatInt(ticks, 10),
			},
			Data: rec.Data, CustomMetadata: rec.Meta,
		},
		Position: &streams.ReadResp_ReadEvent_CommitPosition{CommitPosition: rec.Position.Commit},
	}}}
}

func appendPosition(p chatkitd.Position) *streams.AppendResp_Success_Position {
	return &streams.AppendResp_Success_Position{Position: &streams.AppendResp_Position{
		CommitPosition: p.Commit, PreparePosition: p.Prepare,
	}}
}
