package events

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/chatkitd/chatkitd"
)

// Metadata goes with every event. The two names with a "$" are EventStoreDB's
// own. RecordedAt is the time of the event in every state and read model (a
// task's created_at, say); Recorded.Time is the store's own and for operators: a
// log that is copied gets new ones.
type Metadata struct {
	Correlation string          `json:"$correlationId,omitempty"` // the request
	Causation   string          `json:"$causationId,omitempty"`   // the event, command or tool call behind it
	User        chatkitd.UserID `json:"user_id,omitempty"`
	TraceParent string          `json:"traceparent,omitempty"`
	RecordedAt  time.Time       `json:"recorded_at"`
	Key         string          `json:"idempotency_key,omitempty"`
	Fingerprint string          `json:"fingerprint,omitempty"` // of the command behind the key
}

// DecodeMetadata reads the metadata of a recorded event.
func DecodeMetadata(raw []byte) (Metadata, error) {
	var m Metadata
	if err := json.Unmarshal(raw, &m); err != nil {
		return Metadata{}, fmt.Errorf("events: metadata: %w", err)
	}
	return m, nil
}

// namespace makes our event ids our own.
var namespace = uuid.MustParse("6f1d0c52-59ad-5c0e-9a6c-4a1b3e9d7f20")

// ID returns the id of the i-th event of the command with this idempotency key
// in a stream: a repeated append is the same append.
func ID(stream, key string, i int) uuid.UUID {
	b := make([]byte, 0, len(stream)+len(key)+8)
	b = append(b, stream...)
	b = append(b, 0)
	b = append(b, key...)
	b = append(b, 0)
	b = strconv.AppendInt(b, int64(i), 10)
	return uuid.NewSHA1(namespace, b)
}
