package chatkit

import "encoding/json"

// Event is one event of a turn's stream.
//
//sumtype:decl
type Event interface {
	// EventType returns the event's type on the wire.
	EventType() string
	event()
}

// ThreadCreated opens the stream of a new thread.
type ThreadCreated struct {
	Thread Thread `json:"thread"`
}

// ThreadUpdated follows when a turn changed the thread itself.
type ThreadUpdated struct {
	Thread Thread `json:"thread"`
}

// ItemAdded announces an item that is not done yet. It does not persist.
type ItemAdded struct {
	Item Item `json:"item"`
}

// ItemUpdated changes an item that was added. It does not persist.
type ItemUpdated struct {
	ItemID string `json:"item_id"`
	Update Update `json:"update"`
}

// ItemDone says that an item is final and durable.
type ItemDone struct {
	Item Item `json:"item"`
}

// ItemRemoved says that an item is gone.
type ItemRemoved struct {
	ItemID string `json:"item_id"`
}

// ItemReplaced puts a durable item in the place of the one with its id.
type ItemReplaced struct {
	Item Item `json:"item"`
}

// StreamOptions tells the client what it may do with this stream.
type StreamOptions struct {
	AllowCancel bool
}

// ProgressUpdate is a passing line of what is going on.
type ProgressUpdate struct {
	Icon string `json:"icon,omitempty"`
	Text string `json:"text"`
}

// ClientEffect asks the client to do something without an answer.
type ClientEffect struct {
	Name string          `json:"name"`
	Data json.RawMessage `json:"data"`
}

// ErrorEvent says that the turn failed. Code is "stream.error" or "custom".
type ErrorEvent struct {
	Code       string `json:"code"`
	Message    string `json:"message,omitempty"`
	AllowRetry bool   `json:"allow_retry"`
}

// Notice is a message beside the conversation; Level is info, warning or
// danger, Message is markdown.
type Notice struct {
	Level   string `json:"level"`
	Message string `json:"message"`
	Title   string `json:"title,omitempty"`
}

// EventType implements [Event].
func (ThreadCreated) EventType() string { return "thread.created" }

// EventType implements [Event].
func (ThreadUpdated) EventType() string { return "thread.updated" }

// EventType implements [Event].
func (ItemAdded) EventType() string { return "thread.item.added" }

// EventType implements [Event].
func (ItemUpdated) EventType() string { return "thread.item.updated" }

// EventType implements [Event].
func (ItemDone) EventType() string { return "thread.item.done" }

// EventType implements [Event].
func (ItemRemoved) EventType() string { return "thread.item.removed" }

// EventType implements [Event].
func (ItemReplaced) EventType() string { return "thread.item.replaced" }

// EventType implements [Event].
func (StreamOptions) EventType() string { return "stream_options" }

// EventType implements [Event].
func (ProgressUpdate) EventType() string { return "progress_update" }

// EventType implements [Event].
func (ClientEffect) EventType() string { return "client_effect" }

// EventType implements [Event].
func (ErrorEvent) EventType() string { return "error" }

// EventType implements [Event].
func (Notice) EventType() string { return "notice" }

func (ThreadCreated) event()  {}
func (ThreadUpdated) event()  {}
func (ItemAdded) event()      {}
func (ItemUpdated) event()    {}
func (ItemDone) event()       {}
func (ItemRemoved) event()    {}
func (ItemReplaced) event()   {}
func (StreamOptions) event()  {}
func (ProgressUpdate) event() {}
func (ClientEffect) event()   {}
func (ErrorEvent) event()     {}
func (Notice) event()         {}
