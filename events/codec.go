package events

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
)

// A coder turns the data stored under one wire name into the event of today.
type coder struct {
	typ    reflect.Type // nil for an old version
	decode func(data []byte) (Event, error)
}

// coders is the one place where a wire name meets a Go type. A name is
// <aggregate>.<past tense>.v<n>; it is never reused for another shape. An old
// version is kept here with an upcaster (see [upcast]).
var coders = map[string]coder{
	"task.added.v1":            of[TaskAdded](),
	"task.updated.v1":          of[TaskUpdated](),
	"task.completed.v1":        of[TaskCompleted](),
	"task.reopened.v1":         of[TaskReopened](),
	"task.deleted.v1":          of[TaskDeleted](),
	"thread.created.v1":        of[ThreadCreated](),
	"thread.renamed.v1":        of[ThreadRenamed](),
	"thread.status_changed.v1": of[ThreadStatusChanged](),
	"thread.deleted.v1":        of[ThreadDeleted](),
	"item.added.v1":            ofItem(func(raw json.RawMessage) ItemAdded { return ItemAdded{raw} }),
	"item.replaced.v1":         ofItem(func(raw json.RawMessage) ItemReplaced { return ItemReplaced{raw} }),
	"item.removed.v1":          of[ItemRemoved](),
	"feedback.given.v1":        of[FeedbackGiven](),
	"turn.started.v1":          of[TurnStarted](),
	"model.called.v1":          of[ModelCalled](),
	"tool.called.v1":           of[ToolCalled](),
	"tool.returned.v1":         of[ToolReturned](),
	"turn.completed.v1":        of[TurnCompleted](),
	"turn.failed.v1":           of[TurnFailed](),
	"turn.cancelled.v1":        of[TurnCancelled](),
	"turn.interrupted.v1":      of[TurnInterrupted](),
	"turn.cancel_requested.v1": of[TurnCancelRequested](),
	"effect.voided.v1":         of[EffectVoided](),
	"node.started.v1":          of[NodeStarted](),
	"node.alive.v1":            of[NodeAlive](),
	"audit.read.v1":            of[AuditRead](),
	"projection.changed.v1":    of[ProjectionChanged](),
}

// wireNames is coders the other way round, current versions only.
var wireNames = invert(coders)

func invert(cs map[string]coder) map[reflect.Type]string {
	m := make(map[reflect.Type]string, len(cs))
	for name, c := range cs {
		if c.typ == nil {
			continue
		}
		if other, ok := m[c.typ]; ok {
			panic(fmt.Sprintf("events: %s and %s are both %s", name, other, c.typ))
		}
		m[c.typ] = name
	}
	return m
}

func of[T Event]() coder {
	return coder{reflect.TypeFor[T](), func(data []byte) (Event, error) {
		var ev T
		err := json.Unmarshal(data, &ev)
		return ev, err
	}}
}

// ofItem is of for an event whose data is {"item": …} and nothing else: its bulk
// is looked at once, and neither copied nor decoded. The event shares data.
func ofItem[T Event](of func(json.RawMessage) T) coder {
	const head, tail = `{"item":`, `}`
	return coder{reflect.TypeFor[T](), func(data []byte) (Event, error) {
		if len(data) > len(head) && string(data[:len(head)]) == head {
			if raw := data[len(head) : len(data)-len(tail)]; json.Valid(raw) && raw[0] == '{' && data[len(data)-1] == '}' {
				return of(json.RawMessage(raw)), nil
			}
		}
		var v struct {
			Item json.RawMessage `json:"item"`
		}
		err := json.Unmarshal(data, &v)
		return of(v.Item), err
	}}
}

// upcast makes the coder of an old version: its data is read as Old and turned
// into an event of today. Upcasters are pure and may chain by calling the next.
func upcast[Old any](up func(Old) (Event, error)) coder {
	return coder{nil, func(data []byte) (Event, error) {
		var old Old
		if err := json.Unmarshal(data, &old); err != nil {
			return nil, err
		}
		return up(old)
	}}
}

// Names returns every wire name that decodes, old versions included, sorted.
func Names() []string { return slices.Sorted(maps.Keys(coders)) }

// NameOf returns the wire name of ev.
func NameOf(ev Event) (string, error) {
	name, ok := wireNames[reflect.TypeOf(ev)]
	if !ok {
		return "", fmt.Errorf("events: %T has no wire name", ev)
	}
	return name, nil
}

// MustName is [NameOf] for an event that the caller names in its code. It panics
// when that has no wire name.
func MustName(ev Event) string {
	name, err := NameOf(ev)
	if err != nil {
		panic(err)
	}
	return name
}

// Encode returns the wire name and data of ev.
func Encode(ev Event) (name string, data []byte, err error) {
	if name, err = NameOf(ev); err != nil {
		return "", nil, err
	}
	if data, err = marshal(ev); err != nil {
		return "", nil, fmt.Errorf("events: encode %s: %w", name, err)
	}
	return name, data, nil
}

// Decode returns the event that was stored under name, in its shape of today. An
// unknown name is an [UnknownError].
func Decode(name string, data []byte) (Event, error) {
	c, ok := coders[name]
	if !ok {
		return nil, &UnknownError{Name: name}
	}
	ev, err := c.decode(data)
	if err != nil {
		return nil, fmt.Errorf("events: decode %s: %w", name, err)
	}
	return ev, nil
}

// UnknownError reports a wire name that this build does not know.
type UnknownError struct{ Name string }

func (e *UnknownError) Error() string {
	return fmt.Sprintf("events: unknown event %q: it was written by a newer version of chatkitd", e.Name)
}

// Prepare encodes evs for an append to stream: ids from the key, the same
// metadata for each.
func Prepare(stream string, m Metadata, key string, evs ...Event) ([]New, error) {
	meta, err := marshal(m)
	if err != nil {
		return nil, fmt.Errorf("events: encode metadata: %w", err)
	}
	out := make([]New, len(evs))
	for i, ev := range evs {
		name, data, err := Encode(ev)
		if err != nil {
			return nil, err
		}
		out[i] = New{ID: ID(stream, key, i), Type: name, Data: data, Meta: meta}
	}
	return out, nil
}

// marshal is json.Marshal without the escaping of <, > and &: the log is read by
// people too.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
