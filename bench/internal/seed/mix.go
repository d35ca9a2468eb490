package seed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/chatkit"
	"github.com/chatkitd/chatkitd/events"
)

// Summary counts what a log holds.
type Summary struct{ Events, Users, Threads, Turns, Calls, Tasks int }

func (s Summary) String() string {
	return fmt.Sprintf("%d events: %d users, %d threads, %d turns, %d tool calls, %d tasks", s.Events, s.Users, s.Threads, s.Turns, s.Calls, s.Tasks)
}

// Mix appends at least n events of many users to a store: sessions of a few turns
// each, in new threads and in old ones, a few users far busier than the rest. A
// session's events lie together; those of a stream are spread over the log. It
// tells progress, which may be nil, how far it is.
func Mix(ctx context.Context, store events.Store, seed uint64, n int, progress func(count int)) (Summary, error) {
	w := newWriter(ctx, store, seed)
	m := &mix{writer: w, people: make([]*person, max(1, n/500))}
	zipf := rand.NewZipf(w.rand, 1.1, 20, uint64(len(m.people)-1))
	for w.count < n {
		i := zipf.Uint64()
		if m.people[i] == nil {
			m.people[i] = &person{id: chatkitd.UserID(fmt.Sprintf("user%05d@example.com", i))}
			m.sum.Users++
		}
		if err := m.session(m.people[i]); err != nil {
			return m.sum, err
		}
		if progress != nil {
			progress(w.count)
		}
	}
	m.sum.Events = w.count
	return m.sum, nil
}

type mix struct {
	*writer
	people []*person
	sum    Summary
}

// person is a user and what is needed to go on with.
type person struct {
	id      chatkitd.UserID
	threads []chatkitd.ThreadID // the last ones
	open    []chatkitd.TaskID
	tasks   int
}

// session is one visit: one thread, up to six turns.
func (m *mix) session(p *person) error {
	m.pass(20 * time.Second)
	fresh := len(p.threads) == 0 || chance(m.rand, 40)
	id := chatkitd.ThreadID(m.id(chatkitd.PrefixThread))
	if !fresh {
		id = pick(m.rand, p.threads)
	}
	v := &visit{
		mix: m, person: p, thread: id,
		talk: &piece{stream: events.ThreadStream(id)}, list: &piece{stream: events.UserStream(p.id)},
	}
	if fresh {
		m.sum.Threads++
		if p.threads = append(p.threads, id); len(p.threads) > 5 {
			p.threads = p.threads[1:]
		}
	}
	for i := range 1 + m.rand.IntN(6) {
		if err := v.turn(fresh && i == 0); err != nil {
			return err
		}
	}
	if err := v.afterwards(); err != nil {
		return err
	}
	// The thread's facts first, as in life: a call is durable before its effect.
	return errors.Join(m.flush(v.talk), m.flush(v.list))
}

// visit is one session.
type visit struct {
	*mix
	person *person
	thread chatkitd.ThreadID
	talk   *piece
	list   *piece
	last   chatkitd.ItemID // the last answer
}

// turn is one message and its answer.
func (v *visit) turn(fresh bool) error {
	v.pass(40 * time.Second)
	v.sum.Turns++
	turn := chatkitd.TurnID(v.id(chatkitd.PrefixTurn))
	meta := events.Metadata{Correlation: v.id(chatkitd.PrefixRequest), User: v.person.id}
	meta.Causation = meta.Correlation
	said, err := v.message(v.thread, "please "+title(v.rand)+" and "+title(v.rand))
	if err != nil {
		return err
	}
	begin := []events.Event{said, events.TurnStarted{TurnID: turn, Trigger: events.TriggerMessage, Model: "gpt-5-mini", Instance: "srv_seed"}}
	if fresh {
		created := events.ThreadCreated{ThreadID: v.thread, UserID: v.person.id, Title: title(v.rand)}
		begin = slices.Insert(begin, 0, events.Event(created))
	}
	if err := v.add(v.talk, meta, begin...); err != nil {
		return err
	}
	meta.Causation = string(turn)
	switch n := v.rand.IntN(100); {
	case n < 2:
		return v.add(v.talk, meta, events.TurnFailed{TurnID: turn, Reason: "the model did not answer"})
	case n < 4:
		return v.add(v.talk, meta, events.TurnCancelled{TurnID: turn, Reason: "cancelled"})
	case n < 5:
		return v.add(v.talk, meta, events.TurnInterrupted{TurnID: turn, Reason: "crash"})
	}
	if err := v.calls(turn, meta); err != nil {
		return err
	}
	v.pass(5 * time.Second)
	answer, id, err := v.answer(v.thread, text(v.rand, 10+v.rand.IntN(70)))
	if err != nil {
		return err
	}
	v.last = id
	return v.add(v.talk, meta, answer, events.TurnCompleted{
		TurnID: turn, Model: "gpt-5-mini", DurationMS: 900 + v.rand.Int64N(6000), ResponseIDs: []string{v.id("resp_")},
		Usage: chatkitd.Usage{Input: 300 + v.rand.Int64N(2000), Output: 20 + v.rand.Int64N(300), Reasoning: v.rand.Int64N(100)},
	})
}

// calls makes up to three tool calls, shows them as a workflow, and has them
// take effect.
func (v *visit) calls(turn chatkitd.TurnID, meta events.Metadata) error {
	n := v.rand.IntN(4)
	if n == 0 {
		return nil
	}
	v.sum.Calls += n
	var called, returned []events.Event
	var steps []chatkit.Task
	for i := range n {
		v.pass(50 * time.Millisecond)
		call := fmt.Sprintf("call_%d", i+1)
		name, args, effect := v.tool()
		called = append(called, events.ToolCalled{TurnID: turn, CallID: call, Name: name, Arguments: args})
		returned = append(returned, events.ToolReturned{TurnID: turn, CallID: call, Output: json.RawMessage(`{"success":true,"message":"Done.","task":` + string(args) + `}`)})
		steps = append(steps, chatkit.Task{Type: chatkit.TaskCustom, StatusIndicator: chatkit.IndicatorComplete, Title: name})
		if effect != nil {
			of := meta
			of.Key, of.Fingerprint = chatkitd.EffectKey(turn, call), "00112233445566778899aabbccddeeff"
			if err := v.add(v.list, of, effect); err != nil {
				return err
			}
		}
	}
	flow, err := added(chatkit.WorkflowItem{ItemBase: v.base(chatkitd.PrefixFlow, v.thread), Workflow: chatkit.Workflow{Type: chatkit.WorkflowCustom, Tasks: steps}})
	if err != nil {
		return err
	}
	if err := v.add(v.talk, meta, called...); err != nil {
		return err
	}
	return v.add(v.talk, meta, append(returned, flow)...)
}

// tool picks what a call does to the user's tasks; nil for nothing.
func (v *visit) tool() (name string, args json.RawMessage, effect events.Event) {
	p := v.person
	n := v.rand.IntN(100)
	if n >= 92 {
		return "list_tasks", json.RawMessage(`{"status":"pending"}`), nil
	}
	if n < 55 && p.tasks < chatkitd.MaxTasks || len(p.open) == 0 {
		add := v.task()
		p.tasks++
		p.open = append(p.open, add.TaskID)
		v.sum.Tasks++
		return "add_task", object("title", add.Title), add
	}
	i := v.rand.IntN(len(p.open))
	id := p.open[i]
	switch {
	case n < 78:
		p.open = slices.Delete(p.open, i, i+1)
		return "complete_task", object("task_id", string(id)), events.TaskCompleted{TaskID: id}
	case n < 82:
		p.open = slices.Delete(p.open, i, i+1)
		p.tasks--
		return "delete_task", object("task_id", string(id)), events.TaskDeleted{TaskID: id}
	case n < 86:
		return "update_task", object("task_id", string(id)), events.TaskUpdated{TaskID: id, Priority: chatkitd.To(chatkitd.PriorityHigh)}
	}
	return "update_task", object("task_id", string(id)), events.TaskUpdated{TaskID: id, Title: chatkitd.To(title(v.rand))}
}

func object(name, value string) json.RawMessage {
	return json.RawMessage(fmt.Sprintf("{%q:%q}", name, value))
}

// task makes up a task.
func (w *writer) task() events.TaskAdded {
	r := w.rand
	t := events.TaskAdded{TaskID: chatkitd.TaskID(w.id(chatkitd.PrefixTask)), Title: title(r)}
	if chance(r, 30) {
		t.Description = pick(r, details)
	}
	if chance(r, 30) {
		t.Priority = pick(r, []chatkitd.Priority{chatkitd.PriorityLow, chatkitd.PriorityMedium, chatkitd.PriorityHigh})
	}
	if chance(r, 40) {
		t.Tags = []string{pick(r, tags)}
	}
	if chance(r, 40) {
		due := w.now.Add(time.Duration(1+r.IntN(14*24)) * time.Hour).Truncate(time.Hour)
		t.DueAt = &due
	}
	return t
}

// afterwards is what a user does now and then at the end of a visit.
func (v *visit) afterwards() error {
	meta := events.Metadata{Correlation: v.id(chatkitd.PrefixRequest), User: v.person.id}
	meta.Causation = meta.Correlation
	v.pass(time.Minute)
	switch n := v.rand.IntN(100); {
	case n < 4:
		return v.add(v.talk, meta, events.ThreadRenamed{Title: title(v.rand), By: "user"})
	case n < 8 && v.last != "":
		return v.add(v.talk, meta, events.FeedbackGiven{ItemIDs: []chatkitd.ItemID{v.last}, Kind: "positive"})
	case n < 9:
		v.person.threads = slices.DeleteFunc(v.person.threads, func(id chatkitd.ThreadID) bool { return id == v.thread })
		return v.add(v.talk, meta, events.ThreadDeleted{})
	}
	return nil
}
