package audit

import (
	"context"
	"errors"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

// Options of an [Auditor]. The zero value is right for any store.
type Options struct {
	// Location is the time zone of the dates in summaries; nil is UTC.
	Location *time.Location
	// Dense says that the positions of the store are 1, 2, 3 … without gap. Then
	// a time is found in the log by bisection, else by reading from its begin.
	Dense bool
	// Progress is told from time to time how far a search through the log is;
	// it may be nil.
	Progress func(at, head chatkitd.Position)
}

// Auditor implements [chatkitd.Auditor]. It is safe for concurrent use.
type Auditor struct {
	store events.Store
	o     Options
	folds folds
}

var _ chatkitd.Auditor = (*Auditor)(nil)

// New returns an auditor of a log.
func New(store events.Store, o Options) *Auditor {
	if o.Location == nil {
		o.Location = time.UTC
	}
	if o.Progress == nil {
		o.Progress = func(_, _ chatkitd.Position) {}
	}
	return &Auditor{store: store, o: o}
}

func invalid(format string, args ...any) error {
	return chatkitd.Errorf(chatkitd.CodeInvalid, format, args...)
}

func notFound(format string, args ...any) error {
	return chatkitd.Errorf(chatkitd.CodeNotFound, format, args...)
}

// public turns what a store returned into an error for callers. What is neither
// of us nor may pass stays as it is: it is a fault.
func public(err error) error {
	if _, ok := errors.AsType[*chatkitd.Error](err); ok || err == nil {
		return err
	}
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, events.ErrUnavailable), errors.Is(err, events.ErrClosed):
		return chatkitd.Errorf(chatkitd.CodeUnavailable, "the log cannot be read at the moment").Because(err)
	}
	return err
}

// checkPosition refuses a position that the log has not come to.
func checkPosition(what string, p, head chatkitd.Position) error {
	if p.Compare(head) > 0 {
		return invalid("%s: position %s is past the end of the log, which is at %s", what, p, head)
	}
	return nil
}

// subject is what a question is about: one stream, named in one of three ways.
type subject struct {
	stream string
	user   chatkitd.UserID
	thread chatkitd.ThreadID
}

func (s subject) name() string {
	switch {
	case s.user != "":
		return events.UserStream(s.user)
	case s.thread != "":
		return events.ThreadStream(s.thread)
	}
	return s.stream
}

func (s subject) count() int {
	n := 0
	for _, set := range []bool{s.stream != "", s.user != "", s.thread != ""} {
		if set {
			n++
		}
	}
	return n
}

// missing translates the error of a stream that is not there.
func (s subject) missing(err error) error {
	switch {
	case errors.Is(err, events.ErrStreamDeleted):
		return notFound("the stream %s was deleted for good", s.name())
	case !errors.Is(err, events.ErrStreamNotFound):
		return public(err)
	case s.user != "":
		return notFound("the log knows no tasks of a user %q; ids of users are spelled as in their tokens, case included", s.user)
	case s.thread != "":
		return notFound("the log knows no thread %q; ids of threads begin with %q", s.thread, chatkitd.PrefixThread)
	}
	return notFound("there is no stream %q; streams are named user-<id>, thread-<id>, audit-<id> and node-<instance>", s.stream)
}
