package http

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/http/auth"
)

// request is one request on its way through its handler. It ends with the
// handler, as its Fiber context does: a stream keeps a [record] only.
type request struct {
	*record
	c        *fiber.Ctx
	ctx      context.Context //nolint:containedctx // the request is the scope; ends after Options.RequestTimeout
	identity auth.Identity
	operator bool   // of role admin, on a route for them
	trace    string // a valid traceparent, or empty
	stream   *stream
}

// record is what the log and the metrics say of a request.
type record struct {
	id     string
	method string
	route  string // the pattern, never the path
	user   chatkitd.UserID
	start  time.Time
}

type handler func(r *request) error

// requestKey is where the request lies in Fiber's locals.
type requestKey struct{}

// unmatched stands for the route of a request that no route fits.
const unmatched = "unmatched"

// serve is the first and outermost handler of every request.
func (s *Server) serve(c *fiber.Ctx) error {
	r := &request{
		record: &record{id: requestID(c.Get(fiber.HeaderXRequestID)), method: methodLabel(c.Method()), route: unmatched, start: time.Now()},
		c:      c,
		trace:  traceParent(c.Get("traceparent")),
	}
	c.Locals(requestKey{}, r)
	c.Set(fiber.HeaderXRequestID, r.id)
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	if err := s.guarded(r); err != nil {
		s.fail(r, err)
	}
	if r.stream == nil { // a stream is told of when it ends
		s.done(r.record, c.Response().StatusCode())
	}
	return nil
}

// guarded runs the handler of a request; a panic is its error.
func (s *Server) guarded(r *request) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	if err := s.checkHost(r.c); err != nil {
		return err
	}
	if answered, err := s.cors(r); answered || err != nil {
		return err
	}
	return r.c.Next()
}

// done writes the request's line and counts it.
func (s *Server) done(r *record, status int, more ...slog.Attr) {
	took := time.Since(r.start)
	s.metrics.request(r.method, r.route, status, took)
	level := slog.LevelInfo
	if probes[r.route] {
		level = slog.LevelDebug
	}
	attrs := append([]slog.Attr{
		slog.String("method", r.method), slog.String("route", r.route), slog.Int("status", status),
		slog.Duration("duration", took), slog.String("request_id", r.id), slog.String("user", string(r.user)),
	}, more...)
	s.log.LogAttrs(context.Background(), level, "request", attrs...)
}

// access is what a route asks of its caller.
type access int

const (
	open  access = iota // no token
	user                // a good token
	admin               // a good token with the role admin
)

// handle adds a route.
func (s *Server) handle(method, pattern string, a access, h handler) {
	s.app.Add(method, pattern, func(c *fiber.Ctx) error {
		r, ok := c.Locals(requestKey{}).(*request)
		if !ok {
			return fmt.Errorf("route %s is reached around serve", pattern)
		}
		r.route = pattern
		if s.draining.Load() && a != open {
			return errDraining()
		}
		ctx, cancel := context.WithTimeout(s.requests, s.opts.RequestTimeout)
		defer cancel()
		r.ctx = ctx
		if a != open {
			if err := s.admit(r); err != nil {
				return err
			}
		}
		switch a {
		case open:
		case user:
			if err := r.readPosition(); err != nil {
				return err
			}
		case admin:
			if err := r.permit(); err != nil {
				return err
			}
		}
		return h(r)
	})
}

// admit finds out who asks, and whether they ask too often.
func (s *Server) admit(r *request) error {
	id, err := s.opts.Auth.Verify(r.ctx, r.c.Get(fiber.HeaderAuthorization))
	if err != nil {
		return err
	}
	r.identity, r.user = id, id.User
	r.c.Set(fiber.HeaderCacheControl, "no-store")
	if wait := s.limiter.wait(id.User); wait > 0 {
		r.c.Set(fiber.HeaderRetryAfter, seconds(wait))
		return chatkitd.Errorf(chatkitd.CodeRateLimited, "too many requests: try again in %s s", seconds(wait))
	}
	return nil
}

// meta is on whose behalf a command is given.
func (r *request) meta(key string) chatkitd.Meta {
	return chatkitd.Meta{User: r.user, Key: key, Request: r.id, TraceParent: r.trace}
}

// requestID returns the id that a proxy gave the request, if it is a sane one,
// or a new one.
func requestID(given string) string {
	if chatkitd.ValidID(given) {
		return given
	}
	return chatkitd.NewID(chatkitd.PrefixRequest)
}

// traceParent returns s if it is a W3C traceparent of version 00.
func traceParent(s string) string {
	const form = "00-00000000000000000000000000000000-0000000000000000-00"
	if len(s) != len(form) || s[:3] != "00-" {
		return ""
	}
	for i := range len(s) {
		hex := s[i] >= '0' && s[i] <= '9' || s[i] >= 'a' && s[i] <= 'f'
		if (form[i] == '-') != (s[i] == '-') || (form[i] != '-' && !hex) {
			return ""
		}
	}
	if s[3:35] == form[3:35] || s[36:52] == form[36:52] { // all zero: not valid
		return ""
	}
	return s
}

func methodLabel(m string) string {
	switch m {
	case fiber.MethodGet, fiber.MethodHead, fiber.MethodPost, fiber.MethodPatch, fiber.MethodPut, fiber.MethodDelete, fiber.MethodOptions:
		return m
	}
	return "other"
}
