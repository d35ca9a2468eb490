package chatkitd

import (
	"context"
	"encoding/json"

	"github.com/chatkitd/chatkitd/chatkit"
)

// The limits of a conversation.
const (
	MaxMessage     = 32_000 // characters of one message, all its parts together
	MaxThreadTitle = 200    // characters
	MaxFeedback    = 100    // items of one feedback
)

// ThreadCommand is an order about a conversation that is carried out at once.
//
//sumtype:decl
type ThreadCommand interface {
	// Target returns the thread that the command is about.
	Target() ThreadID
	threadCommand()
}

// RenameThread gives a thread a title of 1 to [MaxThreadTitle] characters.
type RenameThread struct {
	Thread ThreadID
	Title  string
}

// DeleteThread deletes a thread; its running turn is cancelled.
type DeleteThread struct{ Thread ThreadID }

// GiveFeedback records what the user thinks of items; Kind is "positive" or
// "negative".
type GiveFeedback struct {
	Thread ThreadID
	Items  []ItemID
	Kind   string
}

// CancelTurn cancels the running turn and returns when it has ended. It is done
// already when none runs.
type CancelTurn struct{ Thread ThreadID }

// Target implements [ThreadCommand].
func (c RenameThread) Target() ThreadID { return c.Thread }

// Target implements [ThreadCommand].
func (c DeleteThread) Target() ThreadID { return c.Thread }

// Target implements [ThreadCommand].
func (c GiveFeedback) Target() ThreadID { return c.Thread }

// Target implements [ThreadCommand].
func (c CancelTurn) Target() ThreadID { return c.Thread }

func (RenameThread) threadCommand() {}
func (DeleteThread) threadCommand() {}
func (GiveFeedback) threadCommand() {}
func (CancelTurn) threadCommand()   {}

// TurnCommand is an order that starts a turn.
//
//sumtype:decl
type TurnCommand interface{ turnCommand() }

// CreateThread opens a thread (its id is made by the actors) with its first
// message.
type CreateThread struct {
	Input    chatkit.UserMessageInput
	Metadata map[string]json.RawMessage // stored with the thread, never sent
	Timezone string                     // IANA name for "tomorrow" and the like; empty is UTC
}

// AddUserMessage adds a message to a thread.
type AddUserMessage struct {
	Thread   ThreadID
	Input    chatkit.UserMessageInput
	Timezone string
}

// RetryAfterItem removes every item after a user's message and answers it anew.
type RetryAfterItem struct {
	Thread   ThreadID
	Item     ItemID
	Timezone string
}

func (CreateThread) turnCommand()   {}
func (AddUserMessage) turnCommand() {}
func (RetryAfterItem) turnCommand() {}

// Threads carries out commands on conversations. The actors do.
type Threads interface {
	// StartTurn carries out cmd and returns the stream of the turn that it
	// started, or an *Error: CodeInvalid, CodeNotFound (unknown or foreign),
	// CodeBusy while a turn runs there, CodeConflict for a locked or closed
	// thread, CodeUnavailable when as many turns run as may, CodeTimeout.
	StartTurn(ctx context.Context, m Meta, cmd TurnCommand) (TurnStream, error)
	// DoThread carries out cmd, or returns an *Error as StartTurn does.
	DoThread(ctx context.Context, m Meta, cmd ThreadCommand) (Receipt, error)
	// AttachTurn returns the stream of the turn that runs in a thread, nil when
	// none does, or CodeNotFound.
	AttachTurn(ctx context.Context, user UserID, id ThreadID) (TurnStream, error)
}

// ThreadReader answers queries about conversations. A projection does; it waits
// as a [TaskReader] does. Hidden items are never in an answer.
type ThreadReader interface {
	// Threads returns a page of the user's threads by age, their items empty
	// pages. Order is "asc" or "desc". An unknown after is CodeInvalid.
	Threads(ctx context.Context, user UserID, q PageQuery) (chatkit.Page[chatkit.Thread], error)
	// Thread returns a thread with its first page of items (20, ascending), or
	// CodeNotFound.
	Thread(ctx context.Context, user UserID, id ThreadID) (chatkit.Thread, error)
	// Items returns a page of a thread's items, or CodeNotFound.
	Items(ctx context.Context, user UserID, id ThreadID, q PageQuery) (chatkit.Page[json.RawMessage], error)
}

// PageQuery asks for a page. Limit 0 means the default; more than the maximum
// is cut to it (package chatkit has both). Order is "asc" or "desc"; empty means
// "desc".
type PageQuery struct {
	Limit int
	Order string
	After string
}
