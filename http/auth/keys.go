package auth

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/time/rate"
)

// errNoKeys says that a JWKS has never been read.
var errNoKeys = errors.New("no key of the JWKS is known")

// keySource is where verification keys come from.
type keySource interface {
	lookup(ctx context.Context) jwt.Keyfunc
	ready(ctx context.Context) error
	close()
}

func openKeys(cfg Config) (keySource, string, error) {
	switch {
	case len(cfg.Secret) > 0:
		return staticKey{bytes.Clone(cfg.Secret)}, orDefault(cfg.Algorithm, "HS256"), nil
	case cfg.PublicKeyFile != "":
		key, alg, err := readPublicKey(cfg.PublicKeyFile, cfg.Algorithm)
		return staticKey{key}, alg, err
	}
	keys, err := openJWKS(cfg)
	return keys, orDefault(cfg.Algorithm, "RS256"), err
}

func orDefault(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

// staticKey is one key that never changes.
type staticKey struct{ key any }

func (k staticKey) lookup(context.Context) jwt.Keyfunc {
	return func(*jwt.Token) (any, error) { return k.key, nil }
}
func (staticKey) ready(context.Context) error { return nil }
func (staticKey) close()                      {}

// readPublicKey reads a PEM file and says which algorithm it is for: want, if it
// fits the key, or the key's own.
func readPublicKey(path, want string) (any, string, error) {
	raw, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, "", fmt.Errorf("JWT_PUBLIC_KEY_FILE: %w", err)
	}
	block, _ := pem.Decode(raw)
	if block == nil {
		return nil, "", fmt.Errorf("JWT_PUBLIC_KEY_FILE %s holds no PEM block", path)
	}
	key, err := parsePublicKey(block)
	if err != nil {
		return nil, "", fmt.Errorf("JWT_PUBLIC_KEY_FILE %s: %w", path, err)
	}
	def, family, err := algorithmOf(key)
	if err != nil {
		return nil, "", fmt.Errorf("JWT_PUBLIC_KEY_FILE %s: %w", path, err)
	}
	if want == "" {
		return key, def, nil
	}
	fits := want == def || (family == "RSA" && (strings.HasPrefix(want, "RS") || strings.HasPrefix(want, "PS")))
	if !fits {
		return nil, "", fmt.Errorf("JWT_ALGORITHM %s does not fit the %s key in %s, which is for %s", want, family, path, def)
	}
	return key, want, nil
}

func parsePublicKey(block *pem.Block) (any, error) {
	switch block.Type {
	case "PUBLIC KEY":
		return x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		return x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		return cert.PublicKey, nil
	}
	return nil, fmt.Errorf("a PEM block of type %q is not a public key", block.Type)
}

func algorithmOf(key any) (alg, family string, err error) {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() < 2048 {
			return "", "", fmt.Errorf("an RSA key of %d bits is too short: 2048 at least", k.N.BitLen())
		}
		return "RS256", "RSA", nil
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256():
			return "ES256", "ECDSA", nil
		case elliptic.P384():
			return "ES384", "ECDSA", nil
		case elliptic.P521():
			return "ES512", "ECDSA", nil
		}
		return "", "", fmt.Errorf("curve %s is not supported", k.Curve.Params().Name)
	case ed25519.PublicKey:
		return "EdDSA", "Ed25519", nil
	}
	return "", "", fmt.Errorf("a key of type %T is not supported", key)
}

// The pace of a JWKS: it is read every refreshEvery, and at most every
// unknownEvery when a token names a key that is not known, which is how a new
// key comes into use at once and how a JWKS that was down is noticed again. A
// request waits for such a read for at most fetchTimeout.
const (
	refreshEvery = 5 * time.Minute
	unknownEvery = 10 * time.Second
	fetchTimeout = 5 * time.Second
)

// jwks is a set of keys behind a URL.
type jwks struct {
	keys   keyfunc.Keyfunc
	cancel context.CancelFunc
}

func openJWKS(cfg Config) (*jwks, error) {
	ctx, cancel := context.WithCancel(context.Background()) // ends with close
	startAnyway := true
	keys, err := keyfunc.NewDefaultOverrideCtx(ctx, []string{cfg.JWKSURL}, keyfunc.Override{
		Client:                    &http.Client{Timeout: fetchTimeout, Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConns: 1, IdleConnTimeout: time.Minute}},
		HTTPTimeout:               fetchTimeout,
		NoErrorReturnFirstHTTPReq: &startAnyway,
		RateLimitWaitMax:          fetchTimeout,
		RefreshInterval:           refreshEvery,
		RefreshUnknownKID:         rate.NewLimiter(rate.Every(unknownEvery), 1),
		RefreshErrorHandlerFunc: func(string) func(context.Context, error) {
			return func(ctx context.Context, err error) {
				cfg.Log.ErrorContext(ctx, "jwks not read", "url", cfg.JWKSURL, "error", err)
			}
		},
	})
	if err != nil {
		cancel()
		return nil, fmt.Errorf("JWT_JWKS_URL: %w", err)
	}
	return &jwks{keys: keys, cancel: cancel}, nil
}

func (j *jwks) lookup(ctx context.Context) jwt.Keyfunc {
	find := j.keys.KeyfuncCtx(ctx)
	return func(t *jwt.Token) (any, error) {
		key, err := find(t)
		set, ok := key.(jwt.VerificationKeySet) // of a token without a kid
		if err == nil && (!ok || len(set.Keys) > 0) {
			return key, nil
		}
		if notReady := j.ready(ctx); notReady != nil {
			return nil, notReady
		}
		return nil, errors.Join(err, jwkset.ErrKeyNotFound)
	}
}

func (j *jwks) ready(ctx context.Context) error {
	all, err := j.keys.Storage().KeyReadAll(ctx)
	if err != nil {
		return errors.Join(errNoKeys, err)
	}
	if len(all) == 0 {
		return errNoKeys
	}
	return nil
}

func (j *jwks) close() { j.cancel() }
