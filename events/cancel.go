package events

import "github.com/chatkitd/chatkitd"

// TurnCancelRequested asks the process that runs a turn to cancel it.
type TurnCancelRequested struct {
	TurnID chatkitd.TurnID `json:"turn_id"`
}

func (TurnCancelRequested) event() {}

func (TurnCancelRequested) thread() {}
