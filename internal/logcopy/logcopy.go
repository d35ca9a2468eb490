// Package logcopy moves a whole log from one store to another, and proves that
// nothing was changed on the way.
//
// The order of the log is kept, and of each event its stream, revision, id, type,
// data and metadata. Its position is the new store's, and so is the time at which
// the store took it; the time that states and read models go by (recorded_at) is
// metadata. What was deleted in the source is deleted in the target.
package logcopy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

// The phases of a copy.
const (
	PhaseResume = "looking at the target" // what is there of an earlier run
	PhaseCopy   = "copying"
	PhaseVerify = "verifying"
)

// Progress says how far a copy is: how many events a phase has passed, and where
// the source's log they end.
type Progress struct {
	Phase    string
	Events   int
	Position chatkitd.Position
	Head     chatkitd.Position
}

// Result is what a copy did. There is what the target had of an earlier run.
type Result struct {
	There   int
	Copied  int
	Events  int // compared
	Streams int
	Deleted int // streams that read as missing, or as deleted for good, on both sides
}

// TargetError says that the target holds something that the source does not: it
// was left as it was.
type TargetError struct{ What string }

func (e *TargetError) Error() string { return "the target holds something else: " + e.What }

// SourceError says that the source cannot be copied.
type SourceError struct{ What string }

func (e *SourceError) Error() string { return "the source cannot be copied: " + e.What }

// DifferenceError is the first difference that a comparison found.
type DifferenceError struct{ What string }

func (e *DifferenceError) Error() string { return "the logs differ: " + e.What }

// progressEvery is how many events a phase passes between two reports.
const progressEvery = 500

// Copy makes the log of to the log of from. To is empty, or holds the beginning of
// it from a run that was cut off: then it goes on there. Nobody else may write to
// either. It does not compare; see [Compare]. It returns a [*TargetError], a
// [*SourceError], and what the stores return. progress may be nil.
func Copy(ctx context.Context, from, to events.Store, progress func(Progress)) (r Result, err error) {
	head, err := from.Head(ctx)
	if err != nil {
		return r, fmt.Errorf("read the source: %w", err)
	}
	c := &copier{from: from, to: to, progress: progress, at: Progress{Head: head}, next: map[string]uint64{}, fates: map[string]fate{}}
	source, stop := iter.Pull2(from.ReadAll(ctx, events.AllRead{}))
	defer stop()
	r.There, err = c.resume(ctx, source)
	if err != nil {
		return r, err
	}
	r.Copied, err = c.run(ctx, source)
	r.Streams = len(c.next)
	if err != nil {
		return r, err
	}
	r.Deleted, err = c.remove(ctx)
	return r, err
}

// pull is the next event of a log.
type pull func() (events.Recorded, error, bool)

// copier is one copy.
type copier struct {
	from, to events.Store
	progress func(Progress)
	at       Progress

	next  map[string]uint64 // the revision of each stream's next event in the source
	fates map[string]fate   // of the source's streams that were written to in this run

	stream string // of batch
	first  uint64 // the revision of its first event
	batch  []events.New
	size   int
}

func (c *copier) tell(phase string, pos chatkitd.Position) {
	if c.at.Phase != phase {
		c.at.Phase, c.at.Events = phase, 0
	}
	c.at.Events++
	if c.progress != nil && c.at.Events%progressEvery == 0 {
		c.at.Position = pos
		c.progress(c.at)
	}
}

// resume passes the events that the target has already, which must be the first of
// the source.
func (c *copier) resume(ctx context.Context, source pull) (n int, err error) {
	for have, err := range c.to.ReadAll(ctx, events.AllRead{}) {
		if err != nil {
			return n, fmt.Errorf("read the target: %w", err)
		}
		want, err, ok := source()
		switch {
		case err != nil:
			return n, fmt.Errorf("read the source: %w", err)
		case !ok:
			return n, &TargetError{fmt.Sprintf("%s, and the source has %d events only", name(&have), n)}
		}
		if what := difference(&want, &have); what != "" {
			return n, &TargetError{fmt.Sprintf("event %d there is %s, in the source %s: %s", n+1, name(&have), name(&want), what)}
		}
		if err := c.follow(&want); err != nil {
			return n, err
		}
		n++
		c.tell(PhaseResume, want.Position)
	}
	return n, nil
}

// follow counts the revisions of the source. A store numbers the events of a stream
// from 0 without gap; a stream whose beginning is gone cannot be made again.
func (c *copier) follow(rec *events.Recorded) error {
	if next := c.next[rec.Stream]; rec.Revision != next {
		return &SourceError{fmt.Sprintf("%s, where revision %d is next; what was before it is gone, perhaps by a scavenge", name(rec), next)}
	}
	c.next[rec.Stream] = rec.Revision + 1
	return nil
}

// run appends the events that are left, in their order. Neighbours of one stream
// are one append.
func (c *copier) run(ctx context.Context, source pull) (n int, err error) {
	for {
		rec, err, ok := source()
		if err != nil {
			return n, fmt.Errorf("read the source: %w", err)
		}
		if !ok {
			return n + len(c.batch), c.flush(ctx)
		}
		if err := c.follow(&rec); err != nil {
			return n, err
		}
		f, err := c.fateOf(ctx, rec.Stream)
		if err != nil {
			return n, err
		}
		ev := events.New{ID: rec.ID, Type: rec.Type, Data: rec.Data, Meta: rec.Meta}
		if rec.Stream != c.stream || c.size+ev.Size() > events.MaxAppend || f.begins(rec.Revision) {
			n += len(c.batch)
			if err := c.flush(ctx); err != nil {
				return n - len(c.batch), err
			}
		}
		if len(c.batch) == 0 {
			c.stream, c.first = rec.Stream, rec.Revision
		}
		c.batch = append(c.batch, ev)
		c.size += ev.Size()
		c.tell(PhaseCopy, rec.Position)
	}
}

// flush appends the batch.
func (c *copier) flush(ctx context.Context) error {
	if len(c.batch) == 0 {
		return nil
	}
	expected := events.NoStream
	switch f := c.fates[c.stream]; {
	case c.first == 0:
	case f.begins(c.first):
		if err := c.delete(ctx, c.stream); err != nil {
			return err
		}
	default:
		expected = events.At(c.first - 1)
	}
	last, err := c.to.Append(ctx, c.stream, expected, c.batch...)
	switch wrong, ok := errors.AsType[*events.WrongRevisionError](err); {
	case ok:
		return &TargetError{fmt.Sprintf("stream %s is at %s, where %s was expected; something else writes to it", c.stream, wrong.Actual, wrong.Expected)}
	case err != nil:
		return fmt.Errorf("append to %s in the target: %w", c.stream, err)
	case last.Revision != c.first+uint64(len(c.batch))-1:
		return &TargetError{fmt.Sprintf("stream %s had events before that no read shows: revision %d came out as %d",
			c.stream, c.first+uint64(len(c.batch))-1, last.Revision)}
	}
	c.batch, c.size = c.batch[:0], 0
	return nil
}

// name says which event is meant.
func name(rec *events.Recorded) string {
	return fmt.Sprintf("%s revision %d (%s, position %s)", rec.Stream, rec.Revision, rec.Type, rec.Position)
}

// difference says what of an event differs, "" when nothing does.
func difference(want, have *events.Recorded) string {
	switch {
	case want.Stream != have.Stream || want.Revision != have.Revision:
		return "another event"
	case want.ID != have.ID:
		return fmt.Sprintf("its id is %s, %s in the source", have.ID, want.ID)
	case want.Type != have.Type:
		return fmt.Sprintf("its type is %s, %s in the source", have.Type, want.Type)
	case !bytes.Equal(want.Data, have.Data):
		return "its data differ"
	case !bytes.Equal(want.Meta, have.Meta):
		return "its metadata differ"
	}
	return ""
}
