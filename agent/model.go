package agent

import (
	"context"
	"encoding/json"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/tools"
)

// Model is the port to a language model.
type Model interface {
	// Name returns the name of the model that answers by default.
	Name() string
	// Allows reports whether a person may ask for this model by name.
	Allows(name string) bool
	// Stream asks the model once. It calls emit for every event, in order, from
	// one goroutine; the event is only valid during the call. When emit fails
	// Stream ends at once with that error. It succeeds only when the provider
	// said that the answer is complete or why it is not ([Response.Incomplete]);
	// else it returns an *chatkitd.Error whose message a person understands, or
	// ctx's error. Either way the provider's stream is closed when it returns.
	Stream(ctx context.Context, req *Request, emit func(*Event) error) (*Response, error)
}

// Request is what a model is given.
type Request struct {
	Model        string // the person's choice, which the model allows; empty is the default
	Instructions string
	Input        []Input
	Tools        []tools.Definition
	ToolChoice   string // name of the tool that must be used; empty is the model's choice
	Now          time.Time
	Location     *time.Location
}

// The roles of an [Input] that is a text. A person's words are always RoleUser.
const (
	RoleUser      = "user"
	RoleAssistant = "assistant"
)

// Input is one entry of the conversation as the model sees it. Exactly one of
// Text (with Role), Call, Output and Raw is set.
type Input struct {
	Role   string
	Text   string
	Call   *Call
	Output *CallOutput
	// Raw is an output item of an earlier round of this turn, as the same model
	// gave it: it goes back unchanged, reasoning that is encrypted included.
	Raw json.RawMessage
	// Ask marks the words of the message that is to be answered.
	Ask bool
}

// Call is a tool call. Arguments are the model's own text, JSON or not.
type Call struct {
	ID        string
	Name      string
	Arguments string
}

// CallOutput is the output of the call with the same ID.
type CallOutput struct {
	ID     string
	Output string
}

// Response is a model's answer when it is over.
type Response struct {
	ID    string // the provider's
	Model string // that answered
	Usage chatkitd.Usage
	// Calls are the tool calls, in the order of the answer.
	Calls []Call
	// Output is every item of the answer for [Input.Raw]; nil if the model has
	// no use for that, then its calls are given back as [Call].
	Output []json.RawMessage
	// Incomplete says why the answer stops short: "max_output_tokens",
	// "content_filter", or the provider's own word. Empty when it is whole.
	Incomplete string
}

// EventKind says what an [Event] is.
type EventKind uint8

// The events of a model's stream. The first two that a text needs may be left
// out by a model: a delta opens what is not open yet.
const (
	_                EventKind = iota
	MessageStarted             // an assistant's message begins
	PartStarted                // a text part of a message begins
	TextDelta                  // Text goes on
	TextDone                   // Text is the whole of the part
	Annotated                  // Annotation belongs to the part
	MessageDone                // the message is whole
	ReasoningStarted           // the model begins to think
	ThoughtDelta               // thought number Part goes on with Text
	ThoughtDone                // thought number Part is Text
	ImageStarted               // an image is being made
	ImagePartial               // Image as it stands
	ImageDone                  // Image as it is
)

// Event is one event of a model's stream. Output is the index of the output item
// that it is about, Part that of the content part or thought in it.
type Event struct {
	Kind       EventKind
	Output     int
	Part       int
	Text       string
	Annotation *Annotation
	Image      string // a URL, a data URL included
}

// The kinds of an [Annotation].
const (
	CitesURL           = "url_citation"
	CitesFile          = "file_citation"
	CitesContainerFile = "container_file_citation"
)

// Annotation is a citation in a text. Index is the place in the text, in
// characters.
type Annotation struct {
	Kind     string
	Index    int
	URL      string
	Title    string
	Filename string
}
