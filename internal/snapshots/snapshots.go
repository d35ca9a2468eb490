// Package snapshots keeps states of actors in an SQLite file of its own. It is a
// cache: the file may be deleted while nothing runs, and one that is damaged is
// begun anew.
package snapshots

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/internal/sqlite"
)

// FileName is the name of the file in the data folder.
const FileName = "snapshots.db"

// queueLength is how many snapshots may wait to be written; more are dropped.
const queueLength = 256

const schema = `CREATE TABLE IF NOT EXISTS snapshots (
	stream TEXT PRIMARY KEY,
	schema TEXT NOT NULL,
	revision INTEGER NOT NULL,
	commit_position INTEGER NOT NULL,
	prepare_position INTEGER NOT NULL,
	event_id BLOB NOT NULL,
	data BLOB NOT NULL
) STRICT, WITHOUT ROWID`

// Store keeps the latest snapshot of each stream. It implements
// [events.Snapshots].
type Store struct {
	log   *slog.Logger
	db    *sql.DB
	load  *sql.Stmt
	save  *sql.Stmt
	queue chan saving

	mu     sync.RWMutex // guards sends to queue against its close
	closed bool
	wg     sync.WaitGroup

	saved, dropped, failed prometheus.Counter
}

var _ events.Snapshots = (*Store)(nil)

type saving struct {
	stream string
	snap   events.Snapshot
}

// Open opens the file in dir, or makes it. A file that cannot be read is replaced
// by an empty one.
func Open(ctx context.Context, dir string, log *slog.Logger, reg prometheus.Registerer) (*Store, error) {
	s := &Store{log: log, queue: make(chan saving, queueLength)}
	if err := s.register(reg); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, FileName)
	if err := s.open(ctx, path); err != nil {
		log.WarnContext(ctx, "the snapshots cannot be read and are begun anew", "error", err)
		for _, suffix := range []string{"", "-wal", "-shm"} {
			if err := os.Remove(path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
				return nil, fmt.Errorf("snapshots: %w", err)
			}
		}
		if err := s.open(ctx, path); err != nil {
			return nil, fmt.Errorf("snapshots: %w", err)
		}
	}
	s.wg.Go(s.write)
	return s, nil
}

func (s *Store) register(reg prometheus.Registerer) error {
	counter := func(result string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{
			Name: "chatkitd_snapshots_total", Help: "Snapshots by what became of them.",
			ConstLabels: prometheus.Labels{"result": result},
		})
	}
	s.saved, s.dropped, s.failed = counter("saved"), counter("dropped"), counter("failed")
	if reg == nil {
		return nil
	}
	return errors.Join(reg.Register(s.saved), reg.Register(s.dropped), reg.Register(s.failed))
}

func (s *Store) open(ctx context.Context, path string) (err error) {
	if s.db, err = sqlite.Open(ctx, path, sqlite.Options{MaxConns: 4}); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.db.Close())
		}
	}()
	if _, err := s.db.ExecContext(ctx, schema); err != nil {
		return err
	}
	if s.load, err = s.db.PrepareContext(ctx, `SELECT schema, revision, commit_position, prepare_position, event_id, data
		FROM snapshots WHERE stream = ?`); err != nil {
		return err
	}
	s.save, err = s.db.PrepareContext(ctx, `INSERT INTO snapshots (stream, schema, revision, commit_position, prepare_position, event_id, data)
		VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (stream) DO UPDATE SET schema = excluded.schema, revision = excluded.revision,
			commit_position = excluded.commit_position, prepare_position = excluded.prepare_position,
			event_id = excluded.event_id, data = excluded.data`)
	return err
}

// Load implements [events.Snapshots].
func (s *Store) Load(ctx context.Context, stream string) (snap events.Snapshot, ok bool, err error) {
	var id []byte
	err = s.load.QueryRowContext(ctx, stream).Scan(&snap.Schema, &snap.Revision, &snap.Position.Commit, &snap.Position.Prepare, &id, &snap.Data)
	if errors.Is(err, sql.ErrNoRows) {
		return events.Snapshot{}, false, nil
	}
	if err != nil {
		return events.Snapshot{}, false, err
	}
	if snap.EventID, err = uuid.FromBytes(id); err != nil {
		return events.Snapshot{}, false, err
	}
	return snap, true, nil
}

// Save implements [events.Snapshots].
func (s *Store) Save(stream string, snap events.Snapshot) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return
	}
	select {
	case s.queue <- saving{stream, snap}:
	default:
		s.dropped.Inc()
	}
}

// write is the goroutine that writes, until the queue is closed and empty.
func (s *Store) write() {
	ctx := context.Background() // local, and bounded by the busy timeout
	for w := range s.queue {
		_, err := s.save.ExecContext(ctx, w.stream, w.snap.Schema, number(w.snap.Revision),
			number(w.snap.Position.Commit), number(w.snap.Position.Prepare), w.snap.EventID[:], w.snap.Data)
		if err != nil {
			s.failed.Inc()
			s.log.Warn("a snapshot was not stored", "stream", w.stream, "error", err)
			continue
		}
		s.saved.Inc()
	}
}

func number(n uint64) int64 { return int64(n) } //nolint:gosec // revisions and positions stay below 2^63

// Close writes what waits and closes the file.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	close(s.queue)
	s.mu.Unlock()
	s.wg.Wait()
	return errors.Join(s.load.Close(), s.save.Close(), s.db.Close())
}
