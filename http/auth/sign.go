package auth

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/chatkitd/chatkitd"
)

// Claims are what [Sign] puts into a token.
type Claims struct {
	User      chatkitd.UserID
	Roles     []string
	Issuer    string
	Audience  string
	IssuedAt  time.Time
	ExpiresAt time.Time
	Algorithm string // HS256, HS384 or HS512; empty is HS256
}

// Sign returns a token for a user, signed with a secret: for the token command
// and for development.
func Sign(secret []byte, c Claims) (string, error) {
	m, ok := jwt.GetSigningMethod(orDefault(c.Algorithm, "HS256")).(*jwt.SigningMethodHMAC)
	switch {
	case !ok:
		return "", fmt.Errorf("auth: a token cannot be signed with %s here: only with HS256, HS384 or HS512", c.Algorithm)
	case !ValidUser(string(c.User)):
		return "", fmt.Errorf("auth: user %q: 1 to %d bytes of printable text without space around it", c.User, chatkitd.MaxUserID)
	case !c.ExpiresAt.After(c.IssuedAt):
		return "", errors.New("auth: a token must expire after it was issued")
	}
	claims := tokenClaims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer:    c.Issuer,
			Subject:   string(c.User),
			IssuedAt:  jwt.NewNumericDate(c.IssuedAt),
			ExpiresAt: jwt.NewNumericDate(c.ExpiresAt),
		},
		UserID: string(c.User),
		Roles:  c.Roles,
	}
	if c.Audience != "" {
		claims.Audience = jwt.ClaimStrings{c.Audience}
	}
	signed, err := jwt.NewWithClaims(m, claims).SignedString(secret)
	if err != nil {
		return "", fmt.Errorf("auth: sign a token: %w", err)
	}
	return signed, nil
}

const maxDevRoles = 16 // of one token

// DevToken returns a token for a user that this verifier accepts, and when it
// expires: a signed one where the secret is known, test-token-<user> where only
// a public key is; the latter cannot hold roles. Outside of development it
// returns CodeNotFound, for a user or roles that cannot be CodeInvalid.
func (v *Verifier) DevToken(user string, ttl time.Duration, roles ...string) (token string, expires time.Time, err error) {
	if !v.cfg.Development {
		return "", time.Time{}, chatkitd.Errorf(chatkitd.CodeNotFound, "there are no such tokens outside of development")
	}
	if !ValidUser(user) {
		return "", time.Time{}, chatkitd.Errorf(chatkitd.CodeInvalid, "user must be 1 to %d bytes of printable text without space around it", chatkitd.MaxUserID)
	}
	if len(roles) > maxDevRoles || slices.ContainsFunc(roles, func(role string) bool { return !ValidUser(role) }) {
		return "", time.Time{}, chatkitd.Errorf(chatkitd.CodeInvalid, "roles must be at most %d, each a word such as admin", maxDevRoles)
	}
	now := v.cfg.Now().UTC().Truncate(time.Second)
	expires = now.Add(ttl)
	if len(v.cfg.Secret) == 0 {
		if len(roles) > 0 {
			return "", time.Time{}, chatkitd.Errorf(chatkitd.CodeInvalid, "a token with roles can only be made where tokens are signed with a secret: bring one that your issuer has signed")
		}
		return DevPrefix + user, expires, nil
	}
	token, err = Sign(v.cfg.Secret, Claims{
		User: chatkitd.UserID(user), Roles: roles, Issuer: v.cfg.Issuer, Audience: v.cfg.Audience,
		IssuedAt: now, ExpiresAt: expires, Algorithm: v.alg,
	})
	return token, expires, err
}
