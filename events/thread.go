package events

import (
	"encoding/json"

	"github.com/chatkitd/chatkitd"
)

// ThreadCreated says that a user opened a thread.
type ThreadCreated struct {
	ThreadID chatkitd.ThreadID          `json:"thread_id"`
	UserID   chatkitd.UserID            `json:"user_id"`
	Title    string                     `json:"title,omitempty"`
	Metadata map[string]json.RawMessage `json:"metadata,omitempty"`
}

// ThreadRenamed says that a thread has a new title. By is "user" or "agent".
type ThreadRenamed struct {
	Title string `json:"title"`
	By    string `json:"by"`
}

// ThreadStatusChanged says that a thread was locked, closed or made active.
type ThreadStatusChanged struct {
	Status string `json:"status"`
	Reason string `json:"reason,omitempty"`
}

// ThreadDeleted says that a thread is gone. Nothing follows it but the end of a
// turn that ran.
type ThreadDeleted struct{}

// ItemAdded says that an item is part of the thread. Item is the ChatKit item as
// JSON, a hidden one too.
type ItemAdded struct {
	Item json.RawMessage `json:"item"`
}

// ItemReplaced says that an item stands in the place of the one with its id.
type ItemReplaced struct {
	Item json.RawMessage `json:"item"`
}

// ItemRemoved says that an item is gone. Reason is "retried", "tool" or "user".
type ItemRemoved struct {
	ItemID chatkitd.ItemID `json:"item_id"`
	Reason string          `json:"reason"`
}

// FeedbackGiven says what the user thinks of items; Kind is "positive" or
// "negative".
type FeedbackGiven struct {
	ItemIDs []chatkitd.ItemID `json:"item_ids"`
	Kind    string            `json:"kind"`
}

func (ThreadCreated) event()       {}
func (ThreadRenamed) event()       {}
func (ThreadStatusChanged) event() {}
func (ThreadDeleted) event()       {}
func (ItemAdded) event()           {}
func (ItemReplaced) event()        {}
func (ItemRemoved) event()         {}
func (FeedbackGiven) event()       {}

func (ThreadCreated) thread()       {}
func (ThreadRenamed) thread()       {}
func (ThreadStatusChanged) thread() {}
func (ThreadDeleted) thread()       {}
func (ItemAdded) thread()           {}
func (ItemReplaced) thread()        {}
func (ItemRemoved) thread()         {}
func (FeedbackGiven) thread()       {}
