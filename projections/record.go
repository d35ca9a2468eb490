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
	folds  mask            // the projections that fold it, if it is of their category
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

// decode never fails: an event that does not decode carries its error, and only
// the projections that fold events of its type stop. It decodes what one of those
// who ask folds.
func (in *interest) decode(rec events.Recorded, who mask) record {
	r := record{Recorded: rec}
	folds, stray := in.of(&rec)
	if r.folds = folds; folds&who == 0 {
		return r
	}
	var ok bool
	if strings.HasPrefix(rec.Stream, events.UserPrefix) {
		if r.user, ok = events.UserOf(rec.Stream); !ok {
			r.err = fmt.Errorf("stream %q names no user", rec.Stream)
		}
	} else if r.thread, ok = events.ThreadOf(rec.Stream); !ok {
		r.err = fmt.Errorf("stream %q names no thread", rec.Stream)
	}
	if stray {
		r.err = fmt.Errorf("an event %s does not belong into a stream such as %s", rec.Type, rec.Stream)
	}
	if r.err != nil {
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
	var ok bool
	if r.item, ok = scanHead(item); !ok {
		if err := json.Unmarshal(item, &r.item); err != nil {
			return fmt.Errorf("item: %w", err)
		}
	}
	if r.item.ID == "" || r.item.Type == "" {
		return errors.New("an item without id or type")
	}
	return nil
}

// recordedAt reads the time that the actor gave the event: its own fold has no
// other, and both must be equal. An event without one has the store's.
func (r *record) recordedAt() error {
	var meta events.Metadata
	if len(r.Meta) > 0 {
		var err error
		if meta, err = events.DecodeMetadata(r.Meta); err != nil {
			return err
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
