package chatkitd

import (
	"context"
	"time"
)

// The limits of a task.
const (
	MaxTaskTitle       = 200  // characters
	MaxTaskDescription = 1000 // characters
	MaxTaskTags        = 20
	MaxTaskTag         = 50 // characters
	MaxTasks           = 20_000
)

// Priority is how much a task matters. Empty means none was given.
type Priority string

// The priorities.
const (
	PriorityLow    Priority = "low"
	PriorityMedium Priority = "medium"
	PriorityHigh   Priority = "high"
)

// The statuses of a task.
const (
	TaskPending   = "pending"
	TaskCompleted = "completed"
)

// Task is one thing to do, as the API and the tools show it. A Task is a value:
// whoever changes one makes a copy, Tags included.
type Task struct {
	ID          TaskID     `json:"id"`
	Title       string     `json:"title"`
	Description string     `json:"description,omitempty"`
	Status      string     `json:"status"` // TaskPending or TaskCompleted
	Completed   bool       `json:"completed"`
	Priority    Priority   `json:"priority,omitempty"`
	Tags        []string   `json:"tags,omitempty"`
	DueAt       *time.Time `json:"due_at,omitempty"`
	CreatedAt   time.Time  `json:"created_at"`
	UpdatedAt   time.Time  `json:"updated_at"`
	CompletedAt *time.Time `json:"completed_at,omitempty"`
}

// TaskCommand is an order about one user's tasks.
//
//sumtype:decl
type TaskCommand interface{ taskCommand() }

// AddTask adds a task. Title is trimmed and must have 1 to [MaxTaskTitle]
// characters.
type AddTask struct {
	Title       string
	Description string
	Priority    Priority
	Tags        []string
	DueAt       *time.Time
}

// UpdateTask changes the fields that are set. Completed does what
// [CompleteTask] does.
type UpdateTask struct {
	Task        TaskID
	Title       Change[string]
	Description Change[string]
	Priority    Change[Priority]
	Tags        Change[[]string]
	DueAt       Change[time.Time]
	Completed   Change[bool]
}

// CompleteTask completes a task, or reopens it. Done already is done: no error.
type CompleteTask struct {
	Task   TaskID
	Reopen bool
}

// DeleteTask deletes a task.
type DeleteTask struct{ Task TaskID }

func (AddTask) taskCommand()      {}
func (UpdateTask) taskCommand()   {}
func (CompleteTask) taskCommand() {}
func (DeleteTask) taskCommand()   {}

// TaskResult is what became of a [TaskCommand].
type TaskResult struct {
	Task    Task // after the command; as it last was, for a DeleteTask
	Changed bool // false: it was so already, or the command was a repeat
	Receipt Receipt
}

// Tasks carries out commands on tasks. The actors do.
type Tasks interface {
	// DoTask carries out cmd for m.User, or returns an *Error: CodeInvalid,
	// CodeNotFound for a task the user does not have, CodeConflict over
	// MaxTasks, CodeKeyReused, CodeUnavailable, CodeTimeout (outcome unknown:
	// repeat it with the same key).
	DoTask(ctx context.Context, m Meta, cmd TaskCommand) (TaskResult, error)
	// TaskEffect returns the result of the command that m.User gave with this
	// idempotency key, and whether there was one that changed something.
	TaskEffect(ctx context.Context, user UserID, key string) (TaskResult, bool, error)
}

// TaskFilter selects and orders tasks. The zero value is all tasks, newest
// first.
type TaskFilter struct {
	Status   string // TaskPending, TaskCompleted, or "" for all
	Query    string // part of the title or description, case ignored
	Tag      string
	Priority Priority
	Sort     string // one of [TaskSorts], or "" for the first of them
	Limit    int    // 1 to 100; 0 means 50
	After    TaskID // the last one of the page before
}

// TaskSorts are the orders of a list of tasks. A leading "-" is descending.
// Tasks without a due date come last in both directions.
var TaskSorts = []string{"-created_at", "created_at", "due_at", "-due_at", "title", "-updated_at"}

// TaskPage is one page of tasks. Total counts what matches the filter over all
// pages; Pending and Completed count all tasks of the user.
type TaskPage struct {
	Data      []Task `json:"data"`
	HasMore   bool   `json:"has_more"`
	After     string `json:"after,omitempty"`
	Total     int    `json:"total"`
	Pending   int    `json:"pending"`
	Completed int    `json:"completed"`
}

// TaskChange is one change of a user's tasks. Task is nil when it was removed.
type TaskChange struct {
	Position Position
	ID       TaskID
	Task     *Task
}

// TaskReader answers queries about tasks. A projection does. Each query first
// waits until it has seen the user's own latest write (read-your-writes), until
// ctx ends or the reader's own deadline: then CodeTimeout. It waits for the position
// of [WithPosition] as well, with the errors that are named there.
type TaskReader interface {
	// Tasks returns a page, or CodeInvalid for an unknown Sort or After.
	Tasks(ctx context.Context, user UserID, f TaskFilter) (TaskPage, error)
	// Task returns one task, or CodeNotFound.
	Task(ctx context.Context, user UserID, id TaskID) (Task, error)
	// FindTasks returns the tasks whose title is name without regard to case;
	// if there is none, those whose title contains it. At most limit.
	FindTasks(ctx context.Context, user UserID, name string, limit int) ([]Task, error)
	// WatchTasks returns what changes in a user's tasks after a position. It
	// first calls it with what it still knows; if it no longer knows all that
	// happened since, resumed is false and the caller starts from a new list
	// taken at or after position at. The channel is closed when the watcher is
	// too slow, the reader stops, or stop is called; then watch again.
	WatchTasks(ctx context.Context, user UserID, after Position) (w TaskWatch, err error)
}

// TaskWatch is a live view of one user's tasks.
type TaskWatch struct {
	At      Position          // changes after At come through Changes
	Resumed bool              // Changes begins right after the position asked for
	Changes <-chan TaskChange // bounded; closed when the watcher falls behind
	Stop    func()            // must be called; may be called twice
}
