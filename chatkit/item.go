package chatkit

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// The types of an item.
const (
	TypeUserMessage      = "user_message"
	TypeAssistantMessage = "assistant_message"
	TypeClientToolCall   = "client_tool_call"
	TypeWidget           = "widget"
	TypeGeneratedImage   = "generated_image"
	TypeStructuredInput  = "structured_input"
	TypeTask             = "task"
	TypeWorkflow         = "workflow"
	TypeEndOfTurn        = "end_of_turn"
	TypeHiddenContext    = "hidden_context_item"
	TypeSDKHiddenContext = "sdk_hidden_context"
)

// Item is one entry of a thread.
//
//sumtype:decl
type Item interface {
	// Base returns what every item has.
	Base() ItemBase
	// Kind returns the item's type on the wire.
	Kind() string
	item()
}

// ItemBase is what every item has.
type ItemBase struct {
	ID        string    `json:"id"`
	ThreadID  string    `json:"thread_id"`
	CreatedAt time.Time `json:"created_at"`
}

// Base implements [Item].
func (b ItemBase) Base() ItemBase { return b }
func (ItemBase) item()            {}

// Hidden reports whether an item of this type must never reach a client.
func Hidden(kind string) bool { return kind == TypeHiddenContext || kind == TypeSDKHiddenContext }

// UserMessage is what a person wrote.
type UserMessage struct {
	ItemBase
	Content          []UserContent    `json:"content"`
	Attachments      []Attachment     `json:"attachments"`
	QuotedText       string           `json:"quoted_text,omitempty"`
	InferenceOptions InferenceOptions `json:"inference_options"`
}

// AssistantMessage is what the model answered.
type AssistantMessage struct {
	ItemBase
	Content []OutputText `json:"content"`
}

// ClientToolCall asks the client to run a tool. Status is "pending" or
// "completed".
type ClientToolCall struct {
	ItemBase
	Status    string          `json:"status"`
	CallID    string          `json:"call_id"`
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments"`
	Output    json.RawMessage `json:"output,omitempty"`
}

// WidgetItem shows a widget (root Card, ListView or Basic).
type WidgetItem struct {
	ItemBase
	Widget   json.RawMessage `json:"widget"`
	CopyText string          `json:"copy_text,omitempty"`
}

// GeneratedImage is an image that the model made.
type GeneratedImage struct {
	ItemBase
	Image *Image `json:"image,omitempty"`
}

// Image is a picture by id and, when it may be fetched, URL.
type Image struct {
	ID  string `json:"id"`
	URL string `json:"url"`
}

// StructuredInput asks the person questions. Status is "pending", "answered"
// or "skipped". Inputs are kept as JSON.
type StructuredInput struct {
	ItemBase
	Status string            `json:"status"`
	Inputs []json.RawMessage `json:"inputs"`
}

// TaskItem shows one task of the agent's work (not a person's to-do).
type TaskItem struct {
	ItemBase
	Task Task `json:"task"`
}

// WorkflowItem shows the steps of the agent's work.
type WorkflowItem struct {
	ItemBase
	Workflow Workflow `json:"workflow"`
}

// EndOfTurn marks the end of a turn.
type EndOfTurn struct{ ItemBase }

// HiddenContext is for the model only and never sent to a client.
type HiddenContext struct {
	ItemBase
	Content json.RawMessage `json:"content"`
}

// SDKHiddenContext is a note of the server for the model, such as "the user
// cancelled"; never sent to a client.
type SDKHiddenContext struct {
	ItemBase
	Content string `json:"content"`
}

// Kind implements [Item].
func (UserMessage) Kind() string { return TypeUserMessage }

// Kind implements [Item].
func (AssistantMessage) Kind() string { return TypeAssistantMessage }

// Kind implements [Item].
func (ClientToolCall) Kind() string { return TypeClientToolCall }

// Kind implements [Item].
func (WidgetItem) Kind() string { return TypeWidget }

// Kind implements [Item].
func (GeneratedImage) Kind() string { return TypeGeneratedImage }

// Kind implements [Item].
func (StructuredInput) Kind() string { return TypeStructuredInput }

// Kind implements [Item].
func (TaskItem) Kind() string { return TypeTask }

// Kind implements [Item].
func (WorkflowItem) Kind() string { return TypeWorkflow }

// Kind implements [Item].
func (EndOfTurn) Kind() string { return TypeEndOfTurn }

// Kind implements [Item].
func (HiddenContext) Kind() string { return TypeHiddenContext }

// Kind implements [Item].
func (SDKHiddenContext) Kind() string { return TypeSDKHiddenContext }

// EncodeItem returns the JSON of an item on one line, its type first, or an
// error when a client would have to refuse it, such as an unknown status.
func EncodeItem(it Item) (json.RawMessage, error) {
	if it == nil {
		return nil, errors.New("chatkit: no item to encode")
	}
	return marshal(it)
}

// DecodeItem reads an item of any type. What [EncodeItem] wrote comes back as it
// was, with times in UTC and empty lists in the place of nil.
func DecodeItem(raw []byte) (Item, error) {
	kind, err := kindOf("item", raw)
	if err != nil {
		return nil, err
	}
	var it Item
	switch kind {
	case TypeUserMessage:
		it, err = decode[UserMessage](raw)
	case TypeAssistantMessage:
		it, err = decode[AssistantMessage](raw)
	case TypeClientToolCall:
		it, err = decode[ClientToolCall](raw)
	case TypeWidget:
		it, err = decode[WidgetItem](raw)
	case TypeGeneratedImage:
		it, err = decode[GeneratedImage](raw)
	case TypeStructuredInput:
		it, err = decode[StructuredInput](raw)
	case TypeTask:
		it, err = decode[TaskItem](raw)
	case TypeWorkflow:
		it, err = decode[WorkflowItem](raw)
	case TypeEndOfTurn:
		it, err = decode[EndOfTurn](raw)
	case TypeHiddenContext:
		it, err = decode[HiddenContext](raw)
	case TypeSDKHiddenContext:
		it, err = decode[SDKHiddenContext](raw)
	default:
		return nil, fmt.Errorf("chatkit: unknown item type %q", kind)
	}
	if err != nil {
		return nil, fmt.Errorf("chatkit: item %s: %w", kind, err)
	}
	return it, nil
}
