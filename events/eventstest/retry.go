package eventstest

import (
	"errors"
	"testing"

	"github.com/chatkitd/chatkitd/events"
)

var retryTests = []contract{
	{"the same ids at the same expected revision return the first result", testRetry},
	{"a retry that matches in part is a conflict", testPartialRetry},
	{"a retry that reaches past the end is a conflict", testLongerRetry},
	{"the same ids in another stream are another append", testRetryElsewhere},
	{"a retry below a soft deletion", testRetryDeleted},
}

func testRetry(t *testing.T, s events.Store) {
	first, second, third := Events(3), Events(2), Events(1)
	for _, tt := range []struct {
		stream                  string
		expect1, expect2, retry events.Revision
	}{
		{"test-exact", events.NoStream, events.At(2), events.At(2)},
		{"test-any", events.Any, events.Any, events.Any},
		{"test-exists", events.NoStream, events.Exists, events.Exists},
		{"test-any-later", events.NoStream, events.At(2), events.Any},
	} {
		t.Run(tt.stream, func(t *testing.T) {
			want1 := Append(t, s, tt.stream, tt.expect1, first...)
			again := func(expected events.Revision, want events.Appended, evs []events.New) {
				t.Helper()
				if got := Append(t, s, tt.stream, expected, evs...); got != want {
					t.Errorf("the repeated append = %+v, the first was %+v", got, want)
				}
			}
			again(tt.expect1, want1, first)
			want2 := Append(t, s, tt.stream, tt.expect2, second...)
			again(tt.expect1, want1, first)
			again(tt.retry, want2, second)
			Append(t, s, tt.stream, events.At(4), third...)
			again(tt.expect1, want1, first)
			again(tt.retry, want2, second)
			if n := len(Collect(t, s.ReadStream(t.Context(), tt.stream, events.StreamRead{}))); n != 6 {
				t.Errorf("%d events, want 6", n)
			}
		})
	}
}

func testPartialRetry(t *testing.T, s events.Store) {
	evs := Events(3)
	Append(t, s, "test-1", events.NoStream, evs...)
	mixed := Events(3)
	for name, try := range map[string][]events.New{
		"the first two":      {evs[0], evs[1], mixed[2]},
		"the last":           {mixed[0], mixed[1], evs[2]},
		"another order":      {evs[1], evs[0], evs[2]},
		"none of them":       mixed,
		"the same and more":  {evs[0], evs[1], evs[2], mixed[0]},
		"from the second on": {evs[1], evs[2]},
	} {
		if got, err := s.Append(t.Context(), "test-1", events.NoStream, try...); !errors.Is(err, events.ErrWrongRevision) {
			t.Errorf("%s: %+v, %v; want a conflict", name, got, err)
		}
	}
	// A prefix is a repetition of what was stored, in an append of its own.
	if got, err := s.Append(t.Context(), "test-1", events.NoStream, evs[:2]...); err != nil || got.Revision != 1 {
		t.Errorf("the first two alone: %+v, %v; want revision 1", got, err)
	}
	if n := len(Collect(t, s.ReadStream(t.Context(), "test-1", events.StreamRead{}))); n != 3 {
		t.Errorf("%d events, want 3", n)
	}
}

func testLongerRetry(t *testing.T, s events.Store) {
	evs := Events(4)
	Append(t, s, "test-1", events.NoStream, evs[:2]...)
	Append(t, s, "test-1", events.At(1), evs[2])
	_, err := s.Append(t.Context(), "test-1", events.At(1), evs[2], evs[3])
	wrong, ok := errors.AsType[*events.WrongRevisionError](err)
	if !ok || wrong.Actual != events.At(2) {
		t.Errorf("got %v, want a conflict at revision 2", err)
	}
}

func testRetryElsewhere(t *testing.T, s events.Store) {
	evs := Events(2)
	a := Append(t, s, "test-a", events.Any, evs...)
	b := Append(t, s, "test-b", events.Any, evs...)
	if a.Revision != 1 || b.Revision != 1 || b.Position.Compare(a.Position) <= 0 {
		t.Errorf("got %+v and %+v", a, b)
	}
}

func testRetryDeleted(t *testing.T, s events.Store) {
	old, young := Events(2), Events(2)
	Append(t, s, "test-1", events.NoStream, old...)
	if err := s.Delete(t.Context(), "test-1", events.At(1)); err != nil {
		t.Fatal(err)
	}
	want := Append(t, s, "test-1", events.NoStream, young...)
	if want.Revision != 3 {
		t.Errorf("revision %d, want 3", want.Revision)
	}
	if got := Append(t, s, "test-1", events.NoStream, young...); got != want {
		t.Errorf("the repeated append = %+v, the first was %+v", got, want)
	}
	if _, err := s.Append(t.Context(), "test-1", events.NoStream, Events(1)...); !errors.Is(err, events.ErrWrongRevision) {
		t.Errorf("another append to the stream that is there again: %v, want a conflict", err)
	}
}
