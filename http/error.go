package http

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/chatkit"
)

// statusClientClosed is nginx's number for a caller that went away.
const statusClientClosed = 499

// statusOf returns the HTTP status of a code.
func statusOf(code chatkitd.Code) int {
	switch code {
	case chatkitd.CodeInvalid, chatkitd.CodeUnsupported, chatkitd.CodeUnknownPosition:
		return fiber.StatusBadRequest
	case chatkitd.CodeUnauthorized:
		return fiber.StatusUnauthorized
	case chatkitd.CodeForbidden:
		return fiber.StatusForbidden
	case chatkitd.CodeNotFound:
		return fiber.StatusNotFound
	case chatkitd.CodeConflict, chatkitd.CodeBusy, chatkitd.CodeKeyReused:
		return fiber.StatusConflict
	case chatkitd.CodeTooLarge:
		return fiber.StatusRequestEntityTooLarge
	case chatkitd.CodeUnsupportedMedia:
		return fiber.StatusUnsupportedMediaType
	case chatkitd.CodeRateLimited:
		return fiber.StatusTooManyRequests
	case chatkitd.CodeCanceled:
		return statusClientClosed
	case chatkitd.CodeUnavailable:
		return fiber.StatusServiceUnavailable
	case chatkitd.CodeTimeout:
		return fiber.StatusGatewayTimeout
	case chatkitd.CodeInternal:
		return fiber.StatusInternalServerError
	}
	return fiber.StatusInternalServerError
}

// errorBody is the body of every error.
type errorBody struct {
	Error errorDetail `json:"error"`
}

type errorDetail struct {
	Code      chatkitd.Code `json:"code"`
	Message   string        `json:"message"`
	RequestID string        `json:"request_id"`
}

// fail writes the answer to a request that failed and returns its status. It is
// the only place that does, and the only one that logs a failure.
func (s *Server) fail(r *request, err error) int {
	status, code, message := describe(err)
	if r.operator && code == chatkitd.CodeNotFound {
		message = chatkitd.MessageOf(err) // operators see all: nothing is foreign to them
	}
	if status >= fiber.StatusInternalServerError {
		s.log.LogAttrs(context.Background(), slog.LevelError, "request failed",
			slog.String("method", r.method), slog.String("route", r.route), slog.Int("status", status),
			slog.String("code", string(code)), slog.Any("error", err),
			slog.String("request_id", r.id), slog.String("user", string(r.user)))
	}
	switch code { //nolint:exhaustive // the codes that a header goes with
	case chatkitd.CodeUnauthorized:
		r.c.Set(fiber.HeaderWWWAuthenticate, `Bearer realm="chatkitd"`)
	case chatkitd.CodeUnavailable, chatkitd.CodeTimeout, chatkitd.CodeRateLimited:
		if len(r.c.Response().Header.Peek(fiber.HeaderRetryAfter)) == 0 {
			r.c.Set(fiber.HeaderRetryAfter, "1")
		}
	}
	if s.draining.Load() {
		r.c.Response().SetConnectionClose() // the next request shall find another server
	}
	r.c.Set(fiber.HeaderCacheControl, "no-store")
	if werr := writeJSON(r.c, status, errorBody{errorDetail{code, message, r.id}}); werr != nil {
		r.c.Status(status)
	}
	return status
}

// describe says how an error is shown to a caller.
func describe(err error) (status int, code chatkitd.Code, message string) {
	if e, ok := errors.AsType[*chatkit.RequestError](err); ok {
		code = chatkitd.CodeInvalid
		if e.Code == chatkit.CodeUnsupportedRequest {
			code = chatkitd.CodeUnsupported
		}
		return statusOf(code), code, e.Message
	}
	if e, ok := errors.AsType[*fiber.Error](err); ok {
		return describeFiber(e)
	}
	code = chatkitd.CodeOf(err)
	switch code { //nolint:exhaustive // the codes whose words are fixed
	case chatkitd.CodeNotFound:
		// Unknown and foreign must read alike, whatever the words of the port.
		return statusOf(code), code, "not found"
	case chatkitd.CodeTimeout:
		return statusOf(code), code, "the answer took too long: what was asked for may still happen"
	}
	return statusOf(code), code, chatkitd.MessageOf(err)
}

// describeFiber does so for what Fiber and fasthttp refuse on their own.
func describeFiber(e *fiber.Error) (status int, code chatkitd.Code, message string) {
	switch e.Code {
	case fiber.StatusNotFound:
		return e.Code, chatkitd.CodeNotFound, "there is no such address"
	case fiber.StatusMethodNotAllowed:
		return e.Code, chatkitd.CodeInvalid, "this address does not take that method: see the Allow header"
	case fiber.StatusRequestEntityTooLarge:
		return e.Code, chatkitd.CodeTooLarge, "the body is too large"
	case fiber.StatusRequestHeaderFieldsTooLarge:
		return e.Code, chatkitd.CodeTooLarge, "the headers are too large"
	case fiber.StatusRequestTimeout:
		return e.Code, chatkitd.CodeTimeout, "the request took too long to arrive"
	}
	if e.Code >= fiber.StatusInternalServerError {
		return fiber.StatusInternalServerError, chatkitd.CodeInternal, "internal error"
	}
	return fiber.StatusBadRequest, chatkitd.CodeInvalid, "this is not a valid HTTP request"
}

// failUnparsed answers what never became a request: headers or a body that
// could not be read. The connection is closed afterwards.
func (s *Server) failUnparsed(c *fiber.Ctx, err error) error {
	r := &request{record: &record{id: requestID(c.Get(fiber.HeaderXRequestID)), method: methodLabel(c.Method()), route: unmatched, start: time.Now()}, c: c}
	if conn, ok := c.Context().Conn().(*conn); ok {
		conn.linger = true
	}
	c.Set(fiber.HeaderXRequestID, r.id)
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	s.allowOrigin(c, c.Get(fiber.HeaderOrigin))
	s.done(r.record, s.fail(r, err))
	return nil
}

// seconds writes a wait as Retry-After wants it.
func seconds(d time.Duration) string { return strconv.Itoa(int(math.Ceil(d.Seconds()))) }
