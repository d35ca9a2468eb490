package audit

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/actors"
	"github.com/chatkitd/chatkitd/chatkit"
	"github.com/chatkitd/chatkitd/events"
)

// Replay implements [chatkitd.Auditor]. Tasks come newest first, as the API lists
// them. It folds the stream from its begin, or goes on from where it stopped less
// than a minute ago: a page of steps costs what a state at its end costs, and the
// page behind it only its own steps.
func (a *Auditor) Replay(ctx context.Context, q chatkitd.ReplayQuery) (chatkitd.Replay, error) {
	limit, err := stepLimit(q)
	if err != nil {
		return chatkitd.Replay{}, err
	}
	p, err := a.past(ctx, q)
	if err != nil {
		return chatkitd.Replay{}, public(err)
	}
	var steps *stepPage
	if q.Steps {
		steps = newStepPage(q, p.events, limit)
		p.from, p.to, p.step = steps.from, steps.to, steps.add
		if q.After != nil { // without the state
			p.events = steps.to
		}
	}
	if err := p.run(ctx); err != nil {
		return chatkitd.Replay{}, public(err)
	}
	if err := p.finish(q.After == nil); err != nil {
		return chatkitd.Replay{}, public(err)
	}
	if q.Steps {
		steps.into(&p.r)
	}
	return p.r, nil
}

// Steps passes all steps of a replay to yield, oldest first, in one pass: none is
// kept. q.Steps, Newest, Limit and After mean nothing here.
func (a *Auditor) Steps(ctx context.Context, q chatkitd.ReplayQuery, yield func(chatkitd.ReplayStep) error) error {
	p, err := a.past(ctx, q)
	if err != nil {
		return public(err)
	}
	p.from, p.to, p.step = 0, p.events, yield
	return public(p.run(ctx))
}

// past is the fold of a stream up to the moment that was asked for.
type past struct {
	a      *Auditor
	about  subject
	at     time.Time
	events uint64 // how many are folded, which is the revision behind the last
	fold   *fold  // of run
	r      chatkitd.Replay

	from, to uint64 // the revisions, from and before, of which steps are wanted
	step     func(chatkitd.ReplayStep) error
}

func (a *Auditor) past(ctx context.Context, q chatkitd.ReplayQuery) (*past, error) {
	about := subject{user: q.User, thread: q.Thread}
	if about.count() != 1 {
		return nil, invalid("name one user or one thread")
	}
	p := &past{a: a, about: about, at: q.At, r: chatkitd.Replay{Stream: about.name()}}
	var err error
	if p.events, err = a.moment(ctx, about, q); err != nil {
		return nil, err
	}
	return p, nil
}

// run folds. It goes on from where another question stopped, if that is before
// everything that this one wants to be told.
func (p *past) run(ctx context.Context) error {
	if p.events == 0 {
		return nil
	}
	most := p.events
	if p.step != nil {
		most = min(most, p.from)
	}
	if !p.at.IsZero() {
		most = 0 // the younger ones are counted
	}
	k, err := p.resume(ctx, most)
	if err != nil {
		return err
	}
	p.fold = k
	for rec, err := range p.a.store.ReadStream(ctx, p.r.Stream, events.StreamRead{From: k.events}) {
		if err != nil {
			return p.about.missing(err)
		}
		if rec.Revision >= p.events {
			break
		}
		if err := p.apply(ctx, rec); err != nil {
			return err
		}
		k.last, k.events = rec, rec.Revision+1
		if k.size += len(rec.Data) + len(rec.Meta); k.events == p.events {
			break
		}
	}
	return nil
}

// finish puts the state into the answer, if it is wanted, and keeps the fold for
// the next question.
func (p *past) finish(state bool) error {
	k := p.fold
	if k == nil || k.events == 0 {
		return nil
	}
	if state {
		revision := k.last.Revision
		p.r.Revision, p.r.Position, p.r.Time = &revision, k.last.Position, timeOf(&k.last)
		if err := k.folder.result(&p.r); err != nil {
			return err
		}
	}
	p.a.folds.put(k)
	return nil
}

// apply folds one event, and tells the step if it is wanted.
func (p *past) apply(ctx context.Context, rec events.Recorded) error {
	if !p.at.IsZero() && timeOf(&rec).After(p.at) {
		p.r.Younger++
	}
	if p.step == nil || rec.Revision < p.from || rec.Revision >= p.to {
		return p.fold.folder.apply(rec)
	}
	step, err := p.fold.folder.step(ctx, rec)
	if err != nil {
		return err
	}
	return p.step(step)
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

var addedName = events.MustName(events.TaskAdded{})

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
	// What is new was not there, and what is removed is not: to look for it would
	// be to look at every item of the thread.
	_, added := ev.(events.ItemAdded)
	_, removed := ev.(events.ItemRemoved)
	if !added {
		if step.Before, err = state(); err != nil {
			return step, err
		}
	}
	if err := f.apply(rec); err != nil {
		return step, err
	}
	if !removed {
		if step.After, err = state(); err != nil {
			return step, err
		}
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
