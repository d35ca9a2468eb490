package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/audit"
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
		Position: c.Position, Revision: c.Revision,
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
	steps := func(yield func(chatkitd.ReplayStep) error) error { return log.audit.Steps(p.ctx, c.upTo(q, r), yield) }
	if c.JSON {
		return c.json(p.stdout, r, steps)
	}
	text := &replayText{screen: newScreen(p.stdout), zone: zone, asked: q}
	if err := text.print(r); err != nil || !c.Steps {
		return err
	}
	return text.steps(steps)
}

// upTo asks for the steps to the very state that was read, although the stream goes
// on meanwhile.
func (replayCmd) upTo(q chatkitd.ReplayQuery, r chatkitd.Replay) chatkitd.ReplayQuery {
	if r.Revision == nil {
		return q
	}
	return chatkitd.ReplayQuery{User: q.User, Thread: q.Thread, Revision: r.Revision}
}

// json prints a state in the shapes that clients know. The steps are printed as
// they are read: there may be any number of them.
func (c replayCmd) json(w io.Writer, r chatkitd.Replay, steps func(func(chatkitd.ReplayStep) error) error) error {
	out := bufio.NewWriter(w)
	field := func(first bool, name string, v any) error {
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetIndent("  ", "  ")
		enc.SetEscapeHTML(false)
		if err := enc.Encode(v); err != nil {
			return err
		}
		sep := ",\n"
		if first {
			sep = "{\n"
		}
		_, err := fmt.Fprintf(out, "%s  %q: %s", sep, name, bytes.TrimSuffix(b.Bytes(), []byte("\n")))
		return err
	}
	var err error
	if c.Thread != "" {
		items := r.Items
		if items == nil {
			items = []json.RawMessage{}
		}
		err = errors.Join(field(true, "thread", r.Thread), field(false, "items", items))
	} else {
		tasks := r.Tasks
		if tasks == nil {
			tasks = []chatkitd.Task{}
		}
		err = field(true, "tasks", tasks)
	}
	if err != nil {
		return err
	}
	if c.Steps {
		if err := jsonSteps(out, steps); err != nil {
			return err
		}
	}
	if _, err := out.WriteString("\n}\n"); err != nil {
		return err
	}
	return out.Flush()
}

func jsonSteps(out *bufio.Writer, steps func(func(chatkitd.ReplayStep) error) error) error {
	if _, err := out.WriteString(",\n  \"steps\": ["); err != nil {
		return err
	}
	n := 0
	err := steps(func(s chatkitd.ReplayStep) error {
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetIndent("    ", "  ")
		enc.SetEscapeHTML(false)
		if err := enc.Encode(s); err != nil {
			return err
		}
		sep := ",\n    "
		if n++; n == 1 {
			sep = "\n    "
		}
		_, err := fmt.Fprintf(out, "%s%s", sep, bytes.TrimSuffix(b.Bytes(), []byte("\n")))
		return err
	})
	if err != nil {
		return asked(err)
	}
	end := "]"
	if n > 0 {
		end = "\n  ]"
	}
	_, err = out.WriteString(end)
	return err
}
