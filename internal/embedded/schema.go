package embedded

import (
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"

	"github.com/google/uuid"

	"github.com/chatkitd/chatkitd/internal/sqlite"
)

// applicationID marks a file as ours: "ckev" as a big-endian number.
const applicationID = 0x636b6576

// schemaVersion is the version that this build writes and the only one it reads.
const schemaVersion = 1

// schema is made in one transaction. Why it looks like this stands in DESIGN.md.
//
// A stream's last revision is not stored: it is the last one in the events_stream
// index, which cannot disagree with the events.
var schema = []string{
	`CREATE TABLE streams (
	id        INTEGER PRIMARY KEY,
	name      TEXT    NOT NULL UNIQUE,
	first_rev INTEGER NOT NULL DEFAULT 0, -- the first revision that is read: deletion moves it past the last
	tombstone INTEGER NOT NULL DEFAULT 0
) STRICT`,
	`CREATE TABLE events (
	pos       INTEGER PRIMARY KEY, -- from 1, without gap
	stream_id INTEGER NOT NULL,
	rev       INTEGER NOT NULL,    -- within the stream, from 0, without gap
	id        BLOB    NOT NULL,    -- the UUID
	type      TEXT    NOT NULL,
	ts        INTEGER NOT NULL,    -- Unix time in microseconds
	data      TEXT    NOT NULL,    -- JSON
	meta      TEXT    NOT NULL,    -- JSON
	crc       INTEGER NOT NULL     -- CRC-32C of the row
) STRICT`,
	`CREATE UNIQUE INDEX events_stream ON events (stream_id, rev)`,
	fmt.Sprintf(`PRAGMA application_id = %d`, applicationID),
	setSchemaVersion,
}

var setSchemaVersion = fmt.Sprintf(`PRAGMA user_version = %d`, schemaVersion)

var (
	// ErrNewer is returned for a file that a newer version of chatkitd made.
	ErrNewer = errors.New("embedded: the event store was written by a newer version of chatkitd")
	// ErrForeign is returned for an SQLite file that is not an event store.
	ErrForeign = errors.New("embedded: the file is an SQLite database, but not an event store of chatkitd")
)

// prepareSchema makes the tables of an empty file, and refuses a file that this
// build cannot read.
func prepareSchema(c *sqlite.Conn, readOnly bool) error {
	app, err := pragmaInt(c, "application_id")
	if err != nil {
		return err
	}
	version, err := pragmaInt(c, "user_version")
	if err != nil {
		return err
	}
	objects, err := queryInt(c, "SELECT count(*) FROM sqlite_schema")
	if err != nil {
		return err
	}
	switch {
	case app == applicationID && version > schemaVersion:
		return fmt.Errorf("%w: its schema is version %d, this build knows %d", ErrNewer, version, schemaVersion)
	case app == applicationID && version == schemaVersion:
		return nil
	case app != 0 || version != 0 || objects != 0 || readOnly:
		return ErrForeign
	}
	if err := c.Exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	for _, ddl := range schema {
		if err := c.Exec(ddl); err != nil {
			return errors.Join(fmt.Errorf("create the tables: %w", err), c.Exec("ROLLBACK"))
		}
	}
	return c.Exec("COMMIT")
}

func pragmaInt(c *sqlite.Conn, name string) (int64, error) {
	v, err := c.Pragma(name)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(v, 10, 64)
}

// queryInt returns the first column of the first row; no row and NULL are 0.
func queryInt(c *sqlite.Conn, query string) (n int64, err error) {
	s, err := c.Prepare(query)
	if err != nil {
		return 0, err
	}
	row, err := s.Step()
	if row {
		n = s.Int(0)
	}
	return n, errors.Join(err, s.Close())
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum covers all columns of an event: SQLite has no checksums of its own, so
// a bit that flips in a text would otherwise be read as if it had been written.
func checksum(pos, stream, rev, ts int64, id uuid.UUID, typ string, data, meta []byte) uint32 {
	var b [128]byte
	h := b[:0]
	for _, n := range [...]int64{pos, stream, rev, ts, int64(len(typ)), int64(len(data))} {
		u := uint64(n)
		h = append(h, byte(u), byte(u>>8), byte(u>>16), byte(u>>24), byte(u>>32), byte(u>>40), byte(u>>48), byte(u>>56))
	}
	h = append(h, id[:]...)
	h = append(h, typ...)
	crc := crc32.Update(0, castagnoli, h)
	crc = crc32.Update(crc, castagnoli, data)
	return crc32.Update(crc, castagnoli, meta)
}
