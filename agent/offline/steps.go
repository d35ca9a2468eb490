package offline

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/agent"
	"github.com/chatkitd/chatkitd/tools"
)

// round works out what is to be done next.
type round struct {
	*conversation
	dates *dateParser
	calls []agent.Call
	keys  map[string]bool // of the calls that read
}

// respond returns the next calls, or the answer when there is nothing left to
// call.
func respond(c *conversation) ([]agent.Call, string) {
	r := &round{conversation: c, dates: newDateParser(c.now), keys: map[string]bool{}}
	intents, more := parse(c.message, r.dates)
	intents = r.answered(intents)
	var told []outcome
	for _, in := range intents {
		o := r.step(in)
		o.in = in
		told = append(told, o)
	}
	if len(r.calls) > 0 {
		return r.calls, ""
	}
	return nil, r.answer(told, more)
}

// answered takes a message that only says which task is meant for the answer to
// the question that was asked last.
func (r *round) answered(intents []intent) []intent {
	if len(r.open) == 0 || len(intents) != 1 || intents[0].do != choose && intents[0].do != unclear {
		return intents
	}
	var chosen []chatkitd.Task
	reply := intents[0].ref
	if numbers, ok := reply.pick(len(r.open)); ok {
		for _, n := range numbers {
			chosen = append(chosen, r.open[n])
		}
	} else {
		for _, name := range reply.names {
			if chosen = match(r.open, name); len(chosen) > 0 {
				break
			}
		}
	}
	if len(chosen) == 0 {
		return intents
	}
	before, _ := parse(r.about, r.dates)
	for _, in := range before {
		if in.do == complete || in.do == reopen || in.do == remove || in.do == update {
			in.ref = ref{}
			for _, t := range chosen {
				in.ref.parts = append(in.ref.parts, ref{names: []string{"\x00" + string(t.ID)}})
			}
			return []intent{in}
		}
	}
	return intents
}

func match(tasks []chatkitd.Task, name string) []chatkitd.Task {
	var out []chatkitd.Task
	for _, t := range tasks {
		if strings.EqualFold(t.Title, name) {
			return []chatkitd.Task{t}
		}
		if strings.Contains(strings.ToLower(t.Title), strings.ToLower(name)) {
			out = append(out, t)
		}
	}
	return out
}

// outcome is what became of a wish so far.
type outcome struct {
	in     intent
	tasks  []chatkitd.Task // that were changed, or listed
	same   []chatkitd.Task // that were so already
	total  int             // of a list
	failed []string        // what went wrong, in words
	ask    []chatkitd.Task // which of these is meant?
	none   []string        // names that no task has
	empty  bool            // a reference to tasks selected none
	beyond bool            // a place in the list that does not exist
}

// step takes a wish one call further.
func (r *round) step(in intent) (o outcome) {
	switch in.do {
	case add:
		r.add(in, &o)
	case list:
		if out, ok := r.list(in.filter); ok {
			r.listed(in.filter, out, &o)
		}
	case complete, reopen, remove, update:
		if in.change.incomplete != "" {
			return o
		}
		for _, t := range r.resolve(in, in.ref, &o) {
			r.change(in, t, &o)
		}
	case unclear, greet, thank, bye, help, choose:
	}
	return o
}

func (r *round) add(in intent, o *outcome) {
	d := in.details
	if d.title == "" {
		return
	}
	args := map[string]any{"title": d.title}
	if d.notes != "" {
		args["description"] = d.notes
	}
	if d.priority != "" {
		args["priority"] = d.priority
	}
	if len(d.tags) > 0 {
		args["tags"] = d.tags
	}
	if d.due != nil {
		args["due_at"] = d.due.Format(time.RFC3339)
	}
	out, ok := r.need(tools.AddTask, args)
	o.take(out, ok)
}

// take notes the output of a call that changes something.
func (o *outcome) take(out output, ok bool) {
	switch {
	case !ok:
	case !out.Success:
		o.failed = append(o.failed, out.Message)
	case out.Task != nil && !out.Changed:
		o.same = append(o.same, *out.Task)
	case out.Task != nil:
		o.tasks = append(o.tasks, *out.Task)
	}
}

func (r *round) list(f filter) (output, bool) {
	args := map[string]any{"status": f.status}
	if f.everything {
		args["status"] = "all"
	}
	for name, v := range map[string]string{"query": f.query, "tag": f.tag, "priority": string(f.priority)} {
		if v != "" {
			args[name] = v
		}
	}
	return r.need(tools.ListTasks, args)
}

func (r *round) listed(f filter, out output, o *outcome) {
	if !out.Success {
		o.failed = append(o.failed, out.Message)
		return
	}
	for _, t := range out.Tasks {
		if f.matches(t) {
			o.tasks = append(o.tasks, t)
		}
	}
	o.total = out.Total
}

// need returns the output of a call, or makes the call. One that only reads
// serves everybody who asks for the same.
func (r *round) need(name string, args map[string]any) (output, bool) {
	encoded, _ := json.Marshal(args) // texts, lists of texts and bools
	var a arguments
	_ = json.Unmarshal(encoded, &a)
	want := key(name, a)
	reads := name == tools.ListTasks || name == tools.FindTaskByName
	for _, e := range r.made {
		if (reads || !e.used) && e.name == name && key(name, e.args) == want {
			e.used = true
			return e.out, true
		}
	}
	if reads && r.keys[want] {
		return output{}, false
	}
	r.keys[want] = true
	r.calls = append(r.calls, agent.Call{Name: name, Arguments: string(encoded)})
	return output{}, false
}

// key tells calls apart by what they are about. A date is no part of it: words
// such as "in an hour" give another one after an interruption.
func key(name string, a arguments) string {
	parts := []string{name, a.Title, a.Name, a.TaskID}
	switch {
	case name == tools.ListTasks:
		parts = append(parts, a.Status, a.Query, a.Tag, a.Priority)
	case a.Completed != nil && !*a.Completed:
		parts = append(parts, "reopen")
	}
	if name == tools.UpdateTask {
		parts[1] = ""
	}
	return strings.Join(parts, "\x00")
}

// resolve returns the tasks that a reference means, as soon as they are known.
func (r *round) resolve(in intent, ref ref, o *outcome) []chatkitd.Task {
	switch {
	case ref.it:
		if r.last == nil {
			o.failed = append(o.failed, "I am not sure which task you mean.")
			return nil
		}
		return []chatkitd.Task{*r.last}
	case ref.all:
		return r.selected(in, ref, o)
	case len(ref.numbers) > 0 || ref.first > 0 || ref.final > 0:
		return r.placed(in, ref, o)
	}
	if len(ref.names) > 0 {
		if id, known := strings.CutPrefix(ref.names[0], "\x00"); known {
			for _, t := range r.open {
				if string(t.ID) == id {
					return []chatkitd.Task{t}
				}
			}
		}
		if t, settled := r.named(in, ref, o); settled {
			return t
		}
	}
	var out []chatkitd.Task
	for _, part := range ref.parts {
		out = append(out, r.resolve(in, part, o)...)
	}
	return out
}

// named looks a task up by each name in turn. It is settled when one was found,
// when there are several, when an answer is still to come, or when there is
// nothing else to try.
func (r *round) named(in intent, ref ref, o *outcome) ([]chatkitd.Task, bool) {
	for _, name := range ref.names {
		out, ok := r.need(tools.FindTaskByName, map[string]any{"name": name})
		switch {
		case !ok:
			return nil, true
		case out.Success && out.Task != nil:
			return []chatkitd.Task{*out.Task}, true
		case out.ErrorCode == tools.CodeAmbiguous:
			if fit := fitting(in.do, out.Tasks); len(fit) == 1 {
				return fit, true
			}
			o.ask = append(o.ask, out.Tasks...)
			return nil, true
		case out.ErrorCode != string(chatkitd.CodeNotFound):
			o.failed = append(o.failed, out.Message)
			return nil, true
		}
	}
	if len(ref.parts) > 0 {
		return nil, false
	}
	o.none = append(o.none, ref.names[0])
	return nil, true
}

// fitting returns those of several tasks of a name that can be meant: of two
// "buy milk" the open one is completed and the completed one reopened.
func fitting(do action, tasks []chatkitd.Task) []chatkitd.Task {
	return slices.DeleteFunc(slices.Clone(tasks), func(t chatkitd.Task) bool { return t.Completed != (do == reopen) })
}

func (r *round) selected(in intent, ref ref, o *outcome) []chatkitd.Task {
	f := ref.filter
	if in.do == complete || in.do == update {
		f.status, f.everything = chatkitd.TaskPending, false
	}
	if in.do == reopen {
		f.status, f.everything = chatkitd.TaskCompleted, false
	}
	out, ok := r.list(f)
	if !ok {
		return nil
	}
	var found outcome
	r.listed(f, out, &found)
	o.failed = append(o.failed, found.failed...)
	o.empty = len(found.tasks) == 0 && len(found.failed) == 0
	o.total = found.total
	return found.tasks
}

func (r *round) placed(in intent, ref ref, o *outcome) []chatkitd.Task {
	f := filter{status: chatkitd.TaskPending}
	if in.do == reopen {
		f.status = chatkitd.TaskCompleted
	}
	out, ok := r.list(f)
	if !ok {
		return nil
	}
	if !out.Success {
		o.failed = append(o.failed, out.Message)
		return nil
	}
	if out.Total > len(out.Tasks) && (ref.final > 0 || slices.ContainsFunc(ref.numbers, func(n int) bool { return n < 0 })) {
		o.failed = append(o.failed, "Your list is too long for me to see its end. Please tell me the task by name.")
		return nil
	}
	places, ok := ref.pick(len(out.Tasks))
	if !ok {
		o.beyond, o.total = true, out.Total
		return nil
	}
	tasks := make([]chatkitd.Task, len(places))
	for i, n := range places {
		tasks[i] = out.Tasks[n]
	}
	return tasks
}

// pick returns the indexes that a reference by place means in a list of n.
func (r ref) pick(n int) ([]int, bool) {
	var out []int
	for i := range min(r.first, n) {
		out = append(out, i)
	}
	for i := range min(r.final, n) {
		out = append(out, n-min(r.final, n)+i)
	}
	for _, k := range r.numbers {
		if k < 0 {
			k += n + 1
		}
		if k < 1 || k > n {
			return nil, false
		}
		out = append(out, k-1)
	}
	for _, p := range r.parts {
		some, ok := p.pick(n)
		if !ok {
			return nil, false
		}
		out = append(out, some...)
	}
	return out, len(out) > 0
}

// change makes the call that changes one task.
func (r *round) change(in intent, t chatkitd.Task, o *outcome) {
	id := map[string]any{"task_id": t.ID}
	switch in.do {
	case complete:
		o.take(r.need(tools.CompleteTask, id))
	case reopen:
		id["completed"] = false
		o.take(r.need(tools.CompleteTask, id))
	case remove:
		o.take(r.need(tools.DeleteTask, id))
	case update:
		for name, v := range r.changes(in, t) {
			id[name] = v
		}
		o.take(r.need(tools.UpdateTask, id))
	case unclear, add, list, greet, thank, bye, help, choose: // nothing about one task
	}
}

// changes returns the arguments of an update.
func (r *round) changes(in intent, t chatkitd.Task) map[string]any {
	args := map[string]any{}
	d, c := in.details, in.change
	if d.title != "" {
		args["title"] = d.title
	}
	if d.notes != "" {
		args["description"] = d.notes
	}
	if d.priority != "" {
		args["priority"] = d.priority
	}
	if d.due != nil {
		args["due_at"] = d.due.Format(time.RFC3339)
	}
	if c.shift != 0 || c.shiftDays != 0 {
		from := tools.EndOfDay(r.now, r.loc)
		if c.shift != 0 {
			from = r.now.Truncate(time.Minute)
		}
		if t.DueAt != nil {
			from = t.DueAt.In(r.loc)
		}
		args["due_at"] = from.AddDate(0, 0, c.shiftDays).Add(c.shift).Format(time.RFC3339)
	}
	for name, cleared := range map[string]bool{"due_at": c.clearDue, "priority": c.clearPriority, "tags": c.clearTags, "description": c.clearNotes} {
		if cleared {
			args[name] = nil
		}
	}
	if len(c.addTags)+len(c.dropTags) > 0 {
		tags := slices.Clone(t.Tags)
		for _, tag := range c.addTags {
			tags = appendNew(tags, tag)
		}
		tags = slices.DeleteFunc(tags, func(tag string) bool {
			return slices.ContainsFunc(c.dropTags, func(d string) bool { return strings.EqualFold(d, tag) })
		})
		args["tags"] = tags
		if len(tags) == 0 {
			args["tags"] = nil
		}
	}
	return args
}
