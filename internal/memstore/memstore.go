// Package memstore is an [events.Store] in memory, for tests. It keeps the whole
// contract but durability.
package memstore

import (
	"bytes"
	"context"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

// Store is a log in memory. Its zero value is not usable; see [New].
type Store struct {
	mu      sync.RWMutex
	log     []events.Recorded // position n is at n-1
	streams map[string]*stream
	grown   chan struct{} // closed, and replaced, when the log grows
	done    chan struct{} // closed by Close
	closed  bool
}

// A stream is what the store knows of one name.
type stream struct {
	at        []int  // index in the log by revision
	first     uint64 // the first revision that reads yield: a soft deletion moves it past the end
	tombstone bool
}

var _ events.Store = (*Store)(nil)

// New returns an empty store.
func New() *Store {
	return &Store{streams: map[string]*stream{}, grown: make(chan struct{}), done: make(chan struct{})}
}

// actual returns the state of s as an expected revision; nil is no stream.
func (s *stream) actual() events.Revision {
	if s == nil || uint64(len(s.at)) == s.first {
		return events.NoStream
	}
	return events.At(uint64(len(s.at)) - 1)
}

// Append implements [events.Store].
func (m *Store) Append(ctx context.Context, name string, expected events.Revision, evs ...events.New) (events.Appended, error) {
	if err := ctx.Err(); err != nil {
		return events.Appended{}, err
	}
	if err := events.CheckAppend(name, evs); err != nil {
		return events.Appended{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return events.Appended{}, events.ErrClosed
	}
	s := m.streams[name]
	if s != nil && s.tombstone {
		return events.Appended{}, events.ErrStreamDeleted
	}
	if last, ok := m.repeated(s, expected, evs); ok {
		return last, nil
	}
	if err := expected.Check(name, s.actual()); err != nil {
		return events.Appended{}, err
	}
	if s == nil {
		s = &stream{}
		m.streams[name] = s
	}
	now := events.Timestamp(time.Now())
	for i := range evs {
		p := uint64(len(m.log)) + 1
		m.log = append(m.log, events.Recorded{
			Stream: name, Revision: uint64(len(s.at)), Position: chatkitd.Position{Commit: p, Prepare: p},
			ID: evs[i].ID, Type: evs[i].Type, Time: now, Data: bytes.Clone(evs[i].Data), Meta: bytes.Clone(evs[i].Meta),
		})
		s.at = append(s.at, len(m.log)-1)
	}
	m.grow()
	last := &m.log[len(m.log)-1]
	return events.Appended{Revision: last.Revision, Position: last.Position}, nil
}

// repeated returns the result of the earlier append that this one repeats.
func (m *Store) repeated(s *stream, expected events.Revision, evs []events.New) (events.Appended, bool) {
	if s == nil {
		return events.Appended{}, false
	}
	var from uint64
	switch r, exact := expected.Exact(); {
	case exact:
		from = r + 1
	case expected == events.NoStream:
		from = s.first
	default:
		i := slices.IndexFunc(s.at, func(at int) bool { return m.log[at].ID == evs[0].ID })
		if i < 0 {
			return events.Appended{}, false
		}
		from = uint64(i)
	}
	if from >= uint64(len(s.at)) || uint64(len(s.at))-from < uint64(len(evs)) {
		return events.Appended{}, false
	}
	var last events.Appended
	for i := range evs {
		rec := &m.log[s.at[from+uint64(i)]]
		if rec.ID != evs[i].ID {
			return events.Appended{}, false
		}
		last = events.Appended{Revision: rec.Revision, Position: rec.Position}
	}
	return last, true
}

// grow wakes the subscriptions. m.mu is held.
func (m *Store) grow() {
	close(m.grown)
	m.grown = make(chan struct{})
}

// Delete implements [events.Store].
func (m *Store) Delete(ctx context.Context, name string, expected events.Revision) error {
	return m.remove(ctx, name, func(s *stream) error {
		if s.actual() == events.NoStream {
			return &events.WrongRevisionError{Stream: name, Expected: expected, Actual: events.NoStream}
		}
		if err := expected.Check(name, s.actual()); err != nil {
			return err
		}
		s.first = uint64(len(s.at))
		return nil
	})
}

// Tombstone implements [events.Store].
func (m *Store) Tombstone(ctx context.Context, name string, expected events.Revision) error {
	return m.remove(ctx, name, func(s *stream) error {
		if err := expected.Check(name, s.actual()); err != nil {
			return err
		}
		if s == nil {
			s = &stream{}
			m.streams[name] = s
		}
		s.tombstone = true
		return nil
	})
}

func (m *Store) remove(ctx context.Context, name string, change func(*stream) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return events.ErrClosed
	}
	s := m.streams[name]
	if s != nil && s.tombstone {
		return events.ErrStreamDeleted
	}
	return change(s)
}

// Head implements [events.Store].
func (m *Store) Head(ctx context.Context) (chatkitd.Position, error) {
	if err := ctx.Err(); err != nil {
		return chatkitd.Position{}, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return chatkitd.Position{}, events.ErrClosed
	}
	return m.head(), nil
}

func (m *Store) head() chatkitd.Position {
	n := uint64(len(m.log))
	return chatkitd.Position{Commit: n, Prepare: n}
}

// Close implements [events.Store].
func (m *Store) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.closed {
		m.closed = true
		close(m.done)
	}
	return nil
}

// failed returns a sequence of one error.
func failed(err error) iter.Seq2[events.Recorded, error] {
	return func(yield func(events.Recorded, error) bool) { yield(events.Recorded{}, err) }
}

// clone returns rec with bytes of its own.
func clone(rec events.Recorded) events.Recorded {
	rec.Data, rec.Meta = bytes.Clone(rec.Data), bytes.Clone(rec.Meta)
	return rec
}
