package eventstest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

var appendTests = []contract{
	{"expected revisions", testExpected},
	{"a conflict changes nothing", testConflictChangesNothing},
	{"several events are one append", testSeveralEvents},
	{"over 1 MiB is refused, 1 MiB is taken", testTooLarge},
	{"no events, no stream name and no type are refused", testNothing},
	{"bytes come back as they were", testBytes},
	{"the store keeps what it was given", testOwnBytes},
	{"a context that has ended", testAppendContext},
	{"after Close", testClosed},
}

func testExpected(t *testing.T, s events.Store) {
	tests := []struct {
		name     string
		length   int // of the stream before
		expected events.Revision
		ok       bool
		actual   events.Revision
	}{
		{"any, new", 0, events.Any, true, events.Any},
		{"any, existing", 3, events.Any, true, events.Any},
		{"no stream, new", 0, events.NoStream, true, events.Any},
		{"no stream, existing", 3, events.NoStream, false, events.At(2)},
		{"exists, new", 0, events.Exists, false, events.NoStream},
		{"exists, existing", 3, events.Exists, true, events.Any},
		{"at, new", 0, events.At(0), false, events.NoStream},
		{"at the last", 3, events.At(2), true, events.Any},
		{"at an older one", 3, events.At(1), false, events.At(2)},
		{"at a later one", 3, events.At(3), false, events.At(2)},
		{"at a far later one", 3, events.At(1 << 40), false, events.At(2)},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			stream := fmt.Sprintf("test-%d", i)
			if tt.length > 0 {
				Append(t, s, stream, events.NoStream, Events(tt.length)...)
			}
			got, err := s.Append(t.Context(), stream, tt.expected, Events(2)...)
			if tt.ok {
				if err != nil || got.Revision != uint64(tt.length)+1 || got.Position.IsZero() {
					t.Fatalf("got %+v, %v; want revision %d", got, err, tt.length+1)
				}
				return
			}
			wrong, ok := errors.AsType[*events.WrongRevisionError](err)
			if !ok || !errors.Is(err, events.ErrWrongRevision) {
				t.Fatalf("got %+v, %v; want a WrongRevisionError", got, err)
			}
			want := events.WrongRevisionError{Stream: stream, Expected: tt.expected, Actual: tt.actual}
			if *wrong != want {
				t.Errorf("got %+v, want %+v", *wrong, want)
			}
		})
	}
}

func testConflictChangesNothing(t *testing.T, s events.Store) {
	Append(t, s, "test-1", events.NoStream, Events(1)...)
	head, err := s.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), "test-1", events.NoStream, Events(3)...); !errors.Is(err, events.ErrWrongRevision) {
		t.Fatalf("got %v", err)
	}
	if _, err := s.Append(t.Context(), "test-2", events.At(7), Events(3)...); !errors.Is(err, events.ErrWrongRevision) {
		t.Fatalf("got %v", err)
	}
	if got := Collect(t, s.ReadStream(t.Context(), "test-1", events.StreamRead{})); len(got) != 1 {
		t.Errorf("%d events in the stream, want 1", len(got))
	}
	if err := firstError(s.ReadStream(t.Context(), "test-2", events.StreamRead{})); !errors.Is(err, events.ErrStreamNotFound) {
		t.Errorf("a refused append made a stream: %v", err)
	}
	if after, err := s.Head(t.Context()); after != head || err != nil {
		t.Errorf("the head went from %v to %v, %v", head, after, err)
	}
}

func testSeveralEvents(t *testing.T, s events.Store) {
	evs := Events(5)
	last := Append(t, s, "test-1", events.NoStream, evs...)
	recs := Collect(t, s.ReadStream(t.Context(), "test-1", events.StreamRead{}))
	if len(recs) != 5 {
		t.Fatalf("%d events, want 5", len(recs))
	}
	var before chatkitd.Position
	for i, rec := range recs {
		if rec.Revision != uint64(i) || rec.ID != evs[i].ID || rec.Position.Compare(before) <= 0 {
			t.Errorf("event %d: %+v after position %v", i, rec, before)
		}
		before = rec.Position
	}
	if want := (events.Appended{Revision: 4, Position: recs[4].Position}); last != want {
		t.Errorf("Append = %+v, the last event is at %+v", last, want)
	}
	if head, err := s.Head(t.Context()); err != nil || head != last.Position {
		t.Errorf("Head = %v, %v; want %v", head, err, last.Position)
	}
}

func testTooLarge(t *testing.T, s events.Store) {
	ev := Events(1)[0]
	fill := func(total int) events.New {
		e := ev
		e.Data = nil
		e.Data = []byte(`"` + string(bytes.Repeat([]byte("x"), total-e.Size()-2)) + `"`)
		return e
	}
	if _, err := s.Append(t.Context(), "test-1", events.Any, fill(events.MaxAppend+1)); !errors.Is(err, events.ErrTooLarge) {
		t.Errorf("one byte more than 1 MiB: %v, want ErrTooLarge", err)
	}
	half := fill(events.MaxAppend / 2)
	second := fill(events.MaxAppend/2 + 1)
	second.ID = uuid.New()
	if _, err := s.Append(t.Context(), "test-1", events.Any, half, second); !errors.Is(err, events.ErrTooLarge) {
		t.Errorf("two events of more than 1 MiB together: %v, want ErrTooLarge", err)
	}
	big := fill(events.MaxAppend)
	Append(t, s, "test-1", events.NoStream, big)
	recs := Collect(t, s.ReadStream(t.Context(), "test-1", events.StreamRead{}))
	if len(recs) != 1 || !bytes.Equal(recs[0].Data, big.Data) {
		t.Errorf("1 MiB did not come back")
	}
}

func testNothing(t *testing.T, s events.Store) {
	if _, err := s.Append(t.Context(), "test-1", events.Any); err == nil {
		t.Error("an append of no events was taken")
	}
	if _, err := s.Append(t.Context(), "", events.Any, Events(1)...); err == nil {
		t.Error("a stream without a name was taken")
	}
	untyped := Events(1)
	untyped[0].Type = ""
	if _, err := s.Append(t.Context(), "test-1", events.Any, untyped...); err == nil {
		t.Error("an event without a type was taken")
	}
	if head, err := s.Head(t.Context()); err != nil || !head.IsZero() {
		t.Errorf("Head of an empty log = %v, %v; want zero", head, err)
	}
}

func testBytes(t *testing.T, s events.Store) {
	before := time.Now().Add(-time.Second)
	stream := events.UserStream("auth0|5f/ü \U0001F600")
	var evs []events.New
	for _, data := range []string{
		`{}`, `{"text":"<b>a & b</b> \u003c \"quoted\" \\ \u0000"}`, "{\"emoji\":\"\U0001F468\u200D\U0001F469\u200D\U0001F467 ü ß 漢字 \u2028\"}",
		"{ \"spaces\" :  1.50 ,\n\t\"order\": 2, \"big\": 12345678901234567890 }", `{"a":1,"a":2}`,
	} {
		evs = append(evs, events.New{ID: uuid.New(), Type: "test.hapüend.v1", Data: []byte(data), Meta: []byte(data)})
	}
	Append(t, s, stream, events.NoStream, evs...)
	check := func(how string, recs []events.Recorded) {
		t.Helper()
		if len(recs) != len(evs) {
			t.Fatalf("%s: %d events, want %d", how, len(recs), len(evs))
		}
		for i, rec := range recs {
			if string(rec.Data) != string(evs[i].Data) || string(rec.Meta) != string(evs[i].Meta) {
				t.Errorf("%s: data\n got %q, %q\nwant %q", how, rec.Data, rec.Meta, evs[i].Data)
			}
			if rec.Stream != stream || rec.ID != evs[i].ID || rec.Type != evs[i].Type {
				t.Errorf("%s: got %s, %s, %s", how, rec.Stream, rec.ID, rec.Type)
			}
			if rec.Time.Before(before) || rec.Time.After(time.Now().Add(time.Second)) || rec.Time.Location() != time.UTC {
				t.Errorf("%s: the time is %v", how, rec.Time)
			}
		}
	}
	check("ReadStream", Collect(t, s.ReadStream(t.Context(), stream, events.StreamRead{})))
	check("ReadAll", Collect(t, s.ReadAll(t.Context(), events.AllRead{})))
	sub := subscribe(t, s, chatkitd.Position{}, events.Filter{})
	check("Subscribe", sub.take(len(evs)))
}

func testOwnBytes(t *testing.T, s events.Store) {
	sub := subscribe(t, s, chatkitd.Position{}, events.Filter{})
	other := subscribe(t, s, chatkitd.Position{}, events.Filter{})
	ev := Events(1)[0]
	want := string(ev.Data)
	Append(t, s, "test-1", events.Any, ev)
	ev.Data[1], ev.Meta[1] = 'X', 'X'
	read := func() events.Recorded {
		return Collect(t, s.ReadStream(t.Context(), "test-1", events.StreamRead{}))[0]
	}
	for name, rec := range map[string]events.Recorded{"read": read(), "subscription": sub.take(1)[0]} {
		if string(rec.Data) != want {
			t.Errorf("%s: the writer changed the stored data to %s", name, rec.Data)
		}
		rec.Data[1] = 'Y' // it belongs to the reader
	}
	for name, rec := range map[string]events.Recorded{"read": read(), "subscription": other.take(1)[0]} {
		if string(rec.Data) != want {
			t.Errorf("%s: another reader changed the data to %s", name, rec.Data)
		}
	}
}

func testAppendContext(t *testing.T, s events.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Append(ctx, "test-1", events.Any, Events(1)...); !errors.Is(err, context.Canceled) {
		t.Errorf("Append = %v, want context.Canceled", err)
	}
	if _, err := s.Head(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Head = %v, want context.Canceled", err)
	}
	if _, err := s.Subscribe(ctx, chatkitd.Position{}, events.Filter{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Subscribe = %v, want context.Canceled", err)
	}
	if err := s.Delete(ctx, "test-1", events.Any); !errors.Is(err, context.Canceled) {
		t.Errorf("Delete = %v, want context.Canceled", err)
	}
	if err := s.Tombstone(ctx, "test-1", events.Any); !errors.Is(err, context.Canceled) {
		t.Errorf("Tombstone = %v, want context.Canceled", err)
	}
}

func testClosed(t *testing.T, s events.Store) {
	Append(t, s, "test-1", events.NoStream, Events(1)...)
	if err := s.Close(); err != nil {
		t.Fatalf("Close = %v", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("a second Close = %v", err)
	}
	calls := map[string]func() error{
		"Append": func() error {
			_, err := s.Append(t.Context(), "test-1", events.Any, Events(1)...)
			return err
		},
		"ReadStream": func() error { return firstError(s.ReadStream(t.Context(), "test-1", events.StreamRead{})) },
		"ReadAll":    func() error { return firstError(s.ReadAll(t.Context(), events.AllRead{})) },
		"Head":       func() error { _, err := s.Head(t.Context()); return err },
		"Delete":     func() error { return s.Delete(t.Context(), "test-1", events.Any) },
		"Tombstone":  func() error { return s.Tombstone(t.Context(), "test-1", events.Any) },
		"Subscribe": func() error {
			_, err := s.Subscribe(t.Context(), chatkitd.Position{}, events.Filter{})
			return err
		},
	}
	for name, call := range calls {
		if err := call(); !errors.Is(err, events.ErrClosed) {
			t.Errorf("%s = %v, want ErrClosed", name, err)
		}
	}
}
