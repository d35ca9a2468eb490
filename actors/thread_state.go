package actors

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/chatkit"
	"github.com/chatkitd/chatkitd/events"
)

// threadState is what a thread's actor must remember to judge the next command
// and to tell a model the conversation: the ids of all items, and the content of
// the youngest.
type threadState struct {
	// window is how many items are kept with their content at least, 0 for all.
	// It is set before the first fold and outlives it.
	window    int
	id        chatkitd.ThreadID
	owner     chatkitd.UserID
	title     string
	createdAt time.Time
	status    chatkit.Status
	deleted   bool
	refs      []itemRef // every item, oldest first
	entries   []entry   // the conversation's youngest part, oldest first
	items     int       // of entries
	turn      *openTurn
	ended     chatkitd.TurnID // the last turn that ended,
	seen      []uuid.UUID     // the ids of its events,
	end       uuid.UUID       // and of its last one
}

// itemRef is an item without its content.
type itemRef struct {
	id   chatkitd.ItemID
	kind string
}

// entry is an item with its content, or a tool call that has returned.
type entry struct {
	itemRef
	raw  json.RawMessage // of an item
	tool *chatkitd.ToolExchange
}

// openTurn is a turn that has started and not ended.
type openTurn struct {
	id       chatkitd.TurnID
	instance string         // the process that runs it
	revision uint64         // of turn.started
	title    string         // as it was then
	status   chatkit.Status // likewise
	request  string
	calls    []chatkitd.ToolCall // made and not returned
	changed  bool                // the thread itself changed since the start
	cancel   bool                // somebody asked the process that runs it to cancel it
	// seen holds the ids of the events since the start of the turn: an append
	// that is repeated because its outcome was unknown is found here.
	seen []uuid.UUID
}

// wasOf reports whether an event is one of the turn that ended last.
func (s *threadState) wasOf(id uuid.UUID) bool { return id == s.end || slices.Contains(s.seen, id) }

func (s *threadState) exists() bool { return s.owner != "" && !s.deleted }

// fold brings s behind f. It cannot fail: f has happened.
func (s *threadState) fold(f fact[events.Thread]) {
	switch ev := f.Event.(type) {
	case events.ThreadCreated:
		*s = threadState{
			window: s.window, id: ev.ThreadID, owner: ev.UserID, title: ev.Title, createdAt: f.Meta.RecordedAt,
			status: chatkit.Status{Type: chatkit.StatusActive},
		}
	case events.ThreadRenamed:
		s.title = ev.Title
		s.touch()
	case events.ThreadStatusChanged:
		s.status = chatkit.Status{Type: ev.Status, Reason: ev.Reason}
		s.touch()
	case events.ThreadDeleted:
		s.deleted, s.refs, s.entries, s.items = true, nil, nil, 0
	case events.ItemAdded:
		s.add(itemEntry(ev.Item))
	case events.ItemReplaced:
		s.replace(itemEntry(ev.Item))
	case events.ItemRemoved:
		s.remove(ev.ItemID)
	case events.FeedbackGiven, events.ModelCalled:
	case events.TurnCancelRequested:
		if s.turn != nil && s.turn.id == ev.TurnID {
			s.turn.cancel = true
		}
	case events.TurnStarted:
		s.turn = &openTurn{
			id: ev.TurnID, instance: ev.Instance, revision: f.Revision, title: s.title, status: s.status, request: f.Meta.Correlation,
		}
		s.seen = nil
	case events.ToolCalled:
		if s.turn != nil {
			s.turn.calls = append(s.turn.calls, chatkitd.ToolCall{ID: ev.CallID, Name: ev.Name, Arguments: ev.Arguments})
		}
	case events.ToolReturned:
		s.returned(ev)
	case events.TurnCompleted, events.TurnFailed, events.TurnCancelled, events.TurnInterrupted:
		if s.turn != nil {
			s.ended, s.seen, s.end, s.turn = s.turn.id, s.turn.seen, f.ID, nil
		}
	}
	if s.turn != nil {
		s.turn.seen = append(s.turn.seen, f.ID)
	}
}

func (s *threadState) touch() {
	if s.turn != nil {
		s.turn.changed = true
	}
}

// itemEntry reads the id and the type of an item. [chatkit.EncodeItem] writes
// the type first and the id after it.
func itemEntry(raw json.RawMessage) entry {
	if rest, ok := bytes.CutPrefix(raw, []byte(`{"type":"`)); ok {
		if kind, rest, ok := bytes.Cut(rest, []byte(`","id":"`)); ok && plainID(kind) {
			if id, _, ok := bytes.Cut(rest, []byte(`"`)); ok && plainID(id) {
				return entry{itemRef: itemRef{chatkitd.ItemID(id), kindName(kind)}, raw: raw}
			}
		}
	}
	var head struct {
		ID   chatkitd.ItemID `json:"id"`
		Type string          `json:"type"`
	}
	// What the log holds was encoded by this program. Should it not be an item,
	// it stays as an entry without an id, which nothing finds and no model sees.
	_ = json.Unmarshal(raw, &head)
	return entry{itemRef: itemRef{head.ID, head.Type}, raw: raw}
}

func plainID(b []byte) bool { return chatkitd.ValidID(string(b)) }

// returned turns a call into an exchange at the end of the conversation.
func (s *threadState) returned(ev events.ToolReturned) {
	if s.turn == nil {
		return
	}
	i := slices.IndexFunc(s.turn.calls, func(c chatkitd.ToolCall) bool { return c.ID == ev.CallID })
	if i < 0 {
		return
	}
	call := s.turn.calls[i]
	s.turn.calls = slices.Delete(s.turn.calls, i, i+1)
	s.entries = append(s.entries, entry{tool: &chatkitd.ToolExchange{
		Turn: ev.TurnID, ToolCall: call, Output: ev.Output, Error: ev.Error,
	}})
}

// kindName returns the kind as a string that is shared by all items of that kind.
func kindName(b []byte) string {
	switch string(b) {
	case chatkit.TypeUserMessage:
		return chatkit.TypeUserMessage
	case chatkit.TypeAssistantMessage:
		return chatkit.TypeAssistantMessage
	case chatkit.TypeWorkflow:
		return chatkit.TypeWorkflow
	}
	return string(b)
}

func (s *threadState) add(e entry) {
	if e.id != "" {
		s.refs = append(s.refs, e.itemRef)
	}
	s.entries = append(s.entries, e)
	if s.items++; s.window > 0 && s.items >= 2*s.window {
		s.trim()
	}
}

// trim forgets the content of all but the youngest items. It is called once in
// a window's length, so that an item costs nothing more.
func (s *threadState) trim() {
	i := len(s.entries)
	for n := 0; n < s.window; {
		if i--; s.entries[i].tool == nil {
			n++
		}
	}
	s.entries = slices.Clone(s.entries[i:]) // or what is forgotten would stay in memory
	s.items = s.window
}

// forgot reports whether a history of n items would lack some that there are:
// they were forgotten before a retry brought them back to the end.
func (s *threadState) forgot(n int) bool { return s.items < min(n, len(s.refs)) }

func (s *threadState) replace(e entry) {
	if i := s.find(e.id); i >= 0 {
		s.refs[i] = e.itemRef
	}
	for i := len(s.entries) - 1; i >= 0; i-- {
		if s.entries[i].id == e.id && e.id != "" {
			s.entries[i] = e
			return
		}
	}
}

// find returns the index of an item in refs. It looks from the end: what is asked
// for is most often young.
func (s *threadState) find(id chatkitd.ItemID) int {
	for i := len(s.refs) - 1; i >= 0; i-- {
		if s.refs[i].id == id {
			return i
		}
	}
	return -1
}

// remove takes an item out. With a user's message go the tool calls that were
// made for it: without the message they tell a model nothing.
func (s *threadState) remove(id chatkitd.ItemID) {
	i := s.find(id)
	if i < 0 {
		return
	}
	message := s.refs[i].kind == chatkit.TypeUserMessage
	s.refs = slices.Delete(s.refs, i, i+1)
	at := slices.IndexFunc(s.entries, func(e entry) bool { return e.id == id })
	if at < 0 {
		return
	}
	s.items--
	end := at + 1
	if !message {
		s.entries = slices.Delete(s.entries, at, end)
		return
	}
	kept := s.entries[:at:at]
	for ; end < len(s.entries) && s.entries[end].kind != chatkit.TypeUserMessage; end++ {
		if s.entries[end].tool == nil {
			kept = append(kept, s.entries[end])
		}
	}
	s.entries = append(kept, s.entries[end:]...)
}

// after returns the ids of the items behind item i, oldest first.
func (s *threadState) after(i int) []chatkitd.ItemID {
	ids := make([]chatkitd.ItemID, 0, len(s.refs)-i-1)
	for _, r := range s.refs[i+1:] {
		ids = append(ids, r.id)
	}
	return ids
}

// thread returns the thread as a client sees it, without items.
func (s *threadState) thread() chatkit.Thread {
	return chatkit.Thread{ID: string(s.id), Title: s.title, CreatedAt: s.createdAt, Status: s.status}
}

// history returns what a model is to see: the last n items and the tool calls
// between them, and the inference options of the message to answer.
func (s *threadState) history(n int) ([]chatkitd.Entry, chatkit.InferenceOptions, error) {
	start := len(s.entries)
	for items := 0; start > 0 && items < n; start-- {
		if s.entries[start-1].tool == nil {
			items++
		}
	}
	var options chatkit.InferenceOptions
	out := make([]chatkitd.Entry, 0, len(s.entries)-start)
	for _, e := range s.entries[start:] {
		if e.tool != nil {
			out = append(out, chatkitd.Entry{Tool: e.tool})
			continue
		}
		if e.id == "" { // not an item after all
			continue
		}
		it, err := chatkit.DecodeItem(e.raw)
		if err != nil {
			return nil, options, err
		}
		if m, ok := it.(chatkit.UserMessage); ok {
			options = m.InferenceOptions
		}
		out = append(out, chatkitd.Entry{Item: it})
	}
	return out, options, nil
}
