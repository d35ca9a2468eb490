package http

import (
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/chatkitd/chatkitd"
)

// devToken handles POST /auth/dev-token, which there is in development only: a
// token for whoever the caller says they are, with the roles that they name.
func (s *Server) devToken(r *request) error {
	raw, err := body(r.c)
	if err != nil {
		return err
	}
	var req struct {
		User  string   `json:"user"`
		Roles []string `json:"roles"`
	}
	if err := decode(raw, &req); err != nil {
		return err
	}
	token, expires, err := s.opts.Auth.DevToken(req.User, s.opts.DevTokenTTL, req.Roles...)
	if err != nil {
		return err
	}
	r.c.Set(fiber.HeaderCacheControl, "no-store")
	return writeJSON(r.c, fiber.StatusOK, struct {
		Token     string          `json:"token"`
		User      chatkitd.UserID `json:"user"`
		ExpiresAt time.Time       `json:"expires_at"`
	}{token, chatkitd.UserID(req.User), expires})
}
