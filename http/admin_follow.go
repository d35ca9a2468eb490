package http

import (
	"context"
	"fmt"
	"io"
	"runtime/debug"
	"time"

	"github.com/chatkitd/chatkitd"
)

// maxAhead is how many events are read ahead of a client that follows.
const maxAhead = 16

const eventEvent = "event" // data: an event; the id is its position

// followSource follows the log. The log is pushed, a source is asked: one
// goroutine stands between them, and waits when the client is slow. It ends with
// the stream, which waits for it.
type followSource struct {
	srv     *Server
	rec     *record
	cancel  context.CancelFunc
	events  chan chatkitd.EventView
	err     error  // why it ended; set before events is closed
	stopped bool   // it was told to; set before events is closed
	line    []byte // what goes out next
	last    bool   // after line there is no more
	ended   bool
}

// followEvents sends the events from query.From on, or behind query.After, or
// behind the one that Last-Event-ID names. An error event ends the stream.
func (s *Server) followEvents(r *request, q *query, query chatkitd.EventQuery) error {
	q.none("is not for the live log, which has no end", "to", "until", "newest", "order", "limit")
	after := query.After
	if last := r.c.Get("Last-Event-ID"); last != "" {
		pos, err := chatkitd.ParsePosition(last)
		if err != nil {
			q.fail("the Last-Event-ID must be the id of the last event that was seen, a position such as 4711")
		}
		after = pos
	}
	if q.err != nil {
		return q.err
	}
	st, err := s.openStream(r)
	if err != nil {
		return err
	}
	asked := q.asked()
	asked["follow"] = true
	if !after.IsZero() {
		asked["after"] = after
	}
	if err := s.record(r, whatEvents, asked); err != nil {
		st.abandon()
		return err
	}
	query.After = after
	ctx, cancel := context.WithCancel(st.ctx)
	src := &followSource{srv: s, rec: r.record, cancel: cancel, events: make(chan chatkitd.EventView, maxAhead)}
	go src.run(ctx, query)
	return r.send(st, src)
}

// run reads the log until ctx ends.
func (s *followSource) run(ctx context.Context, query chatkitd.EventQuery) {
	defer close(s.events)
	defer func() {
		if v := recover(); v != nil {
			s.err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	s.err = s.srv.opts.Auditor.Follow(ctx, query, func(ev chatkitd.EventView) error {
		select {
		case s.events <- ev:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	if s.stopped = ctx.Err() != nil; s.err == nil {
		s.err = chatkitd.Errorf(chatkitd.CodeUnavailable, "the log cannot be followed any longer: resume with Last-Event-ID")
	}
}

func (s *followSource) fill(dst []byte) (out []byte, frames int, ended bool) {
	for !s.ended && (s.line != nil || s.poll()) {
		if len(dst) > 0 && len(dst)+len(s.line) > cap(dst) {
			break
		}
		dst, s.line = append(dst, s.line...), nil
		s.ended = s.last
		frames++
	}
	return dst, frames, s.ended
}

// poll takes the next event if there is one.
func (s *followSource) poll() bool {
	select {
	case ev, ok := <-s.events:
		s.take(ev, ok)
		return s.line != nil
	default:
		return false
	}
}

// take writes the line of an event, or of the end. A stream that was told to stop
// has none: it ends by itself.
func (s *followSource) take(ev chatkitd.EventView, ok bool) {
	if !ok && s.stopped {
		return
	}
	if !ok {
		s.line, s.last = s.srv.appendError(nil, s.rec, s.err), true
		return
	}
	var err error
	if s.line, err = appendEvent(nil, eventEvent, ev.Position, ev); err != nil {
		s.line, s.last = s.srv.appendError(nil, s.rec, fmt.Errorf("event %s: %w", ev.Position, err)), true
	}
}

func (s *followSource) wait(stop <-chan struct{}, tick <-chan time.Time) wake {
	select {
	case ev, ok := <-s.events:
		s.take(ev, ok)
		return wakeReady
	case <-tick:
		return wakeTick
	case <-stop:
		return wakeStop
	}
}

func (s *followSource) atStop() error { return io.EOF }

func (s *followSource) close() {
	s.cancel()
	for range s.events {
		continue // until run has ended
	}
}
