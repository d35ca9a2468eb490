package actors

import (
	"slices"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

// userState is what a user's actor must remember to judge the next command. A
// task behind a pointer never changes: a fold puts a new one in its place, so
// that results under idempotency keys share it.
type userState struct {
	tasks map[chatkitd.TaskID]*chatkitd.Task
	keys  keyring[chatkitd.TaskResult]
	voids keyring[struct{}] // keys of commands that are refused
}

// decision is what a command leads to. Without events, result is the answer.
type decision struct {
	events []events.User
	result chatkitd.TaskResult
	known  bool // it was done under its key: true for ever
}

// fold brings s behind f. It cannot fail: f has happened.
func (s *userState) fold(f fact[events.User]) {
	if s.tasks == nil {
		s.tasks = make(map[chatkitd.TaskID]*chatkitd.Task)
	}
	at := f.Meta.RecordedAt
	var task chatkitd.Task
	switch ev := f.Event.(type) {
	case events.TaskAdded:
		task = chatkitd.Task{
			ID: ev.TaskID, Title: ev.Title, Description: ev.Description, Status: chatkitd.TaskPending,
			Priority: ev.Priority, Tags: ev.Tags, DueAt: ev.DueAt, CreatedAt: at, UpdatedAt: at,
		}
		s.tasks[task.ID] = &task
	case events.TaskUpdated:
		task = s.copyOf(ev.TaskID, at)
		apply(&task.Title, ev.Title)
		apply(&task.Description, ev.Description)
		apply(&task.Priority, ev.Priority)
		apply(&task.Tags, ev.Tags)
		if ev.DueAt.Set {
			task.DueAt = nil
			if !ev.DueAt.Null {
				task.DueAt = &ev.DueAt.Value
			}
		}
		s.tasks[task.ID] = &task
	case events.TaskCompleted:
		task = s.copyOf(ev.TaskID, at)
		task.Status, task.Completed, task.CompletedAt = chatkitd.TaskCompleted, true, &at
		s.tasks[task.ID] = &task
	case events.TaskReopened:
		task = s.copyOf(ev.TaskID, at)
		task.Status, task.Completed, task.CompletedAt = chatkitd.TaskPending, false, nil
		s.tasks[task.ID] = &task
	case events.TaskDeleted:
		task = s.copyOf(ev.TaskID, at)
		delete(s.tasks, ev.TaskID)
	case events.EffectVoided:
		s.voids.remember(ev.Key, keyUse[struct{}]{at: at})
	}
	if f.Meta.Key != "" {
		s.keys.remember(f.Meta.Key, keyUse[chatkitd.TaskResult]{
			fingerprint: f.Meta.Fingerprint,
			at:          at,
			result: chatkitd.TaskResult{
				Task: task, Changed: true,
				Receipt: chatkitd.Receipt{Revision: f.Revision, Position: f.Position},
			},
		})
	}
}

func (s *userState) copyOf(id chatkitd.TaskID, at time.Time) chatkitd.Task {
	t := chatkitd.Task{ID: id}
	if old, ok := s.tasks[id]; ok {
		t = *old
	}
	t.UpdatedAt = at
	return t
}

func apply[T any](field *T, c chatkitd.Change[T]) {
	if c.Set {
		*field = c.Value // the zero value when cleared
	}
}

// decide returns the events that o leads to, none when it is done already, or an
// *chatkitd.Error. It is pure: no clock, no ids, no I/O.
func (s *userState) decide(o taskOrder) (decision, error) {
	if o.meta.Key != "" {
		if use, ok := s.keys.find(o.meta.Key, o.now); ok {
			if use.fingerprint != o.fingerprint {
				return decision{known: true}, chatkitd.Errorf(chatkitd.CodeKeyReused, "this idempotency key was used for another request; use a new key for each request")
			}
			res := use.result
			res.Changed = false
			return decision{result: res, known: true}, nil
		}
		if _, ok := s.voids.find(o.meta.Key, o.now); ok {
			return decision{known: true}, errVoid
		}
	}
	switch cmd := o.cmd.(type) {
	case chatkitd.AddTask:
		return s.add(cmd, o)
	case chatkitd.UpdateTask:
		return s.update(cmd)
	case chatkitd.CompleteTask:
		return s.complete(cmd)
	case chatkitd.DeleteTask:
		t, err := s.find(cmd.Task)
		if err != nil {
			return decision{}, err
		}
		return decision{events: []events.User{events.TaskDeleted{TaskID: t.ID}}, result: chatkitd.TaskResult{Task: *t}}, nil
	}
	return decision{}, chatkitd.Errorf(chatkitd.CodeInvalid, "unknown command %T", o.cmd)
}

func (s *userState) find(id chatkitd.TaskID) (*chatkitd.Task, error) {
	t, ok := s.tasks[id]
	if !ok {
		return nil, chatkitd.Errorf(chatkitd.CodeNotFound, "there is no task with this id")
	}
	return t, nil
}

func (s *userState) add(cmd chatkitd.AddTask, o taskOrder) (decision, error) {
	if len(s.tasks) >= chatkitd.MaxTasks {
		return decision{}, chatkitd.Errorf(chatkitd.CodeConflict, "you have %d tasks, which is as many as there can be; delete some first", len(s.tasks))
	}
	ev := events.TaskAdded{TaskID: o.newID}
	var err error
	if ev.Title, err = cleanTitle(cmd.Title); err != nil {
		return decision{}, err
	}
	if ev.Description, err = cleanDescription(cmd.Description); err != nil {
		return decision{}, err
	}
	if ev.Priority, err = cleanPriority(cmd.Priority); err != nil {
		return decision{}, err
	}
	if ev.Tags, err = cleanTags(cmd.Tags); err != nil {
		return decision{}, err
	}
	if cmd.DueAt != nil {
		due, err := cleanDue(*cmd.DueAt)
		if err != nil {
			return decision{}, err
		}
		ev.DueAt = &due
	}
	return decision{events: []events.User{ev}, result: chatkitd.TaskResult{Task: chatkitd.Task{ID: o.newID}}}, nil
}

func (s *userState) update(cmd chatkitd.UpdateTask) (decision, error) {
	t, err := s.find(cmd.Task)
	if err != nil {
		return decision{}, err
	}
	ev := events.TaskUpdated{TaskID: t.ID}
	if cmd.Title.Set {
		title, err := cleanTitle(cmd.Title.Value)
		if err != nil {
			return decision{}, err
		}
		if title != t.Title {
			ev.Title = chatkitd.To(title)
		}
	}
	if ev.Description, err = changed(cmd.Description, t.Description, cleanDescription); err != nil {
		return decision{}, err
	}
	if ev.Priority, err = changed(cmd.Priority, t.Priority, cleanPriority); err != nil {
		return decision{}, err
	}
	if cmd.Tags.Set {
		tags, err := cleanTags(cmd.Tags.Value)
		if err != nil {
			return decision{}, err
		}
		switch {
		case slices.Equal(tags, t.Tags):
		case len(tags) == 0:
			ev.Tags = chatkitd.Cleared[[]string]()
		default:
			ev.Tags = chatkitd.To(tags)
		}
	}
	switch {
	case !cmd.DueAt.Set:
	case cmd.DueAt.Null:
		if t.DueAt != nil {
			ev.DueAt = chatkitd.Cleared[time.Time]()
		}
	default:
		due, err := cleanDue(cmd.DueAt.Value)
		if err != nil {
			return decision{}, err
		}
		if t.DueAt == nil || !t.DueAt.Equal(due) {
			ev.DueAt = chatkitd.To(due)
		}
	}
	d := decision{result: chatkitd.TaskResult{Task: *t}}
	if ev.Title.Set || ev.Description.Set || ev.Priority.Set || ev.Tags.Set || ev.DueAt.Set {
		d.events = append(d.events, ev)
	}
	if cmd.Completed.Set && cmd.Completed.Value != t.Completed {
		d.events = append(d.events, completion(t.ID, cmd.Completed.Value))
	}
	return d, nil
}

// changed returns the change of a field that null or the zero value clears.
func changed[T comparable](c chatkitd.Change[T], old T, clean func(T) (T, error)) (chatkitd.Change[T], error) {
	var zero T
	if !c.Set {
		return c, nil
	}
	v, err := clean(c.Value)
	switch {
	case err != nil:
		return chatkitd.Change[T]{}, err
	case v == old:
		return chatkitd.Change[T]{}, nil
	case v == zero:
		return chatkitd.Cleared[T](), nil
	}
	return chatkitd.To(v), nil
}

func (s *userState) complete(cmd chatkitd.CompleteTask) (decision, error) {
	t, err := s.find(cmd.Task)
	if err != nil {
		return decision{}, err
	}
	d := decision{result: chatkitd.TaskResult{Task: *t}}
	if t.Completed == cmd.Reopen {
		d.events = []events.User{completion(t.ID, !cmd.Reopen)}
	}
	return d, nil
}

func completion(id chatkitd.TaskID, done bool) events.User {
	if done {
		return events.TaskCompleted{TaskID: id}
	}
	return events.TaskReopened{TaskID: id}
}
