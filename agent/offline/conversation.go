package offline

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/agent"
)

// conversation is what the model knows when it answers.
type conversation struct {
	message string // the words to answer
	now     time.Time
	loc     *time.Location
	made    []*exchange     // calls made for this message already, in order
	last    *chatkitd.Task  // that the conversation was about before: "it"
	open    []chatkitd.Task // candidates of the question asked last, if it was one
	about   string          // the words that led to that question
}

// exchange is a call and its output.
type exchange struct {
	name string
	args arguments
	out  output
	used bool
}

// arguments are those of any tool.
type arguments struct {
	Title     string `json:"title"`
	Name      string `json:"name"`
	TaskID    string `json:"task_id"`
	Status    string `json:"status"`
	Query     string `json:"query"`
	Tag       string `json:"tag"`
	Priority  string `json:"priority"`
	Completed *bool  `json:"completed"`
}

// output is that of any tool.
type output struct {
	Success   bool            `json:"success"`
	ErrorCode string          `json:"error_code"`
	Changed   bool            `json:"changed"`
	Message   string          `json:"message"`
	Task      *chatkitd.Task  `json:"task"`
	Tasks     []chatkitd.Task `json:"tasks"`
	Total     int             `json:"total"`
}

func newConversation(req *agent.Request) *conversation {
	c := &conversation{now: req.Now, loc: req.Location}
	if c.loc == nil {
		c.loc = time.UTC
	}
	c.now = c.now.In(c.loc)
	calls := map[string]*exchange{}
	asked, said := false, ""
	for _, in := range req.Input {
		switch {
		case in.Ask:
			asked, c.message = true, in.Text
		case in.Call != nil:
			e := &exchange{name: in.Call.Name}
			_ = json.Unmarshal([]byte(in.Call.Arguments), &e.args) // arguments that no tool took stay empty
			calls[in.Call.ID] = e
		case in.Output != nil:
			e := calls[in.Output.ID]
			if e == nil || json.Unmarshal([]byte(in.Output.Output), &e.out) != nil {
				continue
			}
			if asked {
				// A call that was interrupted had no effect (chatkitd.ToolOutput):
				// it is as if it had not been made, and is made again.
				if e.out.ErrorCode != agent.CodeInterrupted {
					c.made = append(c.made, e)
				}
			} else {
				c.remember(e, said)
			}
		case in.Role == agent.RoleUser && !asked && !strings.Contains(in.Text, "\n<"):
			said = in.Text
			c.open = nil // whatever was asked before has been answered
		}
	}
	return c
}

// remember keeps what an earlier exchange was about.
func (c *conversation) remember(e *exchange, said string) {
	switch {
	case e.out.Task != nil:
		c.last, c.open = e.out.Task, nil
	case e.out.ErrorCode == "ambiguous":
		c.open, c.about = e.out.Tasks, said
	}
}
