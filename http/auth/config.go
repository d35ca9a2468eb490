package auth

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// MinSecret is the shortest HMAC secret that is taken outside of development,
// in bytes.
const MinSecret = 32

// Config says which tokens are good. Exactly one of Secret, PublicKeyFile and
// JWKSURL is set.
type Config struct {
	Secret        []byte // HMAC; at least [MinSecret] bytes unless Development
	PublicKeyFile string // PEM of an RSA, ECDSA or Ed25519 public key
	JWKSURL       string // http or https; keys are chosen by the token's kid

	// Algorithm is the only one accepted. Empty means HS256 with a secret,
	// RS256 with a JWKS, and with a key file the one of the key: RS256, ES256,
	// ES384, ES512 or EdDSA.
	Algorithm string
	Issuer    string        // demanded of every token when set
	Audience  string        // demanded of every token when set
	Leeway    time.Duration // for exp, nbf and iat; 0 means 30 s

	// ControlToken, if set, is itself a token: that of the user [ControlUser] with
	// the role admin. At least [MinSecret] bytes, random, and told to nobody but
	// the operator of this machine.
	ControlToken string

	// Development also accepts test-token-<user>, without any signature.
	Development bool

	Log *slog.Logger     // nil discards
	Now func() time.Time // nil is time.Now
}

func (c *Config) setDefaults() {
	if c.Leeway == 0 {
		c.Leeway = 30 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
}

// validate returns all mistakes at once.
func (c *Config) validate() error {
	var errs []error
	var sources []string
	if len(c.Secret) > 0 {
		sources = append(sources, "JWT_SECRET")
		if len(c.Secret) < MinSecret && !c.Development {
			errs = append(errs, fmt.Errorf("JWT_SECRET has %d bytes: set one of at least %d random bytes", len(c.Secret), MinSecret))
		}
	}
	if c.ControlToken != "" && len(c.ControlToken) < MinSecret {
		errs = append(errs, fmt.Errorf("the control token has %d bytes: it needs %d random ones", len(c.ControlToken), MinSecret))
	}
	if c.PublicKeyFile != "" {
		sources = append(sources, "JWT_PUBLIC_KEY_FILE")
	}
	if c.JWKSURL != "" {
		sources = append(sources, "JWT_JWKS_URL")
	}
	switch len(sources) {
	case 0:
		errs = append(errs, errors.New("no key to verify tokens with: set JWT_SECRET, JWT_PUBLIC_KEY_FILE or JWT_JWKS_URL"))
	case 1:
	default:
		errs = append(errs, fmt.Errorf("%s are set: only one of them may be", strings.Join(sources, " and ")))
	}
	if c.Algorithm != "" && !slices.Contains(algorithms, c.Algorithm) {
		errs = append(errs, fmt.Errorf("JWT_ALGORITHM %q is not one of %s", c.Algorithm, strings.Join(algorithms, ", ")))
	}
	if hmac := strings.HasPrefix(c.Algorithm, "HS"); c.Algorithm != "" && hmac != (len(c.Secret) > 0) && len(sources) == 1 {
		errs = append(errs, fmt.Errorf("JWT_ALGORITHM %s does not fit %s", c.Algorithm, sources[0]))
	}
	return errors.Join(errs...)
}

var algorithms = []string{
	"HS256", "HS384", "HS512",
	"RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
	"ES256", "ES384", "ES512", "EdDSA",
}
