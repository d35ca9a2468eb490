package audit

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"slices"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/actors"
	"github.com/chatkitd/chatkitd/chatkit"
	"github.com/chatkitd/chatkitd/events"
)

// Replay implements [chatkitd.Auditor]. The state at a time is the state before
// the first event of the stream that is younger. Tasks come newest first, as the
// API lists them.
func (a *Auditor) Replay(ctx context.Context, q chatkitd.ReplayQuery) (chatkitd.Replay, error) {
	about := subject{user: q.User, thread: q.Thread}
	if about.count() != 1 {
		return chatkitd.Replay{}, invalid("name one user or one thread")
	}
	bounds := 0
	for _, set := range []bool{!q.At.IsZero(), q.Position != nil, q.Revision != nil} {
		if set {
			bounds++
		}
	}
	if bounds > 1 {
		return chatkitd.Replay{}, invalid("name at most one of at, position and revision")
	}
	if q.Position != nil {
		head, err := a.store.Head(ctx)
		if err != nil {
			return chatkitd.Replay{}, public(err)
		}
		if err := checkPosition("position", *q.Position, head); err != nil {
			return chatkitd.Replay{}, err
		}
	}
	r := chatkitd.Replay{Stream: about.name()}
	var f folder = newUserFold(a)
	if q.Thread != "" {
		f = &threadFold{a: a, thread: q.Thread}
	}
	last, cut := uint64(0), false
	for rec, err := range a.store.ReadStream(ctx, r.Stream, events.StreamRead{}) {
		if err != nil {
			return chatkitd.Replay{}, about.missing(err)
		}
		last = rec.Revision
		if cut = beyond(&rec, q); cut {
			break
		}
		if err := a.apply(ctx, &r, f, rec, q.Steps); err != nil {
			return chatkitd.Replay{}, public(err)
		}
	}
	if q.Revision != nil && *q.Revision > last && !cut {
		return chatkitd.Replay{}, invalid("revision: %s ends at revision %d", r.Stream, last)
	}
	return r, f.result(&r)
}

func beyond(rec *events.Recorded, q chatkitd.ReplayQuery) bool {
	switch {
	case !q.At.IsZero():
		return timeOf(rec).After(q.At)
	case q.Position != nil:
		return rec.Position.Compare(*q.Position) > 0
	case q.Revision != nil:
		return rec.Revision > *q.Revision
	}
	return false
}

// apply folds one event, and notes the step if steps are asked for.
func (a *Auditor) apply(ctx context.Context, r *chatkitd.Replay, f folder, rec events.Recorded, steps bool) error {
	if !steps {
		if err := f.apply(rec); err != nil {
			return err
		}
	} else {
		step, err := f.step(ctx, rec)
		if err != nil {
			return err
		}
		r.Steps = append(r.Steps, step)
	}
	revision := rec.Revision
	r.Revision, r.Position, r.Time = &revision, rec.Position, timeOf(&rec)
	return nil
}

// folder is a fold of one stream that can also tell what an event changed.
type folder interface {
	apply(rec events.Recorded) error
	step(ctx context.Context, rec events.Recorded) (chatkitd.ReplayStep, error)
	result(r *chatkitd.Replay) error
}

var null = json.RawMessage("null")

// userFold folds a user's stream.
type userFold struct {
	a      *Auditor
	replay actors.UserReplay
	added  map[chatkitd.TaskID]uint64 // the revision of task.added
	causes *causes
}

func newUserFold(a *Auditor) *userFold {
	return &userFold{a: a, added: map[chatkitd.TaskID]uint64{}, causes: &causes{a: a}}
}

var addedName = mustName(events.TaskAdded{})

func mustName(ev events.Event) string {
	name, err := events.NameOf(ev)
	if err != nil {
		panic(err) // an event of this very build
	}
	return name
}

func (f *userFold) apply(rec events.Recorded) error {
	if err := f.replay.Apply(rec); err != nil {
		return err
	}
	if rec.Type != addedName {
		return nil
	}
	ev, err := events.Decode(rec.Type, rec.Data)
	if err == nil {
		f.added[taskOf(ev)] = rec.Revision
	}
	return err
}

// taskOf returns which task an event of a user is about.
func taskOf(ev events.Event) chatkitd.TaskID {
	user, ok := ev.(events.User)
	if !ok {
		return ""
	}
	switch ev := user.(type) {
	case events.TaskAdded:
		return ev.TaskID
	case events.TaskUpdated:
		return ev.TaskID
	case events.TaskCompleted:
		return ev.TaskID
	case events.TaskReopened:
		return ev.TaskID
	case events.TaskDeleted:
		return ev.TaskID
	case events.EffectVoided: // of no task
	}
	return ""
}

func (f *userFold) step(ctx context.Context, rec events.Recorded) (chatkitd.ReplayStep, error) {
	step := chatkitd.ReplayStep{Event: f.a.view(&rec), Before: null, After: null}
	ev, err := events.Decode(rec.Type, rec.Data)
	if err != nil {
		return step, err
	}
	id := taskOf(ev)
	step.Subject = string(id)
	old, was := f.replay.Task(id)
	if err := f.apply(rec); err != nil {
		return step, err
	}
	if was {
		step.Event.Summary = f.a.taskSummary(ev.(events.User), old.Title)
		if step.Before, err = encode(old); err != nil {
			return step, err
		}
	}
	if now, is := f.replay.Task(id); is {
		if step.After, err = encode(now); err != nil {
			return step, err
		}
	}
	step.Cause, err = f.causes.of(ctx, &rec)
	return step, err
}

// encode is json.Marshal without the escaping of <, > and &.
func encode(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func (f *userFold) result(r *chatkitd.Replay) error {
	r.Tasks = f.replay.Tasks()
	slices.SortFunc(r.Tasks, func(a, b chatkitd.Task) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(f.added[b.ID], f.added[a.ID]))
	})
	return nil
}

// threadFold folds a thread's stream.
type threadFold struct {
	a      *Auditor
	thread chatkitd.ThreadID
	replay actors.ThreadReplay
	cause  chatkitd.ReplayCause // of what the open turn does
}

func (f *threadFold) apply(rec events.Recorded) error { return f.replay.Apply(rec) }

func (f *threadFold) step(_ context.Context, rec events.Recorded) (chatkitd.ReplayStep, error) {
	step := chatkitd.ReplayStep{Event: f.a.view(&rec), Subject: "thread", Before: null, After: null}
	ev, err := events.Decode(rec.Type, rec.Data)
	if err != nil {
		return step, err
	}
	item := itemOf(ev)
	state := func() (json.RawMessage, error) {
		switch {
		case item != "":
			if raw, ok := f.replay.Item(item); ok {
				return raw, nil
			}
		case changesThread(ev) && f.replay.Exists():
			return encode(f.replay.Thread())
		}
		return null, nil
	}
	if item != "" {
		step.Subject = string(item)
	}
	if step.Before, err = state(); err != nil {
		return step, err
	}
	if err := f.apply(rec); err != nil {
		return step, err
	}
	if step.After, err = state(); err != nil {
		return step, err
	}
	f.follow(ev, &rec)
	meta, err := events.DecodeMetadata(rec.Meta)
	if err != nil {
		return step, err
	}
	step.Cause = &chatkitd.ReplayCause{Request: meta.Correlation, Thread: f.thread}
	if meta.Correlation == f.cause.Request && f.cause.Turn != "" {
		cause := f.cause
		step.Cause = &cause
	}
	return step, nil
}

// follow notes which message the open turn answers.
func (f *threadFold) follow(ev events.Event, rec *events.Recorded) {
	started, ok := ev.(events.TurnStarted)
	if !ok {
		return
	}
	meta, err := events.DecodeMetadata(rec.Meta)
	if err != nil {
		return // the caller has it too
	}
	f.cause = chatkitd.ReplayCause{Request: meta.Correlation, Thread: f.thread, Turn: started.TurnID}
	for _, raw := range slices.Backward(f.replay.Items()) {
		if m, ok := userMessage(raw); ok {
			f.cause.Message, f.cause.Text = chatkitd.ItemID(m.ID), m.Text()
			return
		}
	}
}

// userMessage returns an item if it is what a person wrote.
func userMessage(raw json.RawMessage) (chatkit.UserMessage, bool) {
	if !bytes.Contains(raw, []byte(chatkit.TypeUserMessage)) {
		return chatkit.UserMessage{}, false
	}
	item, err := chatkit.DecodeItem(raw)
	if err != nil {
		return chatkit.UserMessage{}, false
	}
	m, ok := item.(chatkit.UserMessage)
	return m, ok
}

// itemOf returns which item an event of a thread is about, if it is about one.
func itemOf(ev events.Event) chatkitd.ItemID {
	var raw json.RawMessage
	switch ev := ev.(type) {
	case events.ItemAdded:
		raw = ev.Item
	case events.ItemReplaced:
		raw = ev.Item
	case events.ItemRemoved:
		return ev.ItemID
	default:
		return ""
	}
	var head struct {
		ID chatkitd.ItemID `json:"id"`
	}
	_ = json.Unmarshal(raw, &head) // the fold takes what is no item as one without id
	return head.ID
}

func changesThread(ev events.Event) bool {
	switch ev.(type) {
	case events.ThreadCreated, events.ThreadRenamed, events.ThreadStatusChanged, events.ThreadDeleted:
		return true
	default:
		return false
	}
}

func (f *threadFold) result(r *chatkitd.Replay) error {
	if !f.replay.Exists() {
		return nil
	}
	thread := f.replay.Thread()
	r.Thread, r.Items = &thread, f.replay.Items()
	return nil
}
