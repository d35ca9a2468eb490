package embedded

import (
	"bytes"

	"github.com/chatkitd/chatkitd/events"
)

// A stream is what the writer knows of one name.
type stream struct {
	name      string
	id        int64 // 0: not in the file yet
	last      int64 // revision, -1 before the first event
	first     int64 // the first revision that is read
	tombstone bool
}

// actual returns the state of st as an expected revision.
func (st *stream) actual() events.Revision {
	if st.last < st.first {
		return events.NoStream
	}
	return events.At(uint64(st.last))
}

// stream returns what the file knows of a name, out of memory where it can.
func (w *writer) stream(name string) (*stream, error) {
	if st, ok := w.streams.Get(name); ok {
		return st, nil
	}
	st := &stream{name: name, last: -1}
	w.findStream.BindString(1, name)
	row, err := w.findStream.Step()
	if row {
		st.id, st.first, st.tombstone = w.findStream.Int(0), w.findStream.Int(1), w.findStream.Int(2) != 0
	}
	w.findStream.Reset()
	if err != nil {
		return nil, err
	}
	if row {
		w.lastRevision.BindInt(1, st.id)
		row, err := w.lastRevision.Step()
		if row && !w.lastRevision.IsNull(0) {
			st.last = w.lastRevision.Int(0)
		}
		w.lastRevision.Reset()
		if err != nil {
			return nil, err
		}
	}
	w.streams.Add(name, st)
	return st, nil
}

// create puts a new stream into the file.
func (w *writer) create(st *stream) error {
	if st.id != 0 {
		return nil
	}
	w.insertStream.BindInt(1, w.lastStream+1)
	w.insertStream.BindString(2, st.name)
	if err := w.insertStream.Exec(); err != nil {
		return err
	}
	w.lastStream++
	st.id = w.lastStream
	return nil
}

// applyRemoval deletes a stream, softly or for good.
func (w *writer) applyRemoval(r *request, st *stream) (answer, error) {
	actual := st.actual()
	if err := r.expected.Check(r.stream, actual); err != nil {
		return answer{err: err}, nil
	}
	if r.op == opTombstone {
		if err := w.create(st); err != nil {
			return answer{}, err
		}
		w.setTombstone.BindInt(1, st.id)
		if err := w.setTombstone.Exec(); err != nil {
			return answer{}, err
		}
		st.tombstone = true
		return answer{}, nil
	}
	if actual == events.NoStream {
		return answer{err: &events.WrongRevisionError{Stream: r.stream, Expected: r.expected, Actual: actual}}, nil
	}
	w.setFirst.BindInt(1, st.last+1)
	w.setFirst.BindInt(2, st.id)
	if err := w.setFirst.Exec(); err != nil {
		return answer{}, err
	}
	st.first = st.last + 1
	return answer{}, nil
}

// recentEvents is how far back, in a stream, an append that names no revision
// looks for its own events.
const recentEvents = 32

// repeated returns the result of the earlier append that r repeats. An append
// that names a revision can only be a repetition when it is in conflict.
func (w *writer) repeated(st *stream, r *request, conflict bool) (events.Appended, bool, error) {
	if st.last < 0 {
		return events.Appended{}, false, nil
	}
	n := int64(len(r.evs))
	var from int64
	switch rev, exact := r.expected.Exact(); {
	case exact && conflict && rev < uint64(st.last):
		from = int64(rev) + 1
	case r.expected == events.NoStream && conflict:
		from = st.first
	case r.expected == events.Any, r.expected == events.Exists:
		w.after.BindInt(1, st.id)
		w.after.BindInt(2, st.last-recentEvents-n)
		w.after.BindBlob(3, r.evs[0].ID[:])
		row, err := w.after.Step()
		found := row && !w.after.IsNull(0)
		if found {
			from = w.after.Int(0)
		}
		w.after.Reset()
		if err != nil || !found {
			return events.Appended{}, false, err
		}
	default:
		return events.Appended{}, false, nil
	}
	if st.last-from+1 < n {
		return events.Appended{}, false, nil
	}
	return w.sameIDs(st, from, r.evs)
}

// sameIDs reports whether the events from a revision on are evs, and where the
// last of them is.
func (w *writer) sameIDs(st *stream, from int64, evs []events.New) (events.Appended, bool, error) {
	w.ids.BindInt(1, st.id)
	w.ids.BindInt(2, from)
	w.ids.BindInt(3, int64(len(evs)))
	defer w.ids.Reset()
	var pos int64
	for i := range evs {
		row, err := w.ids.Step()
		if err != nil || !row || !bytes.Equal(w.ids.Raw(0), evs[i].ID[:]) {
			return events.Appended{}, false, err
		}
		pos = w.ids.Int(1)
	}
	return events.Appended{Revision: uint64(from) + uint64(len(evs)) - 1, Position: position(pos)}, true, nil
}
