package embedded_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/events/eventstest"
	"github.com/chatkitd/chatkitd/internal/embedded"
	"github.com/chatkitd/chatkitd/internal/sqlite"
)

// filled returns a closed store of n events in ten streams.
func filled(t *testing.T, n int) (dir string) {
	t.Helper()
	dir = t.TempDir()
	s, err := embedded.Open(t.Context(), embedded.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	for i := range n / 10 {
		eventstest.Append(t, s, fmt.Sprintf("test-%d", i%10), events.Any, eventstest.Events(10)...)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// change runs SQL on the file of a closed store.
func change(t *testing.T, dir, query string) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(dir, embedded.FileName), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	execute(t, db, query)
}

func execute(t *testing.T, db *sql.DB, query string) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), query); err != nil {
		t.Fatal(err)
	}
}

// rewrite changes the bytes of the file of a closed store.
func rewrite(t *testing.T, dir string, edit func([]byte) []byte) {
	t.Helper()
	path := filepath.Join(dir, embedded.FileName)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, edit(b), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestDamageIsFoundAtStart(t *testing.T) {
	tests := []struct {
		name   string
		damage func(t *testing.T, dir string)
		where  string // a part of the message
	}{
		{"not a database", func(t *testing.T, dir string) {
			t.Helper()
			rewrite(t, dir, func(b []byte) []byte { return append([]byte("not SQLite at all"), b[17:]...) })
		}, "not a database"},
		{"a byte of an event's data", func(t *testing.T, dir string) {
			t.Helper()
			rewrite(t, dir, func(b []byte) []byte {
				i := bytes.LastIndex(b, []byte(`{"n":5}`))
				b[i+5] = '6'
				return b
			})
		}, "the checksum does not match"},
		{"a truncated file", func(t *testing.T, dir string) {
			t.Helper()
			rewrite(t, dir, func(b []byte) []byte { return b[:len(b)/2/4096*4096] })
		}, "malformed"},
		{"a page of zeros", func(t *testing.T, dir string) {
			t.Helper()
			rewrite(t, dir, func(b []byte) []byte {
				page := len(b) / 2 / 4096 * 4096
				clear(b[page : page+4096])
				return b
			})
		}, ""},
		{"a gap in the positions", func(t *testing.T, dir string) {
			t.Helper()
			change(t, dir, "DELETE FROM events WHERE pos IN (500, 501)")
		}, "positions 500 to 501 are missing"},
		{"a first event that is missing", func(t *testing.T, dir string) {
			t.Helper()
			change(t, dir, "DELETE FROM events WHERE pos = 1")
		}, "positions 1 to 1 are missing"},
		{"an event that was edited", func(t *testing.T, dir string) {
			t.Helper()
			change(t, dir, `UPDATE events SET data = '{"n":99}' WHERE pos = 77`)
		}, "position 77"},
		{"a stream without a name", func(t *testing.T, dir string) {
			t.Helper()
			change(t, dir, "DELETE FROM streams WHERE id = 3")
		}, "stream 3 has events but no name"},
		{"an index that disagrees", func(t *testing.T, dir string) {
			t.Helper()
			change(t, dir, `PRAGMA writable_schema = 1;
				UPDATE sqlite_schema SET sql = 'CREATE UNIQUE INDEX events_stream ON events (rev, stream_id)' WHERE name = 'events_stream'`)
		}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := filled(t, 2000)
			tt.damage(t, dir)
			s, err := embedded.Open(t.Context(), embedded.Options{Dir: dir})
			if err == nil {
				_ = s.Close()
			}
			corrupt, ok := errors.AsType[*embedded.CorruptError](err)
			if !ok || !strings.Contains(err.Error(), tt.where) || corrupt.Path != filepath.Join(dir, embedded.FileName) {
				t.Fatalf("Open = %v, want a CorruptError that says %q", err, tt.where)
			}
			t.Log(err)
		})
	}
}

func TestDamageIsFoundInALargeFile(t *testing.T) {
	dir := t.TempDir()
	s, err := embedded.Open(t.Context(), embedded.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 40 { // 40 MB
		evs := eventstest.Events(500)
		for j := range evs {
			evs[j].Data = fmt.Appendf(nil, `{"n":%d,"text":%q}`, j, strings.Repeat("x", 1900))
		}
		eventstest.Append(t, s, fmt.Sprintf("test-%d", i%7), events.Any, evs...)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, damage, undo, where string }{
		{
			"near the end", "UPDATE events SET ts = ts + 1 WHERE pos = 19990", "UPDATE events SET ts = ts - 1 WHERE pos = 19990",
			"position 19990",
		},
		{
			"a long stretch", `CREATE TABLE kept AS SELECT * FROM events WHERE pos BETWEEN 5000 AND 5100;
				DELETE FROM events WHERE pos BETWEEN 5000 AND 5100`,
			"INSERT INTO events SELECT * FROM kept; DROP TABLE kept", "are missing",
		},
		{
			"an event of another stream", "UPDATE events SET stream_id = stream_id + 100 WHERE pos = 19990",
			"UPDATE events SET stream_id = stream_id - 100 WHERE pos = 19990", "stream 1",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			change(t, dir, tt.damage)
			s, err := embedded.Open(t.Context(), embedded.Options{Dir: dir})
			if err == nil {
				_ = s.Close()
			}
			if _, ok := errors.AsType[*embedded.CorruptError](err); !ok || !strings.Contains(err.Error(), tt.where) {
				t.Errorf("Open = %v, want a CorruptError that says %q", err, tt.where)
			}
			change(t, dir, tt.undo)
		})
	}

	// One event in the middle is between the spots: the store opens, and both
	// Verify and a read of the event find it.
	change(t, dir, `UPDATE events SET data = replace(data, 'xx', 'yy') WHERE pos = 5007`)
	s = open(t, embedded.Options{Dir: dir})
	var done, total uint64
	err = s.Verify(t.Context(), func(d, n uint64) { done, total = d, n })
	if _, ok := errors.AsType[*embedded.CorruptError](err); !ok || !strings.Contains(err.Error(), "position 5007") {
		t.Errorf("Verify = %v, want position 5007", err)
	}
	if done < 2000 || total != 20_000 {
		t.Errorf("progress ended at %d of %d", done, total)
	}
	var read error
	n := 0
	for _, err := range s.ReadAll(t.Context(), events.AllRead{}) {
		if read = err; err == nil {
			n++
		}
	}
	if _, ok := errors.AsType[*embedded.CorruptError](read); !ok || n > 5006 {
		t.Errorf("ReadAll yields %d events and then %v", n, read)
	}
}

func TestOtherFilesAreRefused(t *testing.T) {
	for _, tt := range []struct {
		name, sql string
		want      error
	}{
		{"a newer schema", "PRAGMA user_version = 99", embedded.ErrNewer},
		{"somebody else's database", "PRAGMA application_id = 1", embedded.ErrForeign},
		{"tables but no mark", "PRAGMA application_id = 0; PRAGMA user_version = 0", embedded.ErrForeign},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := filled(t, 10)
			change(t, dir, tt.sql)
			if _, err := embedded.Open(t.Context(), embedded.Options{Dir: dir}); !errors.Is(err, tt.want) {
				t.Errorf("Open = %v, want %v", err, tt.want)
			}
			if _, err := embedded.OpenReadOnly(t.Context(), embedded.Options{Dir: dir}); !errors.Is(err, tt.want) {
				t.Errorf("OpenReadOnly = %v, want %v", err, tt.want)
			}
		})
	}
}

func TestVerifyHonoursItsContext(t *testing.T) {
	s := open(t, embedded.Options{Dir: filled(t, 5000)})
	ctx, cancel := context.WithCancel(t.Context())
	err := s.Verify(ctx, func(uint64, uint64) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Verify = %v, want context.Canceled", err)
	}
	if err := s.Verify(t.Context(), nil); err != nil {
		t.Errorf("Verify afterwards = %v", err)
	}
}
