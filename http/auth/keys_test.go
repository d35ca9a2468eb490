package auth_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/chatkitd/chatkitd/http/auth"
)

func writeKey(tb testing.TB, key any) string {
	tb.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		tb.Fatal(err)
	}
	return writePEM(tb, "PUBLIC KEY", der)
}

func writePEM(tb testing.TB, kind string, der []byte) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "key.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

func TestPublicKeys(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	edPub, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ec := func(c elliptic.Curve) *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(c, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	ec256, ec384, ec521 := ec(elliptic.P256()), ec(elliptic.P384()), ec(elliptic.P521())
	tests := []struct {
		name, file, algorithm string
		want                  string
		key                   any
	}{
		{"RSA", writeKey(t, rsaKey.Public()), "", "RS256", rsaKey},
		{"RSA PKCS1", writePEM(t, "RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&rsaKey.PublicKey)), "", "RS256", rsaKey},
		{"RSA for PS384", writeKey(t, rsaKey.Public()), "PS384", "PS384", rsaKey},
		{"P-256", writeKey(t, ec256.Public()), "ES256", "ES256", ec256},
		{"P-384", writeKey(t, ec384.Public()), "", "ES384", ec384},
		{"P-521", writeKey(t, ec521.Public()), "", "ES512", ec521},
		{"Ed25519", writeKey(t, edPub), "", "EdDSA", edKey},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := verifier(t, auth.Config{PublicKeyFile: tt.file, Algorithm: tt.algorithm, Development: true})
			if v.Algorithm() != tt.want {
				t.Fatalf("algorithm %s, want %s", v.Algorithm(), tt.want)
			}
			good := token(t, jwt.GetSigningMethod(tt.want), tt.key, nil)
			if id, err := v.Verify(t.Context(), "Bearer "+good); err != nil || id.User != "alice" {
				t.Errorf("got %+v, %v", id, err)
			}
			// The public key as an HMAC secret: the classic confusion.
			raw, err := os.ReadFile(tt.file)
			if err != nil {
				t.Fatal(err)
			}
			_, err = v.Verify(t.Context(), "Bearer "+token(t, jwt.SigningMethodHS256, raw, nil))
			checkRefused(t, err, "not signed with "+tt.want)
			dev, _, err := v.DevToken("alice", time.Hour)
			if err != nil || dev != "test-token-alice" {
				t.Errorf("development token %q, %v", dev, err)
			}
		})
	}
	small, err := rsa.GenerateKey(rand.Reader, 1024) //nolint:gosec // too short on purpose
	if err != nil {
		t.Skipf("this Go makes no short keys: %v", err)
	}
	if _, err := auth.New(auth.Config{PublicKeyFile: writeKey(t, small.Public())}); err == nil || !strings.Contains(err.Error(), "too short") {
		t.Errorf("1024 bits: %v", err)
	}
}

func TestConfigMistakes(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	file := writeKey(t, rsaKey.Public())
	garbage := filepath.Join(t.TempDir(), "garbage")
	if err := os.WriteFile(garbage, []byte("not PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		cfg  auth.Config
		says []string
	}{
		{"nothing", auth.Config{}, []string{"set JWT_SECRET, JWT_PUBLIC_KEY_FILE or JWT_JWKS_URL"}},
		{"short secret", auth.Config{Secret: []byte("short")}, []string{"JWT_SECRET has 5 bytes", "32"}},
		{"two sources and a bad algorithm", auth.Config{Secret: []byte("short"), JWKSURL: "http://x", Algorithm: "none"}, []string{"only one", "5 bytes", `"none"`}},
		{"secret with RS256", auth.Config{Secret: secret, Algorithm: "RS256"}, []string{"does not fit JWT_SECRET"}},
		{"key file with HS256", auth.Config{PublicKeyFile: file, Algorithm: "HS256"}, []string{"does not fit JWT_PUBLIC_KEY_FILE"}},
		{"JWKS with HS256", auth.Config{JWKSURL: "http://127.0.0.1:1", Algorithm: "HS256"}, []string{"does not fit JWT_JWKS_URL"}},
		{"RSA key for ES256", auth.Config{PublicKeyFile: file, Algorithm: "ES256"}, []string{"does not fit the RSA key"}},
		{"no file", auth.Config{PublicKeyFile: file + "x"}, []string{"no such file"}},
		{"no PEM", auth.Config{PublicKeyFile: garbage}, []string{"no PEM"}},
		{"a private key", auth.Config{PublicKeyFile: writePEM(t, "PRIVATE KEY", []byte("x"))}, []string{"not a public key"}},
		{"a short control token", auth.Config{Secret: secret, ControlToken: "guess"}, []string{"control token has 5 bytes"}},
		{"not a URL", auth.Config{JWKSURL: "nonsense"}, []string{"JWT_JWKS_URL"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := auth.New(tt.cfg)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range tt.says {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
			if strings.Contains(err.Error(), string(secret)) {
				t.Errorf("the secret is in %q", err)
			}
		})
	}
}
