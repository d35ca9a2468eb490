package actors

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/chatkit"
	"github.com/chatkitd/chatkitd/events"
)

// cutOff reports whether a message was begun that the turn's early end keeps as it
// stands.
func (s *sink) cutOff() bool {
	return slices.ContainsFunc(s.open, func(o *openItem) bool {
		_, ok := o.message()
		return ok
	})
}

// byUser is the reason of a turn that its user stopped.
const byUser = "cancelled by the user"

// cancelled returns the end of a turn that its user stopped.
func cancelled(turn chatkitd.TurnID, thread chatkitd.ThreadID, now time.Time) ([]events.Thread, error) {
	note, err := chatkit.EncodeItem(cancelNote(thread, now))
	if err != nil {
		return nil, err
	}
	return []events.Thread{events.ItemAdded{Item: note}, events.TurnCancelled{TurnID: turn, Reason: byUser}}, nil
}

// cutOffMark is an item that people see behind a message that is not whole. The
// message itself would look whole to whoever reads it later, and no field of it
// can say otherwise.
func cutOffMark(thread chatkitd.ThreadID, o outcome, now time.Time) (json.RawMessage, error) {
	task := chatkit.Task{Type: chatkit.TaskCustom, Title: "Stopped"}
	if o.kind != turnCancelled {
		task = chatkit.Task{Type: chatkit.TaskCustom, Title: "Not finished", Content: o.reason}
	}
	return chatkit.EncodeItem(chatkit.TaskItem{
		ItemBase: chatkit.ItemBase{ID: chatkitd.NewID(chatkitd.PrefixCutOff), ThreadID: string(thread), CreatedAt: now},
		Task:     task,
	})
}
