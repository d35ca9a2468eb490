package audit

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

// ModelDetail is the detail of a model's node, which is one call of it: the N-th
// of the turn. A log from before calls were recorded has one node for a turn,
// without N: Answers is how often the model was asked then.
type ModelDetail struct {
	N         int            `json:"n,omitempty"`
	Model     string         `json:"model"`
	Usage     chatkitd.Usage `json:"usage"`
	Answers   int            `json:"answers,omitempty"` // once, and once more after each round of tools
	Responses []string       `json:"response_ids,omitempty"`
	Error     string         `json:"error,omitempty"`
}

// TurnDetail is the detail of a turn's node: what all of its calls took.
type TurnDetail struct {
	Trigger string         `json:"trigger"`
	Model   string         `json:"model"`
	Usage   chatkitd.Usage `json:"usage"`
	Calls   int            `json:"model_calls"`
}

// ToolDetail is the detail of a tool's node. The return of a call is recorded
// with what comes next: unless an effect tells when it was carried out, its
// duration is an upper bound.
type ToolDetail struct {
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments,omitempty"`
	Output    json.RawMessage `json:"output,omitempty"`
	Error     string          `json:"error,omitempty"`
	AtMost    bool            `json:"duration_is_upper_bound,omitempty"`
}

// branch is a node while it grows.
type branch struct {
	chatkitd.TraceNode
	task     events.User // of a task event
	children []*branch
}

func (b *branch) add(n chatkitd.TraceNode) *branch {
	c := &branch{TraceNode: n}
	b.children = append(b.children, c)
	return c
}

func (b *branch) node() chatkitd.TraceNode {
	n := b.TraceNode
	for _, c := range b.children {
		n.Children = append(n.Children, c.node())
	}
	return n
}

// grower puts the events of a request into their places.
type grower struct {
	a                          *Auditor
	root, message, turn, model *branch // model is the last call, or all of them
	tools                      map[string]*branch
	askers                     map[string]*branch // by tool call: the call of the model that asked for it
	calls                      int                // of the model that are recorded
	rounds                     int                // of tool calls, which tell how often it was asked when that is not recorded
	calling                    bool               // the last event of the turn was a tool call
}

func (r *request) tree() chatkitd.TraceNode {
	first, last := timeOf(&r.all[0].rec), timeOf(&r.all[len(r.all)-1].rec)
	g := &grower{a: r.a, tools: map[string]*branch{}, askers: map[string]*branch{}, root: &branch{TraceNode: chatkitd.TraceNode{
		Kind: "request", ID: r.rootID(), Title: r.who(), Start: first, Duration: last.Sub(first).Milliseconds(),
	}}}
	g.message = g.root
	if r.message != nil {
		g.said(r.message)
		g.message.Title = "again: " + g.message.Title
	}
	for i := range r.all {
		g.grow(&r.all[i])
	}
	g.finish()
	return g.root.node()
}

func (g *grower) grow(h *happened) {
	switch ev := h.ev.(type) {
	case events.ThreadCreated:
		g.root.Events = append(g.root.Events, h.view)
	case events.ItemAdded:
		if _, ok := userMessage(ev.Item); ok {
			g.said(h)
			return
		}
		g.place().add(h.itself())
	case events.TurnStarted:
		g.started(h, ev)
	case events.ModelCalled:
		g.asked(h, ev)
	case events.ToolCalled:
		if !g.calling {
			g.rounds++
		}
		g.calling = true
		g.called(h, ev)
		return
	case events.ToolReturned:
		g.returned(h, ev)
	case events.TurnCompleted, events.TurnFailed, events.TurnCancelled, events.TurnInterrupted:
		g.ended(h)
	case events.User:
		_, call := effectOf(&h.rec, h.meta)
		if tool, ok := g.tools[call]; ok {
			tool.add(h.itself()).task = ev
			if d := timeOf(&h.rec).Sub(tool.Start).Milliseconds(); d > tool.Duration {
				tool.Duration = d
			}
			return // the call goes on: others of its round may follow
		}
		g.place().add(h.itself()) // of the person, beside a turn
	default:
		g.place().add(h.itself())
	}
	g.calling = false
}

// place is where an event goes that belongs to nothing in particular.
func (g *grower) place() *branch {
	if g.turn != nil {
		return g.turn
	}
	return g.root
}

func (g *grower) said(h *happened) {
	n := h.itself()
	n.Kind = "message"
	if ev, ok := h.ev.(events.ItemAdded); ok {
		n.ID = string(itemOf(ev))
		if m, ok := userMessage(ev.Item); ok {
			n.Title = line(m.Text())
		}
	}
	g.message = g.root.add(n)
}

func (g *grower) started(h *happened, ev events.TurnStarted) {
	n := h.itself()
	n.Kind, n.ID, n.Title = "turn", string(ev.TurnID), "still running"
	n.Detail = TurnDetail{Trigger: ev.Trigger, Model: ev.Model}
	g.turn = g.message.add(n)
	g.calls, g.rounds = 0, 0
	g.model = g.turn.add(chatkitd.TraceNode{
		Kind: "model", ID: ev.Model, Title: line(ev.Model), Start: n.Start, Detail: ModelDetail{Model: ev.Model},
	})
}

// asked adds a call of the model. The first takes the place of the node that
// stands for all of them.
func (g *grower) asked(h *happened, ev events.ModelCalled) {
	if g.turn == nil {
		g.root.add(h.itself())
		return
	}
	n := h.itself()
	n.Kind, n.ID, n.Title = "model", ev.Model, modelCall(ev)
	n.Start, n.Duration = ev.StartedAt, ev.DurationMS
	d := ModelDetail{N: ev.N, Model: ev.Model, Usage: ev.Usage, Error: ev.Error}
	if ev.ResponseID != "" {
		n.ID, d.Responses = ev.ResponseID, []string{ev.ResponseID}
	}
	n.Detail = d
	if g.calls++; g.calls == 1 && len(g.model.children) == 0 {
		g.model.TraceNode = n
	} else {
		g.model = g.turn.add(n)
	}
	for _, id := range ev.CallIDs {
		g.askers[id] = g.model
	}
	for _, tool := range g.tools {
		// The model was given what they returned: they took no longer than that.
		if d, ok := tool.Detail.(ToolDetail); ok && d.AtMost {
			if most := ev.StartedAt.Sub(tool.Start).Milliseconds(); most >= 0 && most < tool.Duration {
				tool.Duration = most
			}
		}
	}
}

func (g *grower) called(h *happened, ev events.ToolCalled) {
	n := h.itself()
	n.Kind, n.ID, n.Title = "tool", ev.CallID, call(ev.Name, ev.Arguments)
	n.Detail = ToolDetail{Name: ev.Name, Arguments: ev.Arguments}
	under := g.root
	if asker, ok := g.askers[ev.CallID]; ok {
		under = asker
	} else if g.model != nil {
		under = g.model
	}
	g.tools[ev.CallID] = under.add(n)
}

func (g *grower) returned(h *happened, ev events.ToolReturned) {
	tool, ok := g.tools[ev.CallID]
	if !ok {
		g.place().add(h.itself())
		return
	}
	d := tool.Detail.(ToolDetail) // called made it
	d.Output, d.Error = ev.Output, ev.Error
	if len(tool.children) == 0 {
		tool.Duration, d.AtMost = timeOf(&h.rec).Sub(tool.Start).Milliseconds(), true
	}
	tool.Detail = d
	tool.Events = append(tool.Events, h.view)
	var out struct{ Task chatkitd.Task }
	if json.Unmarshal(ev.Output, &out) != nil || out.Task.Title == "" {
		return // an output without a task has no title to tell
	}
	for _, effect := range tool.children {
		if taskOf(effect.task) == out.Task.ID && strings.Contains(effect.Title, string(out.Task.ID)) { // its title was too far back
			effect.Title = g.a.taskSummary(effect.task, out.Task.Title)
		}
	}
}

func (g *grower) ended(h *happened) {
	if g.turn == nil {
		g.root.add(h.itself())
		return
	}
	g.turn.Events = append(g.turn.Events, h.view)
	g.turn.Duration = timeOf(&h.rec).Sub(g.turn.Start).Milliseconds()
	switch ev := h.ev.(type) {
	case events.TurnCompleted:
		g.turn.Duration, g.turn.Title = ev.DurationMS, "completed"
		d := g.turn.Detail.(TurnDetail) // started made it
		d.Model, d.Usage = ev.Model, ev.Usage
		g.turn.Detail = d
		if g.calls > 0 {
			return
		}
		g.model.ID, g.model.Duration = ev.Model, ev.DurationMS
		g.model.Title = completion(ev)
		g.model.Detail = ModelDetail{Model: ev.Model, Usage: ev.Usage, Responses: ev.ResponseIDs}
	case events.TurnFailed:
		g.turn.Title = because("failed", ev.Reason)
	case events.TurnCancelled:
		g.turn.Title = because("cancelled", ev.Reason)
	case events.TurnInterrupted:
		g.turn.Title = because("interrupted", ev.Reason)
	}
}

// finish counts what is only known at the end.
func (g *grower) finish() {
	if g.turn == nil {
		return
	}
	// What a call of the model said is recorded before the call, which was over
	// later: they are put into the order in which they began.
	slices.SortStableFunc(g.turn.children, func(a, b *branch) int { return a.Start.Compare(b.Start) })
	turn := g.turn.Detail.(TurnDetail) // started made it
	if turn.Calls = g.calls; g.calls == 0 {
		turn.Calls = g.answers()
	}
	if turn.Usage == (chatkitd.Usage{}) { // it did not come to an end that has the sum
		turn.Usage = g.used()
	}
	g.turn.Detail = turn
}

// answers counts how often the model was asked in a turn whose calls are not
// recorded.
func (g *grower) answers() int {
	d := g.model.Detail.(ModelDetail) // started and ended made it
	d.Answers = g.rounds + 1
	if g.turn.Title != "completed" {
		d.Answers = g.rounds // whether it was asked once more is not recorded
	}
	g.model.Detail = d
	if d.Answers > 1 {
		g.model.Title += fmt.Sprintf(", asked %d times", d.Answers)
	}
	return d.Answers
}

// used sums up what the calls of the turn took.
func (g *grower) used() (sum chatkitd.Usage) {
	for _, c := range g.turn.children {
		if d, ok := c.Detail.(ModelDetail); ok {
			sum.Input += d.Usage.Input
			sum.Cached += d.Usage.Cached
			sum.Output += d.Usage.Output
			sum.Reasoning += d.Usage.Reasoning
		}
	}
	return sum
}
