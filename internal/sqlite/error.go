package sqlite

import (
	"errors"

	modernc "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// codeOf returns SQLite's primary result code, and 0 for another error.
func codeOf(err error) int {
	if e, ok := errors.AsType[*modernc.Error](err); ok {
		return e.Code() & 0xff
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return int(e.Code) & 0xff
	}
	return 0
}

// IsFull reports whether the disk, or the quota of the file, is full.
func IsFull(err error) bool { return codeOf(err) == lib.SQLITE_FULL }

// IsBusy reports whether another connection held a lock for longer than the busy
// timeout.
func IsBusy(err error) bool {
	c := codeOf(err)
	return c == lib.SQLITE_BUSY || c == lib.SQLITE_LOCKED
}

// IsCorrupt reports whether the file is damaged or is no SQLite file at all.
func IsCorrupt(err error) bool {
	c := codeOf(err)
	return c == lib.SQLITE_CORRUPT || c == lib.SQLITE_NOTADB
}

// IsIO reports whether the operating system failed to read or write the file, or
// to open it.
func IsIO(err error) bool {
	c := codeOf(err)
	return c == lib.SQLITE_IOERR || c == lib.SQLITE_CANTOPEN
}

// IsReadOnly reports whether the file, its folder or the connection forbids the
// write.
func IsReadOnly(err error) bool {
	c := codeOf(err)
	return c == lib.SQLITE_READONLY || c == lib.SQLITE_PERM
}

// IsConstraint reports whether a UNIQUE, NOT NULL, CHECK or foreign key
// constraint refused the row.
func IsConstraint(err error) bool { return codeOf(err) == lib.SQLITE_CONSTRAINT }
