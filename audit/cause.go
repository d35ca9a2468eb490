package audit

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

// near is how many events before an effect its tool call is looked for without
// the help of a filter. It is rarely more than a few back.
const near = 64

// causes finds the message behind a task event: by its metadata the tool call,
// just before it in the log the call's thread, in the thread the turn and the
// message. Steps of one request are often neighbours, so the last is kept.
type causes struct {
	a    *Auditor
	last *chatkitd.ReplayCause
}

func (c *causes) of(ctx context.Context, rec *events.Recorded) (*chatkitd.ReplayCause, error) {
	meta, err := events.DecodeMetadata(rec.Meta)
	if err != nil {
		return nil, err
	}
	cause := chatkitd.ReplayCause{Request: meta.Correlation}
	if meta.Causation == "" || meta.Causation == meta.Correlation {
		return &cause, nil
	}
	turn, call := effectOf(rec, meta)
	cause.Turn, cause.Call = turn, call
	called, err := c.a.calledBefore(ctx, rec, turn, call)
	if err != nil {
		return nil, err
	}
	if called == nil {
		return &cause, nil
	}
	ev, err := events.Decode(called.Type, called.Data)
	if err != nil {
		return nil, err
	}
	made := ev.(events.ToolCalled) // calledBefore looked
	cause.Tool, cause.Turn = made.Name, made.TurnID
	cause.Thread, _ = events.ThreadOf(called.Stream)
	if c.last != nil && c.last.Turn == cause.Turn && c.last.Thread == cause.Thread {
		cause.Message, cause.Text = c.last.Message, c.last.Text
	} else if cause.Message, cause.Text, err = c.a.messageBefore(ctx, called); err != nil {
		return nil, err
	}
	c.last = &cause
	return &cause, nil
}

// effectOf returns which tool call an event is the effect of, or makes impossible.
// An idempotency key names turn and call; without one the causation is the call.
func effectOf(rec *events.Recorded, meta events.Metadata) (turn chatkitd.TurnID, call string) {
	key := meta.Key
	if rec.Type == voidedName {
		if ev, err := events.Decode(rec.Type, rec.Data); err == nil {
			key = ev.(events.EffectVoided).Key // its name says so
		}
	}
	if rest, ok := strings.CutPrefix(key, "call:"); ok {
		if t, c, ok := strings.Cut(rest, ":"); ok && key == chatkitd.EffectKey(chatkitd.TurnID(t), c) {
			return chatkitd.TurnID(t), c
		}
	}
	return "", meta.Causation
}

// calledBefore returns the event of the tool call that caused rec, nil if it is
// not found; turn may be unknown. The call was durable before its effect, so it is
// before rec in the log, and not longer ago than a turn may take.
func (a *Auditor) calledBefore(ctx context.Context, rec *events.Recorded, turn chatkitd.TurnID, call string) (found *events.Recorded, err error) {
	id := []byte(call)
	is := func(r *events.Recorded) bool {
		if r.Type != calledName || !bytes.Contains(r.Data, id) {
			return false
		}
		ev, err := events.Decode(r.Type, r.Data)
		if err != nil {
			return false
		}
		c, ok := ev.(events.ToolCalled)
		return ok && c.CallID == call && (turn == "" || c.TurnID == turn)
	}
	oldest := timeOf(rec).Add(-2 * disorder) // one for the turn, one for the disorder
	for _, o := range []events.AllRead{
		{Before: rec.Position, Backwards: true, Limit: near},
		{Before: rec.Position, Backwards: true, Filter: events.Filter{Types: []string{calledName}}},
	} {
		for r, err := range a.store.ReadAll(ctx, o) {
			if err != nil {
				return nil, err
			}
			if is(&r) {
				return &r, nil
			}
			if o.Limit == 0 && timeOf(&r).Before(oldest) {
				break
			}
		}
	}
	return nil, nil
}

var (
	calledName = events.MustName(events.ToolCalled{})
	voidedName = events.MustName(events.EffectVoided{})
	cancelName = events.MustName(events.TurnCancelRequested{})
)

// messageBefore returns the user's message that the turn of an event answers: the
// last one before it in the thread's stream. A retry answers it again.
func (a *Auditor) messageBefore(ctx context.Context, rec *events.Recorded) (id chatkitd.ItemID, text string, err error) {
	m, err := a.lastMessage(ctx, rec.Stream, rec.Revision)
	if err != nil || m == nil {
		return "", "", err
	}
	return m.id, m.text, nil
}

type message struct {
	id   chatkitd.ItemID
	text string
	rec  events.Recorded
}

// lastMessage returns the last message of the user in a stream at a revision,
// nil if there is none. What a retry removed is never a user's message that a
// later turn answers: a retry removes everything behind the message it answers.
func (a *Auditor) lastMessage(ctx context.Context, stream string, revision uint64) (*message, error) {
	removed := map[chatkitd.ItemID]bool{}
	for rec, err := range a.store.ReadStream(ctx, stream, events.StreamRead{From: revision, Backwards: true}) {
		if errors.Is(err, events.ErrStreamNotFound) || errors.Is(err, events.ErrStreamDeleted) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		if !strings.HasPrefix(rec.Type, "item.") {
			continue
		}
		ev, err := events.Decode(rec.Type, rec.Data)
		if err != nil {
			return nil, err
		}
		switch ev := ev.(type) {
		case events.ItemRemoved:
			removed[ev.ItemID] = true
		case events.ItemAdded:
			if m, ok := userMessage(ev.Item); ok && !removed[chatkitd.ItemID(m.ID)] {
				return &message{chatkitd.ItemID(m.ID), m.Text(), rec}, nil
			}
		}
	}
	return nil, nil
}

// minted returns when an id was made by [chatkitd.NewID], if it was.
func minted(id string) (time.Time, bool) {
	_, code, ok := strings.Cut(id, "_")
	if !ok || len(code) != 29 {
		return time.Time{}, false
	}
	var ms int64 // 48 bits in the first 10 characters of 5 bits each, less 2
	for i := range 10 {
		v := strings.IndexByte("0123456789abcdefghijklmnopqrstuv", code[i])
		if v < 0 {
			return time.Time{}, false
		}
		ms = ms<<5 | int64(v)
	}
	return time.UnixMilli(ms >> 2).UTC(), true
}
