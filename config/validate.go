package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// MinSecret is the shortest JWT secret in production, in bytes: as long as the
// hash of HS256 (RFC 7518, 3.2).
const MinSecret = 32

// Validate reports every mistake at once, joined: values that could not be
// read, values that are wrong, settings that contradict each other, and
// CHATKITD_ names in the environment that mean nothing. Each says the setting's
// name, what is wrong and what to set. No message holds a secret.
func (c *Config) Validate() error {
	v := validator{c: c}
	for _, m := range c.misread {
		v.add(m.name, "%s", m.problem)
	}
	v.service()
	v.limits()
	v.agent()
	v.tokens()
	for _, name := range unknownNames(os.Environ()) {
		v.add(name, "%s", unknown(name))
	}
	return errors.Join(v.mistakes...)
}

type validator struct {
	c        *Config
	mistakes []error
}

func (v *validator) add(name, format string, args ...any) {
	v.mistakes = append(v.mistakes, fmt.Errorf("%s: %s", name, fmt.Sprintf(format, args...)))
}

// unread reports whether the setting holds no value because the one given could
// not be read; that mistake is known already.
func (v *validator) unread(name string) bool {
	return slices.ContainsFunc(v.c.misread, func(m misread) bool { return m.name == name })
}

func (v *validator) service() {
	c := v.c
	if c.Environment != "" {
		oneOf(v, "ENVIRONMENT", c.Environment, EnvironmentDevelopment, EnvironmentProduction)
	}
	v.listen()
	if info, err := os.Stat(c.Data); c.Data == "" || err == nil && !info.IsDir() {
		v.add("CHATKITD_DATA", "is %q, which is not a folder; set it to a folder, such as ./data", c.Data)
	}
	switch store := c.EventStore.Reveal(); {
	case store == EventStoreEmbedded || IsEventStoreDB(store):
	case strings.HasPrefix(strings.ToLower(store), "kurrentdb"):
		v.add("CHATKITD_EVENTSTORE", "begins with kurrentdb; write esdb:// or esdb+discover:// in its place, a KurrentDB takes it as well")
	default:
		v.add("CHATKITD_EVENTSTORE", "names no event store; set it to embedded, or to the address of an EventStoreDB, such as esdb://user:password@host:2113")
	}
	for _, origin := range c.CORSOrigins {
		if !isOrigin(origin) {
			v.add("CHATKITD_CORS_ORIGINS", "holds %q; an origin is a scheme and a host, such as https://app.example.com, without a path and without *", origin)
		}
	}
	between(v, "CHATKITD_SHUTDOWN_TIMEOUT", c.ShutdownTimeout, time.Second, 10*time.Minute)
	oneOf(v, "CHATKITD_LOG_FORMAT", c.LogFormat, LogFormatAuto, LogFormatText, LogFormatJSON)
}

// listen checks the address. Whoever has said nothing about the environment
// gets the settings of development, which let test tokens in: those must not be
// reachable from another machine by accident.
func (v *validator) listen() {
	host, port, err := net.SplitHostPort(v.c.Listen)
	if n, portErr := strconv.ParseUint(port, 10, 16); err != nil || portErr != nil || strconv.FormatUint(n, 10) != port {
		v.add("CHATKITD_LISTEN", "is %q; set it to host:port, such as 127.0.0.1:8000 or [::1]:8000", v.c.Listen)
		return
	}
	if v.c.Environment == "" && !isLoopback(host) {
		v.add("CHATKITD_LISTEN", "is %q, which other machines can reach; set ENVIRONMENT=production (or development, which lets test tokens in), or listen on 127.0.0.1:%s", v.c.Listen, port)
	}
}

func (v *validator) limits() {
	between(v, "CHATKITD_MAX_ACTORS", v.c.MaxActors, 1, 10_000_000)
	between(v, "CHATKITD_MAX_TURNS", v.c.MaxTurns, 1, 100_000)
	between(v, "CHATKITD_MAX_STREAMS", v.c.MaxStreams, 1, 1_000_000)
	between(v, "CHATKITD_RATE_LIMIT", v.c.RateLimit, 0, 1_000_000)
}

func (v *validator) agent() {
	c := v.c
	oneOf(v, "CHATKITD_AGENT", c.Agent, AgentAuto, AgentOffline, AgentOpenAI)
	between(v, "CHATKITD_TURN_TIMEOUT", c.TurnTimeout, time.Second, time.Hour)
	between(v, "CHATKITD_HISTORY_ITEMS", c.HistoryItems, 1, 500)
	between(v, "CHATKITD_OFFLINE_DELAY", c.OfflineDelay, 0, 5*time.Second)
	oneOf(v, "OPENAI_REASONING", c.OpenAIReasoning, ReasoningAuto, ReasoningOff)
	if c.OpenAIBaseURL != "" {
		v.url("OPENAI_BASE_URL", c.OpenAIBaseURL)
	}
	if c.OpenAIAPIKey != "" {
		return
	}
	switch {
	case c.Agent == AgentOpenAI && c.OpenAIBaseURL == "":
		v.add("OPENAI_API_KEY", "is not set, but CHATKITD_AGENT is openai; set it, or set OPENAI_BASE_URL to a server that needs no key")
	case c.Agent == AgentAuto && c.OpenAIBaseURL != "":
		v.add("OPENAI_BASE_URL", "is set, but without OPENAI_API_KEY the agent would be the offline one; set OPENAI_API_KEY, or CHATKITD_AGENT=openai for a server that needs no key")
	}
}

func (v *validator) tokens() {
	c := v.c
	var keys []string
	for name, value := range map[string]string{
		"JWT_SECRET": c.JWTSecret.Reveal(), "JWT_PUBLIC_KEY_FILE": c.JWTPublicKeyFile, "JWT_JWKS_URL": c.JWTJWKSURL,
	} {
		if value != "" {
			keys = append(keys, name)
		}
	}
	slices.Sort(keys)
	switch {
	case len(keys) > 1:
		v.add(keys[0], "is set beside %s; keep one of them, for tokens are verified with one key", strings.Join(keys[1:], " and "))
	case len(keys) == 0 && !c.IsDevelopment():
		v.add("JWT_SECRET", "is not set, and in production it must be; set it to at least %d random bytes (openssl rand -base64 48), or set JWT_PUBLIC_KEY_FILE or JWT_JWKS_URL", MinSecret)
	}
	if c.JWTSecret != "" && len(c.JWTSecret) < MinSecret && !c.IsDevelopment() {
		v.add("JWT_SECRET", "is shorter than %d bytes; set it to more random bytes (openssl rand -base64 48)", MinSecret)
	}
	if c.JWTPublicKeyFile != "" {
		if info, err := os.Stat(c.JWTPublicKeyFile); err != nil || !info.Mode().IsRegular() {
			v.add("JWT_PUBLIC_KEY_FILE", "is %q, which is not a file that can be read; set it to a PEM file", c.JWTPublicKeyFile)
		}
	}
	if c.JWTJWKSURL != "" {
		if u := v.url("JWT_JWKS_URL", c.JWTJWKSURL); u != nil && u.Scheme != "https" && !c.IsDevelopment() {
			v.add("JWT_JWKS_URL", "is not https; whoever can change the answer could sign tokens")
		}
	}
	v.algorithm()
}

// The algorithms of tokens, by the kind of key.
var (
	secretAlgorithms = []string{"HS256", "HS384", "HS512"}
	publicAlgorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)

// algorithm checks that the algorithm fits the key: a public key that is used
// as if it were a secret lets anyone sign tokens who can read it.
func (v *validator) algorithm() {
	c := v.c
	switch {
	case c.JWTAlgorithm == "":
	case c.JWTPublicKeyFile != "" || c.JWTJWKSURL != "":
		oneOf(v, "JWT_ALGORITHM", c.JWTAlgorithm, publicAlgorithms...)
	case slices.Contains(publicAlgorithms, c.JWTAlgorithm):
		v.add("JWT_ALGORITHM", "is %q, but there is no public key; set it to HS256, or set JWT_PUBLIC_KEY_FILE or JWT_JWKS_URL", c.JWTAlgorithm)
	default:
		oneOf(v, "JWT_ALGORITHM", c.JWTAlgorithm, secretAlgorithms...)
	}
}

// url checks an address and returns it, or nil. A password in it would show up
// wherever the address does, so it is refused and never printed.
func (v *validator) url(name, text string) *url.URL {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		v.add(name, "is not a URL; set it to one such as https://api.example.com/v1")
	case u.User != nil:
		v.add(name, "holds a user name or password; leave it out")
	default:
		return u
	}
	return nil
}

// between says when value is outside of [low, high].
func between[T int | time.Duration](v *validator, name string, value, low, high T) {
	if (value < low || value > high) && !v.unread(name) {
		v.add(name, "is %v; set it to %v at least and %v at most", value, low, high)
	}
}

// oneOf says when value is none of allowed.
func oneOf[T ~string](v *validator, name string, value T, allowed ...T) {
	if slices.Contains(allowed, value) {
		return
	}
	names := make([]string, len(allowed))
	for i, a := range allowed {
		names[i] = string(a)
	}
	last := len(names) - 1
	v.add(name, "is %q; set it to %s or %s", value, strings.Join(names[:last], ", "), names[last])
}

// isLoopback reports whether only this machine can reach host. An empty host
// means every address.
func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// isOrigin reports whether s is an origin as a browser sends it.
func isOrigin(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && !strings.Contains(u.Host, "*") &&
		s == u.Scheme+"://"+u.Host
}
