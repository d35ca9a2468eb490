package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/chatkitd/chatkitd"
)

// The bounds of a token and of the memory of verified ones.
const (
	maxToken  = 8 << 10 // bytes
	maxCached = 4096    // tokens; about 1 MB
	// maxAge is how long a verified token is believed without another look, so
	// that a key withdrawn from a JWKS stops working soon.
	maxAge = time.Minute
)

// DevPrefix begins a token that names its user without proof. It is accepted in
// development only.
const DevPrefix = "test-token-"

// Verifier verifies tokens. It is safe for concurrent use.
type Verifier struct {
	cfg    Config
	alg    string
	keys   keySource
	parser *jwt.Parser
	cache  *lru.Cache[[sha256.Size]byte, cached]
}

type cached struct {
	identity Identity
	until    time.Time
}

// New returns a verifier, or all mistakes of the configuration. With a JWKS it
// asks for the keys once, for at most 5 s. A JWKS that is down does not prevent
// the start: see [Verifier.Ready].
func New(cfg Config) (*Verifier, error) {
	cfg.setDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("auth: %w", err)
	}
	keys, alg, err := openKeys(cfg)
	if err != nil {
		return nil, fmt.Errorf("auth: %w", err)
	}
	cache, err := lru.New[[sha256.Size]byte, cached](maxCached)
	if err != nil {
		keys.close()
		return nil, fmt.Errorf("auth: %w", err)
	}
	opts := []jwt.ParserOption{
		jwt.WithValidMethods([]string{alg}),
		jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(),
		jwt.WithLeeway(cfg.Leeway),
		jwt.WithTimeFunc(cfg.Now),
		jwt.WithStrictDecoding(),
	}
	if cfg.Issuer != "" {
		opts = append(opts, jwt.WithIssuer(cfg.Issuer))
	}
	if cfg.Audience != "" {
		opts = append(opts, jwt.WithAudience(cfg.Audience))
	}
	return &Verifier{cfg: cfg, alg: alg, keys: keys, parser: jwt.NewParser(opts...), cache: cache}, nil
}

// Algorithm returns the only algorithm that is accepted.
func (v *Verifier) Algorithm() string { return v.alg }

// Ready returns why no token can be verified now, or nil. Only a JWKS that has
// never been read makes it fail.
func (v *Verifier) Ready(ctx context.Context) error { return v.keys.ready(ctx) }

// Close ends what the verifier does in the background and waits for nothing.
func (v *Verifier) Close() { v.keys.close() }

// Verify returns who sent a request with this Authorization header. Its errors
// are *chatkitd.Error: CodeUnauthorized, whose message says what is wrong with
// the token but never why a signature is not good, or CodeUnavailable while the
// JWKS cannot be read.
func (v *Verifier) Verify(ctx context.Context, authorization string) (Identity, error) {
	if authorization == "" {
		return Identity{}, refuse("a token is needed: send Authorization: Bearer <token>")
	}
	scheme, token, _ := strings.Cut(authorization, " ")
	token = strings.TrimSpace(token)
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return Identity{}, refuse("the Authorization header must be: Bearer <token>")
	}
	if len(token) > maxToken {
		return Identity{}, refuse("the token is malformed")
	}
	if want := v.cfg.ControlToken; want != "" && subtle.ConstantTimeCompare([]byte(token), []byte(want)) == 1 {
		return Identity{User: ControlUser, Roles: []string{RoleAdmin}}, nil
	}
	if user, ok := strings.CutPrefix(token, DevPrefix); ok && v.cfg.Development {
		if !ValidUser(user) {
			return Identity{}, refuse("the token names no user")
		}
		return Identity{User: chatkitd.UserID(user)}, nil
	}

	sum := sha256.Sum256([]byte(token))
	now := v.cfg.Now()
	if c, ok := v.cache.Get(sum); ok && now.Before(c.until) {
		return c.identity, nil
	}
	id, exp, err := v.parse(ctx, token)
	if err != nil {
		return Identity{}, err
	}
	until := now.Add(maxAge)
	if exp.Before(until) {
		until = exp
	}
	v.cache.Add(sum, cached{id, until})
	return id, nil
}

func (v *Verifier) parse(ctx context.Context, token string) (Identity, time.Time, error) {
	var c tokenClaims
	parsed, err := v.parser.ParseWithClaims(token, &c, v.keys.lookup(ctx))
	if err != nil {
		return Identity{}, time.Time{}, v.refusal(parsed, err)
	}
	if _, ok := parsed.Header["crit"]; ok {
		return Identity{}, time.Time{}, refuse("the token demands extensions (crit) that are not known here")
	}
	user := c.UserID
	if user == "" {
		user = c.Subject
	}
	if !ValidUser(user) {
		return Identity{}, time.Time{}, refuse("the token names no user: claim user_id or sub must be 1 to %d bytes of printable text", chatkitd.MaxUserID)
	}
	return Identity{User: chatkitd.UserID(user), Roles: c.Roles}, c.ExpiresAt.Time, nil
}

// refusal says what is wrong with a token in words that help its honest owner.
func (v *Verifier) refusal(t *jwt.Token, err error) error {
	switch {
	case errors.Is(err, errNoKeys):
		return chatkitd.Errorf(chatkitd.CodeUnavailable, "tokens cannot be verified right now").Because(err)
	case errors.Is(err, jwt.ErrTokenMalformed):
		return refuse("the token is malformed").Because(err)
	case t != nil && t.Header["alg"] != v.alg:
		return refuse("the token is not signed with %s", v.alg).Because(err)
	case errors.Is(err, jwt.ErrTokenSignatureInvalid), errors.Is(err, jwt.ErrTokenUnverifiable):
		return refuse("the token is not valid").Because(err)
	case errors.Is(err, jwt.ErrTokenExpired):
		return refuse("the token has expired").Because(err)
	case errors.Is(err, jwt.ErrTokenNotValidYet), errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
		return refuse("the token is not valid yet").Because(err)
	case errors.Is(err, jwt.ErrTokenInvalidIssuer):
		return refuse("the token is from another issuer").Because(err)
	case errors.Is(err, jwt.ErrTokenInvalidAudience):
		return refuse("the token is for another audience").Because(err)
	case errors.Is(err, jwt.ErrTokenRequiredClaimMissing):
		return refuse("the token lacks a claim that is required, such as exp").Because(err)
	}
	return refuse("the token is not valid").Because(err)
}

func refuse(format string, args ...any) *chatkitd.Error {
	return chatkitd.Errorf(chatkitd.CodeUnauthorized, format, args...)
}

// tokenClaims are the claims that are read of a token.
type tokenClaims struct {
	jwt.RegisteredClaims
	UserID string `json:"user_id,omitempty"`
	Roles  Roles  `json:"roles,omitempty"`
}

// UnmarshalJSON reads the claims. A date is a number (RFC 7519, section 2); the
// library would also take a string of digits.
func (c *tokenClaims) UnmarshalJSON(b []byte) error {
	var dates struct {
		ExpiresAt date `json:"exp"`
		NotBefore date `json:"nbf"`
		IssuedAt  date `json:"iat"`
	}
	if err := json.Unmarshal(b, &dates); err != nil {
		return err
	}
	type plain tokenClaims
	return json.Unmarshal(b, (*plain)(c))
}

// date is there to refuse one that is not a number.
type date struct{}

// UnmarshalJSON implements [json.Unmarshaler].
func (*date) UnmarshalJSON(b []byte) error {
	if b[0] == '"' {
		return errors.New("a date of the token is not a number")
	}
	return nil
}
