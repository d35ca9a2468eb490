package audit

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/chatkit"
	"github.com/chatkitd/chatkitd/events"
)

// An idempotency key is good for 24 h, and a stream remembers so many of them:
// after that the same key is a new command.
const (
	keyLifetime = 24 * time.Hour
	keysKept    = 16_384
)

// keyID stands for an idempotency key in a stream.
type keyID [16]byte

func keyOf(stream, key string) (id keyID) {
	sum := sha256.Sum256([]byte(stream + "\x00" + key))
	copy(id[:], sum[:])
	return id
}

// keyUse is the last command under a key.
type keyUse struct {
	at       int64 // Unix time in microseconds
	revision uint64
	command  int // which of the stream's commands with a key
}

// unique checks the id of an event and, when it comes of a command with one, the
// idempotency key. An id belongs to the attempt that stored the event, so that one
// key under two ids is as well a fault as two events with one id.
func (v *verifier) unique(s *streamCheck, rec *events.Recorded, meta events.Metadata) {
	if _, ok := v.ids[rec.ID]; ok || rec.ID == uuid.Nil {
		v.find(CheckIDs, rec, "another event has its id %s", rec.ID)
	}
	v.ids[rec.ID] = struct{}{}
	if meta.Key == "" {
		return
	}
	id, at := keyOf(rec.Stream, meta.Key), meta.RecordedAt.UnixMicro()
	if void, ok := v.voids[id]; ok && within24h(void.at, at) {
		v.find(CheckIDs, rec, "its idempotency key %q was voided at revision %d: it could have no effect any more", meta.Key, void.revision)
	}
	old, used := v.keys[id]
	if used && old.revision+1 == rec.Revision && old.at == at { // of the same command
		old.revision = rec.Revision
		v.keys[id] = old
		return
	}
	s.commands++
	if used && within24h(old.at, at) && s.commands-old.command <= keysKept {
		v.find(CheckIDs, rec, "the idempotency key %q was used by the command at revision %d", meta.Key, old.revision)
	}
	v.keys[id] = keyUse{at, rec.Revision, s.commands}
}

func within24h(old, at int64) bool { return time.Duration(at-old)*time.Microsecond < keyLifetime }

// voided notes a key under which nothing may be carried out any more.
func (v *verifier) voided(rec *events.Recorded, meta events.Metadata, ev events.EffectVoided) {
	id, at := keyOf(rec.Stream, ev.Key), meta.RecordedAt.UnixMicro()
	if old, ok := v.keys[id]; ok && within24h(old.at, at) {
		v.find(CheckIDs, rec, "the idempotency key %q that it voids was used by the command at revision %d", ev.Key, old.revision)
	}
	v.voids[id] = keyUse{at: at, revision: rec.Revision}
}

// turns follows the turns of a thread and their tool calls.
func (v *verifier) turns(s *streamCheck, rec *events.Recorded, ev events.Thread) {
	switch ev := ev.(type) {
	case events.ThreadCreated:
		s.deleted = false
		if id, _ := events.ThreadOf(rec.Stream); id != ev.ThreadID {
			v.find(CheckOrder, rec, "the stream holds a thread %s", ev.ThreadID)
		}
	case events.ThreadDeleted:
		s.deleted = true
	case events.TurnStarted:
		if s.turn != "" {
			v.find(CheckTurns, rec, "turn %s begins before %s has ended", ev.TurnID, s.turn)
		}
		s.turn, s.calls, s.asked = ev.TurnID, nil, 0
	case events.ModelCalled:
		v.within(s, rec, ev.TurnID)
		if s.asked++; ev.N != s.asked {
			v.find(CheckTurns, rec, "the model's call number %d comes where %d is next", ev.N, s.asked)
			s.asked = ev.N
		}
	case events.ToolCalled:
		v.within(s, rec, ev.TurnID)
		if _, ok := s.calls[ev.CallID]; ok {
			v.find(CheckTurns, rec, "tool call %s is made twice", ev.CallID)
		}
		if s.calls == nil {
			s.calls = map[string]bool{}
		}
		s.calls[ev.CallID] = false
	case events.ToolReturned:
		v.within(s, rec, ev.TurnID)
		if returned, ok := s.calls[ev.CallID]; !ok {
			v.find(CheckTurns, rec, "tool call %s returns and was not made in this turn", ev.CallID)
		} else if returned {
			v.find(CheckTurns, rec, "tool call %s returns twice", ev.CallID)
		}
		if s.calls != nil {
			s.calls[ev.CallID] = true
		}
	case events.TurnCancelRequested:
		v.within(s, rec, ev.TurnID)
	case events.TurnCompleted:
		v.ended(s, rec, ev.TurnID)
	case events.TurnFailed:
		v.ended(s, rec, ev.TurnID)
	case events.TurnCancelled:
		v.ended(s, rec, ev.TurnID)
	case events.TurnInterrupted:
		v.ended(s, rec, ev.TurnID)
	case events.ThreadRenamed, events.ThreadStatusChanged, events.ItemAdded, events.ItemReplaced, events.ItemRemoved, events.FeedbackGiven:
		if s.deleted {
			v.find(CheckOrder, rec, "the thread was deleted before")
		}
	}
}

func (v *verifier) within(s *streamCheck, rec *events.Recorded, turn chatkitd.TurnID) {
	if s.turn != turn {
		v.find(CheckTurns, rec, "turn %s does not run: %s", turn, running(s.turn))
	}
}

func running(turn chatkitd.TurnID) string {
	if turn == "" {
		return "none does"
	}
	return string(turn) + " does"
}

func (v *verifier) ended(s *streamCheck, rec *events.Recorded, turn chatkitd.TurnID) {
	v.within(s, rec, turn)
	for call, returned := range s.calls {
		if !returned {
			v.find(CheckTurns, rec, "tool call %s has not returned when turn %s ends", call, turn)
		}
	}
	s.turn, s.calls = "", nil
}

// checkItem returns an error for an item that no client could read.
func checkItem(ev events.Thread) error {
	var raw json.RawMessage
	switch ev := ev.(type) {
	case events.ItemAdded:
		raw = ev.Item
	case events.ItemReplaced:
		raw = ev.Item
	default:
		return nil
	}
	item, err := chatkit.DecodeItem(raw)
	if err == nil && item.Base().ID == "" {
		err = fmt.Errorf("the item has no id")
	}
	return err
}
