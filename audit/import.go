package audit

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/google/uuid"

	"github.com/chatkitd/chatkitd/events"
)

// LineError says which line of an import cannot be taken, and why.
type LineError struct {
	Line int // from 1
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }
func (e *LineError) Unwrap() error { return e.Err }

// maxLine is the longest line of an import, in bytes: an event is at most as
// large as an append.
const maxLine = 2 * events.MaxAppend

// imported is what an import takes of a line.
type imported struct {
	Stream   string          `json:"stream"`
	Revision *uint64         `json:"revision"`
	Type     string          `json:"type"`
	ID       uuid.UUID       `json:"id"`
	Data     json.RawMessage `json:"data"`
	Metadata json.RawMessage `json:"metadata"`
}

// Import appends the events of JSON lines to a store, in their order, ids,
// revisions, data and metadata as they are, and returns how many there were. The
// revisions of each stream must begin at 0 and have no gap: it is for an empty
// store, and whoever calls it makes sure that half an import is never used. A line
// that cannot be taken is a [*LineError]. progress may be nil.
func Import(ctx context.Context, store events.Store, in io.Reader, progress func(done uint64)) (n int, err error) {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	i := &importer{store: store, next: map[string]uint64{}}
	for number := 1; lines.Scan(); number++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		ev, err := i.read(lines.Bytes())
		if err != nil {
			return n, &LineError{number, err}
		}
		if err := i.add(ctx, ev); err != nil {
			return n, err
		}
		if n++; progress != nil && n%1000 == 0 {
			progress(uint64(n))
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return n, &LineError{n + 1, fmt.Errorf("it is longer than %d bytes, which no event is", maxLine)}
	} else if err != nil {
		return n, err
	}
	return n, i.flush(ctx)
}

// importer gathers neighbours of one stream into one append.
type importer struct {
	store  events.Store
	next   map[string]uint64
	stream string
	batch  []events.New
	size   int
}

// read checks a line.
func (i *importer) read(b []byte) (*imported, error) {
	var ev imported
	if err := json.Unmarshal(b, &ev); err != nil {
		return nil, fmt.Errorf("it is not an event as \"events --json\" prints it: %w", err)
	}
	switch {
	case ev.Stream == "" || ev.Type == "" || ev.Revision == nil || ev.ID == uuid.Nil || len(ev.Data) == 0 || len(ev.Metadata) == 0:
		return nil, errors.New("it needs stream, revision, type, id, data and metadata")
	case *ev.Revision != i.next[ev.Stream]:
		return nil, fmt.Errorf("stream %s: revision %d where %d is next", ev.Stream, *ev.Revision, i.next[ev.Stream])
	}
	if _, err := events.Decode(ev.Type, ev.Data); err != nil {
		return nil, err
	}
	if _, err := events.DecodeMetadata(ev.Metadata); err != nil {
		return nil, err
	}
	return &ev, nil
}

func (i *importer) add(ctx context.Context, ev *imported) error {
	e := events.New{ID: ev.ID, Type: ev.Type, Data: ev.Data, Meta: ev.Metadata}
	if ev.Stream != i.stream || i.size+e.Size() > events.MaxAppend {
		if err := i.flush(ctx); err != nil {
			return err
		}
	}
	i.stream = ev.Stream
	i.batch = append(i.batch, e)
	i.size += e.Size()
	i.next[ev.Stream]++
	return nil
}

func (i *importer) flush(ctx context.Context) error {
	if len(i.batch) == 0 {
		return nil
	}
	expected := events.NoStream
	if first := i.next[i.stream] - uint64(len(i.batch)); first > 0 {
		expected = events.At(first - 1)
	}
	if _, err := i.store.Append(ctx, i.stream, expected, i.batch...); err != nil {
		return fmt.Errorf("append to %s: %w", i.stream, err)
	}
	i.batch, i.size = nil, 0
	return nil
}
