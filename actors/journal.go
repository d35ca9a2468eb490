package actors

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

// fact is a decoded event with what a fold may need of its surroundings.
type fact[E events.Event] struct {
	Event    E
	ID       uuid.UUID
	Meta     events.Metadata
	Revision uint64
	Position chatkitd.Position
}

// appendTimeout bounds one append. It is not the caller's context: a caller that
// goes away must not cut between an append and the fold of it.
const appendTimeout = 10 * time.Second

// journal is an actor's hold on its stream: where it is, and how to load and
// append. It is used by the actor's goroutine alone.
type journal[E events.Event] struct {
	store    events.Store
	stream   string
	onAppend func(chatkitd.UserID, chatkitd.Position)
	saver    *saver // nil: no snapshots
	shared   bool   // other processes append to the stream
	metrics  *metrics

	loaded   bool
	behind   bool // another process has appended: the state is true, but not the latest
	fresh    bool // the state was the latest at some moment since the message came
	exists   bool
	revision uint64
	position chatkitd.Position
}

func (j *journal[E]) expected() events.Revision {
	if j.exists {
		return events.At(j.revision)
	}
	return events.NoStream
}

// current reports whether there is nothing to load.
func (j *journal[E]) current() bool { return j.loaded && !j.behind }

// load folds the stream from its beginning, or what is new in it when another
// process was faster, unless that is done.
func (j *journal[E]) load(ctx context.Context, reset func(), fold func(fact[E])) error {
	if j.loaded && j.behind {
		if grew, err := j.catchUp(ctx, fold); err != nil {
			return err
		} else if !grew {
			j.loaded = false // something is amiss: begin anew
		}
	}
	if j.loaded {
		return nil
	}
	reset()
	j.exists, j.revision, j.position = false, 0, chatkitd.Position{}
	if snap, ok := j.saver.resume(ctx, j.store, j.stream); ok {
		j.exists, j.revision, j.position = true, snap.Revision, snap.Position
	}
	var last uuid.UUID
	for rec, err := range j.store.ReadStream(ctx, j.stream, events.StreamRead{From: j.next()}) {
		if errors.Is(err, events.ErrStreamNotFound) || errors.Is(err, events.ErrStreamDeleted) {
			break
		}
		if err != nil {
			return fmt.Errorf("load %s: %w", j.stream, err)
		}
		if err := j.advance(rec, fold); err != nil {
			return fmt.Errorf("load %s: %w", j.stream, err)
		}
		last = rec.ID
	}
	j.loaded, j.behind, j.fresh = true, false, true
	if last != uuid.Nil {
		j.saver.consider(j.stream, j.revision, j.position, last)
	}
	return nil
}

// next is the revision that the next event of the stream has.
func (j *journal[E]) next() uint64 {
	if j.exists {
		return j.revision + 1
	}
	return 0
}

// advance folds an event that was read.
func (j *journal[E]) advance(rec events.Recorded, fold func(fact[E])) error {
	f, err := decodeFact[E](rec)
	if err != nil {
		return fmt.Errorf("revision %d: %w", rec.Revision, err)
	}
	fold(f)
	j.exists, j.revision, j.position = true, rec.Revision, rec.Position
	return nil
}

// begin takes the stream for one that does not exist, without a look: its name
// was just made. Should it exist after all, the append is refused and the next
// load finds out.
func (j *journal[E]) begin() {
	if !j.loaded {
		j.loaded, j.exists = true, false
	}
}

func decodeFact[E events.Event](rec events.Recorded) (fact[E], error) {
	ev, err := events.Decode(rec.Type, rec.Data)
	if err != nil {
		return fact[E]{}, err
	}
	e, ok := ev.(E)
	if !ok {
		return fact[E]{}, fmt.Errorf("a %s has no place in this stream", rec.Type)
	}
	meta, err := events.DecodeMetadata(rec.Meta)
	if err != nil {
		return fact[E]{}, err
	}
	return fact[E]{e, rec.ID, meta, rec.Revision, rec.Position}, nil
}

// append makes evs durable and folds them. After any error the journal must load
// again: either another process was faster, or what is stored is not known any more.
func (j *journal[E]) append(ctx context.Context, meta events.Metadata, key string, fold func(fact[E]), evs ...E) error {
	plain := make([]events.Event, len(evs))
	for i, ev := range evs {
		plain[i] = ev
	}
	recs, err := events.Prepare(j.stream, meta, key, plain...)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), appendTimeout)
	defer cancel()
	at, err := j.store.Append(ctx, j.stream, j.expected(), recs...)
	if err != nil {
		if j.behind = errors.Is(err, events.ErrWrongRevision); j.behind {
			j.metrics.conflict()
		} else {
			j.loaded = false
		}
		return fmt.Errorf("append to %s: %w", j.stream, err)
	}
	first := at.Revision + 1 - uint64(len(evs))
	for i, ev := range evs {
		fold(fact[E]{ev, recs[i].ID, meta, first + uint64(i), at.Position})
	}
	j.exists, j.revision, j.position, j.fresh = true, at.Revision, at.Position, true
	j.onAppend(meta.User, at.Position)
	j.saver.consider(j.stream, j.revision, j.position, recs[len(recs)-1].ID)
	return nil
}

// metadataOf returns what goes with the events of a command.
func metadataOf(m chatkitd.Meta, now time.Time) events.Metadata {
	cause := m.Cause
	if cause == "" {
		cause = m.Request
	}
	return events.Metadata{
		Correlation: m.Request, Causation: cause, User: m.User, TraceParent: m.TraceParent, RecordedAt: now,
	}
}

func (j *journal[E]) receipt() chatkitd.Receipt {
	return chatkitd.Receipt{Revision: j.revision, Position: j.position}
}

// publicError turns what a store or a host returned into an error for callers.
func publicError(err error) error {
	if _, ok := errors.AsType[*chatkitd.Error](err); ok || err == nil {
		return err
	}
	switch {
	case errors.Is(err, ErrBusy):
		return chatkitd.Errorf(chatkitd.CodeUnavailable, "the server is busy; try again in a moment").Because(err)
	case errors.Is(err, ErrClosed), errors.Is(err, events.ErrClosed):
		return chatkitd.Errorf(chatkitd.CodeUnavailable, "the server is shutting down; try again in a moment").Because(err)
	case errors.Is(err, events.ErrWrongRevision):
		return chatkitd.Errorf(chatkitd.CodeConflict, "it was changed elsewhere at the same time; try again").Because(err)
	case errors.Is(err, events.ErrTooLarge):
		return chatkitd.Errorf(chatkitd.CodeTooLarge, "this is more than can be stored at once (1 MiB)").Because(err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, events.ErrInDoubt):
		return chatkitd.Errorf(chatkitd.CodeTimeout, "the store did not answer in time; whether it was done is unknown").Because(err)
	case errors.Is(err, events.ErrUnavailable):
		return chatkitd.Errorf(chatkitd.CodeUnavailable, "the event store is not available; try again in a moment").Because(err)
	}
	return err
}
