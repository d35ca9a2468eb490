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
// and to tell a model the conversation.
type threadState struct {
	id        chatkitd.ThreadID
	owner     chatkitd.UserID
	title     string
	createdAt time.Time
	status    chatkit.Status
	deleted   bool
	entries   []entry // the conversation, oldest first
	turn      *openTurn
	ended     chatkitd.TurnID // the last turn that ended
}

// entry is an item, or a tool call that has returned.
type entry struct {
	id   chatkitd.ItemID // of an item
	kind string          // of an item
	raw  json.RawMessage // of an item
	tool *chatkitd.ToolExchange
}

// openTurn is a turn that has started and not ended.
type openTurn struct {
	id      chatkitd.TurnID
	request string
	calls   []chatkitd.ToolCall // made and not returned
	changed bool                // the thread itself changed since the start
	// seen holds the ids of the events since the start of the turn: an append
	// that is repeated because its outcome was unknown is found here.
	seen []uuid.UUID
}

func (s *threadState) exists() bool { return s.owner != "" && !s.deleted }

// fold brings s behind f. It cannot fail: f has happened.
func (s *threadState) fold(f fact[events.Thread]) {
	switch ev := f.Event.(type) {
	case events.ThreadCreated:
		*s = threadState{
			id: ev.ThreadID, owner: ev.UserID, title: ev.Title, createdAt: f.Meta.RecordedAt,
			status: chatkit.Status{Type: chatkit.StatusActive},
		}
	case events.ThreadRenamed:
		s.title = ev.Title
		s.touch()
	case events.ThreadStatusChanged:
		s.status = chatkit.Status{Type: ev.Status, Reason: ev.Reason}
		s.touch()
	case events.ThreadDeleted:
		s.deleted, s.entries = true, nil
	case events.ItemAdded:
		s.entries = append(s.entries, itemEntry(ev.Item))
	case events.ItemReplaced:
		e := itemEntry(ev.Item)
		if i := s.find(e.id); i >= 0 {
			s.entries[i] = e
		}
	case events.ItemRemoved:
		s.remove(ev.ItemID)
	case events.FeedbackGiven:
	case events.TurnStarted:
		s.turn = &openTurn{id: ev.TurnID, request: f.Meta.Correlation}
	case events.ToolCalled:
		if s.turn != nil {
			s.turn.calls = append(s.turn.calls, chatkitd.ToolCall{ID: ev.CallID, Name: ev.Name, Arguments: ev.Arguments})
		}
	case events.ToolReturned:
		s.returned(ev)
	case events.TurnCompleted, events.TurnFailed, events.TurnCancelled, events.TurnInterrupted:
		if s.turn != nil {
			s.turn, s.ended = nil, s.turn.id
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
				return entry{id: chatkitd.ItemID(id), kind: string(kind), raw: raw}
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
	return entry{id: head.ID, kind: head.Type, raw: raw}
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

// find returns the index of an item. It looks from the end: what is asked for
// is most often young.
func (s *threadState) find(id chatkitd.ItemID) int {
	for i := len(s.entries) - 1; i >= 0; i-- {
		if s.entries[i].id == id && id != "" {
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
	end := i + 1
	if s.entries[i].kind == chatkit.TypeUserMessage {
		kept := s.entries[:i:i]
		for ; end < len(s.entries) && s.entries[end].kind != chatkit.TypeUserMessage; end++ {
			if s.entries[end].tool == nil {
				kept = append(kept, s.entries[end])
			}
		}
		s.entries = append(kept, s.entries[end:]...)
		return
	}
	s.entries = slices.Delete(s.entries, i, end)
}

// after returns the ids of the items behind entry i, oldest first.
func (s *threadState) after(i int) []chatkitd.ItemID {
	var ids []chatkitd.ItemID
	for _, e := range s.entries[i+1:] {
		if e.id != "" {
			ids = append(ids, e.id)
		}
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
		if e.id == "" {
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
