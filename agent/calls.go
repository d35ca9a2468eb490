package agent

import (
	"bytes"
	"encoding/json"
	"sync"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/chatkit"
	"github.com/chatkitd/chatkitd/tools"
)

// maxCalls is how many tool calls one answer of the model may hold.
const maxCalls = 64

// call carries out the calls of one answer. They are durable before the first
// of them has an effect, and their outputs are before the model sees them.
// Calls that change something run one after the other in the order in which the
// model made them, for "add A, add B" and "complete it, then rename it" mean that
// order. Beside each other they would not be faster: they meet in one actor. Calls
// that only read run side by side, behind the changes that were made before them:
// "add A, and what is left?" means the list with A. They are recorded under ids.
func (t *turn) call(made []Call, ids []string) ([]CallOutput, error) {
	if len(made) > maxCalls {
		return nil, chatkitd.Errorf(chatkitd.CodeUnavailable, "The model wanted to do more than %d things at once.", maxCalls)
	}
	calls := make([]chatkitd.ToolCall, len(made))
	for i, c := range made {
		calls[i] = chatkitd.ToolCall{ID: ids[i], Name: c.Name, Arguments: arguments(c.Arguments)}
	}
	if err := t.sink.ToolsCalled(t.ctx, calls...); err != nil {
		return nil, err
	}
	if err := t.openFlow(chatkit.WorkflowCustom); err != nil {
		return nil, err
	}
	steps := make([]int, len(calls))
	for i, c := range calls {
		steps[i] = t.addTask(step(tools.Title(c.Name, c.Arguments), chatkit.IndicatorLoading))
	}

	done := make([]tools.Output, len(calls))
	ready := make(chan int, len(calls))
	go t.runAll(calls, done, ready)
	for i := range ready { // closed when all have ended
		ended := step(tools.Summary(calls[i].Name, done[i], t.in.Location), chatkit.IndicatorComplete)
		ended.Content = tools.Detail(calls[i].Name, calls[i].Arguments, done[i])
		t.setTask(steps[i], ended)
	}
	if err := t.ctx.Err(); err != nil {
		return nil, err
	}

	outputs := make([]chatkitd.ToolOutput, len(calls))
	toModel := make([]CallOutput, len(calls))
	for i, out := range done {
		outputs[i] = chatkitd.ToolOutput{ID: calls[i].ID, Output: out.JSON}
		toModel[i] = CallOutput{ID: made[i].ID, Output: string(out.JSON)}
		t.done = append(t.done, tools.Done{Name: calls[i].Name, Arguments: calls[i].Arguments, Output: out})
	}
	return toModel, t.sink.ToolsReturned(t.ctx, outputs...)
}

// runAll runs the calls and sends the index of each when it has ended.
func (t *turn) runAll(calls []chatkitd.ToolCall, done []tools.Output, ready chan<- int) {
	var reads sync.WaitGroup
	slots := make(chan struct{}, t.opts.MaxParallel)
	run := func(i int) {
		slots <- struct{}{}
		done[i] = t.bound.Call(t.ctx, tools.Call{
			Turn: t.in.Turn, ID: calls[i].ID, Name: calls[i].Name, Arguments: calls[i].Arguments,
			Request: t.in.Request, Location: t.in.Location,
		})
		<-slots
		ready <- i
	}
	for i, c := range calls {
		if t.readOnly(c.Name) {
			reads.Go(func() { run(i) })
			continue
		}
		reads.Wait()
		run(i)
	}
	reads.Wait()
	close(ready)
}

func (t *turn) readOnly(name string) bool {
	for _, d := range t.opts.Tools.Definitions() {
		if d.Name == name {
			return d.ReadOnly
		}
	}
	return false
}

func step(title, indicator string) chatkit.Task {
	return chatkit.Task{Type: chatkit.TaskCustom, Title: title, StatusIndicator: indicator}
}

// callID returns the id under which a call is recorded: the model's own, or one
// of ours when it has none that is unique in the turn.
func (t *turn) callID(id string) string {
	if !chatkitd.ValidID(id) || t.ids[id] {
		id = chatkitd.NewID(chatkitd.PrefixToolUse)
	}
	t.ids[id] = true
	return id
}

// arguments returns what the model wrote as JSON that can be stored: text that
// is not JSON becomes a JSON string, which no tool accepts.
func arguments(s string) json.RawMessage {
	raw := bytes.TrimSpace([]byte(s))
	switch {
	case len(raw) == 0:
		return json.RawMessage("{}")
	case json.Valid(raw):
		return raw
	}
	quoted, _ := json.Marshal(s) // a string always encodes
	return quoted
}

// extend adds a round to the input of the next: the model's own output items
// unchanged where it gave them, and the outputs of its calls.
func extend(in []Input, resp *Response, outputs []CallOutput) []Input {
	if resp.Output == nil {
		for i := range resp.Calls {
			in = append(in, Input{Call: &resp.Calls[i]})
		}
	}
	for _, raw := range resp.Output {
		in = append(in, Input{Raw: raw})
	}
	for i := range outputs {
		in = append(in, Input{Output: &outputs[i]})
	}
	return in
}
