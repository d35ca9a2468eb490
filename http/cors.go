package http

import (
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/chatkitd/chatkitd"
)

const (
	corsMethods = "GET, HEAD, POST, PATCH, DELETE, OPTIONS"
	corsExposed = "X-Request-Id, " + headerPosition + ", Location, Retry-After"
	maxEchoed   = 1024 // bytes of requested headers that are echoed
)

// checkHost refuses, in development, requests to names that anyone can own. A
// page under such a name that is made to lead to this machine (DNS rebinding)
// would be of the server's own origin, and development tokens can be guessed.
func (s *Server) checkHost(c *fiber.Ctx) error {
	if !s.opts.Development {
		return nil
	}
	host := string(c.Request().Host())
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	if net.ParseIP(host) != nil || !strings.Contains(host, ".") || strings.HasSuffix(host, ".localhost") {
		return nil
	}
	return chatkitd.Errorf(chatkitd.CodeForbidden, "in development the server answers to localhost, to addresses and to names without a dot only")
}

// cors sets the headers of CORS, also for answers that turn out to be errors or
// streams. It answers every OPTIONS, and refuses a change that a page of a
// foreign origin asks for.
func (s *Server) cors(r *request) (answered bool, err error) {
	origin := r.c.Get(fiber.HeaderOrigin)
	allowed := s.allowOrigin(r.c, origin)
	switch r.c.Method() {
	case fiber.MethodOptions:
		r.route = "preflight"
		if allowed && origin != "" {
			s.preflight(r.c)
		}
		r.c.Status(fiber.StatusNoContent)
		return true, nil
	case fiber.MethodGet, fiber.MethodHead:
		return false, nil // the browser withholds the answer by itself
	}
	if !allowed {
		return false, chatkitd.Errorf(chatkitd.CodeForbidden, "pages of this origin may not use this server: see CHATKITD_CORS_ORIGINS")
	}
	return false, nil
}

// allowOrigin sets the headers that let pages of origin read the answer, if they
// may. A request without an origin is from no page and always allowed.
func (s *Server) allowOrigin(c *fiber.Ctx, origin string) bool {
	c.Append(fiber.HeaderVary, fiber.HeaderOrigin)
	if origin == "" {
		return true
	}
	if !s.mayUse(origin, string(c.Request().Host())) {
		return false
	}
	c.Set(fiber.HeaderAccessControlAllowOrigin, origin)
	c.Set(fiber.HeaderAccessControlAllowCredentials, "true")
	c.Set(fiber.HeaderAccessControlExposeHeaders, corsExposed)
	return true
}

func (s *Server) preflight(c *fiber.Ctx) {
	c.Append(fiber.HeaderVary, fiber.HeaderAccessControlRequestHeaders)
	c.Set(fiber.HeaderAccessControlAllowMethods, corsMethods)
	c.Set(fiber.HeaderAccessControlMaxAge, "600")
	if asked := c.Get(fiber.HeaderAccessControlRequestHeaders); asked != "" && len(asked) <= maxEchoed {
		c.Set(fiber.HeaderAccessControlAllowHeaders, asked)
	}
}

// mayUse reports whether pages of origin may use the API under host.
func (s *Server) mayUse(origin, host string) bool {
	if slices.Contains(s.opts.CORSOrigins, origin) {
		return true
	}
	u, err := url.Parse(origin)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return false // "null", an extension, a file
	}
	// The scheme of our own origin is not known behind a proxy that ends TLS.
	return u.Host == host || (s.opts.Development && isLocal(u.Hostname()))
}

func isLocal(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}
