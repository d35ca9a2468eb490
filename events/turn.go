package events

import (
	"encoding/json"
	"time"

	"github.com/chatkitd/chatkitd"
)

// The triggers of a turn.
const (
	TriggerMessage         = "message"
	TriggerRetry           = "retry"
	TriggerToolOutput      = "tool_output"
	TriggerAction          = "action"
	TriggerStructuredInput = "structured_input"
)

// TurnStarted says that the thread began to answer. Instance is the process that
// runs the turn.
type TurnStarted struct {
	TurnID   chatkitd.TurnID `json:"turn_id"`
	Trigger  string          `json:"trigger"`
	Model    string          `json:"model"`
	Instance string          `json:"instance,omitempty"`
	Timezone string          `json:"timezone,omitempty"`
}

// ModelCalled says that the model was asked once and what it took. It is recorded
// when the answer is over, with what came of it: tool calls or the turn's end.
type ModelCalled struct {
	TurnID     chatkitd.TurnID `json:"turn_id"`
	N          int             `json:"n"` // which call of the turn, from 1
	Model      string          `json:"model"`
	ResponseID string          `json:"response_id,omitempty"`
	Usage      chatkitd.Usage  `json:"usage"`
	StartedAt  time.Time       `json:"started_at"`
	DurationMS int64           `json:"duration_ms"`
	CallIDs    []string        `json:"call_ids,omitempty"` // of the tool calls that it asked for
	Error      string          `json:"error,omitempty"`    // why there is no whole answer
}

// ToolCalled says that the model called a tool. It is durable before the tool
// has any effect.
type ToolCalled struct {
	TurnID    chatkitd.TurnID `json:"turn_id"`
	CallID    string          `json:"call_id"`
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments"`
}

// ToolReturned says what became of a tool call.
type ToolReturned struct {
	TurnID chatkitd.TurnID `json:"turn_id"`
	CallID string          `json:"call_id"`
	Output json.RawMessage `json:"output,omitempty"`
	Error  string          `json:"error,omitempty"`
}

// TurnCompleted says that a turn came to its end.
type TurnCompleted struct {
	TurnID      chatkitd.TurnID `json:"turn_id"`
	Usage       chatkitd.Usage  `json:"usage"`
	Model       string          `json:"model"`
	DurationMS  int64           `json:"duration_ms"`
	ResponseIDs []string        `json:"response_ids,omitempty"`
}

// TurnFailed says that a turn could not be completed.
type TurnFailed struct {
	TurnID chatkitd.TurnID `json:"turn_id"`
	Reason string          `json:"reason"`
}

// TurnCancelled says that the user stopped a turn.
type TurnCancelled struct {
	TurnID chatkitd.TurnID `json:"turn_id"`
	Reason string          `json:"reason"`
}

// TurnInterrupted says that the process that ran a turn went away.
type TurnInterrupted struct {
	TurnID chatkitd.TurnID `json:"turn_id"`
	Reason string          `json:"reason"`
}

func (TurnStarted) event()     {}
func (ModelCalled) event()     {}
func (ToolCalled) event()      {}
func (ToolReturned) event()    {}
func (TurnCompleted) event()   {}
func (TurnFailed) event()      {}
func (TurnCancelled) event()   {}
func (TurnInterrupted) event() {}

func (TurnStarted) thread()     {}
func (ModelCalled) thread()     {}
func (ToolCalled) thread()      {}
func (ToolReturned) thread()    {}
func (TurnCompleted) thread()   {}
func (TurnFailed) thread()      {}
func (TurnCancelled) thread()   {}
func (TurnInterrupted) thread() {}
