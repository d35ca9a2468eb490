package sqlite_test

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/chatkitd/chatkitd/internal/sqlite"
)

func connect(t *testing.T, path string, o sqlite.Options) *sqlite.Conn {
	t.Helper()
	c, err := sqlite.Connect(t.Context(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func prepare(t *testing.T, c *sqlite.Conn, query string) *sqlite.Stmt {
	t.Helper()
	s, err := c.Prepare(query)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestConnKeepsEveryByte(t *testing.T) {
	c := connect(t, filepath.Join(t.TempDir(), "x.db"), sqlite.Options{Durable: true})
	if err := c.Exec("CREATE TABLE t (n INTEGER, a TEXT, b BLOB, s TEXT)"); err != nil {
		t.Fatal(err)
	}
	insert := prepare(t, c, "INSERT INTO t VALUES (?, ?, ?, ?)")
	texts := [][]byte{{}, []byte("<&> \"'\\ \U0001F600 ü"), []byte("a\x00b"), bytes.Repeat([]byte("x"), 1<<20), bytes.Repeat([]byte("yz"), 5000)}
	for i, text := range texts {
		insert.BindInt(1, int64(i)-1)
		insert.BindText(2, text)
		insert.BindBlob(3, text)
		insert.BindString(4, string(text))
		if err := insert.Exec(); err != nil {
			t.Fatal(err)
		}
	}
	sel := prepare(t, c, "SELECT n, a, b, s, typeof(a), a IS NULL, NULL FROM t ORDER BY n")
	for i, text := range texts {
		if row, err := sel.Step(); !row || err != nil {
			t.Fatalf("row %d: %v, %v", i, row, err)
		}
		if got := sel.Int(0); got != int64(i)-1 {
			t.Errorf("row %d: n = %d", i, got)
		}
		for col := 1; col <= 3; col++ {
			if !bytes.Equal(sel.Raw(col), text) {
				t.Errorf("row %d, column %d: %d bytes differ from the %d bound", i, col, len(sel.Raw(col)), len(text))
			}
		}
		if sel.Text(4) != "text" || sel.IsNull(1) || !sel.IsNull(6) {
			t.Errorf("row %d: %s, %v, %v", i, sel.Text(4), sel.IsNull(1), sel.IsNull(6))
		}
	}
	if row, err := sel.Step(); row || err != nil {
		t.Errorf("past the end: %v, %v", row, err)
	}
	sel.Reset()
}

func TestConnErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	c := connect(t, path, sqlite.Options{})
	if err := c.Exec("CREATE TABLE t (n INTEGER UNIQUE)"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Prepare("SELECT nonsense FROM nowhere"); err == nil {
		t.Error("nonsense compiled")
	}
	if _, err := c.Prepare("  -- nothing"); err == nil {
		t.Error("an empty statement compiled")
	}
	insert := prepare(t, c, "INSERT INTO t VALUES (?)")
	insert.BindInt(2, 1)
	if err := insert.Exec(); err == nil {
		t.Error("a parameter that is not there was bound")
	}
	for i, want := range []bool{false, true} {
		insert.BindInt(1, 1)
		if err := insert.Exec(); sqlite.IsConstraint(err) != want {
			t.Errorf("insert %d: %v", i, err)
		}
	}
	if err := c.Exec("BEGIN IMMEDIATE"); err != nil || !c.InTransaction() {
		t.Fatalf("begin: %v, %v", err, c.InTransaction())
	}
	second := connect(t, path, sqlite.Options{BusyTimeout: 1})
	if err := second.Exec("BEGIN IMMEDIATE"); !sqlite.IsBusy(err) {
		t.Errorf("a second writer: %v, want busy", err)
	}
	if err := c.Exec("ROLLBACK"); err != nil || c.InTransaction() {
		t.Errorf("rollback: %v, %v", err, c.InTransaction())
	}
	ro := connect(t, path, sqlite.Options{ReadOnly: true, MMap: 1 << 30})
	if err := ro.Exec("INSERT INTO t VALUES (2)"); !sqlite.IsReadOnly(err) {
		t.Errorf("a write on a read-only connection: %v", err)
	}
	if _, err := sqlite.Connect(t.Context(), filepath.Join(t.TempDir(), "none.db"), sqlite.Options{ReadOnly: true}); !sqlite.IsIO(err) {
		t.Errorf("a missing file: %v, want an I/O error", err)
	}
}
