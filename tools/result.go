package tools

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/chatkitd/chatkitd"
)

// MaxOutput is the longest JSON of an output, in bytes.
const MaxOutput = 32 << 10

// listedDescription is how many characters of a description a list shows; a
// tool about one task shows all.
const listedDescription = 120

// result is an output on its way to JSON.
type result struct {
	Success   bool            `json:"success"`
	ErrorCode string          `json:"error_code,omitempty"`
	Message   string          `json:"message"`
	Changed   *bool           `json:"changed,omitempty"` // of one task: false when it was so already
	Task      *chatkitd.Task  `json:"task,omitempty"`
	Tasks     []chatkitd.Task `json:"tasks,omitempty"`
	Total     *int            `json:"total,omitempty"`
	code      string          // of a refusal that is not an error
}

// encode returns the JSON, due dates in the user's time zone. Tasks are dropped
// from the end of a list that would be longer than MaxOutput.
func (r result) encode(loc *time.Location) json.RawMessage {
	if r.Task != nil {
		t := local(*r.Task, loc)
		r.Task = &t
	}
	tasks := make([]chatkitd.Task, len(r.Tasks))
	for i, t := range r.Tasks {
		t.Description = clip(t.Description, listedDescription)
		tasks[i] = local(t, loc)
	}
	for r.Tasks = tasks; ; r.Tasks = tasks {
		b := encodeJSON(r)
		if len(b) <= MaxOutput || len(tasks) == 0 {
			return b
		}
		tasks = tasks[:len(tasks)*3/4]
		if r.Total != nil {
			r.Message = fmt.Sprintf("%d of %d tasks; the rest is left out because the answer would be too long", len(tasks), *r.Total)
		}
	}
}

// local returns t with its due date in loc.
func local(t chatkitd.Task, loc *time.Location) chatkitd.Task {
	if t.DueAt != nil {
		due := t.DueAt.In(loc)
		t.DueAt = &due
	}
	return t
}
