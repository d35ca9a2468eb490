package eventstoredb

import (
	"errors"
	"fmt"
	"net"
	"strconv"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/chatkitd/chatkitd/events"
)

// ErrAhead is returned by Next for a subscription after a position that the log
// has not come to: the reader remembers another log, and would wait for events
// that it would then take for known.
var ErrAhead = errors.New("eventstoredb: the position is past the end of the log")

// ErrDenied is returned when the server does not accept the user, or does not let
// it do what is asked.
var ErrDenied = errors.New("eventstoredb: the server denies access")

// notLeaderError is the answer of a follower to what only the leader does.
type notLeaderError struct {
	addr string // of the leader; empty when the follower does not know it
}

func (e *notLeaderError) Error() string { return "another node leads: " + e.addr }

// explain turns an error of gRPC into one of the contract. Trailers tell what the
// code does not.
func explain(stream string, expected events.Revision, err error, trailer metadata.MD) error {
	if err == nil {
		return nil
	}
	switch first(trailer, "exception") {
	case "stream-deleted":
		return fmt.Errorf("%w: %s", events.ErrStreamDeleted, stream)
	case "wrong-expected-version":
		return &events.WrongRevisionError{Stream: stream, Expected: expected, Actual: actualVersion(trailer)}
	case "maximum-append-size-exceeded":
		return fmt.Errorf("%w, says the server", events.ErrTooLarge)
	case "not-leader":
		return fmt.Errorf("%w: %w", events.ErrUnavailable, &notLeaderError{leaderOf(trailer)})
	case "access-denied", "not-authenticated":
		return fmt.Errorf("%w: %w", ErrDenied, err)
	}
	switch status.Code(err) {
	case codes.PermissionDenied, codes.Unauthenticated:
		return fmt.Errorf("%w: %w", ErrDenied, err)
	case codes.OK, codes.InvalidArgument, codes.NotFound, codes.AlreadyExists, codes.FailedPrecondition,
		codes.OutOfRange, codes.Unimplemented, codes.ResourceExhausted, codes.DataLoss:
		return fmt.Errorf("eventstoredb: %w", err)
	case codes.Canceled, codes.Unknown, codes.DeadlineExceeded, codes.Aborted, codes.Internal, codes.Unavailable:
		// The connection, the server or its disk: whether an append took effect is
		// open. Canceled is here when this side closed the connection.
	}
	return fmt.Errorf("%w: %w", events.ErrUnavailable, err)
}

// unreachable is the error of a connection that cannot be made.
func unreachable(err error) error { return fmt.Errorf("%w: %w", events.ErrUnavailable, err) }

// unanswered marks the error of an append that was sent: the server may have taken
// it, unless it said that another one leads.
func unanswered(err error) error {
	if _, refused := errors.AsType[*notLeaderError](err); refused || !temporary(err) {
		return err
	}
	return fmt.Errorf("%w: %w", events.ErrInDoubt, err)
}

// temporary reports whether another attempt may succeed.
func temporary(err error) bool { return errors.Is(err, events.ErrUnavailable) }

// actualVersion reads the actual state of a stream from trailers.
func actualVersion(trailer metadata.MD) events.Revision {
	n, err := strconv.ParseInt(first(trailer, "actual-version"), 10, 64)
	if err != nil || n < 0 {
		return events.NoStream
	}
	return events.At(uint64(n))
}

func leaderOf(trailer metadata.MD) string {
	host, port := first(trailer, "leader-endpoint-host"), first(trailer, "leader-endpoint-port")
	if host == "" || port == "" {
		return ""
	}
	return net.JoinHostPort(host, port)
}

func first(md metadata.MD, key string) string {
	if v := md.Get(key); len(v) > 0 {
		return v[0]
	}
	return ""
}
