// Package sqlite opens SQLite files the one way this service uses them: WAL,
// pragmas on every connection and read back, errors sorted into kinds.
//
// A file must never be open in one process through two SQLite libraries, and never
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

// synchronous returns the value that the pragma must read back.
func (o Options) synchronous() int64 {
	if o.Durable {
		return 2
	}
	return 1
}

// Open opens a file, which is created unless o.ReadOnly. The pragmas hold on
// every connection of the pool. The caller closes the pool.
func Open(ctx context.Context, path string, o Options) (*sql.DB, error) {
	o = o.withDefaults()
	dsn, err := dsn(path, o)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(&connector{dsn: dsn, synchronous: o.synchronous()})
	db.SetMaxOpenConns(o.MaxConns)
	db.SetMaxIdleConns(o.MaxConns)
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), db.Close())
	}
	return db, nil
}

// dsn names the file and the pragmas of each connection. The driver applies
// them in alphabetical order, busy_timeout first.
func dsn(path string, o Options) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	q := url.Values{}
	pragma := func(name string, v any) { q.Add("_pragma", fmt.Sprintf("%s(%v)", name, v)) }
	if o.ReadOnly {
		q.Set("mode", "ro")
		pragma("query_only", 1)
	} else {
		q.Set("mode", "rwc")
		q.Set("_txlock", "immediate")
		pragma("journal_mode", "wal")
		pragma("wal_autocheckpoint", o.Checkpoint)
		pragma("foreign_keys", 1)
	}
	pragma("busy_timeout", o.BusyTimeout.Milliseconds())
	pragma("synchronous", o.synchronous())
	if o.CacheKiB > 0 {
		pragma("cache_size", -o.CacheKiB)
	}
	if o.MMap > 0 {
		pragma("mmap_size", o.MMap)
	}
	u := url.URL{Scheme: "file", Path: abs, RawQuery: q.Encode()}
	return u.String(), nil
}

// connector opens connections and refuses one whose pragmas did not take: a
// file that is not in WAL mode or does not sync would lose acknowledged writes
// without a word.
type connector struct {
	dsn         string
	synchronous int64
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
	for pragma, want := range map[string]string{
		"journal_mode": "wal",
		"synchronous":  strconv.FormatInt(c.synchronous, 10),
	} {
		got, err := pragmaOf(ctx, conn, pragma)
		if err == nil && got != want {
			err = fmt.Errorf("%s is %s, want %s", pragma, got, want)
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
