package agenttest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/chatkit"
)

// Sink records a turn and checks the rules of a stream as it goes: an item is
// added before it is updated and done, parts and tasks come in order, every call
// returns. What breaks them is in Faults.
type Sink struct {
	mu       sync.Mutex
	Events   []chatkit.Event
	Asked    []chatkitd.ModelCall
	Calls    []chatkitd.ToolCall
	Outputs  []chatkitd.ToolOutput
	Log      []string // the order of all that came, in short words
	Faults   []string
	Appends  int // commits and tool records
	open     map[string]bool
	closed   map[string]bool
	texts    map[string]string
	FailWhen func(what string) error // asked before each append
	OnEmit   func(chatkit.Event)     // called for each event, before it is recorded
}

var _ chatkitd.TurnSink = (*Sink)(nil)

// NewSink returns an empty sink.
func NewSink() *Sink {
	return &Sink{open: map[string]bool{}, closed: map[string]bool{}, texts: map[string]string{}}
}

func (s *Sink) fault(format string, a ...any) { s.Faults = append(s.Faults, fmt.Sprintf(format, a...)) }

// Emit implements [chatkitd.TurnSink].
func (s *Sink) Emit(ev chatkit.Event) {
	if s.OnEmit != nil {
		s.OnEmit(ev)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Events = append(s.Events, ev)
	switch ev := ev.(type) {
	case chatkit.ItemAdded:
		id := ev.Item.Base().ID
		if s.open[id] || s.closed[id] {
			s.fault("item %s added twice", id)
		}
		s.open[id] = true
		s.Log = append(s.Log, "added "+ev.Item.Kind())
	case chatkit.ItemUpdated:
		if !s.open[ev.ItemID] {
			s.fault("%s for item %s, which is not open", ev.Update.UpdateType(), ev.ItemID)
		}
		s.update(ev)
	case chatkit.ItemDone, chatkit.ItemRemoved, chatkit.ItemReplaced:
		panic("Emit of a durable event " + ev.EventType())
	case chatkit.Notice:
		s.Log = append(s.Log, "notice "+ev.Level)
	case chatkit.ThreadCreated, chatkit.ThreadUpdated, chatkit.StreamOptions, chatkit.ProgressUpdate, chatkit.ClientEffect, chatkit.ErrorEvent:
		s.Log = append(s.Log, ev.EventType())
	}
}

func (s *Sink) update(ev chatkit.ItemUpdated) {
	key := func(i int) string { return fmt.Sprint(ev.ItemID, "/", i) }
	switch u := ev.Update.(type) {
	case chatkit.ContentPartAdded:
		s.texts[key(u.ContentIndex)] = ""
	case chatkit.TextDelta:
		if _, ok := s.texts[key(u.ContentIndex)]; !ok {
			s.fault("delta for a part that was not added")
		}
		s.texts[key(u.ContentIndex)] += u.Delta
		return // too many for the log
	case chatkit.ContentPartDone:
		if !strings.HasPrefix(u.Content.Text, s.texts[key(u.ContentIndex)]) {
			s.fault("part done with %q, its deltas were %q", u.Content.Text, s.texts[key(u.ContentIndex)])
		}
	case chatkit.AnnotationAdded, chatkit.WidgetTextDelta, chatkit.WidgetComponentUpdated, chatkit.WidgetRootUpdated,
		chatkit.WorkflowTaskAdded, chatkit.WorkflowTaskUpdated, chatkit.GeneratedImageUpdated:
	}
	s.Log = append(s.Log, ev.Update.UpdateType())
}

func (s *Sink) append(ctx context.Context, what string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.FailWhen != nil {
		if err := s.FailWhen(what); err != nil {
			return err
		}
	}
	s.Appends++
	s.Log = append(s.Log, what)
	return nil
}

// Commit implements [chatkitd.TurnSink].
func (s *Sink) Commit(ctx context.Context, evs ...chatkit.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ev := range evs {
		done, ok := ev.(chatkit.ItemDone)
		if !ok {
			s.fault("Commit of %s", ev.EventType())
			continue
		}
		id := done.Item.Base().ID
		if !s.open[id] {
			s.fault("item %s done without being added", id)
		}
		if err := s.append(ctx, "done "+done.Item.Kind()); err != nil {
			return err
		}
		delete(s.open, id)
		s.closed[id] = true
		s.Events = append(s.Events, ev)
	}
	return nil
}

// ModelCalled implements [chatkitd.TurnSink].
func (s *Sink) ModelCalled(call chatkitd.ModelCall) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if call.N != len(s.Asked)+1 {
		s.fault("the model's call number %d comes after %d", call.N, len(s.Asked))
	}
	s.Asked = append(s.Asked, call)
}

// ToolsCalled implements [chatkitd.TurnSink].
func (s *Sink) ToolsCalled(ctx context.Context, calls ...chatkitd.ToolCall) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range calls {
		if !json.Valid(c.Arguments) {
			s.fault("arguments of %s are not JSON: %s", c.ID, c.Arguments)
		}
		if slices.ContainsFunc(s.Calls, func(o chatkitd.ToolCall) bool { return o.ID == c.ID }) {
			s.fault("call id %s twice", c.ID)
		}
		s.Calls = append(s.Calls, c)
	}
	return s.append(ctx, fmt.Sprintf("called %d", len(calls)))
}

// ToolsReturned implements [chatkitd.TurnSink].
func (s *Sink) ToolsReturned(ctx context.Context, outputs ...chatkitd.ToolOutput) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range outputs {
		if !json.Valid(o.Output) {
			s.fault("output of %s is not JSON", o.ID)
		}
		s.Outputs = append(s.Outputs, o)
	}
	return s.append(ctx, fmt.Sprintf("returned %d", len(outputs)))
}

// Open returns how many items were added and are not done.
func (s *Sink) Open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}

// Items returns what is durable.
func (s *Sink) Items() []chatkit.Item {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []chatkit.Item
	for _, ev := range s.Events {
		if done, ok := ev.(chatkit.ItemDone); ok {
			out = append(out, done.Item)
		}
	}
	return out
}

// Text returns the texts of all durable messages, joined by a blank line.
func (s *Sink) Text() string {
	var out []string
	for _, it := range s.Items() {
		if m, ok := it.(chatkit.AssistantMessage); ok {
			for _, c := range m.Content {
				out = append(out, c.Text)
			}
		}
	}
	return strings.Join(out, "\n\n")
}

// Exchanges returns the calls with their outputs, as a later turn sees them.
func (s *Sink) Exchanges(turn chatkitd.TurnID) []chatkitd.Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []chatkitd.Entry
	for _, c := range s.Calls {
		e := &chatkitd.ToolExchange{Turn: turn, ToolCall: c}
		for _, o := range s.Outputs {
			if o.ID == c.ID {
				e.Output, e.Error = o.Output, o.Error
			}
		}
		out = append(out, chatkitd.Entry{Tool: e})
	}
	return out
}
