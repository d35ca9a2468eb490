package eventstoredb

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

func identifier(stream string) *shared.StreamIdentifier {
	return &shared.StreamIdentifier{StreamName: []byte(stream)}
}

// revision keeps a revision within what the server takes, which is an int64.
func revision(r uint64) uint64 { return min(r, math.MaxInt64-1) }

func uuidToWire(u uuid.UUID) *shared.UUID {
	return &shared.UUID{Value: &shared.UUID_Structured_{Structured: &shared.UUID_Structured{
		MostSignificantBits:  int64(binary.BigEndian.Uint64(u[:8])), //nolint:gosec // bits
		LeastSignificantBits: int64(binary.BigEndian.Uint64(u[8:])), //nolint:gosec // bits
	}}}
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

// ticksPerMicrosecond: the server tells the time in units of 100 ns.
const ticksPerMicrosecond = 10

// recordedFromWire reads an event. The bytes belong to the message, and so to
// whom it is given.
func recordedFromWire(e *streams.ReadResp_ReadEvent) (events.Recorded, error) {
	r := e.GetEvent()
	stream := string(r.GetStreamIdentifier().GetStreamName())
	id, err := uuidFromWire(r.GetId())
	if err != nil {
		return events.Recorded{}, fmt.Errorf("eventstoredb: event %d of %s: %w", r.GetStreamRevision(), stream, err)
	}
	ticks, err := strconv.ParseInt(r.GetMetadata()["created"], 10, 64)
	if err != nil {
		return events.Recorded{}, fmt.Errorf("eventstoredb: event %d of %s: its time: %w", r.GetStreamRevision(), stream, err)
	}
	pos := chatkitd.Position{Commit: r.GetCommitPosition(), Prepare: r.GetPreparePosition()}
	if pos.Commit == math.MaxUint64 { // unknown to a read of a stream; equal for all that came over gRPC
		pos.Commit = pos.Prepare
	}
	return events.Recorded{
		Stream: stream, Revision: r.GetStreamRevision(), Position: pos, ID: id, Type: r.GetMetadata()["type"],
		Time: time.UnixMicro(ticks / ticksPerMicrosecond).UTC(), Data: r.GetData(), Meta: r.GetCustomMetadata(),
	}, nil
}

// size returns what an event takes in memory, about.
func size(rec *events.Recorded) int { return len(rec.Data) + len(rec.Meta) + len(rec.Stream) + 128 }
