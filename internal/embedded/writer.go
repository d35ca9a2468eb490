package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/internal/sqlite"
)

const (
	// maxBatch is the number of events after which a batch is committed.
	maxBatch = 1024
	// fewEvents is the batch below which the writer first lets others run: the
	// callers that the last commit woke then join this batch, instead of waiting
	// a whole commit for the next.
	fewEvents = 64
)

// writer is the one goroutine that changes the file. All its fields are its own.
type writer struct {
	s    *Store
	conn *sqlite.Conn // nil after a failure that a new connection may heal

	begin, commit, rollback              *sqlite.Stmt
	insert, insertStream                 *sqlite.Stmt
	setFirst, setTombstone               *sqlite.Stmt
	findStream, lastRevision, ids, after *sqlite.Stmt
	stmts                                []*sqlite.Stmt

	loaded     bool // head, lastStream and streams are what the file holds
	head       int64
	lastStream int64
	streams    *simplelru.LRU[string, *stream]

	batch   []*request
	answers []answer
	recs    []events.Recorded // of the batch, for subscribers
}

func newWriter(s *Store) *writer {
	lru, err := simplelru.NewLRU[string, *stream](s.o.Streams, nil)
	if err != nil {
		panic(err) // a size below 1
	}
	return &writer{s: s, streams: lru}
}

// run takes batches until the queue is closed and empty.
func (w *writer) run() {
	last := 0
	for first := range w.s.queue {
		if last <= fewEvents {
			runtime.Gosched()
		}
		last = w.collect(first)
		w.write()
	}
}

// collect fills the batch with what waits and returns its number of events.
func (w *writer) collect(r *request) (n int) {
	w.batch = append(w.batch[:0], r)
	n = len(r.evs)
	for n < maxBatch {
		select {
		case r, ok := <-w.s.queue:
			if !ok {
				return n
			}
			w.batch = append(w.batch, r)
			n += len(r.evs)
		default:
			return n
		}
	}
	return n
}

// write commits the batch and answers every request in it.
func (w *writer) write() {
	began := time.Now()
	before := w.head
	w.recs = w.recs[:0]
	w.answers = w.answers[:0]
	err := w.transact()
	var size int64
	for _, r := range w.batch {
		size += r.size
	}
	w.s.bytes.Add(-size)
	if err != nil {
		w.recover(err)
		for _, r := range w.batch {
			r.answer <- answer{err: fmt.Errorf("%w: %w", events.ErrUnavailable, err)}
		}
	} else {
		if w.s.failing.Swap(false) {
			w.s.log.Info("event store takes appends again")
		}
		if n := w.head - before; n > 0 {
			w.s.metrics.commit.Observe(time.Since(began).Seconds())
			w.s.metrics.batch.Observe(float64(n))
			w.s.metrics.events.Add(float64(n))
			w.s.tail.publish(w.head, w.recs)
		}
		for i, r := range w.batch {
			r.answer <- w.answers[i]
		}
	}
	clear(w.batch) // or the last batch's events would stay in memory
	clear(w.recs)
}

// transact applies the batch in one transaction. An error means that nothing of
// it is known to have taken effect; a request that is refused on its own merits is
// not an error here.
func (w *writer) transact() error {
	if err := w.ready(); err != nil {
		return err
	}
	if err := w.begin.Exec(); err != nil {
		return err
	}
	keep := w.s.tail.followed()
	for _, r := range w.batch {
		if err := r.ctx.Err(); err != nil {
			w.answers = append(w.answers, answer{err: err})
			continue
		}
		a, err := w.apply(r, keep)
		if err != nil {
			return err
		}
		w.answers = append(w.answers, a)
	}
	return w.commit.Exec()
}

// apply decides about one request and makes its changes.
func (w *writer) apply(r *request, keep bool) (answer, error) {
	if r.op == opProbe {
		return answer{}, w.conn.Exec(setSchemaVersion) // to what it is: a page is written all the same
	}
	st, err := w.stream(r.stream)
	if err != nil {
		return answer{}, err
	}
	if st.tombstone {
		return answer{err: events.ErrStreamDeleted}, nil
	}
	if r.op != opAppend {
		return w.applyRemoval(r, st)
	}
	conflict := r.expected.Check(r.stream, st.actual())
	last, repeated, err := w.repeated(st, r, conflict != nil)
	if err != nil {
		return answer{}, err
	}
	switch {
	case repeated:
		return answer{last: last, repeated: true}, nil
	case conflict != nil:
		return answer{err: conflict}, nil
	}
	if err := w.create(st); err != nil {
		return answer{}, err
	}
	return w.insertEvents(st, r, keep)
}

func (w *writer) insertEvents(st *stream, r *request, keep bool) (answer, error) {
	now := events.Timestamp(time.Now())
	ts := now.UnixMicro()
	for i := range r.evs {
		e := &r.evs[i]
		pos, rev := w.head+1, st.last+1
		ins := w.insert
		ins.BindInt(1, pos)
		ins.BindInt(2, st.id)
		ins.BindInt(3, rev)
		ins.BindBlob(4, e.ID[:])
		ins.BindString(5, e.Type)
		ins.BindInt(6, ts)
		ins.BindText(7, e.Data)
		ins.BindText(8, e.Meta)
		ins.BindInt(9, int64(checksum(pos, st.id, rev, ts, e.ID, e.Type, e.Data, e.Meta)))
		if err := ins.Exec(); err != nil {
			return answer{}, err
		}
		w.head, st.last = pos, rev
		if keep {
			w.recs = append(w.recs, events.Recorded{
				Stream: st.name, Revision: uint64(rev), Position: position(pos),
				ID: e.ID, Type: e.Type, Time: now, Data: bytes.Clone(e.Data), Meta: bytes.Clone(e.Meta),
			})
		}
	}
	return answer{last: events.Appended{Revision: uint64(st.last), Position: position(w.head)}}, nil
}

// ready makes the connection and the caches good again after a failure.
func (w *writer) ready() error {
	if w.conn == nil {
		if err := w.connect(context.Background()); err != nil { // local, and bounded by the busy timeout
			return err
		}
	}
	if w.loaded {
		return nil
	}
	return w.load()
}

// recover puts the writer into a state from which the next batch can go on: what
// it believed about the file is forgotten.
func (w *writer) recover(cause error) {
	w.s.metrics.failed.Inc()
	if !w.s.failing.Swap(true) {
		w.s.log.Error("event store refuses appends", "error", cause)
	}
	w.loaded = false
	w.streams.Purge()
	if w.conn == nil {
		return
	}
	var err error
	if w.conn.InTransaction() {
		err = w.rollback.Exec()
	}
	if err != nil || !sqlite.IsFull(cause) && !sqlite.IsBusy(cause) {
		if err := errors.Join(err, w.close()); err != nil {
			w.s.log.Warn("event store connection did not close cleanly", "error", err)
		}
	}
}

func (w *writer) connect(ctx context.Context) (err error) {
	w.conn, err = sqlite.Connect(ctx, w.s.path, sqlite.Options{Durable: true, CacheKiB: 64 << 10})
	return err
}

// prepare prepares the statements, which need the tables.
func (w *writer) prepare() error {
	for _, p := range []struct {
		stmt  **sqlite.Stmt
		query string
	}{
		{&w.begin, "BEGIN IMMEDIATE"},
		{&w.commit, "COMMIT"},
		{&w.rollback, "ROLLBACK"},
		{&w.insert, "INSERT INTO events (pos, stream_id, rev, id, type, ts, data, meta, crc) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"},
		{&w.insertStream, "INSERT INTO streams (id, name) VALUES (?, ?)"},
		{&w.setFirst, "UPDATE streams SET first_rev = ? WHERE id = ?"},
		{&w.setTombstone, "UPDATE streams SET tombstone = 1 WHERE id = ?"},
		{&w.findStream, "SELECT id, first_rev, tombstone FROM streams WHERE name = ?"},
		{&w.lastRevision, "SELECT max(rev) FROM events WHERE stream_id = ?"},
		{&w.ids, "SELECT id, pos FROM events WHERE stream_id = ? AND rev >= ? ORDER BY rev LIMIT ? + 0"},
		{&w.after, "SELECT min(rev) FROM events WHERE stream_id = ? AND rev > ? AND id = ?"},
	} {
		stmt, err := w.conn.Prepare(p.query)
		if err != nil {
			return errors.Join(err, w.finalize())
		}
		*p.stmt = stmt
		w.stmts = append(w.stmts, stmt)
	}
	return nil
}

// load reads the ends of the log and of the streams.
func (w *writer) load() (err error) {
	if len(w.stmts) == 0 {
		if err := w.prepare(); err != nil {
			return err
		}
	}
	if w.head, err = queryInt(w.conn, "SELECT max(pos) FROM events"); err != nil {
		return err
	}
	if w.lastStream, err = queryInt(w.conn, "SELECT max(id) FROM streams"); err != nil {
		return err
	}
	w.loaded = true
	return nil
}

// tryWrite makes a change that is none and takes it back: a file that may only be
// read is told at the start, and not by the first append. (BEGIN IMMEDIATE alone
// succeeds on such a file.)
func (w *writer) tryWrite() error {
	err := w.begin.Exec()
	if err == nil {
		err = errors.Join(w.conn.Exec(setSchemaVersion), w.rollback.Exec())
	}
	if sqlite.IsReadOnly(err) {
		return fmt.Errorf("%s may only be read: give this user the right to write it and its folder: %w", w.s.path, err)
	}
	return w.s.explain(err)
}

func (w *writer) finalize() error {
	var errs []error
	for _, stmt := range w.stmts {
		errs = append(errs, stmt.Close())
	}
	w.stmts = nil
	return errors.Join(errs...)
}

func (w *writer) close() error {
	err := w.finalize()
	if w.conn != nil {
		err = errors.Join(err, w.conn.Close())
		w.conn = nil
	}
	return err
}
