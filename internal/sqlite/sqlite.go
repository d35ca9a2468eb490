// Package sqlite opens SQLite files the one way this service uses them: WAL,
// pragmas on every connection and read back, errors sorted into kinds.
//
// [Open] gives a *sql.DB; [Connect] gives a bare [Conn] for the few loops where
// database/sql costs more than the work. Both are the same library, and must be:
// a file must never be open in one process through two SQLite libraries, and never
// through os.Open, since closing any descriptor of it drops SQLite's locks.
package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"strconv"
	"time"

	modernc "modernc.org/sqlite"
)

// Options say how a file is opened. The zero value is a read-write pool that
// survives a crash of the process unharmed but may lose its last transactions
// with the power.
type Options struct {
	ReadOnly    bool          // no connection may write, and a missing file is an error
	Durable     bool          // synchronous=FULL: a commit is on disk before it returns; else NORMAL
	Bulk        bool          // for a new file, until [Conn.Seal]: no journal, no sync, nobody else; a crash leaves garbage
	MaxConns    int           // of the pool; 0 is 4
	CacheKiB    int           // page cache of each connection; 0 is SQLite's default, 2 MiB
	MMap        int64         // bytes of the file that reads may map; 0 is none
	BusyTimeout time.Duration // how long a lock is waited for; 0 is 5 s
	Checkpoint  int           // WAL pages after which a commit checkpoints; 0 is 4000
}

func (o Options) withDefaults() Options {
	if o.MaxConns == 0 {
		o.MaxConns = 4
	}
	if o.BusyTimeout == 0 {
		o.BusyTimeout = 5 * time.Second
	}
	if o.Checkpoint == 0 {
		o.Checkpoint = 4000
	}
	return o
}

// synchronous returns the value of the pragma, as it reads back.
func (o Options) synchronous() string {
	switch {
	case o.Bulk:
		return "0" // OFF
	case o.Durable:
		return "2" // FULL
	}
	return "1" // NORMAL
}

func (o Options) journal() string {
	if o.Bulk {
		return "off"
	}
	return "wal"
}

// Open opens a file, which is created unless o.ReadOnly. The pragmas hold on
// every connection of the pool. The caller closes the pool.
func Open(ctx context.Context, path string, o Options) (*sql.DB, error) {
	o = o.withDefaults()
	dsn, err := o.dsn(path)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(&connector{dsn: dsn, asserted: o.asserted()})
	db.SetMaxOpenConns(o.MaxConns)
	db.SetMaxIdleConns(o.MaxConns)
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), db.Close())
	}
	return db, nil
}

// maxIdleWAL is what the write-ahead log of a file shrinks to, in bytes, once no
// reader holds on to more of it: a long read makes it grow by all that is written
// meanwhile.
const maxIdleWAL = 32 << 20

type pragma struct{ name, value string }

// pragmas returns what every connection sets, in this order.
func (o Options) pragmas() []pragma {
	ps := []pragma{
		{"busy_timeout", strconv.FormatInt(o.BusyTimeout.Milliseconds(), 10)}, // first: the others may meet a lock
		{"synchronous", o.synchronous()},
	}
	if o.ReadOnly {
		ps = append(ps, pragma{"query_only", "1"})
	} else {
		ps = append(ps,
			pragma{"journal_mode", o.journal()},
			pragma{"wal_autocheckpoint", strconv.Itoa(o.Checkpoint)},
			pragma{"journal_size_limit", strconv.Itoa(maxIdleWAL)},
			pragma{"foreign_keys", "1"})
	}
	if o.Bulk {
		ps = append(ps, pragma{"locking_mode", "exclusive"})
	}
	if o.CacheKiB > 0 {
		ps = append(ps, pragma{"cache_size", strconv.Itoa(-o.CacheKiB)})
	}
	if o.MMap > 0 {
		ps = append(ps, pragma{"mmap_size", strconv.FormatInt(o.MMap, 10)})
	}
	return ps
}

// asserted returns what every connection must read back: a file that is not in
// WAL mode or does not sync would lose acknowledged writes without a word.
func (o Options) asserted() []pragma {
	return []pragma{{"journal_mode", o.journal()}, {"synchronous", o.synchronous()}}
}

// uri names the file in SQLite's way.
func (o Options) uri(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	mode := "rwc"
	if o.ReadOnly {
		mode = "ro"
	}
	u := url.URL{Scheme: "file", Path: abs, RawQuery: "mode=" + mode}
	return u.String(), nil
}

// dsn returns uri with the pragmas in the driver's way. It sets busy_timeout
// first, the others in alphabetical order.
func (o Options) dsn(path string) (string, error) {
	uri, err := o.uri(path)
	if err != nil {
		return "", err
	}
	q := url.Values{"_txlock": {"immediate"}}
	if o.ReadOnly {
		q.Set("_txlock", "deferred")
	}
	for _, p := range o.pragmas() {
		q.Add("_pragma", p.name+"("+p.value+")")
	}
	return uri + "&" + q.Encode(), nil
}

// connector opens connections and refuses one whose pragmas did not take.
type connector struct {
	dsn      string
	asserted []pragma
}

var _ driver.Connector = (*connector)(nil)

// Driver implements [driver.Connector].
func (c *connector) Driver() driver.Driver { return &modernc.Driver{} }

// Connect implements [driver.Connector].
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	conn, err := c.Driver().Open(c.dsn)
	if err != nil {
		return nil, err
	}
	for _, want := range c.asserted {
		got, err := pragmaOf(ctx, conn, want.name)
		if err == nil && got != want.value {
			err = fmt.Errorf("%s is %s, want %s", want.name, got, want.value)
		}
		if err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	return conn, nil
}

func pragmaOf(ctx context.Context, conn driver.Conn, name string) (value string, err error) {
	q, ok := conn.(driver.QueryerContext)
	if !ok {
		return "", fmt.Errorf("%T cannot query", conn)
	}
	rows, err := q.QueryContext(ctx, "PRAGMA "+name, nil)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	row := make([]driver.Value, 1)
	if err := rows.Next(row); err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	return fmt.Sprint(row[0]), nil
}
