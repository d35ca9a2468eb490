package embedded

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/events/eventstest"
	"github.com/chatkitd/chatkitd/internal/sqlite"
)

// The writer's connection may be touched here between appends: its goroutine then
// waits for the queue, and the answer and the queue order the two.

func TestFullDisk(t *testing.T) {
	var log strings.Builder
	s, err := Open(t.Context(), Options{Dir: t.TempDir(), Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	first := eventstest.Append(t, s, "test-1", events.NoStream, eventstest.Events(3)...)

	limit := func(pages int) {
		t.Helper()
		if err := s.writer.conn.Exec(fmt.Sprintf("PRAGMA max_page_count = %d", pages)); err != nil {
			t.Fatal(err)
		}
	}
	limit(1) // SQLite takes it as "no more than now"
	big := eventstest.Events(100)
	for i := range big {
		big[i].Data = fmt.Appendf(nil, `{"text":%q}`, strings.Repeat("x", 8000))
	}
	for range 3 {
		if got, err := s.Append(t.Context(), "test-1", events.At(2), big...); !errors.Is(err, events.ErrUnavailable) {
			t.Fatalf("an append that does not fit: %+v, %v; want ErrUnavailable", got, err)
		}
	}
	if recs := eventstest.Collect(t, s.ReadAll(t.Context(), events.AllRead{})); len(recs) != 3 {
		t.Errorf("%d events while the disk is full, want 3", len(recs))
	}
	if head, err := s.Head(t.Context()); err != nil || head != first.Position {
		t.Errorf("Head = %v, %v; want %v", head, err, first.Position)
	}

	if !s.failing.Load() {
		t.Error("the store does not know that it refuses appends")
	}
	limit(1 << 30)
	if err := s.Ready(t.Context()); err != nil || s.failing.Load() {
		t.Errorf("Ready after there is room again = %v, failing %v; no append was needed for it", err, s.failing.Load())
	}
	last := eventstest.Append(t, s, "test-1", events.At(2), big...)
	if last.Revision != 102 || last.Position.Commit != 103 {
		t.Errorf("got %+v, want revision 102 at position 103", last)
	}
	if err := s.Verify(t.Context(), nil); err != nil {
		t.Error(err)
	}
	if n := testutil.ToFloat64(s.metrics.failed); n != 3 {
		t.Errorf("%v failed commits are counted, want 3", n)
	}
	if got := log.String(); strings.Count(got, "event store refuses appends") != 1 || strings.Count(got, "event store takes appends again") != 1 {
		t.Errorf("the log is\n%s", got)
	}
}

func TestNewConnectionAfterAFailure(t *testing.T) {
	s, err := Open(t.Context(), Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	eventstest.Append(t, s, "test-1", events.NoStream, eventstest.Events(3)...)
	broken := s.writer.conn
	if err := broken.Exec("PRAGMA query_only = 1"); err != nil {
		t.Fatal(err)
	}
	evs := eventstest.Events(2)
	if got, err := s.Append(t.Context(), "test-1", events.At(2), evs...); !errors.Is(err, events.ErrUnavailable) {
		t.Fatalf("an append on a connection that refuses: %+v, %v; want ErrUnavailable", got, err)
	}
	if got := eventstest.Append(t, s, "test-1", events.At(2), evs...); got.Revision != 4 {
		t.Errorf("got %+v, want revision 4", got)
	}
	if s.writer.conn == broken {
		t.Error("the connection is still the broken one")
	}
}

// A foreign writer breaks the rules; the index refuses to let it break the log.
func TestForeignWriter(t *testing.T) {
	s, err := Open(t.Context(), Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	eventstest.Append(t, s, "test-1", events.NoStream, eventstest.Events(1)...)
	foreign, err := sqlite.Connect(t.Context(), s.path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var id uuid.UUID
	crc := checksum(2, 1, 1, 7, id, "x", []byte("{}"), []byte("{}"))
	insert := fmt.Sprintf("INSERT INTO events VALUES (2, 1, 1, zeroblob(16), 'x', 7, '{}', '{}', %d)", crc)
	if err := errors.Join(foreign.Exec(insert), foreign.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), "test-1", events.At(0), eventstest.Events(1)...); !errors.Is(err, events.ErrUnavailable) {
		t.Fatalf("an append over a foreign event: %v, want ErrUnavailable", err)
	}
	if _, err := s.Append(t.Context(), "test-1", events.At(0), eventstest.Events(1)...); !errors.Is(err, events.ErrWrongRevision) {
		t.Fatalf("the same again: %v, want a conflict", err)
	}
	if got := eventstest.Append(t, s, "test-1", events.At(1), eventstest.Events(1)...); got.Position.Commit != 3 {
		t.Errorf("got %+v, want position 3", got)
	}
	if err := s.Verify(t.Context(), nil); err != nil {
		t.Error(err)
	}
}
