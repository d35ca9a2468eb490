package auth_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/http/auth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	secret = []byte("a secret of exactly 32 characters")
	now    = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
)

func verifier(tb testing.TB, c auth.Config) *auth.Verifier {
	tb.Helper()
	if c.Now == nil {
		c.Now = func() time.Time { return now }
	}
	v, err := auth.New(c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(v.Close)
	return v
}

// token signs claims; what they lack is filled in to make a good token.
func token(tb testing.TB, m jwt.SigningMethod, key any, claims jwt.MapClaims) string {
	tb.Helper()
	all := jwt.MapClaims{"sub": "alice", "exp": now.Add(time.Hour).Unix()}
	for k, v := range claims {
		if all[k] = v; v == nil {
			delete(all, k)
		}
	}
	s, err := jwt.NewWithClaims(m, all).SignedString(key)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func TestVerifyClaims(t *testing.T) {
	type claims = jwt.MapClaims
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	tests := []struct {
		name    string
		claims  claims
		user    chatkitd.UserID
		refused string // part of the message
	}{
		{"sub", claims{}, "alice", ""},
		{"user_id before sub", claims{"user_id": "bob"}, "bob", ""},
		{"user_id without sub", claims{"user_id": "bob", "sub": nil}, "bob", ""},
		{"empty user_id", claims{"user_id": ""}, "alice", ""},
		{"any printable text", claims{"sub": "Ünal O'Neil <u@x.org>|1"}, "Ünal O'Neil <u@x.org>|1", ""},
		{"no user", claims{"sub": nil}, "", "names no user"},
		{"space around", claims{"sub": " alice"}, "", "names no user"},
		{"control character", claims{"sub": "a\x00b"}, "", "names no user"},
		{"line break", claims{"sub": "a\nb"}, "", "names no user"},
		{"256 bytes", claims{"sub": strings.Repeat("x", 256)}, chatkitd.UserID(strings.Repeat("x", 256)), ""},
		{"257 bytes", claims{"sub": strings.Repeat("x", 257)}, "", "names no user"},
		{"user_id is a number", claims{"user_id": 7}, "", "malformed"},
		{"sub is a list", claims{"sub": []string{"alice"}}, "", "malformed"},
		{"roles are a number", claims{"roles": 7}, "", "malformed"},
		{"no exp", claims{"exp": nil}, "", "exp"},
		{"exp is text", claims{"exp": "tomorrow"}, "", "malformed"},
		{"exp is text of digits", claims{"exp": fmt.Sprint(at(time.Hour))}, "", "malformed"},
		{"nbf is text of digits", claims{"nbf": fmt.Sprint(at(-time.Hour))}, "", "malformed"},
		{"iat is text of digits", claims{"iat": fmt.Sprint(at(-time.Hour))}, "", "malformed"},
		{"exp has a fraction", claims{"exp": float64(at(time.Hour)) + 0.5}, "alice", ""},
		{"expired", claims{"exp": at(-time.Minute)}, "", "expired"},
		{"expired within the leeway", claims{"exp": at(-20 * time.Second)}, "alice", ""},
		{"not yet", claims{"nbf": at(time.Minute)}, "", "not valid yet"},
		{"not yet within the leeway", claims{"nbf": at(20 * time.Second)}, "alice", ""},
		{"issued in the future", claims{"iat": at(time.Minute)}, "", "not valid yet"},
	}
	v := verifier(t, auth.Config{Secret: secret})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			signed := token(t, jwt.SigningMethodHS256, secret, tt.claims)
			for range 2 { // the second time from memory
				id, err := v.Verify(t.Context(), "Bearer "+signed)
				if id.User != tt.user {
					t.Errorf("got user %q, want %q", id.User, tt.user)
				}
				checkRefused(t, err, tt.refused)
			}
		})
	}
}

func checkRefused(tb testing.TB, err error, message string) {
	tb.Helper()
	if message == "" {
		if err != nil {
			tb.Errorf("refused: %v", err)
		}
		return
	}
	if chatkitd.CodeOf(err) != chatkitd.CodeUnauthorized || !strings.Contains(chatkitd.MessageOf(err), message) {
		tb.Errorf("got %v, want a refusal that says %q", err, message)
	}
}

func TestVerifyHeader(t *testing.T) {
	good := token(t, jwt.SigningMethodHS256, secret, nil)
	forged := token(t, jwt.SigningMethodHS256, []byte("another secret of 32 characters!"), nil)
	none := token(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil)
	head := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	parts := strings.Split(good, ".")
	critical := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": "alice", "exp": now.Add(time.Hour).Unix()})
	critical.Header["crit"] = []string{"b64"}
	crit, err := critical.SignedString(secret)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, header, refused string }{
		{"good", "Bearer " + good, ""},
		{"lower case", "bearer " + good, ""},
		{"more space", "Bearer   " + good + " ", ""},
		{"nothing", "", "a token is needed"},
		{"no scheme", good, "must be: Bearer"},
		{"basic", "Basic " + good, "must be: Bearer"},
		{"no token", "Bearer", "must be: Bearer"},
		{"not a JWT", "Bearer abc", "malformed"},
		{"two parts", "Bearer " + parts[0] + "." + parts[1], "malformed"},
		{"four parts", "Bearer " + good + ".x", "malformed"},
		{"too long", "Bearer " + strings.Repeat("x", 10_000), "malformed"},
		{"forged", "Bearer " + forged, "the token is not valid"},
		{"changed", "Bearer " + parts[0] + "." + head(`{"sub":"bob","exp":99999999999}`) + "." + parts[2], "the token is not valid"},
		{"no signature", "Bearer " + parts[0] + "." + parts[1] + ".", "the token is not valid"},
		{"algorithm none", "Bearer " + none, "not signed with HS256"},
		{"algorithm NoNe", "Bearer " + head(`{"alg":"NoNe"}`) + "." + parts[1] + ".", "not signed with HS256"},
		{"algorithm HS512", "Bearer " + token(t, jwt.SigningMethodHS512, secret, nil), "not signed with HS256"},
		{"development token", "Bearer test-token-alice", "malformed"},
		{"an extension that is not known", "Bearer " + crit, "crit"},
	}
	v := verifier(t, auth.Config{Secret: secret})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			id, err := v.Verify(t.Context(), tt.header)
			checkRefused(t, err, tt.refused)
			if (err == nil) != (id.User == "alice") {
				t.Errorf("got %+v, %v", id, err)
			}
		})
	}
}

func TestIssuerAndAudience(t *testing.T) {
	v := verifier(t, auth.Config{Secret: secret, Issuer: "https://id.example", Audience: "chatkitd"})
	type claims = jwt.MapClaims
	for _, tt := range []struct {
		claims  claims
		refused string
	}{
		{claims{"iss": "https://id.example", "aud": "chatkitd"}, ""},
		{claims{"iss": "https://id.example", "aud": []string{"other", "chatkitd"}}, ""},
		{claims{"iss": "https://evil.example", "aud": "chatkitd"}, "issuer"},
		{claims{"aud": "chatkitd"}, "lacks a claim"},
		{claims{"iss": "https://id.example", "aud": "other"}, "audience"},
		{claims{"iss": "https://id.example"}, "lacks a claim"},
	} {
		_, err := v.Verify(t.Context(), "Bearer "+token(t, jwt.SigningMethodHS256, secret, tt.claims))
		checkRefused(t, err, tt.refused)
	}
}

func TestRoles(t *testing.T) {
	v := verifier(t, auth.Config{Secret: secret})
	for _, tt := range []struct {
		roles any
		want  []string
		admin bool
	}{
		{nil, nil, false},
		{[]string{"admin"}, []string{"admin"}, true},
		{[]string{"reader", "admin"}, []string{"reader", "admin"}, true},
		{"reader admin", []string{"reader", "admin"}, true},
		{"administrator", []string{"administrator"}, false},
		{"", nil, false},
		{[]string{}, nil, false},
	} {
		id, err := v.Verify(t.Context(), "Bearer "+token(t, jwt.SigningMethodHS256, secret, jwt.MapClaims{"roles": tt.roles}))
		if err != nil || !slices.Equal(id.Roles, tt.want) || id.Admin() != tt.admin {
			t.Errorf("%v: got %+v, admin %t, %v", tt.roles, id, id.Admin(), err)
		}
	}
}

func TestDevelopmentTokens(t *testing.T) {
	v := verifier(t, auth.Config{Secret: []byte("short"), Development: true})
	for header, refused := range map[string]string{
		"Bearer test-token-alice": "", "Bearer test-token-": "names no user", "Bearer test-token-a\x01": "names no user", "Bearer test-token-" + strings.Repeat("x", 300): "names no user",
	} {
		id, err := v.Verify(t.Context(), header)
		checkRefused(t, err, refused)
		if refused == "" && (id.User != "alice" || id.Admin()) {
			t.Errorf("got %+v", id)
		}
	}
	tok, expires, err := v.DevToken("alice", time.Hour)
	if err != nil || !expires.Equal(now.Add(time.Hour)) {
		t.Fatalf("expires %s, %v", expires, err)
	}
	if id, err := v.Verify(t.Context(), "Bearer "+tok); err != nil || id.User != "alice" {
		t.Errorf("got %+v, %v", id, err)
	}
	if _, _, err := v.DevToken("", time.Hour); chatkitd.CodeOf(err) != chatkitd.CodeInvalid {
		t.Errorf("no user: %v", err)
	}
	production := verifier(t, auth.Config{Secret: secret})
	if _, _, err := production.DevToken("alice", time.Hour); chatkitd.CodeOf(err) != chatkitd.CodeNotFound {
		t.Errorf("production: %v", err)
	}
}

// TestRememberedTokenExpires has a token that is believed from memory up to its
// end and no longer.
func TestRememberedTokenExpires(t *testing.T) {
	at := now
	v := verifier(t, auth.Config{Secret: secret, Now: func() time.Time { return at }})
	header := "Bearer " + token(t, jwt.SigningMethodHS256, secret, jwt.MapClaims{"exp": now.Add(10 * time.Minute).Unix()})
	for _, step := range []struct {
		at      time.Duration
		refused string
	}{{0, ""}, {30 * time.Second, ""}, {2 * time.Minute, ""}, {10*time.Minute + 20*time.Second, ""}, {10*time.Minute + 31*time.Second, "expired"}} {
		at = now.Add(step.at)
		_, err := v.Verify(t.Context(), header)
		checkRefused(t, err, step.refused)
	}
}

func TestControlToken(t *testing.T) {
	control := strings.Repeat("c", auth.MinSecret)
	v := verifier(t, auth.Config{Secret: secret, ControlToken: control})
	id, err := v.Verify(t.Context(), "Bearer "+control)
	if err != nil || id.User != auth.ControlUser || !id.Admin() {
		t.Errorf("got %+v, %v", id, err)
	}
	for _, header := range []string{"Bearer " + control[1:], "Bearer " + control + "c", "Bearer " + strings.ToUpper(control), "Basic " + control} {
		if id, err := v.Verify(t.Context(), header); err == nil {
			t.Errorf("%q is accepted as %+v", header, id)
		}
	}
	without := verifier(t, auth.Config{Secret: secret})
	for _, header := range []string{"Bearer " + control, "Bearer ", "Bearer  "} {
		if id, err := without.Verify(t.Context(), header); err == nil {
			t.Errorf("without a control token %q is accepted as %+v", header, id)
		}
	}
}

func TestSign(t *testing.T) {
	v := verifier(t, auth.Config{Secret: secret, Issuer: "me", Audience: "you"})
	good := auth.Claims{User: "alice", Roles: []string{"admin"}, Issuer: "me", Audience: "you", IssuedAt: now, ExpiresAt: now.Add(time.Hour)}
	tok, err := auth.Sign(secret, good)
	if err != nil {
		t.Fatal(err)
	}
	if id, err := v.Verify(t.Context(), "Bearer "+tok); err != nil || id.User != "alice" || !id.Admin() {
		t.Errorf("got %+v, %v", id, err)
	}
	for name, change := range map[string]func(*auth.Claims){
		"no user":          func(c *auth.Claims) { c.User = "" },
		"space":            func(c *auth.Claims) { c.User = " a" },
		"never expires":    func(c *auth.Claims) { c.ExpiresAt = time.Time{} },
		"not a secret alg": func(c *auth.Claims) { c.Algorithm = "RS256" },
		"no alg":           func(c *auth.Claims) { c.Algorithm = "none" },
	} {
		bad := good
		change(&bad)
		if tok, err := auth.Sign(secret, bad); err == nil {
			t.Errorf("%s: got %s", name, tok)
		}
	}
}

func FuzzVerify(f *testing.F) {
	good := token(f, jwt.SigningMethodHS256, secret, nil)
	for _, seed := range []string{"Bearer " + good, "Bearer test-token-a", "bearer ..", "Bearer " + strings.Repeat(".", 100), "Bearer e30.e30.", "", "\x00"} {
		f.Add(seed)
	}
	v := verifier(f, auth.Config{Secret: secret})
	f.Fuzz(func(t *testing.T, header string) {
		id, err := v.Verify(context.Background(), header)
		if (err == nil) == (id.User == "") {
			t.Fatalf("got %+v and %v", id, err)
		}
		if err != nil && chatkitd.CodeOf(err) != chatkitd.CodeUnauthorized {
			t.Fatalf("got %v", err)
		}
		if err == nil && !strings.Contains(header, good) {
			t.Fatalf("%q was accepted", header)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	edPub, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		b.Fatal(err)
	}
	for _, bb := range []struct {
		cfg auth.Config
		key any
	}{
		{auth.Config{Secret: secret}, secret},
		{auth.Config{PublicKeyFile: writeKey(b, rsaKey.Public())}, rsaKey},
		{auth.Config{PublicKeyFile: writeKey(b, ecKey.Public())}, ecKey},
		{auth.Config{PublicKeyFile: writeKey(b, edPub)}, edKey},
	} {
		at := now
		bb.cfg.Now = func() time.Time { return at }
		v := verifier(b, bb.cfg)
		header := "Bearer " + token(b, jwt.GetSigningMethod(v.Algorithm()), bb.key, jwt.MapClaims{"exp": now.Add(1e6 * time.Hour).Unix()})
		run := func(b *testing.B, step time.Duration) {
			b.Helper()
			b.ReportAllocs()
			for b.Loop() {
				at = at.Add(step)
				if _, err := v.Verify(b.Context(), header); err != nil {
					b.Fatal(err)
				}
			}
		}
		b.Run(v.Algorithm()+"/new", func(b *testing.B) { run(b, time.Minute) })
		b.Run(v.Algorithm()+"/remembered", func(b *testing.B) { run(b, 0) })
	}
}
