package sqlite

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
)

// Conn is one bare connection: what [Open] gives, without database/sql between
// the caller and the library. That layer costs about as much as SQLite itself for
// rows of a few hundred bytes, so the loops of the event store and of the read
// models do without it. Only one goroutine at a time may use a Conn and its
// statements.
type Conn struct {
	tls *libc.TLS
	db  uintptr
	out uintptr // room for one pointer that SQLite returns
}

// Error is an error of a [Conn].
type Error struct {
	Code int32 // SQLite's extended result code
	Msg  string
}

func (e *Error) Error() string { return fmt.Sprintf("sqlite: %s (%d)", e.Msg, e.Code) }

// Connect opens one connection. The pragmas of o are set and read back as by
// [Open]. The caller closes it.
func Connect(ctx context.Context, path string, o Options) (*Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	uri, err := o.uri(path)
	if err != nil {
		return nil, err
	}
	c := &Conn{tls: libc.NewTLS()}
	if err := c.open(uri, o); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), c.Close())
	}
	return c, nil
}

func (c *Conn) open(uri string, o Options) error {
	if c.out = lib.Xsqlite3_malloc(c.tls, 8); c.out == 0 {
		return errNoMemory
	}
	name, err := libc.CString(uri)
	if err != nil {
		return err
	}
	defer libc.Xfree(c.tls, name)
	flags := int32(lib.SQLITE_OPEN_READWRITE | lib.SQLITE_OPEN_CREATE | lib.SQLITE_OPEN_NOMUTEX | lib.SQLITE_OPEN_URI)
	rc := lib.Xsqlite3_open_v2(c.tls, name, c.out, flags, 0)
	c.db = c.result()
	if rc != lib.SQLITE_OK {
		return c.err(rc)
	}
	lib.Xsqlite3_extended_result_codes(c.tls, c.db, 1)
	for _, p := range o.pragmas() {
		if err := c.Exec("PRAGMA " + p.name + "(" + p.value + ")"); err != nil {
			return err
		}
	}
	for _, want := range o.asserted() {
		got, err := c.Pragma(want.name)
		if err != nil {
			return err
		}
		if got != want.value {
			return fmt.Errorf("%s is %s, want %s", want.name, got, want.value)
		}
	}
	return nil
}

// Close frees the connection. Statements must have been closed before.
func (c *Conn) Close() error {
	if c.tls == nil {
		return nil
	}
	var err error
	if c.db != 0 {
		if rc := lib.Xsqlite3_close_v2(c.tls, c.db); rc != lib.SQLITE_OK {
			err = c.err(rc)
		}
	}
	lib.Xsqlite3_free(c.tls, c.out)
	c.tls.Close()
	*c = Conn{}
	return err
}

// Exec runs one statement without parameters and drops its rows.
func (c *Conn) Exec(query string) error {
	s, err := c.Prepare(query)
	if err != nil {
		return err
	}
	return errors.Join(s.Exec(), s.Close())
}

// Pragma returns the value of a pragma as text.
func (c *Conn) Pragma(name string) (string, error) {
	s, err := c.Prepare("PRAGMA " + name)
	if err != nil {
		return "", err
	}
	row, err := s.Step()
	var value string
	if row {
		value = s.Text(0)
	}
	return value, errors.Join(err, s.Close())
}

// Seal ends the bulk load of a file that was opened with [Options].Bulk: what was
// committed is on disk, and the file is as [Open] has it. The connection is only
// good for Close then.
func (c *Conn) Seal() error {
	// The header is written last, with one sync of all that is in the file.
	for _, p := range []pragma{{"locking_mode(normal)", "normal"}, {"synchronous(2)", ""}, {"journal_mode(wal)", "wal"}} {
		switch got, err := c.Pragma(p.name); {
		case err != nil:
			return fmt.Errorf("seal: %w", err)
		case got != p.value:
			return fmt.Errorf("seal: %s gave %s", p.name, got)
		}
	}
	return nil
}

// InTransaction reports whether a transaction is open. SQLite closes one by
// itself after some errors.
func (c *Conn) InTransaction() bool { return lib.Xsqlite3_get_autocommit(c.tls, c.db) == 0 }

// Interrupt makes the statement that runs fail soon. It is the one method that
// another goroutine may call, but not after Close.
func (c *Conn) Interrupt() { lib.Xsqlite3_interrupt(c.tls, c.db) }

var errNoMemory = &Error{Code: lib.SQLITE_NOMEM, Msg: "out of memory"}

// result reads the pointer that SQLite left in c.out.
func (c *Conn) result() uintptr {
	b := libc.GoBytes(c.out, 8)
	if strconv.IntSize == 32 {
		return uintptr(binary.NativeEndian.Uint32(b))
	}
	return uintptr(binary.NativeEndian.Uint64(b))
}

func (c *Conn) err(rc int32) error {
	msg := libc.GoString(lib.Xsqlite3_errstr(c.tls, rc))
	if c.db != 0 && lib.Xsqlite3_extended_errcode(c.tls, c.db) == rc {
		msg = libc.GoString(lib.Xsqlite3_errmsg(c.tls, c.db))
	}
	return &Error{Code: rc, Msg: msg}
}
