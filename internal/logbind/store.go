package logbind

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

// Log is a store that can tell whether it takes appends.
type Log interface {
	events.Store
	Ready(ctx context.Context) error
}

const (
	// lookTimeout bounds one look at the log.
	lookTimeout = 5 * time.Second
	// lookAgain is the pause between two of them while the log is away.
	lookAgain = 250 * time.Millisecond
)

// Store passes everything on to a log once it is known to be the one that the data
// folder belongs to. Until then every call returns ErrUnavailable at once. A folder
// that belongs to none is bound before the first event of the log comes out of it.
type Store struct {
	Log
	folder      Folder
	kind, where string

	known atomic.Bool // the log is the folder's, or both are new
	bound atomic.Bool // and the folder says so

	looking sync.Mutex // held by a look

	mu  sync.Mutex
	err error // of the last look; nil before the first
}

var _ Log = (*Store)(nil)

// New returns a store that knows nothing of the log yet; see [Store.Look] and
// [Store.Await]. It closes log when it is closed.
func New(log Log, folder Folder, kind, where string) *Store {
	return &Store{Log: log, folder: folder, kind: kind, where: where}
}

// Look reads which log it is and binds the folder. It returns an [*OtherLogError]
// when the folder belongs to another one, and what the log returns while it is
// away.
func (s *Store) Look(ctx context.Context) error {
	s.looking.Lock()
	defer s.looking.Unlock()
	if s.bound.Load() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	err := s.look(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
	return err
}

func (s *Store) lastError() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

func (s *Store) look(ctx context.Context) error {
	if ok, err := s.folder.holds(ctx, s.Log, s.kind); err != nil {
		return err
	} else if ok {
		s.known.Store(true)
		s.bound.Store(true)
		return nil
	}
	is, err := identify(ctx, s.Log, s.kind, s.where)
	if err != nil {
		return err
	}
	bound, err := s.folder.check(is)
	if err != nil {
		return err
	}
	if !bound && (is.First != nil || !s.known.Load()) {
		if err := s.folder.bind(is); err != nil {
			return err
		}
	}
	s.known.Store(true)
	s.bound.Store(is.First != nil)
	return nil
}

// Await looks again and again until the log has answered. It returns an
// [*OtherLogError] or ctx's error.
func (s *Store) Await(ctx context.Context, log *slog.Logger) error {
	err := s.lastError() // of a look before
	for warned := false; !s.known.Load(); {
		if err != nil && !warned {
			warned = true
			log.WarnContext(ctx, "the event log cannot be read; the server is not ready until it can", "error", err)
		}
		err = s.Look(ctx)
		switch {
		case err == nil && warned:
			log.InfoContext(ctx, "the event log can be read")
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, ErrOtherLog):
			return err
		case err != nil:
			sleep(ctx, lookAgain)
		}
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// open returns nil when calls may pass.
func (s *Store) open() error {
	if s.known.Load() {
		return nil
	}
	if err := s.lastError(); err != nil {
		return unavailable(err)
	}
	return unavailable(errNotYet)
}

var errNotYet = errors.New("the log was not looked at yet")

// unavailable is the error of a call: why the last look failed is none of its
// caller's errors, but only a text.
func unavailable(why error) error {
	return fmt.Errorf("%w: %s", events.ErrUnavailable, why.Error())
}

// ensure binds the folder before the first event leaves the log.
func (s *Store) ensure(ctx context.Context) error {
	if s.bound.Load() {
		return nil
	}
	if err := s.Look(ctx); err != nil {
		return unavailable(err)
	}
	return nil
}

// Ready returns nil when the log is known and takes appends.
func (s *Store) Ready(ctx context.Context) error {
	if err := s.open(); err != nil {
		return err
	}
	return s.Log.Ready(ctx)
}

// Append implements [events.Store].
func (s *Store) Append(ctx context.Context, stream string, expected events.Revision, evs ...events.New) (events.Appended, error) {
	if err := s.open(); err != nil {
		return events.Appended{}, err
	}
	return s.Log.Append(ctx, stream, expected, evs...)
}

// Head implements [events.Store].
func (s *Store) Head(ctx context.Context) (chatkitd.Position, error) {
	if err := s.open(); err != nil {
		return chatkitd.Position{}, err
	}
	return s.Log.Head(ctx)
}

// Delete implements [events.Store].
func (s *Store) Delete(ctx context.Context, stream string, expected events.Revision) error {
	if err := s.open(); err != nil {
		return err
	}
	return s.Log.Delete(ctx, stream, expected)
}

// Tombstone implements [events.Store].
func (s *Store) Tombstone(ctx context.Context, stream string, expected events.Revision) error {
	if err := s.open(); err != nil {
		return err
	}
	return s.Log.Tombstone(ctx, stream, expected)
}

// ReadStream implements [events.Store].
func (s *Store) ReadStream(ctx context.Context, stream string, o events.StreamRead) iter.Seq2[events.Recorded, error] {
	if err := s.open(); err != nil {
		return failed(err)
	}
	return s.through(ctx, s.Log.ReadStream(ctx, stream, o))
}

// ReadAll implements [events.Store].
func (s *Store) ReadAll(ctx context.Context, o events.AllRead) iter.Seq2[events.Recorded, error] {
	if err := s.open(); err != nil {
		return failed(err)
	}
	return s.through(ctx, s.Log.ReadAll(ctx, o))
}

func failed(err error) iter.Seq2[events.Recorded, error] {
	return func(yield func(events.Recorded, error) bool) { yield(events.Recorded{}, err) }
}

// through yields what seq yields, and binds the folder before the first event.
func (s *Store) through(ctx context.Context, seq iter.Seq2[events.Recorded, error]) iter.Seq2[events.Recorded, error] {
	if s.bound.Load() {
		return seq
	}
	return func(yield func(events.Recorded, error) bool) {
		for rec, err := range seq {
			if err == nil {
				err = s.ensure(ctx)
			}
			if !yield(rec, err) || err != nil {
				return
			}
		}
	}
}

// Subscribe implements [events.Store].
func (s *Store) Subscribe(ctx context.Context, after chatkitd.Position, f events.Filter) (events.Subscription, error) {
	if err := s.open(); err != nil {
		return nil, err
	}
	sub, err := s.Log.Subscribe(ctx, after, f)
	if err != nil || s.bound.Load() {
		return sub, err
	}
	return &subscription{Subscription: sub, s: s}, nil
}

// subscription binds the folder before the first event. It has one reader.
type subscription struct {
	events.Subscription
	s    *Store
	held *events.Batch // that could not be given out yet
}

// Next implements [events.Subscription].
func (b *subscription) Next(ctx context.Context) (events.Batch, error) {
	if b.held == nil {
		batch, err := b.Subscription.Next(ctx)
		if err != nil || b.s.bound.Load() || len(batch.Events) == 0 {
			return batch, err
		}
		b.held = &batch
	}
	if err := b.s.ensure(ctx); err != nil {
		return events.Batch{}, err
	}
	batch := *b.held
	b.held = nil
	return batch, nil
}
