package agent

import (
	"slices"
	"strings"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/chatkit"
	"github.com/chatkitd/chatkitd/tools"
)

// maxSteps bounds the tasks of one workflow.
const maxSteps = 200

// workflow is the open workflow item: either what the model thinks or what its
// tools do.
type workflow struct {
	base  chatkit.ItemBase
	kind  string
	tasks []chatkit.Task
	began time.Time

	thoughts map[thoughtKey]int // index of the task
	text     strings.Builder    // of the first thought, while it streams
	shown    int                // bytes of it that were sent
}

// thoughtKey tells apart the thoughts of several reasoning items in one
// workflow.
type thoughtKey struct{ output, part int }

// openFlow makes sure that a workflow of this kind is open, and no other.
func (t *turn) openFlow(kind string) error {
	if t.flow != nil && t.flow.kind == kind && len(t.flow.tasks) < maxSteps {
		return nil
	}
	if err := t.closeFlow(); err != nil {
		return err
	}
	t.flow = &workflow{
		base: t.base(chatkitd.PrefixFlow), kind: kind, began: t.opts.Now(),
		thoughts: map[thoughtKey]int{},
	}
	t.sink.Emit(chatkit.ItemAdded{Item: t.flow.item(nil, kind == chatkit.WorkflowCustom)})
	return nil
}

// closeFlow ends the open workflow, if there is one.
func (t *turn) closeFlow() error {
	f := t.flow
	if f == nil {
		return nil
	}
	t.flow = nil
	summary := &chatkit.Summary{Duration: int(t.opts.Now().Sub(f.began).Round(time.Second) / time.Second)}
	if f.kind == chatkit.WorkflowCustom {
		summary = &chatkit.Summary{Title: tools.Headline(t.done)}
		t.done = nil
	}
	return t.commit(chatkit.ItemDone{Item: f.item(summary, false)})
}

func (f *workflow) item(summary *chatkit.Summary, expanded bool) chatkit.WorkflowItem {
	return chatkit.WorkflowItem{ItemBase: f.base, Workflow: chatkit.Workflow{
		Type: f.kind, Tasks: slices.Clone(f.tasks), Summary: summary, Expanded: expanded,
	}}
}

func (t *turn) addTask(task chatkit.Task) int {
	t.flow.tasks = append(t.flow.tasks, task)
	i := len(t.flow.tasks) - 1
	t.sink.Emit(chatkit.ItemUpdated{ItemID: t.flow.base.ID, Update: chatkit.WorkflowTaskAdded{TaskIndex: i, Task: task}})
	return i
}

func (t *turn) setTask(i int, task chatkit.Task) {
	t.flow.tasks[i] = task
	t.sink.Emit(chatkit.ItemUpdated{ItemID: t.flow.base.ID, Update: chatkit.WorkflowTaskUpdated{TaskIndex: i, Task: task}})
}

func (t *turn) openReasoning() error { return t.openFlow(chatkit.WorkflowReasoning) }

// thought shows what the model thinks: the first thought of a workflow as it
// grows, a later one when it is whole. An update repeats the whole thought, so a
// long one is sent only when it has grown by a sixteenth: the bytes of a thought
// on the wire stay linear in its length.
func (t *turn) thought(ev *Event) error {
	if err := t.openReasoning(); err != nil {
		return err
	}
	f := t.flow
	key := thoughtKey{ev.Output, ev.Part}
	i, known := f.thoughts[key]
	first := known && i == 0 || len(f.thoughts) == 0
	task := chatkit.Task{Type: chatkit.TaskThought, StatusIndicator: chatkit.IndicatorNone}
	if ev.Kind == ThoughtDone {
		task.Content = ev.Text
		if len(task.Content) > maxText {
			return tooLarge("a thought of more than %d bytes", maxText)
		}
		switch {
		case known:
			t.setTask(i, task)
		case ev.Text != "":
			f.thoughts[key] = t.addTask(task)
		}
		return nil
	}
	if !first || ev.Text == "" {
		return nil
	}
	f.text.WriteString(ev.Text)
	n := f.text.Len()
	if n > maxText {
		return tooLarge("a thought of more than %d bytes", maxText)
	}
	if known && n-f.shown < n/16 {
		return nil
	}
	task.Content, f.shown = f.text.String(), n
	if known {
		t.setTask(i, task)
	} else {
		f.thoughts[key] = t.addTask(task)
	}
	return nil
}
