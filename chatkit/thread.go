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
	AllowedImageDomains []string              `json:"allowed_image_domains,omitempty"`
	Metadata            Empty                 `json:"metadata"` // stored, never sent: an empty object stands in its place
	Items               Page[json.RawMessage] `json:"items"`
}

// Empty is always the empty JSON object.
type Empty struct{}

// UnmarshalJSON ignores what stands there.
func (*Empty) UnmarshalJSON([]byte) error { return nil }
