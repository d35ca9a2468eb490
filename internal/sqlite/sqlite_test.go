package sqlite_test

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chatkitd/chatkitd/internal/sqlite"
)

func open(t *testing.T, path string, o sqlite.Options) *sql.DB {
	t.Helper()
	db, err := sqlite.Open(t.Context(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func TestPragmasHoldOnEveryConnection(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a ? b#%.db")
	db := open(t, path, sqlite.Options{
		Durable: true, MaxConns: 3, CacheKiB: 1000, MMap: 1 << 20, BusyTimeout: 1500 * time.Millisecond, Checkpoint: 77,
	})
	for range 3 { // kept open, so that each is another connection
		conn, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		for pragma, want := range map[string]string{
			"journal_mode": "wal", "synchronous": "2", "busy_timeout": "1500", "cache_size": "-1000",
			"mmap_size": "1048576", "wal_autocheckpoint": "77", "query_only": "0", "foreign_keys": "1",
		} {
			var got string
			if err := conn.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
				t.Errorf("%s = %q, %v; want %q", pragma, got, err, want)
			}
		}
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the file has another name: %v", err)
	}
}

func TestReadOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	if _, err := sqlite.Open(t.Context(), path, sqlite.Options{ReadOnly: true}); !sqlite.IsIO(err) {
		t.Fatalf("a missing file: %v, want an I/O error", err)
	}
	rw := open(t, path, sqlite.Options{})
	if _, err := rw.ExecContext(t.Context(), "CREATE TABLE t (n INTEGER NOT NULL UNIQUE); INSERT INTO t VALUES (7)"); err != nil {
		t.Fatal(err)
	}
	ro := open(t, path, sqlite.Options{ReadOnly: true})
	var n int
	if err := ro.QueryRowContext(t.Context(), "SELECT n FROM t").Scan(&n); err != nil || n != 7 {
		t.Errorf("read %d, %v", n, err)
	}
	if _, err := ro.ExecContext(t.Context(), "INSERT INTO t VALUES (8)"); !sqlite.IsReadOnly(err) {
		t.Errorf("a write: %v, want read-only", err)
	}
	if _, err := rw.ExecContext(t.Context(), "INSERT INTO t VALUES (7)"); !sqlite.IsConstraint(err) {
		t.Errorf("a second 7: %v, want a constraint error", err)
	}
}

func TestErrorKinds(t *testing.T) {
	dir := t.TempDir()
	garbage := filepath.Join(dir, "garbage.db")
	if err := os.WriteFile(garbage, []byte("this is certainly not an SQLite file, but a line of prose"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(t.Context(), garbage, sqlite.Options{}); !sqlite.IsCorrupt(err) {
		t.Errorf("garbage: %v, want corrupt", err)
	}
	if _, err := sqlite.Open(t.Context(), filepath.Join(dir, "no", "such", "x.db"), sqlite.Options{}); !sqlite.IsIO(err) {
		t.Errorf("a missing folder: %v, want an I/O error", err)
	}

	db := open(t, filepath.Join(dir, "full.db"), sqlite.Options{MaxConns: 1})
	if _, err := db.ExecContext(t.Context(), "CREATE TABLE t (b BLOB); PRAGMA max_page_count = 10"); err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), "INSERT INTO t VALUES (zeroblob(100000))"); !sqlite.IsFull(err) {
		t.Errorf("over max_page_count: %v, want full", err)
	}

	path := filepath.Join(dir, "busy.db")
	holder := open(t, path, sqlite.Options{})
	tx, err := holder.BeginTx(t.Context(), nil) // takes the write lock at once
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	second := open(t, path, sqlite.Options{BusyTimeout: time.Millisecond})
	if _, err := second.BeginTx(context.Background(), nil); !sqlite.IsBusy(err) {
		t.Errorf("a second writer: %v, want busy", err)
	}
}

// TestLogShrinksAfterALongRead has a reader that keeps 64 MB of the write-ahead
// log from being given back until it is done.
func TestLogShrinksAfterALongRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	db := open(t, path, sqlite.Options{})
	exec := func(query string) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	size := func() int64 {
		t.Helper()
		info, err := os.Stat(path + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	exec("CREATE TABLE t (id INTEGER PRIMARY KEY, b BLOB NOT NULL); INSERT INTO t VALUES (1, x'00')")
	tx, err := open(t, path, sqlite.Options{ReadOnly: true}).BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if err := tx.QueryRowContext(t.Context(), "SELECT count(*) FROM t").Scan(&n); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	for range 4 {
		exec("UPDATE t SET b = randomblob(16000000)")
	}
	if got := size(); got < 60e6 {
		t.Fatalf("the log has %d bytes while a reader is at work", got)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the first takes the log into the file, the next begins it anew
		exec("UPDATE t SET b = randomblob(8)")
	}
	if got := size(); got > 33<<20 {
		t.Errorf("the log still has %d bytes", got)
	}
}
