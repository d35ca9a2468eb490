package http

import (
	"bytes"
	"slices"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// watchRequests goes before Fiber, which would answer methods that it does not
// know in words that no client of ours could read. It refuses requests that a
// proxy may read otherwise than fasthttp does, and notes that a connection is
// not idle.
func (s *Server) watchRequests() {
	server := s.app.Server()
	next := server.Handler
	server.Handler = func(ctx *fasthttp.RequestCtx) {
		if c, ok := ctx.Conn().(*conn); ok {
			c.busy.Store(true) // until fasthttp reads again
		}
		known := slices.Contains(fiber.DefaultMethods, string(ctx.Method()))
		sound := !ambiguous(&ctx.Request.Header)
		if known && sound {
			next(ctx)
			return
		}
		c := s.app.AcquireCtx(ctx)
		defer s.app.ReleaseCtx(c)
		err := fiber.ErrMethodNotAllowed
		if sound {
			c.Set(fiber.HeaderAllow, corsMethods)
		} else {
			err = fiber.ErrBadRequest
			ctx.SetConnectionClose() // what follows may be no request at all
		}
		_ = s.failUnparsed(c, err)
	}
}

// ambiguous reports whether two readers may disagree on where a request ends or
// whom it is for, which is how one request is smuggled inside another
// (RFC 9112, sections 3.2, 5 and 6.3): two lengths, a length beside a transfer
// coding, two hosts or none, white space before a colon.
func ambiguous(h *fasthttp.RequestHeader) bool {
	var hosts, lengths, codings int
	for line := range bytes.Lines(h.RawHeaders()) {
		name, _, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			continue // the empty line behind the last
		}
		if len(bytes.TrimSpace(name)) != len(name) {
			return true
		}
		switch len(name) {
		case len(fiber.HeaderHost):
			hosts += count(name, fiber.HeaderHost)
		case len(fiber.HeaderContentLength):
			lengths += count(name, fiber.HeaderContentLength)
		case len(fiber.HeaderTransferEncoding):
			codings += count(name, fiber.HeaderTransferEncoding)
		}
	}
	return lengths+codings > 1 || hosts > 1 || (hosts == 0 && h.IsHTTP11())
}

func count(name []byte, header string) int {
	if bytes.EqualFold(name, []byte(header)) {
		return 1
	}
	return 0
}
