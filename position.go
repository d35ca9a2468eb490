package chatkitd

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"
)

// Position is a place in the global log. It is opaque and ordered: store it
// whole, compare it, never do arithmetic on it. The zero Position is before the
// first event. Commit and Prepare are EventStoreDB's two numbers; a store with
// one number sets both to it.
type Position struct {
	Commit  uint64
	Prepare uint64
}

// Compare orders positions.
func (p Position) Compare(q Position) int {
	if c := cmp.Compare(p.Commit, q.Commit); c != 0 {
		return c
	}
	return cmp.Compare(p.Prepare, q.Prepare)
}

// IsZero reports whether p is before the first event.
func (p Position) IsZero() bool { return p == Position{} }

// String encodes p for people and for [ParsePosition]: one decimal number, or
// two joined by a slash when they differ.
func (p Position) String() string {
	s := strconv.FormatUint(p.Commit, 10)
	if p.Prepare != p.Commit {
		s += "/" + strconv.FormatUint(p.Prepare, 10)
	}
	return s
}

// MarshalText implements [encoding.TextMarshaler].
func (p Position) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (p *Position) UnmarshalText(b []byte) (err error) {
	*p, err = ParsePosition(string(b))
	return err
}

// ParsePosition reads what [Position.String] wrote.
func ParsePosition(s string) (Position, error) {
	commit, prepare, two := strings.Cut(s, "/")
	c, err := strconv.ParseUint(commit, 10, 64)
	p := c
	if err == nil && two {
		p, err = strconv.ParseUint(prepare, 10, 64)
	}
	if err != nil {
		return Position{}, fmt.Errorf("%q is not a position: a position is a number such as 4711", s)
	}
	return Position{c, p}, nil
}

// positionKey is where a context holds the position that its queries wait for.
type positionKey struct{}

// WithPosition returns a context whose queries ([TaskReader], [ThreadReader])
// also wait until they have seen pos: what the caller has read or written at
// another server of the same log. A query returns CodeUnknownPosition when pos
// lies past the end of the log, and CodeUnavailable when it is not seen in time.
func WithPosition(ctx context.Context, pos Position) context.Context {
	return context.WithValue(ctx, positionKey{}, pos)
}

// PositionOf returns the position that the queries of a context wait for; the zero
// Position when they wait for none.
func PositionOf(ctx context.Context) Position {
	pos, _ := ctx.Value(positionKey{}).(Position)
	return pos
}
