package embedded

import (
	"context"
	"errors"
	"fmt"

	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/internal/sqlite"
)

// CorruptError says that the file does not hold what was written to it. The store
// does not open: an event that is missing or altered would go into every read
// model and every decision from then on.
type CorruptError struct {
	Path  string
	Where string
	Err   error // may be nil
}

func (e *CorruptError) Error() string {
	s := fmt.Sprintf("the event store %s is damaged: %s", e.Path, e.Where)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s + "; restore it from a backup, or move it away to begin anew"
}

func (e *CorruptError) Unwrap() error { return e.Err }

const (
	// fullCheckBytes is the largest file of which Open reads every event.
	fullCheckBytes = 32 << 20
	// Of a larger file Open reads this many events at the end and as many spread
	// evenly over the rest.
	checkedTail  = 10_000
	checkedSpots = 1_000
)

// check is what Open does to find damage: all of [Store.Verify] for a small file,
// a sample of a large one, so that the time to start does not grow with the log.
func (s *Store) check(ctx context.Context, conn *sqlite.Conn) error {
	pages, err := pragmaInt(conn, "page_count")
	if err != nil {
		return s.explain(err)
	}
	size, err := pragmaInt(conn, "page_size")
	if err != nil {
		return s.explain(err)
	}
	if pages*size <= fullCheckBytes {
		return s.Verify(ctx, nil)
	}
	return s.checkSample(ctx)
}

// Verify reads the whole log and returns a [*CorruptError] for the first damage:
// SQLite's own structures, a checksum, a gap in the positions or in the revisions
// of a stream. It reports the events done, and all, after each page; progress may
// be nil. It may run beside a writer, whose WAL cannot be reset during its first
// step, SQLite's integrity check.
func (s *Store) Verify(ctx context.Context, progress func(done, total uint64)) error {
	if err := s.Integrity(ctx); err != nil {
		return err
	}
	var total int64
	if err := s.with(ctx, func(r *reader) (err error) { total, err = r.head(); return err }); err != nil {
		return err
	}
	v := &verifier{path: s.path, next: map[string]uint64{}}
	var done int64
	for done < total {
		recs, _, more, err := s.logPage(ctx, done, false, pageRows, 0, events.Filter{})
		if err != nil {
			return err
		}
		if !more {
			break
		}
		if err := v.follow(recs, &done); err != nil {
			return err
		}
		if progress != nil {
			progress(uint64(done), uint64(max(done, total)))
		}
	}
	return nil
}

// Integrity checks SQLite's own structures, and returns a [*CorruptError] when they
// are damaged: the first step of Verify, for who reads the whole log anyway. Every
// read checks the checksums of what it reads.
func (s *Store) Integrity(ctx context.Context) error {
	return s.with(ctx, func(r *reader) error { return r.integrity(ctx) })
}

// verifier follows the whole log.
type verifier struct {
	path string
	next map[string]uint64 // revision by stream
}

func (v *verifier) follow(recs []events.Recorded, done *int64) error {
	for i := range recs {
		rec := &recs[i]
		if err := contiguous(v.path, *done, rec); err != nil {
			return err
		}
		*done++
		if want := v.next[rec.Stream]; rec.Revision != want {
			return &CorruptError{Path: v.path, Where: fmt.Sprintf("position %s: stream %s goes from revision %d to %d", rec.Position, rec.Stream, int64(want)-1, rec.Revision)}
		}
		v.next[rec.Stream]++
	}
	return nil
}

// contiguous returns an error unless rec is at the position that follows done.
func contiguous(path string, done int64, rec *events.Recorded) error {
	pos := int64(rec.Position.Commit)
	if pos == done+1 {
		return nil
	}
	return &CorruptError{Path: path, Where: fmt.Sprintf("the events at positions %d to %d are missing", done+1, pos-1)}
}

// integrity runs SQLite's own check.
func (r *reader) integrity(ctx context.Context) error {
	stmt, err := r.conn.Prepare("PRAGMA integrity_check(1)")
	if err != nil {
		return err
	}
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		r.conn.Interrupt()
		close(interrupted)
	})
	row, err := stmt.Step()
	if !stop() {
		<-interrupted // it must not hit the next statement
	}
	var finding string
	if row {
		finding = stmt.Text(0)
	}
	err = errors.Join(err, stmt.Close())
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return err
	case finding != "ok":
		return &CorruptError{Path: r.path, Where: finding}
	}
	return nil
}

// checkSample looks at the end of the log, where a crash would show, and at spots
// of the rest: events are where they should be, their checksums match, and the
// index of streams leads back to them.
func (s *Store) checkSample(ctx context.Context) error {
	return s.with(ctx, func(r *reader) error {
		head, err := r.head()
		if err != nil {
			return err
		}
		tail := max(0, head-checkedTail)
		if err := r.checkRange(tail, head, true); err != nil {
			return err
		}
		step := max(1, tail/checkedSpots)
		for at := int64(0); at < tail; at += step {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := r.checkRange(at, at+1, false); err != nil {
				return err
			}
		}
		return nil
	})
}

// checkRange checks the events after one position up to another.
func (r *reader) checkRange(after, to int64, whole bool) error {
	done := after
	next := map[string]uint64{}
	for done < to {
		var recs []events.Recorded
		r.allForwards.BindInt(1, done)
		r.allForwards.BindInt(2, min(to-done, pageRows))
		_, _, err := r.rows(r.allForwards, events.Filter{}, func(rec events.Recorded) bool {
			recs = append(recs, rec)
			return true
		})
		if err != nil {
			return err
		}
		if len(recs) == 0 {
			return &CorruptError{Path: r.path, Where: fmt.Sprintf("the events at positions %d to %d are missing", done+1, to)}
		}
		for i := range recs {
			rec := &recs[i]
			if err := contiguous(r.path, done, rec); err != nil {
				return err
			}
			done++
			if want, seen := next[rec.Stream]; whole && seen && rec.Revision != want {
				return &CorruptError{Path: r.path, Where: fmt.Sprintf("position %s: stream %s goes from revision %d to %d", rec.Position, rec.Stream, int64(want)-1, rec.Revision)}
			}
			next[rec.Stream] = rec.Revision + 1
			if err := r.checkIndex(rec); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkIndex checks that rec is found by its stream and revision, and so is the
// event before it.
func (r *reader) checkIndex(rec *events.Recorded) error {
	id, _, err := r.findStream(rec.Stream)
	if errors.Is(err, events.ErrStreamDeleted) {
		return nil
	}
	if err != nil {
		return &CorruptError{Path: r.path, Where: fmt.Sprintf("position %s: its stream %s is not found by name", rec.Position, rec.Stream), Err: err}
	}
	from := max(int64(rec.Revision)-1, 0)
	want := int64(rec.Revision) - from + 1
	r.forwards.BindInt(1, id)
	r.forwards.BindInt(2, from)
	r.forwards.BindInt(3, want)
	found := int64(0)
	_, last, err := r.rows(r.forwards, events.Filter{}, func(got events.Recorded) bool {
		if got.Revision == uint64(from+found) {
			found++
		}
		return true
	})
	if err != nil {
		return err
	}
	if found != want || last != int64(rec.Position.Commit) {
		return &CorruptError{Path: r.path, Where: fmt.Sprintf("stream %s has a gap at revision %d", rec.Stream, rec.Revision)}
	}
	return nil
}
