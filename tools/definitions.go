package tools

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/chatkitd/chatkitd"
)

// The names of the tools.
const (
	AddTask        = "add_task"
	ListTasks      = "list_tasks"
	FindTaskByName = "find_task_by_name"
	CompleteTask   = "complete_task"
	DeleteTask     = "delete_task"
	UpdateTask     = "update_task"
)

// MaxListed is how many tasks list_tasks shows at most; its total counts all.
const MaxListed = 50

// Definition is what a model is told of a tool.
type Definition struct {
	Name        string
	Description string
	Parameters  json.RawMessage // a JSON schema
	// Strict is the schema by OpenAI's strict rules (all required, optional ones
	// nullable). It is nil for a tool in which leaving an argument out and giving
	// null mean different things.
	Strict   json.RawMessage
	ReadOnly bool // the tool changes nothing
}

// tool is a definition and what it does.
type tool struct {
	Definition
	params []param
	run    func(*Bound, context.Context, Call, args) (result, error)
}

var (
	priorities = []string{string(chatkitd.PriorityLow), string(chatkitd.PriorityMedium), string(chatkitd.PriorityHigh)}
	taskID     = param{name: "task_id", about: "the id of the task (tsk_…)", required: true, min: 1, max: 200}
)

const aboutDue = "when it is due: RFC 3339, or without a zone for the user's own time, or a date alone (2026-11-24) for any time that day"

// all is the table of the tools: a new tool is a new entry.
var all = []tool{
	{
		Definition: Definition{Name: AddTask, Description: "Add a task to the user's list. Call it once for each task."},
		params: []param{
			{name: "title", about: "what is to be done, 1 to 200 characters, without the date", required: true, min: 1, max: chatkitd.MaxTaskTitle},
			{name: "description", about: "details, at most 1000 characters", max: chatkitd.MaxTaskDescription},
			{name: "priority", about: "how much it matters, only if the user said so", enum: priorities},
			{name: "tags", kind: list, about: "tags without #, at most 20", max: chatkitd.MaxTaskTag, maxItems: chatkitd.MaxTaskTags},
			{name: "due_at", about: aboutDue, max: 64},
		},
		run: (*Bound).add,
	},
	{
		Definition: Definition{
			Name: ListTasks, ReadOnly: true,
			Description: "List the user's tasks: at most 50, with the total. Pending tasks come by due date, completed ones last completed first.",
		},
		params: []param{
			{name: "status", about: "which tasks; all if left out", enum: []string{"all", chatkitd.TaskPending, chatkitd.TaskCompleted}},
			{name: "query", about: "part of the title or description", max: chatkitd.MaxTaskTitle},
			{name: "tag", about: "a tag without #", max: chatkitd.MaxTaskTag + 1},
			{name: "priority", about: "only tasks of this priority", enum: priorities},
		},
		run: (*Bound).list,
	},
	{
		Definition: Definition{
			Name: FindTaskByName, ReadOnly: true,
			Description: "Find one task by its title or a part of it, to learn its id. Fails with the candidates when several match.",
		},
		params: []param{{name: "name", about: "the title, or a part of it", required: true, min: 1, max: chatkitd.MaxTaskTitle}},
		run:    (*Bound).find,
	},
	{
		Definition: Definition{Name: CompleteTask, Description: "Mark a task as done, or with completed false reopen it."},
		params: []param{
			taskID,
			{name: "completed", kind: flag, about: "true (the default) completes, false reopens"},
		},
		run: (*Bound).complete,
	},
	{
		Definition: Definition{Name: DeleteTask, Description: "Delete a task for good. Only when the user asks to delete or remove it."},
		params:     []param{taskID},
		run:        (*Bound).delete,
	},
	{
		Definition: Definition{
			Name:        UpdateTask,
			Description: "Change fields of a task. Leave out what stays as it is; null clears a field.",
		},
		params: []param{
			taskID,
			{name: "title", about: "the new title", min: 1, max: chatkitd.MaxTaskTitle},
			{name: "description", about: "the new details; null clears them", max: chatkitd.MaxTaskDescription, clears: true},
			{name: "priority", about: "the new priority; null clears it", enum: priorities, clears: true},
			{name: "tags", kind: list, about: "all tags from now on; null clears them", max: chatkitd.MaxTaskTag, maxItems: chatkitd.MaxTaskTags, clears: true},
			{name: "due_at", about: aboutDue + "; null clears it", min: 1, max: 64, clears: true},
			{name: "completed", kind: flag, about: "true completes the task, false reopens it"},
		},
		run: (*Bound).update,
	},
}

// byName finds a tool; the table is short.
func byName(name string) (tool, bool) {
	i := slices.IndexFunc(all, func(t tool) bool { return t.Name == name })
	if i < 0 {
		return tool{}, false
	}
	return all[i], true
}

// definitions are made once.
var definitions = func() []Definition {
	out := make([]Definition, len(all))
	for i, t := range all {
		d := t.Definition
		d.Parameters = schema(t.params, false)
		if !slices.ContainsFunc(t.params, func(p param) bool { return p.clears }) {
			d.Strict = schema(t.params, true)
		}
		out[i] = d
	}
	return out
}()

// Definitions returns what a model is told of the tools, in a fixed order. The
// result is shared: do not change it.
func Definitions() []Definition { return definitions }
