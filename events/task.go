package events

import (
	"time"

	"github.com/chatkitd/chatkitd"
)

// TaskAdded says that a user added a task.
type TaskAdded struct {
	TaskID      chatkitd.TaskID   `json:"task_id"`
	Title       string            `json:"title"`
	Description string            `json:"description,omitempty"`
	Priority    chatkitd.Priority `json:"priority,omitempty"`
	Tags        []string          `json:"tags,omitempty"`
	DueAt       *time.Time        `json:"due_at,omitempty"`
	Recurrence  string            `json:"recurrence,omitempty"` // RFC 5545 RRULE; reserved, nothing writes it yet
}

// TaskUpdated says which fields of a task changed, and to what. Null is cleared.
type TaskUpdated struct {
	TaskID      chatkitd.TaskID                    `json:"task_id"`
	Title       chatkitd.Change[string]            `json:"title,omitzero"`
	Description chatkitd.Change[string]            `json:"description,omitzero"`
	Priority    chatkitd.Change[chatkitd.Priority] `json:"priority,omitzero"`
	Tags        chatkitd.Change[[]string]          `json:"tags,omitzero"`
	DueAt       chatkitd.Change[time.Time]         `json:"due_at,omitzero"`
}

// TaskCompleted says that a task is done.
type TaskCompleted struct {
	TaskID chatkitd.TaskID `json:"task_id"`
}

// TaskReopened says that a task is to be done after all.
type TaskReopened struct {
	TaskID chatkitd.TaskID `json:"task_id"`
}

// TaskDeleted says that a task is gone.
type TaskDeleted struct {
	TaskID chatkitd.TaskID `json:"task_id"`
}

func (TaskAdded) event()     {}
func (TaskUpdated) event()   {}
func (TaskCompleted) event() {}
func (TaskReopened) event()  {}
func (TaskDeleted) event()   {}

func (TaskAdded) user()     {}
func (TaskUpdated) user()   {}
func (TaskCompleted) user() {}
func (TaskReopened) user()  {}
func (TaskDeleted) user()   {}
