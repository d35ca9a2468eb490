package main

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/audit"
	"github.com/chatkitd/chatkitd/chatkit"
)

type replayCmd struct {
	User     string             `placeholder:"ID" xor:"about" required:"" help:"The tasks of a user."`
	Thread   string             `placeholder:"ID" xor:"about" required:"" help:"A conversation."`
	At       moment             `placeholder:"TIME" xor:"when" help:"As it was at this time."`
	Position *chatkitd.Position `placeholder:"POSITION" xor:"when" help:"As it was after the event at this position of the log."`
	Revision *uint64            `placeholder:"N" xor:"when" help:"As it was after this revision of its stream, counted from 0."`
	Steps    bool               `help:"Also show each event: what it changed, and the message that led to it."`
	JSON     bool               `help:"Print JSON for machines."`
	UTC      bool               `name:"utc" help:"Times are in UTC, those given and those shown. Else in the zone of this machine."`
}

// Help has examples.
func (replayCmd) Help() string {
	return `The state as it was: a user's tasks as a table, a conversation as a transcript,
hidden items included. It is folded from the log by the code that the server runs
on. Without --at, --position or --revision it is the state now. Works beside a
running server and without one.

With --json: {"tasks": […]} as the API lists tasks, or {"thread": …, "items": […]}
as the protocol has them, thread null when there was none; --steps adds "steps".

` + timeHelp + `

Examples:
  chatkitd replay --user alice --at "monday 10:00" --steps
  chatkitd replay --user alice --revision 3 --json
  chatkitd replay --thread thr_06h0… --position 4711`
}

// Run prints a state.
func (c replayCmd) Run(p *program) (err error) {
	zone := zoneOf(c.UTC)
	q := chatkitd.ReplayQuery{
		User: chatkitd.UserID(c.User), Thread: chatkitd.ThreadID(c.Thread),
		Position: c.Position, Revision: c.Revision, Steps: c.Steps,
	}
	if q.At, err = c.At.at("--at", time.Now(), zone); err != nil {
		return usageError{err}
	}
	log, err := openLog(p, audit.Options{Location: zone})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.close()) }()
	r, err := log.audit.Replay(p.ctx, q)
	if err != nil {
		return asked(err)
	}
	if c.JSON {
		return c.json(p, r)
	}
	text := &replayText{screen: newScreen(p.stdout), zone: zone, asked: q}
	return text.print(r)
}

// json prints a state in the shapes that clients know.
func (c replayCmd) json(p *program, r chatkitd.Replay) error {
	var steps *[]chatkitd.ReplayStep
	if c.Steps {
		if r.Steps == nil {
			r.Steps = []chatkitd.ReplayStep{}
		}
		steps = &r.Steps
	}
	enc := json.NewEncoder(p.stdout)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if c.Thread != "" {
		if r.Items == nil {
			r.Items = []json.RawMessage{}
		}
		return enc.Encode(struct {
			Thread *chatkit.Thread        `json:"thread"`
			Items  []json.RawMessage      `json:"items"`
			Steps  *[]chatkitd.ReplayStep `json:"steps,omitempty"`
		}{r.Thread, r.Items, steps})
	}
	if r.Tasks == nil {
		r.Tasks = []chatkitd.Task{}
	}
	return enc.Encode(struct {
		Tasks []chatkitd.Task        `json:"tasks"`
		Steps *[]chatkitd.ReplayStep `json:"steps,omitempty"`
	}{r.Tasks, steps})
}
