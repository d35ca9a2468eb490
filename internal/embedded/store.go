// Package embedded is the default [events.Store]: one SQLite file, one writer
// that commits in groups, an append acknowledged after fsync. DESIGN.md says why
// it is built like this.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/internal/sqlite"
)

// FileName is the name of the log in the data folder. SQLite puts its "-wal" and
// "-shm" files beside it.
const FileName = "events.db"

// Options of a store. Dir is needed, the rest has defaults.
type Options struct {
	Dir        string                // the data folder; made if missing
	Log        *slog.Logger          // nil drops
	Registerer prometheus.Registerer // nil is no metrics
	Queue      int                   // appends that may wait for the writer; more are refused. Default 8192
	QueueBytes int64                 // bytes that may wait; more are refused. Default 64 MiB
	Streams    int                   // streams whose last revision is kept in memory. Default 65536
	Readers    int                   // connections that read at once. Default 4
	Poll       time.Duration         // of subscriptions of a read-only store. Default 100 ms
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Queue == 0 {
		o.Queue = 8192
	}
	if o.QueueBytes == 0 {
		o.QueueBytes = 64 << 20
	}
	if o.Streams == 0 {
		o.Streams = 1 << 16
	}
	if o.Readers == 0 {
		o.Readers = 4
	}
	if o.Poll == 0 {
		o.Poll = 100 * time.Millisecond
	}
	return o
}

// ErrReadOnly is returned for a change to a store made by [OpenReadOnly].
var ErrReadOnly = errors.New("embedded: the event store is open for reading only")

// Store is the log in one file.
type Store struct {
	o       Options
	path    string
	log     *slog.Logger
	metrics *metrics
	lock    *os.File // nil when read-only
	writer  *writer  // nil when read-only
	readers chan *reader
	tail    tail
	bytes   atomic.Int64 // waiting in the queue
	failing atomic.Bool  // the last batch could not be committed; set by the writer

	gate   sync.RWMutex // guards sends to queue against its close
	queue  chan *request
	shut   bool
	done   chan struct{} // closed at the begin of Close
	closed chan struct{} // closed at the end of Close
	err    error         // of Close
	wg     sync.WaitGroup
}

var _ events.Store = (*Store)(nil)

// Open opens the log in o.Dir, or makes it, and checks it. It returns an
// [*InUseError] when another server has the folder, a [*CorruptError] when the file
// is damaged, ErrNewer or ErrForeign when it is not for this build.
func Open(ctx context.Context, o Options) (*Store, error) {
	o = o.withDefaults()
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	lock, err := lockDir(o.Dir)
	if err != nil {
		return nil, err
	}
	s := newStore(o)
	s.lock = lock
	if err := s.openForWriting(ctx); err != nil {
		return nil, errors.Join(err, s.closeReaders(), lock.Close())
	}
	s.wg.Go(s.writer.run)
	return s, nil
}

// OpenReadOnly opens a log that a server may be writing, for a process beside it.
// The data folder is not locked and no check is made but that of the schema; see
// [Store.Verify].
func OpenReadOnly(ctx context.Context, o Options) (*Store, error) {
	s := newStore(o.withDefaults())
	if err := s.openForReading(ctx); err != nil {
		return nil, errors.Join(err, s.closeReaders())
	}
	return s, nil
}

func newStore(o Options) *Store {
	s := &Store{
		o: o, path: filepath.Join(o.Dir, FileName), log: o.Log,
		readers: make(chan *reader, o.Readers),
		queue:   make(chan *request, o.Queue),
		done:    make(chan struct{}), closed: make(chan struct{}),
	}
	for range o.Readers {
		s.readers <- nil // opened when first used
	}
	return s
}

func (s *Store) openForWriting(ctx context.Context) (err error) {
	s.metrics, err = newMetrics(s.o.Registerer,
		func() float64 { return float64(len(s.queue)) },
		func() float64 { return float64(s.bytes.Load()) })
	if err != nil {
		return err
	}
	w := newWriter(s)
	defer func() {
		if err != nil {
			s.metrics.unregister()
			err = errors.Join(err, w.close())
		}
	}()
	if err := w.connect(ctx); err != nil {
		return s.explain(err)
	}
	if err := prepareSchema(w.conn, false); err != nil {
		return s.explain(err)
	}
	if err := syncDir(s.o.Dir); err != nil {
		return fmt.Errorf("sync the data folder: %w", err)
	}
	if err := s.check(ctx, w.conn); err != nil {
		return err
	}
	if err := w.load(); err != nil {
		return s.explain(err)
	}
	if err := w.tryWrite(); err != nil {
		return err
	}
	s.writer = w
	s.tail.head = w.head
	return nil
}

func (s *Store) openForReading(ctx context.Context) error {
	r, err := s.acquire(ctx)
	if err != nil {
		return s.explain(err)
	}
	defer s.release(r)
	return s.explain(prepareSchema(r.conn, true))
}

// Head implements [events.Store].
func (s *Store) Head(ctx context.Context) (chatkitd.Position, error) {
	if err := ctx.Err(); err != nil {
		return chatkitd.Position{}, err
	}
	if s.isDone() {
		return chatkitd.Position{}, events.ErrClosed
	}
	if s.writer != nil {
		return position(s.tail.at()), nil
	}
	var head int64
	err := s.with(ctx, func(r *reader) (err error) { head, err = r.head(); return err })
	return position(head), err
}

// Close implements [events.Store]. It may be called more than once.
func (s *Store) Close() error {
	s.gate.Lock()
	first := !s.shut
	if first {
		s.shut = true
		close(s.done)
		close(s.queue)
	}
	s.gate.Unlock()
	if !first {
		<-s.closed
		return s.err
	}
	s.wg.Wait() // the writer finishes what was taken
	errs := []error{s.closeReaders()}
	if s.writer != nil {
		errs = append(errs, s.writer.close(), s.lock.Close())
		s.metrics.unregister()
	}
	s.err = errors.Join(errs...)
	close(s.closed)
	return s.err
}

func (s *Store) isDone() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// explain turns an error of SQLite into one of the contract.
func (s *Store) explain(err error) error {
	switch {
	case err == nil:
		return nil
	case sqlite.IsCorrupt(err):
		return &CorruptError{Path: s.path, Where: "SQLite cannot read it", Err: err}
	case sqlite.IsBusy(err), sqlite.IsFull(err), sqlite.IsIO(err), sqlite.IsReadOnly(err):
		return fmt.Errorf("%w: %w", events.ErrUnavailable, err)
	}
	return err
}

func position(n int64) chatkitd.Position {
	u := uint64(n)
	return chatkitd.Position{Commit: u, Prepare: u}
}
