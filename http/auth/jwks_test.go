package auth_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/http/auth"
)

// keySet is a JWKS that a test changes.
type keySet struct {
	mu   sync.Mutex
	body []byte
	down bool
	asks int
}

func (k *keySet) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asks++
	if k.down {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	_, _ = w.Write(k.body)
}

func (k *keySet) set(tb testing.TB, down bool, keys map[string]any) {
	tb.Helper()
	var all jwkset.JWKSMarshal
	for kid, key := range keys {
		jwk, err := jwkset.NewJWKFromKey(key, jwkset.JWKOptions{Metadata: jwkset.JWKMetadataOptions{KID: kid}})
		if err != nil {
			tb.Fatal(err)
		}
		all.Keys = append(all.Keys, jwk.Marshal())
	}
	body, err := json.Marshal(all)
	if err != nil {
		tb.Fatal(err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.body, k.down = body, down
}

func signed(tb testing.TB, m jwt.SigningMethod, key any, kid string) string {
	tb.Helper()
	t := jwt.NewWithClaims(m, jwt.MapClaims{"sub": "alice", "exp": now.Unix() + 3600})
	if kid != "" {
		t.Header["kid"] = kid
	}
	s, err := t.SignedString(key)
	if err != nil {
		tb.Fatal(err)
	}
	return "Bearer " + s
}

func rsaKey(tb testing.TB) *rsa.PrivateKey {
	tb.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func TestJWKS(t *testing.T) {
	first, second, stranger := rsaKey(t), rsaKey(t), rsaKey(t)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	set := &keySet{}
	set.set(t, false, map[string]any{"one": first.Public(), "ec": ec.Public()})
	srv := httptest.NewServer(set)
	defer srv.Close()
	v := verifier(t, auth.Config{JWKSURL: srv.URL})
	if v.Algorithm() != "RS256" || v.Ready(t.Context()) != nil {
		t.Errorf("algorithm %s, ready %v", v.Algorithm(), v.Ready(t.Context()))
	}
	rs := jwt.SigningMethodRS256
	check := func(what, header, refused string) {
		t.Helper()
		_, err := v.Verify(t.Context(), header)
		if refused != "" || err != nil {
			t.Logf("%s: %v", what, err)
		}
		checkRefused(t, err, refused)
	}
	check("good", signed(t, rs, first, "one"), "")
	check("no kid", signed(t, rs, first, ""), "")
	check("another key under its name", signed(t, rs, stranger, "one"), "not valid")
	check("another algorithm", signed(t, jwt.SigningMethodES256, ec, "ec"), "not signed with RS256")
	check("PS256 with the same key", signed(t, jwt.SigningMethodPS256, first, "one"), "not signed with RS256")

	set.set(t, false, map[string]any{"two": second.Public()})
	check("a new key is fetched", signed(t, rs, second, "two"), "")
	before := set.asks
	check("an unknown key", signed(t, rs, stranger, "three"), "not valid")
	check("another unknown key", signed(t, rs, stranger, "four"), "not valid")
	if set.asks > before+1 {
		t.Errorf("unknown keys made the server ask %d times", set.asks-before)
	}
}

func TestJWKSDownAtStart(t *testing.T) {
	key := rsaKey(t)
	set := &keySet{down: true}
	srv := httptest.NewServer(set)
	defer srv.Close()
	v := verifier(t, auth.Config{JWKSURL: srv.URL})
	if v.Ready(t.Context()) == nil {
		t.Error("ready without a key")
	}
	if _, err := v.Verify(t.Context(), signed(t, jwt.SigningMethodRS256, key, "")); chatkitd.CodeOf(err) != chatkitd.CodeUnavailable {
		t.Errorf("got %v, want CodeUnavailable: the token may be good", err)
	}
	set.set(t, false, map[string]any{"one": key.Public()})
	if id, err := v.Verify(t.Context(), signed(t, jwt.SigningMethodRS256, key, "one")); err != nil || id.User != "alice" {
		t.Errorf("got %+v, %v once it is back", id, err)
	}
	if err := v.Ready(t.Context()); err != nil {
		t.Errorf("not ready: %v", err)
	}
}
