package sqlite

import (
	"errors"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
)

// Stmt is a prepared statement. Its life is: bind, Step until there is no row,
// Reset; a failed bind is reported by the next Step. What the read transaction of
// a SELECT saw is held until Reset, so Reset soon.
type Stmt struct {
	c    *Conn
	p    uintptr
	fail error // of a bind

	// Bound bytes live in memory of the library's side until Reset: block is
	// kept and filled from its start, full holds blocks that were too small.
	block      uintptr
	used, size int
	full       []uintptr
}

// Prepare compiles one statement. The caller closes it.
func (c *Conn) Prepare(query string) (*Stmt, error) {
	text, err := libc.CString(query)
	if err != nil {
		return nil, err
	}
	defer libc.Xfree(c.tls, text)
	rc := lib.Xsqlite3_prepare_v3(c.tls, c.db, text, -1, lib.SQLITE_PREPARE_PERSISTENT, c.out, 0)
	if rc != lib.SQLITE_OK {
		return nil, c.err(rc)
	}
	p := c.result()
	if p == 0 {
		return nil, errors.New("sqlite: the statement is empty")
	}
	return &Stmt{c: c, p: p}, nil
}

// Close frees the statement.
func (s *Stmt) Close() error {
	if s.p == 0 {
		return nil
	}
	lib.Xsqlite3_finalize(s.c.tls, s.p) // repeats the last error of Step, which was reported
	s.free()
	lib.Xsqlite3_free(s.c.tls, s.block)
	*s = Stmt{}
	return nil
}

// Exec steps to the end and resets.
func (s *Stmt) Exec() error {
	row := true
	var err error
	for row && err == nil {
		row, err = s.Step()
	}
	s.Reset()
	return err
}

// Step moves to the next row and reports whether there is one.
func (s *Stmt) Step() (bool, error) {
	if s.fail != nil {
		return false, s.fail
	}
	switch rc := lib.Xsqlite3_step(s.c.tls, s.p); rc {
	case lib.SQLITE_ROW:
		return true, nil
	case lib.SQLITE_DONE:
		return false, nil
	default:
		return false, s.c.err(rc)
	}
}

// Reset ends the run of the statement and forgets what was bound.
func (s *Stmt) Reset() {
	lib.Xsqlite3_reset(s.c.tls, s.p) // repeats the last error of Step, which was reported
	lib.Xsqlite3_clear_bindings(s.c.tls, s.p)
	s.free()
	s.used, s.fail = 0, nil
}

func (s *Stmt) free() {
	for _, b := range s.full {
		lib.Xsqlite3_free(s.c.tls, b)
	}
	s.full = s.full[:0]
}

// BindInt binds an integer to the i-th parameter, counted from 1.
func (s *Stmt) BindInt(i int, v int64) {
	s.check(lib.Xsqlite3_bind_int64(s.c.tls, s.p, int32(i), v))
}

// BindText binds UTF-8 text to the i-th parameter. It copies b.
func (s *Stmt) BindText(i int, b []byte) {
	s.check(lib.Xsqlite3_bind_text(s.c.tls, s.p, int32(i), s.hold(len(b), func(dst []byte) { copy(dst, b) }), int32(len(b)), 0))
}

// BindString binds UTF-8 text to the i-th parameter.
func (s *Stmt) BindString(i int, v string) {
	s.check(lib.Xsqlite3_bind_text(s.c.tls, s.p, int32(i), s.hold(len(v), func(dst []byte) { copy(dst, v) }), int32(len(v)), 0))
}

// BindBlob binds bytes to the i-th parameter. It copies b.
func (s *Stmt) BindBlob(i int, b []byte) {
	s.check(lib.Xsqlite3_bind_blob(s.c.tls, s.p, int32(i), s.hold(len(b), func(dst []byte) { copy(dst, b) }), int32(len(b)), 0))
}

func (s *Stmt) check(rc int32) {
	if rc != lib.SQLITE_OK && s.fail == nil {
		s.fail = s.c.err(rc)
	}
}

// hold returns n bytes, written by fill, that stay until Reset. The pointer is
// never null, which SQLite would take for NULL.
func (s *Stmt) hold(n int, fill func(dst []byte)) uintptr {
	if s.size-s.used < n || s.block == 0 {
		if s.block != 0 {
			s.full = append(s.full, s.block)
		}
		s.used, s.size = 0, max(4096, 2*s.size, 2*n)
		if s.block = lib.Xsqlite3_malloc(s.c.tls, int32(s.size)); s.block == 0 {
			s.size = 0
			s.fail = errNoMemory
			return 0
		}
	}
	p := s.block + uintptr(s.used)
	if n > 0 {
		fill(libc.GoBytes(p, n))
	}
	s.used += n
	return p
}

// Int returns the integer in the i-th column of the row, counted from 0.
func (s *Stmt) Int(i int) int64 {
	return lib.Xsqlite3_column_int64(s.c.tls, s.p, int32(i))
}

// Raw returns the text or bytes in the i-th column of the row. They belong to
// SQLite and are gone with the next Step or Reset.
func (s *Stmt) Raw(i int) []byte {
	p := lib.Xsqlite3_column_blob(s.c.tls, s.p, int32(i))
	n := int(lib.Xsqlite3_column_bytes(s.c.tls, s.p, int32(i)))
	if p == 0 || n == 0 {
		return nil
	}
	return libc.GoBytes(p, n)
}

// Text returns the i-th column of the row as a string of its own.
func (s *Stmt) Text(i int) string { return string(s.Raw(i)) }

// Float returns the number in the i-th column of the row.
func (s *Stmt) Float(i int) float64 {
	return lib.Xsqlite3_column_double(s.c.tls, s.p, int32(i))
}

// Kind is the type of a value, in the order in which SQLite sorts them.
type Kind byte

// The kinds.
const (
	Null Kind = iota
	Integer
	Float
	Text
	Blob
)

// Kind returns the type of the i-th column of the row.
func (s *Stmt) Kind(i int) Kind {
	switch lib.Xsqlite3_column_type(s.c.tls, s.p, int32(i)) {
	case lib.SQLITE_INTEGER:
		return Integer
	case lib.SQLITE_FLOAT:
		return Float
	case lib.SQLITE_TEXT:
		return Text
	case lib.SQLITE_BLOB:
		return Blob
	}
	return Null
}

// IsNull reports whether the i-th column of the row is NULL.
func (s *Stmt) IsNull(i int) bool {
	return lib.Xsqlite3_column_type(s.c.tls, s.p, int32(i)) == lib.SQLITE_NULL
}
