package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/config"
	"github.com/chatkitd/chatkitd/http/auth"
)

type tokenCmd struct {
	User string        `required:"" placeholder:"NAME" help:"The user's id, as the claim user_id."`
	Role []string      `placeholder:"ROLE" help:"A role, such as admin. May be repeated."`
	TTL  time.Duration `default:"1h" help:"How long the token is good for."`
}

// Help has examples.
func (tokenCmd) Help() string {
	return `The token is signed with JWT_SECRET, or, in development, with the secret of the data
folder. It is for operators and for trying things; people get theirs from your
identity provider.

Examples:
  chatkitd token --user alice
  chatkitd token --user eve --role admin --ttl 8h`
}

// Run prints a token.
func (c tokenCmd) Run(p *program) error {
	secret, err := jwtSecret(p.cfg)
	if err != nil {
		return err
	}
	if secret == "" {
		return usageError{errors.New("tokens are verified with a public key here, so they are signed by whoever has the private one; set JWT_SECRET to sign them with a secret")}
	}
	now := time.Now()
	token, err := auth.Sign([]byte(secret.Reveal()), auth.Claims{
		User: chatkitd.UserID(c.User), Roles: c.Role, Issuer: p.cfg.JWTIssuer, Audience: p.cfg.JWTAudience,
		Algorithm: p.cfg.JWTAlgorithm, IssuedAt: now, ExpiresAt: now.Add(c.TTL),
	})
	if err != nil {
		return usageError{err}
	}
	_, err = fmt.Fprintln(p.stdout, token)
	return err
}

// jwtSecret returns the secret that is set, in development the one of the data
// folder, or none when tokens are verified with a public key.
func jwtSecret(cfg *config.Config) (config.Secret, error) {
	if cfg.NeedsDevSecret() {
		return config.DevSecret(cfg.Data)
	}
	return cfg.JWTSecret, nil
}
