package audit

import (
	"context"
	"errors"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

const (
	titlesKept = 4096
	// titleReads bounds what the titles of one page may cost: so many events are
	// read for them, and each stream that is looked into counts as streamCost.
	titleReads = 10_000
	streamCost = 50
)

// titles puts titles into the summaries of events that only carry the id of a task
// or of a thread: as it was called just before the event. Most are known from the
// events in front of it. For the others each stream is read backwards once, within
// [titleReads]: an event whose title lies further back keeps the id.
type titles struct {
	a     *Auditor
	known *simplelru.LRU[titleKey, string] // nil: the events that are seen are not all, one that renames may be missing
	late  []untitled                       // to be looked for
}

// titleKey names a task by its stream and id, a thread by its stream alone.
type titleKey struct {
	stream string
	task   chatkitd.TaskID
}

type untitled struct {
	key      titleKey
	revision uint64
	ev       events.Event
	summary  *string
}

// titlesFor returns the titles for the events of a selection.
func (a *Auditor) titlesFor(s *selection) *titles {
	if len(s.types) > 0 || !s.q.Since.IsZero() || !s.q.Until.IsZero() {
		return &titles{a: a}
	}
	return a.allTitles()
}

// allTitles returns the titles for all events of a part of the log or of a stream.
func (a *Auditor) allTitles() *titles {
	known, err := simplelru.NewLRU[titleKey, string](titlesKept, nil)
	if err != nil {
		panic(err) // of a size that is a constant
	}
	return &titles{a: a, known: known}
}

// see is called for the events in the order of the log. summary is that of the
// event, without a title.
func (t *titles) see(stream string, revision uint64, ev events.Event, summary *string) {
	key := titleKey{stream: stream}
	switch ev := ev.(type) {
	case events.User:
		key.task = taskOf(ev)
	case events.ThreadCreated, events.ThreadRenamed, events.ThreadDeleted:
	default:
		return
	}
	if wantsTitle(ev) {
		if title, ok := t.get(key); ok {
			*summary = t.a.entitled(ev, title)
		} else {
			t.late = append(t.late, untitled{key, revision, ev, summary})
		}
	}
	if title, ok := titleIn(ev); ok && t.known != nil {
		t.known.Add(key, title)
	}
}

func (t *titles) get(key titleKey) (string, bool) {
	if t.known == nil {
		return "", false
	}
	return t.known.Get(key)
}

func wantsTitle(ev events.Event) bool {
	switch ev.(type) {
	case events.TaskUpdated, events.TaskCompleted, events.TaskReopened, events.TaskDeleted, events.ThreadDeleted:
		return true
	}
	return false
}

// titleIn returns the title that an event gives to what it is about.
func titleIn(ev events.Event) (string, bool) {
	switch ev := ev.(type) {
	case events.TaskAdded:
		return ev.Title, true
	case events.TaskUpdated:
		return ev.Title.Value, ev.Title.Set
	case events.ThreadCreated:
		return ev.Title, true
	case events.ThreadRenamed:
		return ev.Title, true
	}
	return "", false
}

// entitled is the summary of an event whose title is known.
func (a *Auditor) entitled(ev events.Event, title string) string {
	switch ev := ev.(type) {
	case events.User:
		return a.taskSummary(ev, title)
	case events.ThreadDeleted:
		if title != "" {
			return "deleted the thread " + quote(title)
		}
		return a.threadSummary(ev, events.Metadata{})
	}
	return ""
}

// find looks for the titles that are not known yet.
func (t *titles) find(ctx context.Context) error {
	late := t.late
	t.late = nil
	for left := titleReads; len(late) > 0 && left > 0; {
		stream := late[0].key.stream
		var here, others []untitled
		for _, u := range late {
			if u.key.stream == stream {
				here = append(here, u)
			} else {
				others = append(others, u)
			}
		}
		read, err := t.findIn(ctx, stream, here, left)
		if err != nil {
			return err
		}
		late = others
		left -= read + streamCost
	}
	return nil
}

// findIn reads a stream backwards from the last event without a title, and at most
// so many events of it.
func (t *titles) findIn(ctx context.Context, stream string, late []untitled, most int) (read int, err error) {
	from := late[len(late)-1].revision // they are in the order of the log
	if from == 0 {
		return 0, nil
	}
	for rec, err := range t.a.store.ReadStream(ctx, stream, events.StreamRead{From: from - 1, Backwards: true, Limit: most}) {
		if errors.Is(err, events.ErrStreamNotFound) || errors.Is(err, events.ErrStreamDeleted) {
			return read, nil // since the page was read
		}
		if err != nil {
			return read, err
		}
		read++
		if late = t.settle(&rec, late); len(late) == 0 {
			break
		}
	}
	return read, nil
}

// settle gives the title that an event gives to those behind it that wait for it,
// and returns the others.
func (t *titles) settle(rec *events.Recorded, late []untitled) []untitled {
	if !givesTitle[rec.Type] {
		return late
	}
	ev, err := events.Decode(rec.Type, rec.Data)
	if err != nil {
		return late // verify tells
	}
	title, ok := titleIn(ev)
	if !ok {
		return late
	}
	key := titleKey{stream: rec.Stream}
	if user, ok := ev.(events.User); ok {
		key.task = taskOf(user)
	}
	var others []untitled
	for _, u := range late {
		if u.key != key || u.revision <= rec.Revision {
			others = append(others, u)
			continue
		}
		*u.summary = t.a.entitled(u.ev, title)
		if t.known != nil && !t.known.Contains(key) { // else it has a younger one
			t.known.Add(key, title)
		}
	}
	return others
}

var givesTitle = map[string]bool{
	events.MustName(events.TaskAdded{}): true, events.MustName(events.TaskUpdated{}): true,
	events.MustName(events.ThreadCreated{}): true, events.MustName(events.ThreadRenamed{}): true,
}
