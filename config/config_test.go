package config_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"github.com/chatkitd/chatkitd/config"
)

// load reads the settings as a program does, with env and args and nothing of
// the machine's own environment.
func load(t *testing.T, env map[string]string, args ...string) (*config.Config, error) {
	t.Helper()
	clearEnv(t)
	for name, value := range env {
		t.Setenv(name, value)
	}
	cli := new(struct {
		config.Config
		Serve struct{} `cmd:"" default:"1"`
	})
	parser, err := kong.New(cli, cli.Options()...)
	if err != nil {
		t.Fatal(err)
	}
	_, err = parser.Parse(append([]string{"serve"}, args...))
	return &cli.Config, err
}

func clearEnv(t *testing.T) {
	t.Helper()
	names := config.Names()
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "CHATKITD_") {
			names = append(names, name)
		}
	}
	for _, name := range names {
		t.Setenv(name, "") // puts the machine's own value back in the end
		if err := os.Unsetenv(name); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDefaults(t *testing.T) {
	got, err := load(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := config.Config{
		Listen: "127.0.0.1:8000", Data: "./data", EventStore: "embedded",
		ShutdownTimeout: 15 * time.Second, LogLevel: slog.LevelInfo, LogFormat: config.LogFormatAuto,
		MaxActors: 100_000, MaxTurns: 256, MaxStreams: 10_000, RateLimit: 200,
		Agent: config.AgentAuto, TurnTimeout: 5 * time.Minute, HistoryItems: 30, OfflineDelay: 15 * time.Millisecond,
		OpenAIModel: "gpt-5-mini", OpenAIReasoning: config.ReasoningAuto,
	}
	if !reflect.DeepEqual(*got, want) {
		t.Errorf("settings = %+v, want %+v", *got, want)
	}
	if !got.IsDevelopment() || !got.NeedsDevSecret() || got.AgentInUse() != config.AgentOffline {
		t.Errorf("development %t, dev secret %t, agent %s", got.IsDevelopment(), got.NeedsDevSecret(), got.AgentInUse())
	}
}

func TestEnvironmentAndFlags(t *testing.T) {
	got, err := load(t, map[string]string{
		"ENVIRONMENT": "production", "CHATKITD_LISTEN": "0.0.0.0:80", "CHATKITD_LOG_LEVEL": "warn",
		"CHATKITD_CORS_ORIGINS": "https://a.example.com, https://b.example.com:8443,", "CHATKITD_MAX_TURNS": "8",
		"JWT_SECRET": strings.Repeat("s", config.MinSecret), "OPENAI_API_KEY": "k", "CHATKITD_DATA": "",
	}, "--max-turns=9", "--turn-timeout", "90s")
	if err != nil {
		t.Fatal(err)
	}
	if got.IsDevelopment() || got.NeedsDevSecret() || got.AgentInUse() != config.AgentOpenAI {
		t.Errorf("development %t, dev secret %t, agent %s", got.IsDevelopment(), got.NeedsDevSecret(), got.AgentInUse())
	}
	if got.LogLevel != slog.LevelWarn || got.MaxTurns != 9 || got.TurnTimeout != 90*time.Second {
		t.Errorf("level %v, turns %d, timeout %v: want warn, the flag's 9, the flag's 90s", got.LogLevel, got.MaxTurns, got.TurnTimeout)
	}
	if want := []string{"https://a.example.com", "https://b.example.com:8443"}; !reflect.DeepEqual(got.CORSOrigins, want) {
		t.Errorf("origins = %q, want %q", got.CORSOrigins, want)
	}
	if got.Data != "./data" {
		t.Errorf("data = %q: an empty value counts as not set", got.Data)
	}
	if got.JWTSecret.Reveal() != strings.Repeat("s", config.MinSecret) {
		t.Error("the secret does not reveal itself")
	}
}

func TestEachMistake(t *testing.T) {
	long := strings.Repeat("s", config.MinSecret)
	dir := t.TempDir()
	file := filepath.Join(dir, "key.pem")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		env  map[string]string
		want string // the beginning of the only line, "" for none
	}{
		{"environment", map[string]string{"ENVIRONMENT": "prod", "JWT_SECRET": long}, `ENVIRONMENT: is "prod"; set it to development or production`},
		{"listen without port", map[string]string{"CHATKITD_LISTEN": "127.0.0.1"}, `CHATKITD_LISTEN: is "127.0.0.1"; set it to host:port`},
		{"listen with a named port", map[string]string{"CHATKITD_LISTEN": "127.0.0.1:http"}, "CHATKITD_LISTEN: is "},
		{"listen with port 65536", map[string]string{"CHATKITD_LISTEN": "127.0.0.1:65536"}, "CHATKITD_LISTEN: is "},
		{"listen with port 080", map[string]string{"CHATKITD_LISTEN": "127.0.0.1:080"}, "CHATKITD_LISTEN: is "},
		{"data is a file", map[string]string{"CHATKITD_DATA": file}, "CHATKITD_DATA: is "},
		{"event store of another name", map[string]string{"CHATKITD_EVENTSTORE": "kurrentdb://admin:changeit@db:2113"}, "CHATKITD_EVENTSTORE: begins with kurrentdb; write esdb://"},
		{"event store server", map[string]string{"CHATKITD_EVENTSTORE": "esdb://admin:changeit@db:2113"}, ""},
		{"event store cluster", map[string]string{"CHATKITD_EVENTSTORE": "ESDB+discover://admin:changeit@a,b,c?tls=true"}, ""},
		{"event store without an address", map[string]string{"CHATKITD_EVENTSTORE": "esdb://"}, "CHATKITD_EVENTSTORE: names no event store"},
		{"event store unknown", map[string]string{"CHATKITD_EVENTSTORE": "postgres://db"}, "CHATKITD_EVENTSTORE: names no event store"},
		{"origin any", map[string]string{"CHATKITD_CORS_ORIGINS": "*"}, `CHATKITD_CORS_ORIGINS: holds "*"`},
		{"origin of a wildcard", map[string]string{"CHATKITD_CORS_ORIGINS": "https://*.example.com"}, "CHATKITD_CORS_ORIGINS: holds "},
		{"origin with a path", map[string]string{"CHATKITD_CORS_ORIGINS": "https://a.example.com/"}, "CHATKITD_CORS_ORIGINS: holds "},
		{"shutdown unreadable", map[string]string{"CHATKITD_SHUTDOWN_TIMEOUT": "15"}, `CHATKITD_SHUTDOWN_TIMEOUT: is "15"; set it to a duration such as`},
		{"shutdown too short", map[string]string{"CHATKITD_SHUTDOWN_TIMEOUT": "1ms"}, "CHATKITD_SHUTDOWN_TIMEOUT: is 1ms; set it to 1s at least and 10m0s at most"},
		{"log level", map[string]string{"CHATKITD_LOG_LEVEL": "loud"}, `CHATKITD_LOG_LEVEL: is "loud"; set it to debug, info, warn or error`},
		{"log format", map[string]string{"CHATKITD_LOG_FORMAT": "xml"}, `CHATKITD_LOG_FORMAT: is "xml"; set it to auto, text or json`},
		{"actors", map[string]string{"CHATKITD_MAX_ACTORS": "0"}, "CHATKITD_MAX_ACTORS: is 0; set it to 1 at least"},
		{"turns", map[string]string{"CHATKITD_MAX_TURNS": "many"}, `CHATKITD_MAX_TURNS: is "many"; set it to a whole number`},
		{"streams", map[string]string{"CHATKITD_MAX_STREAMS": "-1"}, "CHATKITD_MAX_STREAMS: is -1"},
		{"rate", map[string]string{"CHATKITD_RATE_LIMIT": "-1"}, "CHATKITD_RATE_LIMIT: is -1; set it to 0 at least"},
		{"no rate", map[string]string{"CHATKITD_RATE_LIMIT": "0"}, ""},
		{"agent", map[string]string{"CHATKITD_AGENT": "claude"}, `CHATKITD_AGENT: is "claude"; set it to auto, offline or openai`},
		{"turn timeout", map[string]string{"CHATKITD_TURN_TIMEOUT": "2h"}, "CHATKITD_TURN_TIMEOUT: is 2h0m0s; set it to 1s at least and 1h0m0s at most"},
		{"history", map[string]string{"CHATKITD_HISTORY_ITEMS": "0"}, "CHATKITD_HISTORY_ITEMS: is 0"},
		{"offline delay", map[string]string{"CHATKITD_OFFLINE_DELAY": "-1s"}, "CHATKITD_OFFLINE_DELAY: is -1s"},
		{"openai without key", map[string]string{"CHATKITD_AGENT": "openai"}, "OPENAI_API_KEY: is not set, but CHATKITD_AGENT is openai"},
		{"openai at a server without keys", map[string]string{"CHATKITD_AGENT": "openai", "OPENAI_BASE_URL": "http://127.0.0.1:11434/v1"}, ""},
		{"server without keys, agent auto", map[string]string{"OPENAI_BASE_URL": "http://127.0.0.1:11434/v1"}, "OPENAI_BASE_URL: is set, but without OPENAI_API_KEY"},
		{"base url", map[string]string{"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "api.example.com"}, "OPENAI_BASE_URL: is not a URL"},
		{"base url with password", map[string]string{"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "https://u:changeit@api.example.com"}, "OPENAI_BASE_URL: holds a user name or password"},
		{"reasoning", map[string]string{"OPENAI_REASONING": "high"}, `OPENAI_REASONING: is "high"; set it to auto or off`},
		{"no secret in production", map[string]string{"ENVIRONMENT": "production"}, "JWT_SECRET: is not set, and in production it must be; set it to at least 32 random bytes (openssl rand -base64 48)"},
		{"short secret in production", map[string]string{"ENVIRONMENT": "production", "JWT_SECRET": long[1:]}, "JWT_SECRET: is shorter than 32 bytes; set it to more random bytes (openssl rand -base64 48)"},
		{"long secret in production", map[string]string{"ENVIRONMENT": "production", "JWT_SECRET": long}, ""},
		{"short secret in development", map[string]string{"JWT_SECRET": "changeit"}, ""},
		{"secret and key set", map[string]string{"JWT_SECRET": long, "JWT_JWKS_URL": "https://id.example.com/jwks", "JWT_ALGORITHM": "RS256"}, "JWT_JWKS_URL: is set beside JWT_SECRET; keep one"},
		{"key file", map[string]string{"ENVIRONMENT": "production", "JWT_PUBLIC_KEY_FILE": file, "JWT_ALGORITHM": "EdDSA"}, ""},
		{"key file missing", map[string]string{"JWT_PUBLIC_KEY_FILE": filepath.Join(dir, "none"), "JWT_ALGORITHM": "EdDSA"}, "JWT_PUBLIC_KEY_FILE: is "},
		{"key file is a folder", map[string]string{"JWT_PUBLIC_KEY_FILE": dir, "JWT_ALGORITHM": "EdDSA"}, "JWT_PUBLIC_KEY_FILE: is "},
		{"key file without algorithm", map[string]string{"JWT_PUBLIC_KEY_FILE": file}, ""},
		{"key file as if it were a secret", map[string]string{"JWT_PUBLIC_KEY_FILE": file, "JWT_ALGORITHM": "HS256"}, `JWT_ALGORITHM: is "HS256"; set it to RS256, `},
		{"public algorithm without a key", map[string]string{"JWT_SECRET": long, "JWT_ALGORITHM": "ES256"}, `JWT_ALGORITHM: is "ES256", but there is no public key`},
		{"algorithm none", map[string]string{"JWT_ALGORITHM": "none"}, `JWT_ALGORITHM: is "none"; set it to HS256, HS384 or HS512`},
		{"key set over http in production", map[string]string{"ENVIRONMENT": "production", "JWT_JWKS_URL": "http://id.example.com/jwks", "JWT_ALGORITHM": "RS256"}, "JWT_JWKS_URL: is not https"},
		{"key set is no url", map[string]string{"JWT_JWKS_URL": "id.example.com", "JWT_ALGORITHM": "RS256"}, "JWT_JWKS_URL: is not a URL"},
		{"unknown name", map[string]string{"CHATKITD_LISTENS": ":1"}, "CHATKITD_LISTENS: is not a setting; did you mean CHATKITD_LISTEN?"},
		{"unknown name, swapped letters", map[string]string{"CHATKITD_AGNET": "auto"}, "CHATKITD_AGNET: is not a setting; did you mean CHATKITD_AGENT?"},
		{"unknown name, far from all", map[string]string{"CHATKITD_WHATEVER_ELSE": "1"}, "CHATKITD_WHATEVER_ELSE: is not a setting; unset it"},
		{"names of a Kubernetes service and of tests", map[string]string{
			"CHATKITD_PORT": "tcp://10.0.0.1:80", "CHATKITD_PORT_80_TCP": "x", "CHATKITD_SERVICE_HOST": "10.0.0.1", "CHATKITD_BIN": "bin/chatkitd", "CHATKITD_TEST_ESDB": "x",
		}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load(t, tt.env)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if !strings.HasPrefix(got, tt.want) || tt.want == "" && got != "" || strings.Contains(got, "\n") {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			for _, secret := range []string{"changeit", long[1:]} {
				if strings.Contains(got, secret) {
					t.Errorf("the message holds the secret: %s", got)
				}
			}
		})
	}
}

func TestAllMistakesAtOnce(t *testing.T) {
	_, err := load(t, map[string]string{
		"ENVIRONMENT": "production", "JWT_SECRET": "changeit", "CHATKITD_MAX_TURNS": "x", "CHATKITD_TURN_TIMEOUT": "soon",
		"CHATKITD_LOG_LEVEL": "loud", "CHATKITD_MAX_ACTORS": "0", "CHATKITD_DATEN": "d", "OPENAI_REASONING": "high",
	}, "--history-items=some", "--max-turns=3")
	if err == nil {
		t.Fatal("no mistake was found")
	}
	var got []string
	for line := range strings.SplitSeq(err.Error(), "\n") {
		name, _, _ := strings.Cut(line, ":")
		got = append(got, name)
	}
	want := []string{
		"CHATKITD_HISTORY_ITEMS", "CHATKITD_LOG_LEVEL", "CHATKITD_MAX_TURNS", "CHATKITD_TURN_TIMEOUT", // misread
		"CHATKITD_MAX_ACTORS", "OPENAI_REASONING", "JWT_SECRET", "CHATKITD_DATEN",
	}
	if len(got) != len(want) {
		t.Errorf("%d mistakes, want %d, each once:\n%v", len(got), len(want), err)
	}
	for _, name := range want {
		if !strings.Contains(err.Error(), name+":") {
			t.Errorf("%s is not named in\n%v", name, err)
		}
	}
}

func TestOnlyLoopbackWithoutEnvironment(t *testing.T) {
	tests := []struct {
		listen   string
		loopback bool
	}{
		{"127.0.0.1:8000", true},
		{"127.9.9.9:8000", true},
		{"[::1]:8000", true},
		{"[::ffff:127.0.0.1]:8000", true},
		{"localhost:0", true},
		{"LOCALHOST:0", true},
		{":8000", false},
		{"0.0.0.0:8000", false},
		{"[::]:8000", false},
		{"[::ffff:0.0.0.0]:8000", false},
		{"192.168.1.2:8000", false},
		{"[fe80::1%eth0]:8000", false},
		{"localhost.example.com:8000", false},
		{"chat.internal:8000", false},
	}
	for _, tt := range tests {
		t.Run(tt.listen, func(t *testing.T) {
			_, err := load(t, map[string]string{"CHATKITD_LISTEN": tt.listen})
			if got := err == nil; got != tt.loopback {
				t.Errorf("allowed %t, want %t: %v", got, tt.loopback, err)
			}
			if err != nil && (!strings.Contains(err.Error(), "CHATKITD_LISTEN") || !strings.Contains(err.Error(), "ENVIRONMENT=production")) {
				t.Errorf("the message does not say what to set: %v", err)
			}
			if _, err := load(t, map[string]string{"CHATKITD_LISTEN": tt.listen, "ENVIRONMENT": "development"}); err != nil {
				t.Errorf("refused although ENVIRONMENT is set: %v", err)
			}
		})
	}
}
