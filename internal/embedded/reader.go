package embedded

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/internal/sqlite"
)

const (
	// pageRows and pageBytes bound what one read transaction takes. A long one
	// would keep the WAL from being reset, and it grows without bound.
	pageRows  = 2000
	pageBytes = 4 << 20
	// firstRows is the first page of a stream: most streams and most readers want
	// no more.
	firstRows = 256
	// cachedNames is how many stream names a reader remembers.
	cachedNames = 1 << 14
	// mmapBytes is more than any file: SQLite takes it as "as much as you can".
	// Without it the readers share one page cache and its lock.
	mmapBytes = 1 << 40
)

// reader is one connection that reads, with its statements. It is used by one
// goroutine at a time.
type reader struct {
	conn                      *sqlite.Conn
	find, last, top, name     *sqlite.Stmt
	forwards, backwards       *sqlite.Stmt // of a stream
	allForwards, allBackwards *sqlite.Stmt
	stmts                     []*sqlite.Stmt
	names                     map[int64]string
	types                     map[string]string
	path                      string
}

// columns are what [reader.record] reads.
const columns = "SELECT pos, stream_id, rev, id, type, ts, data, meta, crc FROM events "

func openReader(ctx context.Context, path string) (*reader, error) {
	conn, err := sqlite.Connect(ctx, path, sqlite.Options{ReadOnly: true, Durable: true, MMap: mmapBytes})
	if err != nil {
		return nil, err
	}
	return &reader{conn: conn, names: map[int64]string{}, types: map[string]string{}, path: path}, nil
}

// prepare prepares the statements, once; they need the tables.
func (r *reader) prepare() error {
	if len(r.stmts) > 0 {
		return nil
	}
	// A bare LIMIT ? would have SQLite plan for the limit of the day, and so compile
	// the statement anew each time that it is bound, which takes several times as
	// long as a short read.
	for _, p := range []struct {
		stmt  **sqlite.Stmt
		query string
	}{
		{&r.find, "SELECT id, first_rev, tombstone FROM streams WHERE name = ?"},
		{&r.last, "SELECT max(rev) FROM events WHERE stream_id = ?"},
		{&r.top, "SELECT max(pos) FROM events"},
		{&r.name, "SELECT name FROM streams WHERE id = ?"},
		{&r.forwards, columns + "WHERE stream_id = ? AND rev >= ? ORDER BY rev LIMIT ? + 0"},
		{&r.backwards, columns + "WHERE stream_id = ? AND rev >= ? AND rev <= ? ORDER BY rev DESC LIMIT ? + 0"},
		{&r.allForwards, columns + "WHERE pos > ? ORDER BY pos LIMIT ? + 0"},
		{&r.allBackwards, columns + "WHERE pos < ? ORDER BY pos DESC LIMIT ? + 0"},
	} {
		stmt, err := r.conn.Prepare(p.query)
		if err != nil {
			for _, s := range r.stmts {
				err = errors.Join(err, s.Close())
			}
			r.stmts = nil
			return err
		}
		*p.stmt = stmt
		r.stmts = append(r.stmts, stmt)
	}
	return nil
}

func (r *reader) close() error {
	var errs []error
	for _, s := range r.stmts {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, r.conn.Close())...)
}

// acquire waits for a reader. Give it back with release.
func (s *Store) acquire(ctx context.Context) (*reader, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s.isDone() {
		return nil, events.ErrClosed
	}
	var r *reader
	select {
	case r = <-s.readers:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-s.done:
		return nil, events.ErrClosed
	}
	if r != nil {
		return r, nil
	}
	r, err := openReader(ctx, s.path)
	if err != nil {
		s.readers <- nil
		return nil, err
	}
	return r, nil
}

func (s *Store) release(r *reader) { s.readers <- r }

// closeReaders waits for the readers that are out and closes all.
func (s *Store) closeReaders() error {
	var errs []error
	for range cap(s.readers) {
		if r := <-s.readers; r != nil {
			errs = append(errs, r.close())
		}
	}
	return errors.Join(errs...)
}

// with runs a read on a reader that is ready, and explains its error.
func (s *Store) with(ctx context.Context, read func(r *reader) error) error {
	r, err := s.acquire(ctx)
	if err != nil {
		return s.explain(err)
	}
	defer s.release(r)
	if err := r.prepare(); err != nil {
		return s.explain(err)
	}
	return s.explain(read(r))
}

func (r *reader) head() (int64, error) {
	defer r.top.Reset()
	if _, err := r.top.Step(); err != nil {
		return 0, err
	}
	return r.top.Int(0), nil
}

// rows steps through a statement that selects columns, until add wants no more.
// An event that does not pass the filter is not built; scanned counts it.
func (r *reader) rows(s *sqlite.Stmt, f events.Filter, add func(events.Recorded) bool) (scanned int, last int64, err error) {
	defer s.Reset()
	all := len(f.StreamPrefixes) == 0 && len(f.Types) == 0
	bytes := 0
	for bytes < pageBytes {
		row, err := s.Step()
		if err != nil || !row {
			return scanned, last, err
		}
		scanned++
		last = s.Int(0)
		name, err := r.nameOf(s.Int(1))
		if err != nil {
			return scanned, last, err
		}
		typ := r.typeOf(s.Raw(4))
		if !all && !f.Match(name, typ) {
			continue
		}
		rec, err := r.record(s, name, typ)
		if err != nil {
			return scanned, last, err
		}
		bytes += len(rec.Data) + len(rec.Meta)
		if !add(rec) {
			break
		}
	}
	return scanned, last, nil
}

// record builds the event in the current row.
func (r *reader) record(s *sqlite.Stmt, name, typ string) (events.Recorded, error) {
	pos, stream, rev, ts := s.Int(0), s.Int(1), s.Int(2), s.Int(5)
	var id uuid.UUID
	copy(id[:], s.Raw(3))
	data, meta := s.Raw(6), s.Raw(7)
	own := make([]byte, len(data)+len(meta)) // one allocation for both
	copy(own, data)
	copy(own[len(data):], meta)
	data, meta = own[:len(data):len(data)], own[len(data):]
	if got := int64(checksum(pos, stream, rev, ts, id, typ, data, meta)); got != s.Int(8) {
		return events.Recorded{}, &CorruptError{
			Path: r.path, Where: fmt.Sprintf("position %d (stream %s, revision %d): the checksum does not match", pos, name, rev),
		}
	}
	return events.Recorded{
		Stream: name, Revision: uint64(rev), Position: position(pos),
		ID: id, Type: typ, Time: time.UnixMicro(ts).UTC(), Data: data, Meta: meta,
	}, nil
}

// nameOf returns the name of a stream. A name never changes.
func (r *reader) nameOf(id int64) (string, error) {
	if name, ok := r.names[id]; ok {
		return name, nil
	}
	r.name.BindInt(1, id)
	defer r.name.Reset()
	row, err := r.name.Step()
	if err != nil {
		return "", err
	}
	if !row {
		return "", &CorruptError{Path: r.path, Where: fmt.Sprintf("stream %d has events but no name", id)}
	}
	name := r.name.Text(0)
	if len(r.names) >= cachedNames {
		for old := range r.names { // any
			delete(r.names, old)
			break
		}
	}
	r.names[id] = name
	return name, nil
}

// typeOf returns one string for all events of a type.
func (r *reader) typeOf(b []byte) string {
	if typ, ok := r.types[string(b)]; ok {
		return typ
	}
	if len(r.types) >= cachedNames {
		clear(r.types)
	}
	typ := string(b)
	r.types[typ] = typ
	return typ
}
