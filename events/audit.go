package events

import (
	"encoding/json"

	"github.com/chatkitd/chatkitd"
)

// Audit is an event of an operator's stream.
//
//sumtype:decl
type Audit interface {
	Event
	audit()
}

// AuditRead says that an operator looked at the log or at a state. Query is what
// was asked for.
type AuditRead struct {
	What  string          `json:"what"` // events, stream, replay, trace, export
	Query json.RawMessage `json:"query,omitempty"`
}

// ProjectionChanged says that an operator acted on a projection: rebuild, cancel,
// pause, resume, retry, skip or rollback. Position is that of a skipped event.
type ProjectionChanged struct {
	Name     string            `json:"name"`
	Action   string            `json:"action"`
	Position chatkitd.Position `json:"position,omitzero"`
}

func (AuditRead) event()         {}
func (ProjectionChanged) event() {}

func (AuditRead) audit()         {}
func (ProjectionChanged) audit() {}
