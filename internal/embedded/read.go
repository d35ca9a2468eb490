package embedded

import (
	"context"
	"iter"
	"math"

	"github.com/chatkitd/chatkitd/events"
)

// ReadStream implements [events.Store]. The events of one page are of one
// moment; those of a later page may be younger.
func (s *Store) ReadStream(ctx context.Context, name string, o events.StreamRead) iter.Seq2[events.Recorded, error] {
	return func(yield func(events.Recorded, error) bool) {
		at := int64(math.MaxInt64)
		if !o.FromEnd || !o.Backwards {
			at = int64(min(o.From, math.MaxInt64))
		}
		left := o.Limit
		rows := firstRows
		for {
			limit := rows
			if left > 0 {
				limit = min(limit, left)
			}
			page, more, err := s.streamPage(ctx, name, at, o.Backwards, limit)
			if err != nil {
				yield(events.Recorded{}, err)
				return
			}
			for _, rec := range page {
				if err := ctx.Err(); err != nil {
					yield(events.Recorded{}, err)
					return
				}
				if !yield(rec, nil) {
					return
				}
			}
			if left -= len(page); left == 0 || !more {
				return
			}
			at = int64(page[len(page)-1].Revision)
			if o.Backwards {
				at--
			} else {
				at++
			}
			rows = pageRows
		}
	}
}

// streamPage returns the next events of a stream from a revision on, and whether
// there may be more.
func (s *Store) streamPage(ctx context.Context, name string, from int64, backwards bool, limit int) (page []events.Recorded, more bool, err error) {
	err = s.with(ctx, func(r *reader) error {
		id, first, err := r.findStream(name)
		if err != nil {
			return err
		}
		stmt := r.forwards
		if backwards {
			stmt = r.backwards
			stmt.BindInt(1, id)
			stmt.BindInt(2, first)
			stmt.BindInt(3, from)
			stmt.BindInt(4, int64(limit))
		} else {
			stmt.BindInt(1, id)
			stmt.BindInt(2, max(first, from))
			stmt.BindInt(3, int64(limit))
		}
		_, _, err = r.rows(stmt, events.Filter{}, func(rec events.Recorded) bool {
			page = append(page, rec)
			return true
		})
		if err != nil || len(page) > 0 {
			return err
		}
		// Nothing there: past the end of a stream, or of one that is deleted?
		last, err := r.lastRevision(id)
		if err == nil && last < first {
			err = events.ErrStreamNotFound
		}
		return err
	})
	return page, len(page) > 0, err
}

// findStream returns the id of a stream and the first revision to be read.
func (r *reader) findStream(name string) (id, first int64, err error) {
	r.find.BindString(1, name)
	defer r.find.Reset()
	row, err := r.find.Step()
	switch {
	case err != nil:
		return 0, 0, err
	case !row:
		return 0, 0, events.ErrStreamNotFound
	case r.find.Int(2) != 0:
		return 0, 0, events.ErrStreamDeleted
	}
	return r.find.Int(0), r.find.Int(1), nil
}

// lastRevision returns the last revision of a stream, -1 for none.
func (r *reader) lastRevision(id int64) (int64, error) {
	r.last.BindInt(1, id)
	defer r.last.Reset()
	row, err := r.last.Step()
	if err != nil || !row || r.last.IsNull(0) {
		return -1, err
	}
	return r.last.Int(0), nil
}

// ReadAll implements [events.Store].
func (s *Store) ReadAll(ctx context.Context, o events.AllRead) iter.Seq2[events.Recorded, error] {
	return func(yield func(events.Recorded, error) bool) {
		at := int64(min(o.After.Commit, math.MaxInt64))
		if o.Backwards {
			at = math.MaxInt64
			if !o.Before.IsZero() {
				at = int64(min(o.Before.Commit, math.MaxInt64))
			}
		}
		left := o.Limit
		for {
			limit := pageRows
			if left > 0 && len(o.Filter.StreamPrefixes) == 0 && len(o.Filter.Types) == 0 {
				limit = min(limit, left)
			}
			page, last, more, err := s.logPage(ctx, at, o.Backwards, limit, left, o.Filter)
			if err != nil {
				yield(events.Recorded{}, err)
				return
			}
			for _, rec := range page {
				if err := ctx.Err(); err != nil {
					yield(events.Recorded{}, err)
					return
				}
				if !yield(rec, nil) {
					return
				}
			}
			if left -= len(page); !more || o.Limit > 0 && left <= 0 {
				return
			}
			at = last
		}
	}
}

// logPage reads at most limit rows after a position, or before it, and returns
// those that pass the filter, at most want of them when that is above 0; the last
// position that was looked at; and whether there may be more.
func (s *Store) logPage(ctx context.Context, at int64, backwards bool, limit, want int, f events.Filter) (page []events.Recorded, last int64, more bool, err error) {
	err = s.with(ctx, func(r *reader) error {
		stmt := r.allForwards
		if backwards {
			stmt = r.allBackwards
		}
		stmt.BindInt(1, at)
		stmt.BindInt(2, int64(limit))
		room := limit
		if len(f.StreamPrefixes) > 0 || len(f.Types) > 0 {
			room = min(limit, 64)
		}
		page = make([]events.Recorded, 0, room)
		var scanned int
		scanned, last, err = r.rows(stmt, f, func(rec events.Recorded) bool {
			page = append(page, rec)
			return len(page) != want
		})
		more = scanned > 0
		return err
	})
	return page, last, more, err
}
