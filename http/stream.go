package http

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/gofiber/fiber/v2"
)

// source is where the frames of a stream come from.
type source interface {
	// fill appends the frames that are ready to dst and counts them. It stops
	// before the frame that would make dst grow, unless that is the first.
	// After ended there are no more.
	fill(dst []byte) (out []byte, frames int, ended bool)
	// wait returns when fill may have more, tick fires, or stop is closed.
	wait(stop <-chan struct{}, tick <-chan time.Time) wake
	// atStop is what the body ends with when the server stops before the source has
	// ended: [io.EOF] where a client resumes after any end, an error where it would
	// take the proper end for that of what the source tells.
	atStop() error
	// close lets go of what the source holds. It is called once.
	close()
}

// wake is why a wait is over.
type wake int

const (
	wakeReady wake = iota
	wakeTick
	wakeStop
)

// streamEnd is how a stream ended.
type streamEnd string

const (
	endComplete streamEnd = "complete"     // its source had no more
	endGone     streamEnd = "client_gone"  // the client closed the connection
	endWrite    streamEnd = "write_failed" // the client did not read, or the connection broke
	endShutdown streamEnd = "shutdown"     // the server stops
	endFailed   streamEnd = "failed"       // a panic in the source
)

// The causes of a stream's end that its context tells.
var (
	errGone   = errors.New("the client is gone")
	errGoesOn = errors.New("the server stops, the turn goes on")
)

const ping = ": ping\n\n"

// stream is the body of a streaming answer. fasthttp calls Read and Close on
// the connection's own goroutine, so that a stream costs no other one than the
// watcher of its socket; every Read becomes one chunk and one write.
type stream struct {
	srv    *Server
	rec    *record
	source source
	ctx    context.Context //nolint:containedctx // the stream is the scope; Close ends it
	cancel context.CancelCauseFunc
	unspy  func() // ends the watcher
	beat   *time.Timer

	rest   []byte // what a frame that is larger than one Read left
	late   int    // bytes sent since the server began to stop
	sent   bool   // the client has seen a byte
	ended  bool   // the source has no more
	failed bool
}

// openStream takes a slot for a stream. Whoever gets it either sends it with
// [request.send] or closes it.
func (s *Server) openStream(r *request) (*stream, error) {
	if s.draining.Load() {
		return nil, errDraining()
	}
	if err := s.slots.take(r.user); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(s.streams)
	return &stream{srv: s, rec: r.record, ctx: ctx, cancel: cancel}, nil
}

// abandon gives back a stream that is not sent after all.
func (st *stream) abandon() {
	st.cancel(nil)
	st.srv.slots.give(st.rec.user)
}

// send makes st the answer to r. From here on fasthttp closes it.
func (r *request) send(st *stream, src source) error {
	st.source = src
	st.beat = time.NewTimer(st.srv.opts.Heartbeat)
	st.unspy = watch(r.c.Context().Conn(), func() { st.cancel(errGone) })
	r.stream = st
	r.c.Request().ResetBody() // else it lives as long as the stream
	r.c.Status(fiber.StatusOK)
	r.c.Set(fiber.HeaderContentType, "text/event-stream")
	r.c.Set(fiber.HeaderCacheControl, "no-cache")
	r.c.Set("X-Accel-Buffering", "no")
	return r.c.SendStream(st)
}

// maxLate bounds what a stream still sends of what is ready when the server
// stops. The end of a turn is: more than all of one fits.
const maxLate = 8 << 20

// Read implements [io.Reader]: it waits for frames and returns as many as are
// ready and fit, or a heartbeat.
func (st *stream) Read(p []byte) (n int, err error) {
	defer func() {
		if v := recover(); v != nil {
			st.failed = true
			err = fmt.Errorf("panic: %v", v)
			st.srv.log.LogAttrs(st.ctx, slog.LevelError, "stream failed", slog.String("route", st.rec.route),
				slog.String("request_id", st.rec.id), slog.Any("error", err), slog.String("stack", string(debug.Stack())))
		}
		st.srv.metrics.bytes.Add(float64(n))
	}()
	if len(st.rest) > 0 {
		return st.copyRest(p), nil
	}
	for {
		stopping := st.ctx.Err() != nil
		if stopping && (st.late > maxLate || errors.Is(context.Cause(st.ctx), errGone)) {
			return 0, st.over()
		}
		out, frames, ended := st.source.fill(p[:0:len(p)])
		if stopping {
			st.late += len(out)
		}
		st.ended = ended
		st.srv.metrics.frames.Add(float64(frames))
		switch {
		case len(out) > 0:
			st.rest = out
			if cap(out) == len(p) { // still p itself
				st.rest = nil
				st.sent = true
				st.beat.Reset(st.srv.opts.Heartbeat)
				return len(out), nil
			}
			return st.copyRest(p), nil
		case ended:
			return 0, io.EOF
		case stopping:
			return 0, st.over()
		case !st.sent: // a comment, so that the client sees the headers now
			return st.ping(p), nil
		}
		if st.source.wait(st.ctx.Done(), st.beat.C) == wakeTick {
			return st.ping(p), nil
		}
	}
}

func (st *stream) copyRest(p []byte) int {
	n := copy(p, st.rest)
	if st.rest = st.rest[n:]; len(st.rest) == 0 {
		st.rest = nil
	}
	st.sent = true
	st.beat.Reset(st.srv.opts.Heartbeat)
	return n
}

func (st *stream) ping(p []byte) int {
	st.sent = true
	st.beat.Reset(st.srv.opts.Heartbeat)
	return copy(p, ping)
}

// over ends a stream that was cancelled, at a shutdown behind all that was ready:
// the client knows at once and resumes.
func (st *stream) over() error {
	if errors.Is(context.Cause(st.ctx), errGone) {
		return errGone
	}
	return st.source.atStop()
}

// Close implements [io.Closer]. fasthttp calls it once, whatever became of the
// stream.
func (st *stream) Close() error {
	end := st.end()
	st.cancel(nil)
	st.unspy()
	st.beat.Stop()
	st.source.close()
	st.srv.slots.give(st.rec.user)
	st.srv.metrics.streams.WithLabelValues(string(end)).Inc()
	st.srv.done(st.rec, fiber.StatusOK, slog.String("end", string(end)))
	return nil
}

func (st *stream) end() streamEnd {
	switch {
	case st.failed:
		return endFailed
	case st.ended && len(st.rest) == 0:
		return endComplete
	case errors.Is(context.Cause(st.ctx), errGone):
		return endGone
	case st.ctx.Err() != nil:
		return endShutdown
	}
	return endWrite
}
