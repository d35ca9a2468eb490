package chatkitd

import (
	"context"
	"encoding/json"
	"time"

	"github.com/chatkitd/chatkitd/chatkit"
)

// EventView is one event of the log as an auditor sees it.
type EventView struct {
	Position Position        `json:"position"`
	Stream   string          `json:"stream"`
	Revision uint64          `json:"revision"`
	Type     string          `json:"type"`
	ID       string          `json:"id"`
	Time     time.Time       `json:"time"` // when the store took it
	Data     json.RawMessage `json:"data"`
	Metadata json.RawMessage `json:"metadata"`
	// Summary says in one line what happened, Cause what led to it: the id of a
	// request, turn or tool call. They are for eyes, and not part of an export.
	Summary string `json:"summary,omitempty"`
	Cause   string `json:"cause,omitempty"`
}

// EventQuery selects events. The zero value is the whole log, oldest first. At
// most one of Stream, User and Thread is set. From and To are inclusive; Since is
// inclusive, Until exclusive, both by the time of the event (its metadata's
// recorded_at).
type EventQuery struct {
	Stream string
	User   UserID
	Thread ThreadID
	Types  []string
	From   Position
	To     Position
	Since  time.Time
	Until  time.Time
	Newest bool     // newest first
	Limit  int      // 1 to 1000; 0 means 100; a follower has none
	After  Position // go on behind (newest first: before) this one: the next page, or who follows again
	// AfterRevision does the same by revision, of a page of one Stream only.
	AfterRevision *uint64
	Bare          bool // leave Summary and Cause away, which cost time: for an export
}

// EventPage is one page of the log. It may hold fewer events than were asked for
// although there are more: when they are large.
type EventPage struct {
	Data    []EventView `json:"data"`
	HasMore bool        `json:"has_more"`
	After   string      `json:"after,omitempty"` // the position of the last one
	Head    Position    `json:"head"`            // the end of the log when it was read
}

// ReplayQuery asks for a state as it was. One of User and Thread is set. At most
// one of At, Position and Revision is set; none means now. Each is inclusive: At
// means up to the last event of the stream whose time is not behind it.
type ReplayQuery struct {
	User     UserID
	Thread   ThreadID
	At       time.Time
	Position *Position
	Revision *uint64
	// Steps asks for the events that led there as well, and what each changed: a
	// page of them.
	Steps  bool
	Newest bool    // the newest steps first
	Limit  int     // of steps, 1 to 1000; 0 means 100
	After  *uint64 // go on behind (newest first: before) the step of this revision; the state is left away then
}

// Replay is a state as it was: Tasks of a user, or Thread and Items of a thread.
type Replay struct {
	Stream   string    `json:"stream"`
	Revision *uint64   `json:"revision,omitempty"` // of the last event of the state; absent when there is none
	Position Position  `json:"position"`
	Time     time.Time `json:"time,omitzero"` // of that event
	// Younger counts events of a state at a time that say that they are younger:
	// clocks of servers were apart, or one was put back.
	Younger int               `json:"younger,omitempty"`
	Tasks   []Task            `json:"tasks,omitzero"`
	Thread  *chatkit.Thread   `json:"thread,omitempty"`
	Items   []json.RawMessage `json:"items,omitzero"` // hidden ones too: an auditor sees all
	// Steps may be fewer than were asked for although there are more: when they
	// are large.
	Steps   []ReplayStep `json:"steps,omitzero"`
	HasMore bool         `json:"has_more,omitempty"` // steps
	After   *uint64      `json:"after,omitempty"`    // the revision of the last one
}

// ReplayStep is one event and what it changed: Before and After are the parts of
// the state that differ, each null when there was none.
type ReplayStep struct {
	Event   EventView       `json:"event"`
	Subject string          `json:"subject"` // the id of the task or item, or "thread"
	Before  json.RawMessage `json:"before"`
	After   json.RawMessage `json:"after"`
	Cause   *ReplayCause    `json:"cause,omitempty"`
}

// ReplayCause says what led to a step, as far as the log tells: the message Text
// began Turn, which called Tool, or nothing but Request when a person did it
// without a conversation.
type ReplayCause struct {
	Request string   `json:"request,omitempty"`
	Thread  ThreadID `json:"thread,omitempty"`
	Message ItemID   `json:"message,omitempty"`
	Text    string   `json:"text,omitempty"`
	Turn    TurnID   `json:"turn,omitempty"`
	Call    string   `json:"call,omitempty"`
	Tool    string   `json:"tool,omitempty"`
}

// TraceNode is one cause with its effects.
type TraceNode struct {
	Kind     string      `json:"kind"` // request, message, turn, model, tool, event
	ID       string      `json:"id"`
	Title    string      `json:"title"`
	Start    time.Time   `json:"start,omitzero"`
	Duration int64       `json:"duration_ms,omitempty"`
	Detail   any         `json:"detail,omitempty"` // model and tokens, arguments and output, …
	Events   []EventView `json:"events,omitempty"`
	Children []TraceNode `json:"children,omitempty"`
}

// Auditor answers questions about the log. Errors: CodeInvalid for a query that
// contradicts itself (it says how to put it right), CodeNotFound for a stream,
// thread, user or id that the log does not know, CodeUnavailable.
type Auditor interface {
	Events(ctx context.Context, q EventQuery) (EventPage, error)
	// Follow calls yield for every event that matches, from q.From on or behind
	// q.After, until ctx ends.
	Follow(ctx context.Context, q EventQuery, yield func(EventView) error) error
	Replay(ctx context.Context, q ReplayQuery) (Replay, error)
	// Trace finds the request that an event, request, turn or tool call belongs
	// to, and returns its causal tree.
	Trace(ctx context.Context, id string) (TraceNode, error)
}

// AuditLog writes down what an operator does, before it is done. Both methods
// return CodeUnavailable when the log does not take it: then it must not be done.
type AuditLog interface {
	// Record says that m.User looks at something: events, stream, replay, trace,
	// projections or export. query is what was asked for, a JSON object or nil.
	Record(ctx context.Context, m Meta, what string, query json.RawMessage) error
	// Changed says that m.User acts on a projection, or on "all". pos is that of
	// an event to skip, else zero.
	Changed(ctx context.Context, m Meta, name, action string, pos Position) error
}
