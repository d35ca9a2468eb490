package chatkit

import "encoding/json"

// Request is a decoded request of POST /chatkit: one of the Params types says
// which. Metadata is what the client sent along, kept as JSON.
type Request struct {
	Params   Params
	Metadata map[string]json.RawMessage
}

// Params are the parameters of one request type.
//
//sumtype:decl
type Params interface {
	// RequestType returns the request's type on the wire.
	RequestType() string
	params()
}

// Streaming reports whether the request is answered by a stream of events; else
// it is by one JSON object. The Accept header has no say in it.
func (r Request) Streaming() bool {
	switch r.Params.(type) {
	case ThreadsCreate, ThreadsAddUserMessage, ThreadsRetryAfterItem:
		return true
	case ThreadsGetByID, ThreadsList, ItemsList, ThreadsUpdate, ThreadsDelete, ItemsFeedback:
	}
	return false
}

// The orders of a list.
const (
	OrderAsc  = "asc"
	OrderDesc = "desc"
)

// The kinds of feedback.
const (
	FeedbackPositive = "positive"
	FeedbackNegative = "negative"
)

// ThreadsCreate is "threads.create".
type ThreadsCreate struct {
	Input UserMessageInput `json:"input"`
}

// ThreadsAddUserMessage is "threads.add_user_message".
type ThreadsAddUserMessage struct {
	ThreadID string           `json:"thread_id"`
	Input    UserMessageInput `json:"input"`
}

// ThreadsRetryAfterItem is "threads.retry_after_item".
type ThreadsRetryAfterItem struct {
	ThreadID string `json:"thread_id"`
	ItemID   string `json:"item_id"`
}

// ThreadsGetByID is "threads.get_by_id".
type ThreadsGetByID struct {
	ThreadID string `json:"thread_id"`
}

// ThreadsList is "threads.list". Limit 0 means [DefaultLimit]; Order is "asc"
// or "desc" (the default).
type ThreadsList struct {
	Limit int    `json:"limit"`
	Order string `json:"order"`
	After string `json:"after"`
}

// ItemsList is "items.list"; see [ThreadsList].
type ItemsList struct {
	ThreadID string `json:"thread_id"`
	Limit    int    `json:"limit"`
	Order    string `json:"order"`
	After    string `json:"after"`
}

// ThreadsUpdate is "threads.update".
type ThreadsUpdate struct {
	ThreadID string `json:"thread_id"`
	Title    string `json:"title"`
}

// ThreadsDelete is "threads.delete".
type ThreadsDelete struct {
	ThreadID string `json:"thread_id"`
}

// ItemsFeedback is "items.feedback"; Kind is "positive" or "negative".
type ItemsFeedback struct {
	ThreadID string   `json:"thread_id"`
	ItemIDs  []string `json:"item_ids"`
	Kind     string   `json:"kind"`
}

// RequestType implements [Params].
func (ThreadsCreate) RequestType() string { return "threads.create" }

// RequestType implements [Params].
func (ThreadsAddUserMessage) RequestType() string { return "threads.add_user_message" }

// RequestType implements [Params].
func (ThreadsRetryAfterItem) RequestType() string { return "threads.retry_after_item" }

// RequestType implements [Params].
func (ThreadsGetByID) RequestType() string { return "threads.get_by_id" }

// RequestType implements [Params].
func (ThreadsList) RequestType() string { return "threads.list" }

// RequestType implements [Params].
func (ItemsList) RequestType() string { return "items.list" }

// RequestType implements [Params].
func (ThreadsUpdate) RequestType() string { return "threads.update" }

// RequestType implements [Params].
func (ThreadsDelete) RequestType() string { return "threads.delete" }

// RequestType implements [Params].
func (ItemsFeedback) RequestType() string { return "items.feedback" }

func (ThreadsCreate) params()         {}
func (ThreadsAddUserMessage) params() {}
func (ThreadsRetryAfterItem) params() {}
func (ThreadsGetByID) params()        {}
func (ThreadsList) params()           {}
func (ItemsList) params()             {}
func (ThreadsUpdate) params()         {}
func (ThreadsDelete) params()         {}
func (ItemsFeedback) params()         {}
