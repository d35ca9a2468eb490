package http

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/url"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/chatkitd/chatkitd"
)

// What an operator may look at, as the audit log names it.
const (
	whatEvents      = "events"
	whatStream      = "stream"
	whatReplay      = "replay"
	whatTrace       = "trace"
	whatProjections = "projections"
)

// adminRoutes adds what only role admin may use, as far as the ports are there.
func (s *Server) adminRoutes() {
	if s.opts.Auditor != nil {
		s.handle(fiber.MethodGet, "/api/v1/admin/events", admin, s.listEvents)
		s.handle(fiber.MethodGet, "/api/v1/admin/streams/:stream", admin, s.listStream)
		s.handle(fiber.MethodGet, "/api/v1/admin/replay", admin, s.replay)
		s.handle(fiber.MethodGet, "/api/v1/admin/trace/:id", admin, s.getTrace)
	}
	if s.opts.Projections != nil {
		s.handle(fiber.MethodGet, "/api/v1/admin/projections", admin, s.listProjections)
		s.handle(fiber.MethodPost, "/api/v1/admin/projections/:name/:action", admin, s.changeProjection)
	}
}

// permit lets operators pass.
func (r *request) permit() error {
	if !r.identity.Admin() {
		return chatkitd.Errorf(chatkitd.CodeForbidden, "this needs the role admin, which your token does not have: ask for one that has it")
	}
	r.operator = true
	return nil
}

// record writes down that an operator looks at something. It comes first: what
// cannot be written down is not shown.
func (s *Server) record(r *request, what string, query any) error {
	raw, err := json.Marshal(query)
	if err != nil {
		return err
	}
	return s.opts.AuditLog.Record(r.ctx, r.meta(""), what, raw)
}

// wantsStream reports whether the caller asks to follow rather than for a page.
func wantsStream(r *request) bool {
	r.c.Append(fiber.HeaderVary, fiber.HeaderAccept)
	return strings.Contains(r.c.Get(fiber.HeaderAccept), "text/event-stream")
}

// pathValue returns a part of the path as it was before it was escaped.
func pathValue(c *fiber.Ctx, name string) (string, error) {
	v, err := url.PathUnescape(c.Params(name))
	if err != nil {
		return "", invalid("the %s in the address is not escaped as a URL wants it", name)
	}
	return v, nil
}

// eventError ends a stream, or says why there is nothing new on it.
const eventError = "error"

// appendError writes an error as an event of SSE, in the shape of every error.
func (s *Server) appendError(dst []byte, rec *record, err error) []byte {
	status, code, message := describe(err)
	if code == chatkitd.CodeNotFound {
		message = chatkitd.MessageOf(err)
	}
	if status >= fiber.StatusInternalServerError {
		s.log.LogAttrs(context.Background(), slog.LevelError, "stream has an error", slog.String("route", rec.route),
			slog.String("code", string(code)), slog.Any("error", err), slog.String("request_id", rec.id), slog.String("user", string(rec.user)))
	}
	out, err := appendNamed(dst, eventError, "", errorBody{errorDetail{code, message, rec.id}})
	if err != nil {
		panic(err) // three strings are always JSON
	}
	return out
}
