package chatkit

import (
	"encoding/json"
	"time"
)

// The statuses of a thread. A locked or closed thread takes no message.
const (
	StatusActive = "active"
	StatusLocked = "locked"
	StatusClosed = "closed"
)

// Status is a thread's status. Reason is for locked and closed only.
type Status struct {
	Type   string `json:"type"`
	Reason string `json:"reason,omitempty"`
}

// Thread is a conversation as sent to a client. Items are kept as stored JSON:
// see [DecodeItem].
type Thread struct {
	ID                  string                `json:"id"`
	Title               string                `json:"title,omitempty"`
	CreatedAt           time.Time             `json:"created_at"`
	Status              Status                `json:"status"`
	AllowedImageDomains []string              `json:"allowed_image_domains,omitzero"`
	Metadata            Empty                 `json:"metadata"` // stored, never sent: an empty object stands in its place
	Items               Page[json.RawMessage] `json:"items"`
}

// MarshalJSON writes the time in UTC, and a status that was not set as active.
func (t Thread) MarshalJSON() ([]byte, error) {
	type plain Thread
	t.CreatedAt = t.CreatedAt.UTC()
	if t.Status.Type == "" {
		t.Status.Type = StatusActive
	}
	if err := oneOf("a thread's status", t.Status.Type, StatusActive, StatusLocked, StatusClosed); err != nil {
		return nil, err
	}
	return marshal(plain(t))
}

// UnmarshalJSON reads missing items as an empty page and a missing status as
// active.
func (t *Thread) UnmarshalJSON(raw []byte) error {
	type plain Thread
	v, err := decode[plain](raw)
	if err != nil {
		return err
	}
	v.CreatedAt, v.Items.Data = v.CreatedAt.UTC(), orEmpty(v.Items.Data)
	if v.Status.Type == "" {
		v.Status.Type = StatusActive
	}
	*t = Thread(v)
	return nil
}

// Empty is always the empty JSON object.
type Empty struct{}

// UnmarshalJSON ignores what stands there.
func (*Empty) UnmarshalJSON([]byte) error { return nil }
