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

// normal returns s with no type read as active, and no reason to be so.
func (s Status) normal() Status {
	if s.Type == "" || s.Type == StatusActive {
		return Status{Type: StatusActive}
	}
	return s
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
	t.CreatedAt, t.Status = t.CreatedAt.UTC(), t.Status.normal()
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
	v.CreatedAt, v.Status, v.Items.Data = v.CreatedAt.UTC(), v.Status.normal(), orEmpty(v.Items.Data)
	*t = Thread(v)
	return nil
}

// Empty is always the empty JSON object.
type Empty struct{}

// UnmarshalJSON ignores what stands there.
func (*Empty) UnmarshalJSON([]byte) error { return nil }
