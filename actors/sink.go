package actors

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/chatkit"
	"github.com/chatkitd/chatkitd/events"
)

// sink is what an agent sees of its turn. It keeps track of items that were
// announced and are not done, so that a turn that ends early can settle them.
//
// What need not be durable on its own waits for the next append, which saves a
// turn a third of its appends: what the model took and the outputs of tools, which
// nobody sees, and a message that is done, until the turn goes on or ends. A
// message that waits is not visible as done either.
type sink struct {
	turn *turn
	seq  int // appends so far; names the idempotency key of the next
	open []*openItem

	waiting []events.Thread // to be in the next append
	unseen  []visible       // to be published after it

	// handed over, and nobody knows yet whether it is stored: its time was up, or
	// the turn was ended meanwhile
	doubtful *record
}

var _ chatkitd.TurnSink = (*sink)(nil)

// openItem is an item that a client has seen begin. The text of a message is
// collected as it comes.
type openItem struct {
	item  chatkit.Item
	parts []*openPart
}

type openPart struct {
	text        strings.Builder
	annotations []chatkit.Annotation
	done        *chatkit.OutputText
}

// Emit implements [chatkitd.TurnSink].
func (s *sink) Emit(ev chatkit.Event) {
	switch ev := ev.(type) {
	case chatkit.ItemAdded:
		s.open = append(s.open, &openItem{item: ev.Item})
	case chatkit.ItemUpdated:
		if o := s.find(ev.ItemID); o != nil {
			o.update(ev.Update)
		}
	case chatkit.ItemDone, chatkit.ItemReplaced, chatkit.ItemRemoved, chatkit.ThreadCreated, chatkit.ThreadUpdated:
		panic(fmt.Sprintf("actors: a %s must be durable before it is visible", ev.EventType()))
	case chatkit.StreamOptions, chatkit.ProgressUpdate, chatkit.ClientEffect, chatkit.ErrorEvent, chatkit.Notice:
	}
	if len(s.unseen) > 0 {
		if err := s.append(s.turn.ctx); err != nil {
			s.turn.cancel(err)
			return
		}
	}
	s.publish(visible{event: ev})
}

// publish sends to the readers. A turn that sends without end is ended.
func (s *sink) publish(evs ...visible) {
	if err := s.turn.stream.publish(false, evs...); err != nil {
		s.turn.cancel(err)
	}
}

func (s *sink) find(id string) *openItem {
	for _, o := range s.open {
		if o.item.Base().ID == id {
			return o
		}
	}
	return nil
}

func (o *openItem) update(up chatkit.Update) {
	switch up := up.(type) {
	case chatkit.ContentPartAdded:
		o.part(up.ContentIndex).text.WriteString(up.Content.Text)
	case chatkit.TextDelta:
		o.part(up.ContentIndex).text.WriteString(up.Delta)
	case chatkit.AnnotationAdded:
		p := o.part(up.ContentIndex)
		p.annotations = append(p.annotations, up.Annotation)
	case chatkit.ContentPartDone:
		o.part(up.ContentIndex).done = &up.Content
	case chatkit.WidgetTextDelta, chatkit.WidgetComponentUpdated, chatkit.WidgetRootUpdated,
		chatkit.WorkflowTaskAdded, chatkit.WorkflowTaskUpdated, chatkit.GeneratedImageUpdated:
		// Only messages are kept when a turn ends early.
	}
}

func (o *openItem) part(i int) *openPart {
	for len(o.parts) <= i && i < maxParts {
		o.parts = append(o.parts, &openPart{})
	}
	return o.parts[min(i, len(o.parts)-1)]
}

// Commit implements [chatkitd.TurnSink].
func (s *sink) Commit(ctx context.Context, evs ...chatkit.Event) error {
	message := len(evs) > 0
	for _, ev := range evs {
		fact, seen, err := durable(ev)
		if err != nil {
			return err
		}
		s.waiting = append(s.waiting, fact)
		if seen != nil {
			s.unseen = append(s.unseen, *seen)
		}
		if done, ok := ev.(chatkit.ItemDone); ok {
			s.settled(done.Item.Base().ID)
			message = message && done.Item.Kind() == chatkit.TypeAssistantMessage
		} else if gone, ok := ev.(chatkit.ItemRemoved); ok {
			s.settled(gone.ItemID)
			message = false
		}
	}
	if message {
		return nil
	}
	return s.append(ctx)
}

// durable returns the fact behind an event that persists, and what the readers
// see of it: nothing of a hidden item.
func durable(ev chatkit.Event) (fact events.Thread, seen *visible, err error) {
	switch ev := ev.(type) {
	case chatkit.ItemDone:
		raw, err := chatkit.EncodeItem(ev.Item)
		if err == nil && !chatkit.Hidden(ev.Item.Kind()) {
			seen = &visible{item: raw}
		}
		return events.ItemAdded{Item: raw}, seen, err
	case chatkit.ItemReplaced:
		raw, err := chatkit.EncodeItem(ev.Item)
		if err == nil && !chatkit.Hidden(ev.Item.Kind()) {
			seen = &visible{event: ev}
		}
		return events.ItemReplaced{Item: raw}, seen, err
	case chatkit.ItemRemoved:
		return events.ItemRemoved{ItemID: chatkitd.ItemID(ev.ItemID), Reason: "tool"}, &visible{event: ev}, nil
	case chatkit.ThreadCreated, chatkit.ThreadUpdated, chatkit.ItemAdded, chatkit.ItemUpdated, chatkit.StreamOptions,
		chatkit.ProgressUpdate, chatkit.ClientEffect, chatkit.ErrorEvent, chatkit.Notice:
	}
	return nil, nil, fmt.Errorf("actors: a %s is not durable", ev.EventType())
}

func (s *sink) settled(id string) {
	s.open = slices.DeleteFunc(s.open, func(o *openItem) bool { return o.item.Base().ID == id })
}

// ModelCalled implements [chatkitd.TurnSink].
func (s *sink) ModelCalled(c chatkitd.ModelCall) {
	s.waiting = append(s.waiting, events.ModelCalled{
		TurnID: s.turn.id, N: c.N, Model: c.Model, ResponseID: c.ResponseID, Usage: c.Usage,
		StartedAt: c.StartedAt.UTC(), DurationMS: c.Duration.Milliseconds(), CallIDs: c.Calls, Error: c.Error,
	})
}

// ToolsCalled implements [chatkitd.TurnSink].
func (s *sink) ToolsCalled(ctx context.Context, calls ...chatkitd.ToolCall) error {
	for _, c := range calls {
		s.waiting = append(s.waiting, events.ToolCalled{TurnID: s.turn.id, CallID: c.ID, Name: c.Name, Arguments: c.Arguments})
	}
	return s.append(ctx)
}

// ToolsReturned implements [chatkitd.TurnSink].
func (s *sink) ToolsReturned(ctx context.Context, outputs ...chatkitd.ToolOutput) error {
	for _, o := range outputs {
		s.waiting = append(s.waiting, events.ToolReturned{TurnID: s.turn.id, CallID: o.ID, Output: o.Output, Error: o.Error})
	}
	return context.Cause(ctx)
}

// append makes what waits durable, and then visible.
func (s *sink) append(ctx context.Context) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	for s.doubtful != nil || len(s.waiting) > 0 {
		if err := s.repeat(ctx); err != nil {
			return err
		}
		if len(s.waiting) > 0 {
			n := len(split(s.waiting)[0])
			s.seq++
			s.doubtful = &record{turn: s.turn.id, seq: s.seq, facts: s.waiting[:n:n]}
			s.waiting = s.waiting[n:]
		}
	}
	seen := s.unseen
	s.waiting, s.unseen = nil, nil
	s.publish(seen...)
	return nil
}

// repeat hands over again what may or may not be stored. The number of the record
// makes it a no-op if it is: were its facts part of another record, they could be
// stored twice.
func (s *sink) repeat(ctx context.Context) error {
	if s.doubtful == nil {
		return nil
	}
	if err := s.turn.record(ctx, *s.doubtful); err != nil {
		return err
	}
	s.doubtful = nil
	return nil
}

// record hands facts to the thread's actor, in as many appends as the store's
// limit asks for.
func (s *sink) record(ctx context.Context, facts []events.Thread) error {
	for _, part := range split(facts) {
		s.seq++
		if err := s.turn.record(ctx, record{turn: s.turn.id, seq: s.seq, facts: part}); err != nil {
			return err
		}
	}
	return nil
}

// What facts of one append may hold together: [events.MaxAppend] less room for
// the metadata.
const (
	maxFacts     = events.MaxAppend - 64<<10
	factOverhead = 1 << 10
)

// split cuts facts into parts that fit into one append each. A single fact that
// does not fit is a part of its own, which the store refuses.
func split(facts []events.Thread) [][]events.Thread {
	var parts [][]events.Thread
	start, size := 0, 0
	for i, f := range facts {
		n := factOverhead
		switch f := f.(type) {
		case events.ItemAdded:
			n += len(f.Item)
		case events.ItemReplaced:
			n += len(f.Item)
		case events.ModelCalled:
			n += len(strings.Join(f.CallIDs, ",")) + len(f.ResponseID) + len(f.Error)
		case events.ToolCalled:
			n += len(f.Arguments)
		case events.ToolReturned:
			n += len(f.Output) + len(f.Error)
		default: // the others are small
		}
		if size += n; size > maxFacts && i > start {
			parts = append(parts, facts[start:i])
			start, size = i, n
		}
	}
	return append(parts, facts[start:])
}

// leftovers returns what waits, and what becomes of the items that are open when
// a turn ends early: with keep, a message that has text is kept as it stood; the rest is dropped.
func (s *sink) leftovers(keep bool) (facts []events.Thread, evs []visible, err error) {
	for _, f := range s.waiting {
		// A call that is not stored was not made, and would never get an answer.
		if _, called := f.(events.ToolCalled); !called {
			facts = append(facts, f)
		}
	}
	evs = s.unseen
	for _, o := range s.open {
		msg, ok := o.message()
		if !keep || !ok {
			evs = append(evs, visible{event: chatkit.ItemRemoved{ItemID: o.item.Base().ID}})
			continue
		}
		raw, err := chatkit.EncodeItem(msg)
		if err != nil {
			return nil, nil, err
		}
		facts = append(facts, events.ItemAdded{Item: raw})
		evs = append(evs, visible{item: raw})
	}
	return facts, evs, nil
}

// message returns an open assistant message as it stands, if it has any text.
func (o *openItem) message() (chatkit.AssistantMessage, bool) {
	msg, ok := o.item.(chatkit.AssistantMessage)
	if !ok {
		return msg, false
	}
	msg.Content = nil
	some := false
	for _, p := range o.parts {
		part := chatkit.OutputText{Text: p.text.String(), Annotations: p.annotations}
		if p.done != nil {
			part = *p.done
		}
		some = some || strings.TrimSpace(part.Text) != ""
		msg.Content = append(msg.Content, part)
	}
	return msg, some
}

// cancelNote is what a model is told about a turn that its user stopped. The
// words are those of chatkit-python.
func cancelNote(thread chatkitd.ThreadID, now time.Time) chatkit.SDKHiddenContext {
	return chatkit.SDKHiddenContext{
		ItemBase: chatkit.ItemBase{ID: chatkitd.NewID(chatkitd.PrefixHidden), ThreadID: string(thread), CreatedAt: now},
		Content:  "The user cancelled the stream. Stop responding to the prior request.",
	}
}
