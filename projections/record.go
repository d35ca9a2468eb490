package projections

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/chatkit"
	"github.com/chatkitd/chatkitd/events"
)

// record is a recorded event, decoded once for all projections.
type record struct {
	events.Recorded
	event  events.Event    // nil when no projection folds events of this type
	err    error           // it does not decode; whoever needs it stops before it
	user   chatkitd.UserID // whose stream it is, for a user's stream
	thread chatkitd.ThreadID
	at     time.Time // when it was recorded, UTC; only where a fold needs it
	item   itemHead  // of an item event
}

// itemHead is what a fold must know of an item.
type itemHead struct {
	ID   string `json:"id"`
	Type string `json:"type"`
}

// unfolded are the events that no projection folds, and that are not worth
// decoding.
var unfolded = map[string]bool{
	mustName(events.ToolCalled{}):          true,
	mustName(events.ToolReturned{}):        true,
	mustName(events.FeedbackGiven{}):       true,
	mustName(events.TurnCancelRequested{}): true,
	mustName(events.EffectVoided{}):        true,
}

func mustName(ev events.Event) string {
	name, err := events.NameOf(ev)
	if err != nil {
		panic(err) // an event of this very build
	}
	return name
}

// decode never fails: an event that does not decode carries its error, and only
// the projections that follow its category stop.
func decode(rec events.Recorded) record {
	r := record{Recorded: rec}
	if unfolded[rec.Type] {
		return r
	}
	var ok bool
	switch {
	case strings.HasPrefix(rec.Stream, events.UserPrefix):
		if r.user, ok = events.UserOf(rec.Stream); !ok {
			r.err = fmt.Errorf("stream %q names no user", rec.Stream)
			return r
		}
	case strings.HasPrefix(rec.Stream, events.ThreadPrefix):
		if r.thread, ok = events.ThreadOf(rec.Stream); !ok {
			r.err = fmt.Errorf("stream %q names no thread", rec.Stream)
			return r
		}
	default:
		return r
	}
	if r.event, r.err = events.Decode(rec.Type, rec.Data); r.err != nil {
		return r
	}
	switch ev := r.event.(type) {
	case events.ItemAdded:
		r.err = r.head(ev.Item)
	case events.ItemReplaced:
		r.err = r.head(ev.Item)
	case events.ThreadCreated, events.User:
		r.err = r.recordedAt()
	}
	return r
}

func (r *record) head(item json.RawMessage) error {
	if err := json.Unmarshal(item, &r.item); err != nil {
		return fmt.Errorf("item: %w", err)
	}
	if r.item.ID == "" || r.item.Type == "" {
		return errors.New("an item without id or type")
	}
	return nil
}

// recordedAt reads the time that the actor gave the event: its own fold has no
// other, and both must be equal. An event without one has the store's.
func (r *record) recordedAt() error {
	var meta struct {
		RecordedAt time.Time `json:"recorded_at"`
	}
	if len(r.Meta) > 0 {
		if err := json.Unmarshal(r.Meta, &meta); err != nil {
			return fmt.Errorf("metadata: %w", err)
		}
	}
	if r.at = meta.RecordedAt.UTC(); r.at.IsZero() {
		r.at = r.Time.UTC()
	}
	if y := r.at.Year(); y < 1678 || y > 2261 { // what 64 bits of nanoseconds hold
		return fmt.Errorf("recorded at %s, which no clock shows", r.at)
	}
	return nil
}

// hidden reports whether an item event is about an item that no client sees.
func (r *record) hidden() bool { return chatkit.Hidden(r.item.Type) }

func nanos(t time.Time) int64     { return t.UnixNano() }
func fromNanos(n int64) time.Time { return time.Unix(0, n).UTC() }
