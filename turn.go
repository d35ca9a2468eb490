package chatkitd

import (
	"context"
	"encoding/json"
	"time"

	"github.com/chatkitd/chatkitd/chatkit"
)

// Frame is one event of a turn's stream: JSON without a line break, and its
// number, counted from 1 without gap. Data is shared by all readers: never
// change it.
type Frame struct {
	N    uint64
	Data []byte
}

// TurnStream is what a turn has sent so far and what it still will. Any number
// of readers may read one, each at its own pace.
type TurnStream interface {
	// Turn returns the id of the turn.
	Turn() TurnID
	// Epoch names the numbering of the frames: a number that was read from one
	// stream of a turn means the same in another of that turn only if their
	// epochs are equal. It is at most 16 characters of a-z and 0-9; empty is the
	// epoch of the stream in the process that runs the turn.
	Epoch() string
	// Position returns where in the log the last event lies that the turn has made
	// durable so far; the zero Position while none has. A query that waits for it
	// (see [WithPosition]) reads what the frames up to now tell.
	Position() Position
	// After returns the frames behind number n (0 for all), whether they are
	// the last ones, and a channel that is closed when there are more.
	After(n uint64) (frames []Frame, ended bool, more <-chan struct{})
}

// Agent answers one turn: it asks a model, runs tools, and tells sink.
type Agent interface {
	// Model returns the name of the model that answers by default.
	Model() string
	// Run carries out one turn until it is done, ctx ends, or it fails. An
	// *Error's message is shown to the user; any other error is told as a
	// failure without detail and logged.
	Run(ctx context.Context, in TurnInput, sink TurnSink) (TurnResult, error)
}

// TurnInput is what an agent is given.
type TurnInput struct {
	User    UserID
	Thread  ThreadID
	Turn    TurnID
	Request string // the correlation id
	// History is the conversation oldest first: the last items that the model
	// is to see and the tool calls between them, the message to answer among
	// them. Tool calls made after that message (of a turn that was interrupted)
	// have had their effect and must not be made again.
	History  []Entry
	Options  chatkit.InferenceOptions // of the message to answer
	Now      time.Time
	Location *time.Location // the user's time zone
}

// Entry is one entry of the history: either an item or a tool call with its
// output.
type Entry struct {
	Item chatkit.Item
	Tool *ToolExchange
}

// ToolCall is a tool call that the model made. ID is the model's own.
type ToolCall struct {
	ID        string
	Name      string
	Arguments json.RawMessage
}

// ToolOutput is what became of a [ToolCall]: Output, or Error when it could not
// be carried out at all.
type ToolOutput struct {
	ID     string
	Output json.RawMessage
	Error  string
}

// ToolExchange is a call and its output. They always come as a pair.
type ToolExchange struct {
	Turn TurnID
	ToolCall
	Output json.RawMessage
	Error  string
}

// ModelCall is one call of a model in a turn: what was asked for, and what it
// took.
type ModelCall struct {
	N          int    // which call of the turn, from 1
	Model      string // that answered, or was asked
	ResponseID string // the provider's
	Usage      Usage
	StartedAt  time.Time
	Duration   time.Duration
	Calls      []string // ids of the tool calls that it asked for
	Error      string   // why there was no whole answer, in words for people
}

// TurnSink takes what a turn produces. The thread's actor stands behind it. A
// sink is used by one goroutine at a time.
type TurnSink interface {
	// Emit publishes a transient event at once: added, updated, progress,
	// effect, notice. It panics on an event that must be durable.
	Emit(ev chatkit.Event)
	// Commit makes events durable in one append and publishes them after it:
	// item done, replaced or removed. A message that is done may wait for what
	// comes next, the turn's end at the latest. After an error the turn must end.
	Commit(ctx context.Context, evs ...chatkit.Event) error
	// ModelCalled notes that the model was called, which is over. It becomes
	// durable with what comes next, the turn's end at the latest, however the turn
	// ends.
	ModelCalled(call ModelCall)
	// ToolsCalled makes calls durable. It must have returned before any of them
	// has an effect.
	ToolsCalled(ctx context.Context, calls ...ToolCall) error
	// ToolsReturned makes the outputs of calls durable, with what comes next.
	ToolsReturned(ctx context.Context, outputs ...ToolOutput) error
}

// TurnResult says how a turn that did not fail ended.
type TurnResult struct {
	Usage     Usage
	Model     string   // the model that answered
	Responses []string // the provider's response ids
}

// Usage counts tokens.
type Usage struct {
	Input     int64 `json:"input_tokens"`
	Cached    int64 `json:"cached_tokens,omitempty"`
	Output    int64 `json:"output_tokens"`
	Reasoning int64 `json:"reasoning_tokens,omitempty"`
}

// EffectKey returns the idempotency key of the effect of a tool call: whatever
// is retried, one call has one effect. The call's id must be unique in its turn
// and at most 64 bytes; an agent mints one where the provider's is not.
func EffectKey(turn TurnID, call string) string { return "call:" + string(turn) + ":" + call }
