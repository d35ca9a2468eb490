package embedded

import (
	"bytes"
	"sync"

	"github.com/chatkitd/chatkitd/events"
)

// The bounds of the tail.
const (
	tailEvents = 4096
	tailBytes  = 16 << 20
)

// tail is the end of the log in memory, shared by all subscriptions: one that is
// caught up reads it and asks SQLite nothing. It is kept while somebody follows.
type tail struct {
	mu        sync.RWMutex
	head      int64             // position of the last event
	recs      []events.Recorded // the last events without gap, up to head
	size      int               // bytes of recs
	followers int
	grown     chan struct{} // closed when head moves; nil when nobody waits
}

func (t *tail) at() int64 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.head
}

// followed reports whether anybody follows the log.
func (t *tail) followed() bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.followers > 0
}

func (t *tail) follow(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.followers += n
	if t.followers == 0 {
		t.recs, t.size = nil, 0
	}
}

// publish moves the head and wakes who waits. recs end at head, or are empty.
func (t *tail) publish(head int64, recs []events.Recorded) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if int64(len(recs)) != head-t.head || t.followers == 0 {
		t.recs, t.size = nil, 0 // somebody began to follow during the commit: no gap may remain
	} else {
		t.recs = append(t.recs, recs...)
		for i := range recs {
			t.size += sizeOf(&recs[i])
		}
		drop := 0
		for len(t.recs)-drop > tailEvents || t.size > tailBytes {
			t.size -= sizeOf(&t.recs[drop])
			drop++
		}
		clear(t.recs[:drop])
		t.recs = t.recs[drop:]
	}
	t.head = head
	if t.grown != nil {
		close(t.grown)
		t.grown = nil
	}
}

func sizeOf(rec *events.Recorded) int { return requestOverhead + len(rec.Data) + len(rec.Meta) }

// wait returns a channel that is closed when the head moves on from after, or nil
// when it has.
func (t *tail) wait(after int64) <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.head != after {
		return nil
	}
	if t.grown == nil {
		t.grown = make(chan struct{})
	}
	return t.grown
}

// take returns the batch after a position, and false when the tail does not reach
// back so far. The reader gets bytes of its own.
func (t *tail) take(after int64, f events.Filter) (events.Batch, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	skip := int64(len(t.recs)) - (t.head - after)
	if skip < 0 {
		return events.Batch{}, false
	}
	var b events.Batch
	for i := range t.recs[skip:] {
		if len(b.Events) == events.MaxBatch {
			break
		}
		rec := t.recs[skip+int64(i)]
		after++
		if f.Match(rec.Stream, rec.Type) {
			rec.Data, rec.Meta = bytes.Clone(rec.Data), bytes.Clone(rec.Meta)
			b.Events = append(b.Events, rec)
		}
	}
	b.Position, b.CaughtUp = position(after), after == t.head
	return b, true
}
