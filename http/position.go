package http

import (
	"strings"

	"github.com/chatkitd/chatkitd"
)

// headerPosition is how far the log has come: in an answer to a command, with the
// command's own events; in a request, with what the caller has seen before, here
// or at another server of the same log. Queries then wait until they see as much.
const headerPosition = "X-Chatkitd-Position"

// readPosition makes the queries of a request wait for the position that its
// header names.
func (r *request) readPosition() error {
	given := strings.TrimSpace(r.c.Get(headerPosition))
	if given == "" {
		return nil
	}
	pos, err := chatkitd.ParsePosition(given)
	if err != nil {
		return invalid("the header %s must be a position as an answer of this server had it, such as 4711: send it back unchanged, or leave it out", headerPosition)
	}
	r.ctx = chatkitd.WithPosition(r.ctx, pos)
	return nil
}

// tellPosition tells a client where the events lie that its request has led to.
func (r *request) tellPosition(pos chatkitd.Position) {
	if !pos.IsZero() {
		r.c.Set(headerPosition, pos.String())
	}
}

// positionOverhead is how long the comment of a position is, at most.
const positionOverhead = len(": position 18446744073709551615/18446744073709551615\n\n")

// appendPosition writes a position as a comment of SSE, which a client that does
// not look for it passes over.
func appendPosition(dst []byte, pos chatkitd.Position) []byte {
	dst = append(dst, ": position "...)
	dst = append(dst, pos.String()...)
	return append(dst, "\n\n"...)
}
