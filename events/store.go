package events

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/chatkitd/chatkitd"
)

// MaxAppend is the largest append in bytes: the data, metadata, types and ids of
// all its events together. It is what EventStoreDB takes by default, and so what
// every store takes.
const MaxAppend = 1 << 20

// New is an event to be appended. Data and Meta are JSON objects. The same ID
// again is the same event.
type New struct {
	ID   uuid.UUID
	Type string // the wire name
	Data []byte
	Meta []byte
}

// Size returns what e counts against [MaxAppend].
func (e New) Size() int { return len(e.ID) + len(e.Type) + len(e.Data) + len(e.Meta) }

// Recorded is an event as stored. Data and Meta belong to the reader.
type Recorded struct {
	Stream   string
	Revision uint64 // within its stream, from 0 without gap
	Position chatkitd.Position
	ID       uuid.UUID
	Type     string
	Time     time.Time // when the store took it, UTC
	Data     []byte
	Meta     []byte
}

// Revision is the expected state of a stream at an append. Its zero value is
// [Any].
type Revision struct {
	kind revisionKind
	at   uint64
}

type revisionKind uint8

const (
	kindAny revisionKind = iota
	kindNoStream
	kindExists
	kindAt
)

var (
	// Any expects nothing.
	Any = Revision{}
	// NoStream expects that the stream does not exist, or was deleted softly.
	NoStream = Revision{kind: kindNoStream}
	// Exists expects that the stream exists.
	Exists = Revision{kind: kindExists}
)

// At expects that the last event of the stream has revision r.
func At(r uint64) Revision { return Revision{kindAt, r} }

// Exact returns the revision of an [At], and whether r is one.
func (r Revision) Exact() (uint64, bool) { return r.at, r.kind == kindAt }

// String names r for people.
func (r Revision) String() string {
	switch r.kind {
	case kindAny:
		return "any"
	case kindNoStream:
		return "no stream"
	case kindExists:
		return "an existing stream"
	case kindAt:
		return "revision " + strconv.FormatUint(r.at, 10)
	}
	return "?"
}

var (
	// ErrStreamNotFound is yielded by a read of a stream that does not exist or
	// was deleted softly.
	ErrStreamNotFound = errors.New("events: no such stream")
	// ErrStreamDeleted is returned for a stream that has a tombstone.
	ErrStreamDeleted = errors.New("events: the stream was deleted for good")
	// ErrTooLarge is returned for an append over [MaxAppend].
	ErrTooLarge = errors.New("events: the append is larger than 1 MiB")
	// ErrUnavailable wraps every failure of a store that may pass by itself: it
	// is down, full, locked or unreachable. An append may be repeated with the same
	// event ids, whatever became of it.
	ErrUnavailable = errors.New("events: the store is not available")
	// ErrInDoubt is an [ErrUnavailable] of an append that the store may have taken:
	// it was sent, and no answer came.
	ErrInDoubt = fmt.Errorf("%w: whether it was appended is not known", ErrUnavailable)
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("events: the store is closed")
	// ErrWrongRevision matches every [WrongRevisionError].
	ErrWrongRevision = errors.New("events: wrong expected revision")
)

// WrongRevisionError says that a stream was not as expected. Actual is
// [NoStream] or an [At].
type WrongRevisionError struct {
	Stream   string
	Expected Revision
	Actual   Revision
}

func (e *WrongRevisionError) Error() string {
	return fmt.Sprintf("events: stream %s: expected %s, is at %s", e.Stream, e.Expected, e.Actual)
}

// Is makes errors.Is(err, ErrWrongRevision) true.
func (e *WrongRevisionError) Is(target error) bool { return target == ErrWrongRevision }

// Appended says where an append ended: the revision and position of its last
// event.
type Appended struct {
	Revision uint64
	Position chatkitd.Position
}

// Store is an append-only log of streams with one total order. Every
// implementation passes eventstest.Run. A store is safe for concurrent use; every
// method honours its context, but an append whose context ends may still take
// effect.
type Store interface {
	// Append adds evs (at least one) to a stream, all or none, durably before it
	// returns. The same ids at the same expected revision again return the first
	// result. It returns a *WrongRevisionError, ErrTooLarge, ErrStreamDeleted,
	// ErrUnavailable or ErrClosed. The bytes of evs belong to the caller again when
	// it returns, unless the context ended: then they must not be changed any more.
	Append(ctx context.Context, stream string, expected Revision, evs ...New) (Appended, error)
	// ReadStream yields the events of a stream. A missing stream yields
	// ErrStreamNotFound, one with a tombstone ErrStreamDeleted.
	ReadStream(ctx context.Context, stream string, o StreamRead) iter.Seq2[Recorded, error]
	// ReadAll yields the log in its order.
	ReadAll(ctx context.Context, o AllRead) iter.Seq2[Recorded, error]
	// Subscribe follows the log after a position, for ever: it resumes by itself
	// after an outage. Each event comes at least once, in order.
	Subscribe(ctx context.Context, after chatkitd.Position, f Filter) (Subscription, error)
	// Head returns the position of the last event, zero for an empty log.
	Head(ctx context.Context) (chatkitd.Position, error)
	// Delete deletes a stream softly: it reads as missing, and revisions go on
	// when it is appended to again.
	Delete(ctx context.Context, stream string, expected Revision) error
	// Tombstone deletes a stream for good.
	Tombstone(ctx context.Context, stream string, expected Revision) error
	// Close ends subscriptions, finishes the appends that were taken, and frees
	// what the store holds.
	Close() error
}

// StreamRead says what to read of a stream. The zero value is all of it,
// forwards. From is inclusive in both directions.
type StreamRead struct {
	From      uint64 // forwards: the first revision
	FromEnd   bool   // backwards only: begin at the last event, From is ignored
	Backwards bool
	Limit     int // 0 is no limit
}

// AllRead says what to read of the log. The zero value is all of it, forwards.
// After and Before are exclusive; Before counts backwards only, zero is the end.
type AllRead struct {
	After     chatkitd.Position // forwards: the first event after it
	Before    chatkitd.Position // backwards: the first event before it
	Backwards bool
	Limit     int // 0 is no limit
	Filter    Filter
}

// Filter selects events by stream prefix or by type; both empty is all events.
// With both set an event must match both.
type Filter struct {
	StreamPrefixes []string
	Types          []string
}

// Match reports whether an event passes f.
func (f Filter) Match(stream, typ string) bool { return f.matchStream(stream) && f.matchType(typ) }

func (f Filter) matchStream(stream string) bool {
	for _, p := range f.StreamPrefixes {
		if len(stream) >= len(p) && stream[:len(p)] == p {
			return true
		}
	}
	return len(f.StreamPrefixes) == 0
}

func (f Filter) matchType(typ string) bool {
	for _, t := range f.Types {
		if t == typ {
			return true
		}
	}
	return len(f.Types) == 0
}

// Subscription is a live view of the log for one reader.
type Subscription interface {
	// Next waits for more and returns it. It returns ctx's error when ctx ends
	// (the subscription goes on), ErrClosed after Close or the store's Close.
	Next(ctx context.Context) (Batch, error)
	// Close ends the subscription. A Next that waits returns ErrClosed.
	Close() error
}

// Batch is what a subscription has next: at most [MaxBatch] events, in order.
type Batch struct {
	Events   []Recorded
	Position chatkitd.Position // resume after it; it may be past the last event, by the filter
	CaughtUp bool              // the log had nothing after Position when the batch was made
}

// MaxBatch is the largest number of events in a [Batch].
const MaxBatch = 1000
