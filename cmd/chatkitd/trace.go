package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/audit"
)

type traceCmd struct {
	ID   string `arg:"" name:"id" help:"An event (its id or position), request, turn, tool call, answer of a model, item or task."`
	JSON bool   `help:"Print JSON for machines."`
	UTC  bool   `name:"utc" help:"Show times in UTC. Else in the zone of this machine."`
}

// Help has examples.
func (traceCmd) Help() string {
	return `The causal tree: the request, the message, the turn, each call of the model with
its tokens and its time, the tool calls that it asked for with arguments and
outputs, and what they did to the tasks. Works beside a running server and without
one.

An id tells when it was made, so that it is found at once; one that does not, such
as the id of an event, takes one pass over the log.

Examples:
  chatkitd trace 4711                 what led to the event at position 4711
  chatkitd trace trn_06h0…            what a turn did
  chatkitd trace req_06h0… --json`
}

// Run prints a causal tree.
func (c traceCmd) Run(p *program) (err error) {
	zone := zoneOf(c.UTC)
	bar := newCountBar(p, "searching the log")
	log, err := openLog(p, audit.Options{Location: zone, Progress: func(at, head chatkitd.Position) { bar.set(at.Commit, head.Commit) }})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.close()) }()
	root, err := log.audit.Trace(p.ctx, c.ID)
	bar.end()
	if err != nil {
		return asked(err)
	}
	if c.JSON {
		enc := json.NewEncoder(p.stdout)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		return enc.Encode(root)
	}
	t := &traceText{screen: newScreen(p.stdout), zone: zone, id: c.ID}
	t.node(root, "", "")
	_, err = fmt.Fprint(p.stdout, t.out.String())
	return err
}

// traceText prints a tree for eyes. The node that was asked for is marked.
type traceText struct {
	*screen
	zone *time.Location
	id   string
	out  strings.Builder
}

var kindColours = map[string]string{
	"request": bold, "message": green, "turn": cyan, "model": blue, "tool": magenta, "event": "",
}

func (t *traceText) line(prefix, code, text string) {
	width := t.width - len([]rune(prefix))
	t.out.WriteString(t.paint(dim, prefix) + t.paint(code, t.fit(text, max(width, 20))) + "\n")
}

// node prints a node behind first, and what belongs to it behind rest.
func (t *traceText) node(n chatkitd.TraceNode, first, rest string) {
	mark := ""
	if t.marks(n) {
		mark = "  ◀"
	}
	title := n.Kind + " " + n.Title
	switch n.Kind {
	case "request":
		title = n.Title
	case "message":
		title = "message “" + n.Title + "”"
	case "event":
		title = n.Title
	}
	colour := kindColours[n.Kind]
	if d, ok := n.Detail.(audit.ModelDetail); ok && d.Error != "" {
		colour = red
	}
	t.line(first, colour, title+mark)
	under := rest + "   "
	if len(n.Children) > 0 {
		under = rest + "│  "
	}
	t.line(under, dim, t.facts(n))
	if d, ok := n.Detail.(audit.ToolDetail); ok {
		switch {
		case d.Error != "":
			t.line(under, red, "failed: "+printable(d.Error))
		case d.Output != nil:
			t.line(under, "", "→ "+printable(string(d.Output)))
		default:
			t.line(under, red, "has not returned")
		}
	}
	for i, c := range n.Children {
		if i == len(n.Children)-1 {
			t.node(c, rest+"└─ ", rest+"   ")
		} else {
			t.node(c, rest+"├─ ", rest+"│  ")
		}
	}
}

func (t *traceText) marks(n chatkitd.TraceNode) bool {
	if n.ID == t.id {
		return true
	}
	for _, v := range n.Events {
		if v.ID == t.id || v.Position.String() == t.id {
			return true
		}
	}
	return false
}

// roomy is the width from which on ids are shown whole.
const roomy = 110

func (t *traceText) name(id string) string {
	if t.width > 0 && t.width < roomy {
		id = shortID(id)
	}
	return printable(id)
}

// facts are the ids and times of a node.
func (t *traceText) facts(n chatkitd.TraceNode) string {
	var facts []string
	add := func(format string, args ...any) { facts = append(facts, fmt.Sprintf(format, args...)) }
	if n.Kind != "event" && n.Kind != "model" {
		add("%s", t.name(n.ID))
	}
	if n.Kind == "event" && len(n.Events) > 0 {
		add("%s in %s", printable(n.Events[0].Type), t.name(n.Events[0].Stream))
	}
	if d, ok := n.Detail.(audit.ModelDetail); !n.Start.IsZero() && (!ok || d.N > 0) {
		add("%s", n.Start.In(t.zone).Format("2006-01-02 15:04:05.000"))
	}
	switch d := n.Detail.(type) {
	case audit.ToolDetail:
		if d.AtMost {
			add("at most %s", milliseconds(n.Duration))
		} else {
			add("%s", milliseconds(n.Duration))
		}
	case audit.TurnDetail:
		if n.Duration > 0 {
			add("%s", milliseconds(n.Duration))
		}
		if d.Calls > 1 {
			add("%d calls of the model", d.Calls)
		}
		if d.Usage.Input+d.Usage.Output > 0 {
			add("%d+%d tokens", d.Usage.Input, d.Usage.Output)
		}
	case audit.ModelDetail:
		if d.Usage != (chatkitd.Usage{}) || d.N == 0 {
			add("tokens: %d in (%d cached), %d out (%d for reasoning)", d.Usage.Input, d.Usage.Cached, d.Usage.Output, d.Usage.Reasoning)
		}
		if len(d.Responses) > 0 {
			add("responses %s", printable(strings.Join(d.Responses, " ")))
		}
	default:
		if n.Duration > 0 {
			add("%s", milliseconds(n.Duration))
		}
	}
	if len(n.Events) > 0 {
		positions := make([]string, len(n.Events))
		for i, v := range n.Events {
			positions[i] = v.Position.String()
		}
		add("position %s", strings.Join(positions, " "))
	}
	return strings.Join(facts, ", ")
}

func milliseconds(n int64) string {
	if n == 0 {
		return "under 1ms"
	}
	return (time.Duration(n) * time.Millisecond).String()
}
