package events

import (
	"errors"
	"fmt"
	"time"
)

// Check returns a [*WrongRevisionError] unless a stream that is at actual,
// [NoStream] or an [At], is as r expects.
func (r Revision) Check(stream string, actual Revision) error {
	ok := r.kind == kindAny || r == actual || r.kind == kindExists && actual.kind == kindAt
	if !ok {
		return &WrongRevisionError{Stream: stream, Expected: r, Actual: actual}
	}
	return nil
}

// CheckAppend returns the error of an append that no store takes: ErrTooLarge, or
// one that says which argument is missing.
func CheckAppend(stream string, evs []New) error {
	if stream == "" {
		return errors.New("events: append to a stream without a name")
	}
	if len(evs) == 0 {
		return fmt.Errorf("events: append of no events to %s", stream)
	}
	size := 0
	for i := range evs {
		if evs[i].Type == "" {
			return fmt.Errorf("events: append to %s: event %d has no type", stream, i)
		}
		size += evs[i].Size()
	}
	if size > MaxAppend {
		return fmt.Errorf("append of %d bytes to %s: %w", size, stream, ErrTooLarge)
	}
	return nil
}

// Timestamp returns t as every store keeps it: UTC, in microseconds.
func Timestamp(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
