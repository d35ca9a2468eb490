package audit

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

// Trace implements [chatkitd.Auditor]. An event may also be named by its
// position, and a task by its id: then it is the request that added it. Of a
// request id that a client used twice it is the first use.
func (a *Auditor) Trace(ctx context.Context, id string) (chatkitd.TraceNode, error) {
	id = strings.TrimSpace(id)
	if err := checkTraceable(id); err != nil {
		return chatkitd.TraceNode{}, err
	}
	found, err := a.find(ctx, id)
	if err != nil {
		return chatkitd.TraceNode{}, public(err)
	}
	if found == nil {
		if p, err := chatkitd.ParsePosition(id); err == nil {
			return chatkitd.TraceNode{}, notFound("there is no event at position %s: an event has its position from chatkitd events, whole", p)
		}
		return chatkitd.TraceNode{}, notFound("the log knows no event, request, turn, tool call, answer of a model, item or task with the id %q; events lists what there is, with ids and positions", id)
	}
	r, err := a.request(ctx, found)
	if err != nil {
		return chatkitd.TraceNode{}, public(err)
	}
	return r.tree(), nil
}

// happened is a decoded event.
type happened struct {
	rec  events.Recorded
	ev   events.Event // nil when it does not decode
	meta events.Metadata
	view chatkitd.EventView
}

func (a *Auditor) happened(rec events.Recorded) (happened, error) {
	meta, err := events.DecodeMetadata(rec.Meta)
	if err != nil {
		return happened{}, err
	}
	ev, err := events.Decode(rec.Type, rec.Data)
	if err != nil {
		ev = nil // the view says why
	}
	return happened{rec, ev, meta, a.view(&rec)}, nil
}

// request is all that came of one request.
type request struct {
	a       *Auditor
	id      string
	all     []happened // in the order of the log
	message *happened  // that a retry answers again
}

// request gathers what came of the request behind an event: from the thread's
// stream, and from that of its user from the request's first event on.
func (a *Auditor) request(ctx context.Context, of *events.Recorded) (*request, error) {
	h, err := a.happened(*of)
	if err != nil {
		return nil, err
	}
	r := &request{a: a, id: h.meta.Correlation}
	if r.id == "" {
		r.all = []happened{h}
		return r, r.entitle(ctx)
	}
	thread := of.Stream
	if !strings.HasPrefix(thread, events.ThreadPrefix) {
		thread = ""
		if h.meta.Causation != "" && h.meta.Causation != r.id {
			turn, call := effectOf(of, h.meta)
			called, err := a.calledBefore(ctx, of, turn, call)
			if err != nil {
				return nil, err
			}
			if called != nil {
				thread = called.Stream
			}
		}
	}
	if thread == "" {
		if err := r.around(ctx, of); err != nil {
			return nil, err
		}
		return r, r.entitle(ctx)
	}
	if err := r.thread(ctx, thread); err != nil {
		return nil, err
	}
	if err := r.user(ctx, events.UserStream(h.meta.User)); err != nil {
		return nil, err
	}
	slices.SortStableFunc(r.all, func(a, b happened) int { return a.rec.Position.Compare(b.rec.Position) })
	if err := r.retried(ctx); err != nil {
		return nil, err
	}
	return r, r.entitle(ctx)
}

// entitle puts titles into the summaries.
func (r *request) entitle(ctx context.Context) error {
	t := &titles{a: r.a} // other requests may have renamed something in between
	for i := range r.all {
		h := &r.all[i]
		t.see(h.rec.Stream, h.rec.Revision, h.ev, &h.view.Summary)
	}
	return t.find(ctx)
}

// take keeps an event if it is of the request.
func (r *request) take(rec events.Recorded) (taken bool, err error) {
	h, err := r.a.happened(rec)
	if err != nil || h.meta.Correlation != r.id {
		return false, err
	}
	r.all = append(r.all, h)
	return true, nil
}

// around takes the neighbours of an event in its own stream: a request without a
// turn is one append.
func (r *request) around(ctx context.Context, of *events.Recorded) error {
	from := of.Revision
	for rec, err := range r.a.store.ReadStream(ctx, of.Stream, events.StreamRead{From: from, Backwards: true}) {
		if err != nil {
			return err
		}
		if m, err := events.DecodeMetadata(rec.Meta); err != nil || m.Correlation != r.id {
			break
		}
		from = rec.Revision
	}
	for rec, err := range r.a.store.ReadStream(ctx, of.Stream, events.StreamRead{From: from}) {
		if err != nil {
			return err
		}
		if more, err := r.take(rec); err != nil || !more {
			return err
		}
	}
	return nil
}

// thread takes what is of the request in a thread's stream. Other requests, such
// as a new title, may lie between.
func (r *request) thread(ctx context.Context, stream string) error {
	for rec, err := range r.a.store.ReadStream(ctx, stream, events.StreamRead{}) {
		if err != nil {
			return err
		}
		if rec.Type == cancelName {
			if err := r.cancelled(rec); err != nil {
				return err
			}
			continue
		}
		if !strings.Contains(string(rec.Meta), r.id) {
			continue
		}
		if _, err := r.take(rec); err != nil {
			return err
		}
	}
	return nil
}

// cancelled keeps a request to cancel the turn of this request. It is a request of
// its own, and known by the turn.
func (r *request) cancelled(rec events.Recorded) error {
	h, err := r.a.happened(rec)
	if err != nil {
		return err
	}
	asked, _ := h.ev.(events.TurnCancelRequested)
	if h.meta.Correlation == r.id || slices.ContainsFunc(r.all, func(old happened) bool {
		started, ok := old.ev.(events.TurnStarted)
		return ok && started.TurnID == asked.TurnID
	}) {
		r.all = append(r.all, h)
	}
	return nil
}

// user takes what the turn did to the tasks. While it runs, that is up to the end.
func (r *request) user(ctx context.Context, stream string) error {
	if len(r.all) == 0 {
		return nil
	}
	first, last := r.all[0].rec.Position, r.all[len(r.all)-1]
	b := bounds{early: func(rec *events.Recorded) bool { return rec.Position.Compare(first) < 0 }}
	if ended(last.ev) {
		end := timeOf(&last.rec).Add(disorder)
		b.late = func(rec *events.Recorded) bool { return timeOf(rec).After(end) }
	}
	err := r.a.readStream(ctx, stream, b, false, func(rec *events.Recorded) (bool, error) {
		if !strings.Contains(string(rec.Meta), r.id) {
			return true, nil
		}
		_, err := r.take(*rec)
		return true, err
	})
	if errors.Is(err, events.ErrStreamNotFound) || errors.Is(err, events.ErrStreamDeleted) {
		return nil // a conversation without a task
	}
	return err
}

// retried finds the message of a turn that has none of its own.
func (r *request) retried(ctx context.Context) error {
	for i := range r.all {
		if started, ok := r.all[i].ev.(events.TurnStarted); ok && started.Trigger == events.TriggerRetry {
			m, err := r.a.lastMessage(ctx, r.all[i].rec.Stream, r.all[i].rec.Revision)
			if err != nil || m == nil {
				return err
			}
			h, err := r.a.happened(m.rec)
			r.message = &h
			return err
		}
	}
	return nil
}

func ended(ev events.Event) bool {
	switch ev.(type) {
	case events.TurnCompleted, events.TurnFailed, events.TurnCancelled, events.TurnInterrupted:
		return true
	}
	return false
}

// who names the user of the request, and the thread if it has one.
func (r *request) who() string {
	who := "request"
	if len(r.all) == 0 {
		return who
	}
	if u := r.all[0].meta.User; u != "" {
		who += " of " + line(string(u))
	}
	for _, h := range r.all {
		if id, ok := events.ThreadOf(h.rec.Stream); ok {
			return who + " in " + line(string(id))
		}
	}
	return who
}

// itself is the node of one event.
func (h *happened) itself() chatkitd.TraceNode {
	return chatkitd.TraceNode{
		Kind: "event", ID: h.view.ID, Title: h.view.Summary, Start: timeOf(&h.rec), Events: []chatkitd.EventView{h.view},
	}
}

// rootID names a request that has no id by its first event.
func (r *request) rootID() string { return cmp.Or(r.id, r.all[0].view.ID) }
