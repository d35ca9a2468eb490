package eventstest

import (
	"errors"
	"slices"
	"testing"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

var deleteTests = []contract{
	{"a stream that was deleted softly reads as missing", testSoftDelete},
	{"revisions go on after a soft deletion", testRevisionsGoOn},
	{"deletions expect a revision", testDeleteExpected},
	{"a tombstone is final", testTombstone},
	{"the log keeps what was deleted", testLogKeeps},
}

func mustDelete(t *testing.T, s events.Store, stream string, expected events.Revision) {
	t.Helper()
	if err := s.Delete(t.Context(), stream, expected); err != nil {
		t.Fatalf("delete %s: %v", stream, err)
	}
}

func testSoftDelete(t *testing.T, s events.Store) {
	Append(t, s, "test-1", events.NoStream, Events(3)...)
	Append(t, s, "test-2", events.NoStream, Events(3)...)
	mustDelete(t, s, "test-1", events.At(2))
	for _, o := range []events.StreamRead{{}, {From: 1}, {Backwards: true, FromEnd: true}, {Backwards: true, From: 1}} {
		if err := firstError(s.ReadStream(t.Context(), "test-1", o)); !errors.Is(err, events.ErrStreamNotFound) {
			t.Errorf("%+v: %v, want ErrStreamNotFound", o, err)
		}
	}
	if n := len(Collect(t, s.ReadStream(t.Context(), "test-2", events.StreamRead{}))); n != 3 {
		t.Errorf("%d events in the other stream, want 3", n)
	}
}

func testRevisionsGoOn(t *testing.T, s events.Store) {
	for _, tt := range []struct {
		name     string
		expected events.Revision
		ok       bool
	}{
		{"no stream", events.NoStream, true},
		{"any", events.Any, true},
		// EventStoreDB answers as for a tombstone, so which error it is is left open.
		{"exists", events.Exists, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			stream := "test-" + tt.name
			Append(t, s, stream, events.NoStream, Events(3)...)
			mustDelete(t, s, stream, events.Exists)
			got, err := s.Append(t.Context(), stream, tt.expected, Events(2)...)
			if !tt.ok {
				if !errors.Is(err, events.ErrWrongRevision) && !errors.Is(err, events.ErrStreamDeleted) {
					t.Errorf("got %+v, %v; want a refusal", got, err)
				}
				return
			}
			if err != nil || got.Revision != 4 {
				t.Fatalf("got %+v, %v; want revision 4", got, err)
			}
			if got := Append(t, s, stream, events.At(4), Events(1)...); got.Revision != 5 {
				t.Errorf("got %+v, want revision 5", got)
			}
			var revisions []uint64
			for _, rec := range Collect(t, s.ReadStream(t.Context(), stream, events.StreamRead{})) {
				revisions = append(revisions, rec.Revision)
			}
			if want := []uint64{3, 4, 5}; !slices.Equal(revisions, want) {
				t.Errorf("read revisions %v, want %v", revisions, want)
			}
			if n := len(Collect(t, s.ReadStream(t.Context(), stream, events.StreamRead{Backwards: true, FromEnd: true}))); n != 3 {
				t.Errorf("read %d backwards, want 3", n)
			}
		})
	}
}

func testDeleteExpected(t *testing.T, s events.Store) {
	Append(t, s, "test-1", events.NoStream, Events(3)...)
	for name, remove := range map[string]func(stream string, expected events.Revision) error{
		"Delete":    func(n string, r events.Revision) error { return s.Delete(t.Context(), n, r) },
		"Tombstone": func(n string, r events.Revision) error { return s.Tombstone(t.Context(), n, r) },
	} {
		for _, r := range []events.Revision{events.NoStream, events.At(1), events.At(3)} {
			if err := remove("test-1", r); !errors.Is(err, events.ErrWrongRevision) {
				t.Errorf("%s expecting %s: %v, want a conflict", name, r, err)
			}
		}
		for _, r := range []events.Revision{events.Exists, events.At(0)} {
			if err := remove("test-missing", r); !errors.Is(err, events.ErrWrongRevision) {
				t.Errorf("%s of a missing stream expecting %s: %v, want a conflict", name, r, err)
			}
		}
	}
	if err := s.Delete(t.Context(), "test-missing", events.Any); !errors.Is(err, events.ErrWrongRevision) {
		t.Errorf("Delete of a missing stream: %v, want a conflict", err)
	}
	if n := len(Collect(t, s.ReadStream(t.Context(), "test-1", events.StreamRead{}))); n != 3 {
		t.Errorf("%d events, want 3", n)
	}
}

func testTombstone(t *testing.T, s events.Store) {
	Append(t, s, "test-1", events.NoStream, Events(3)...)
	Append(t, s, "test-2", events.NoStream, Events(3)...)
	mustDelete(t, s, "test-2", events.Any)
	for stream, expected := range map[string]events.Revision{"test-1": events.At(2), "test-2": events.Any} {
		if err := s.Tombstone(t.Context(), stream, expected); err != nil {
			t.Fatalf("tombstone %s: %v", stream, err)
		}
		for _, r := range []events.Revision{events.Any, events.NoStream, events.Exists, events.At(2)} {
			if _, err := s.Append(t.Context(), stream, r, Events(1)...); !errors.Is(err, events.ErrStreamDeleted) {
				t.Errorf("append to %s expecting %s: %v, want ErrStreamDeleted", stream, r, err)
			}
		}
		if err := firstError(s.ReadStream(t.Context(), stream, events.StreamRead{})); !errors.Is(err, events.ErrStreamDeleted) {
			t.Errorf("read %s: %v, want ErrStreamDeleted", stream, err)
		}
		if err := s.Delete(t.Context(), stream, events.Any); !errors.Is(err, events.ErrStreamDeleted) {
			t.Errorf("delete %s: %v, want ErrStreamDeleted", stream, err)
		}
	}
}

func testLogKeeps(t *testing.T, s events.Store) {
	Append(t, s, "test-1", events.NoStream, Events(3)...)
	mustDelete(t, s, "test-1", events.Any)
	Append(t, s, "test-2", events.NoStream, Events(2)...)
	if err := s.Tombstone(t.Context(), "test-2", events.Any); err != nil {
		t.Fatal(err)
	}
	Append(t, s, "test-3", events.NoStream, Events(1)...)
	filter := events.Filter{StreamPrefixes: []string{"test-"}, Types: []string{"test.happened.v1"}}
	if n := len(Collect(t, s.ReadAll(t.Context(), events.AllRead{Filter: filter}))); n != 6 {
		t.Errorf("the log has %d events, want 6", n)
	}
	if got := subscribe(t, s, chatkitd.Position{}, filter).take(6); len(got) != 6 {
		t.Errorf("a subscription has %d events, want 6", len(got))
	}
}
