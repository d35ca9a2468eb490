package config

import (
	"log/slog"
	"strings"
	"time"
)

// Environment says whom the service is for.
type Environment string

// The environments.
const (
	EnvironmentDevelopment Environment = "development"
	EnvironmentProduction  Environment = "production"
)

// Agent says what answers.
type Agent string

// The agents.
const (
	AgentAuto    Agent = "auto"
	AgentOffline Agent = "offline"
	AgentOpenAI  Agent = "openai"
)

// LogFormat says how log lines look.
type LogFormat string

// The log formats.
const (
	LogFormatAuto LogFormat = "auto"
	LogFormatText LogFormat = "text"
	LogFormatJSON LogFormat = "json"
)

// Reasoning says whether the model is asked for a summary of its thoughts.
type Reasoning string

// The settings of reasoning.
const (
	ReasoningAuto Reasoning = "auto"
	ReasoningOff  Reasoning = "off"
)

// EventStoreEmbedded is the event store that needs no server.
const EventStoreEmbedded = "embedded"

// IsEventStoreDB reports whether an address of an event store is one of an
// EventStoreDB. Whether it is a good one, the store says that is made from it.
func IsEventStoreDB(address string) bool {
	scheme, rest, _ := strings.Cut(address, "://")
	return rest != "" && (strings.EqualFold(scheme, "esdb") || strings.EqualFold(scheme, "esdb+discover"))
}

// Config is every setting. It is filled by kong and checked by
// [Config.Validate]; nothing changes it afterwards.
//
// A field's type must be string-like, int, [time.Duration], [slog.Level] or
// []string, and `type:"setting"` hands its value to our own reader, so that a
// value that cannot be read does not hide the mistakes behind it.
type Config struct {
	Environment Environment `name:"environment" env:"ENVIRONMENT" type:"setting" placeholder:"NAME" group:"Service" help:"development or production. Not set means development, and then only a loopback address may be listened on."`
	Listen      string      `name:"listen" env:"CHATKITD_LISTEN" type:"setting" default:"127.0.0.1:8000" group:"Service" help:"Address to listen on, as host:port. Port 0 takes a free one."`
	Data        string      `name:"data" env:"CHATKITD_DATA" type:"setting" default:"./data" group:"Service" help:"Folder of the event log and the read models. It is made when it is missing."`
	// EventStore is a Secret because the address of a server may hold a password.
	EventStore      Secret        `name:"eventstore" env:"CHATKITD_EVENTSTORE" type:"setting" default:"embedded" group:"Service" help:"Where events are kept: embedded, a log in the data folder, or an EventStoreDB or KurrentDB, esdb://user:password@host:2113 (docs/eventstoredb.md). Read models stay in the data folder. Use the environment when there is a password: flags show in the list of processes."`
	CORSOrigins     []string      `name:"cors-origins" env:"CHATKITD_CORS_ORIGINS" type:"setting" placeholder:"ORIGIN,..." group:"Service" help:"Origins whose pages may call the service, such as https://app.example.com, separated by commas. In development local origins may as well."`
	ShutdownTimeout time.Duration `name:"shutdown-timeout" env:"CHATKITD_SHUTDOWN_TIMEOUT" type:"setting" default:"15s" group:"Service" help:"Longest time that a stop takes, 1s to 10m."`
	LogLevel        slog.Level    `name:"log-level" env:"CHATKITD_LOG_LEVEL" type:"setting" default:"info" group:"Service" help:"Least level that is logged: debug, info, warn or error."`
	LogFormat       LogFormat     `name:"log-format" env:"CHATKITD_LOG_FORMAT" type:"setting" default:"auto" group:"Service" help:"text, json, or auto: text on a terminal, json elsewhere."`

	MaxActors  int `name:"max-actors" env:"CHATKITD_MAX_ACTORS" type:"setting" default:"100000" group:"Limits" help:"Most users, and most threads, held in memory at once; over it requests are refused with 503."`
	MaxTurns   int `name:"max-turns" env:"CHATKITD_MAX_TURNS" type:"setting" default:"256" group:"Limits" help:"Most turns that run at once on this server; over it messages are refused with 503."`
	MaxStreams int `name:"max-streams" env:"CHATKITD_MAX_STREAMS" type:"setting" default:"10000" group:"Limits" help:"Most event streams open at once; over it they are refused with 503."`
	RateLimit  int `name:"rate-limit" env:"CHATKITD_RATE_LIMIT" type:"setting" default:"200" group:"Limits" help:"Most requests of one user in a second; over it they are refused with 429. 0 means no limit."`

	Agent        Agent         `name:"agent" env:"CHATKITD_AGENT" type:"setting" default:"auto" group:"Agent" help:"What answers: openai, offline (no model, no network), or auto: openai when OPENAI_API_KEY is set, else offline."`
	TurnTimeout  time.Duration `name:"turn-timeout" env:"CHATKITD_TURN_TIMEOUT" type:"setting" default:"5m" group:"Agent" help:"Longest time that one turn takes, 1s to 1h."`
	HistoryItems int           `name:"history-items" env:"CHATKITD_HISTORY_ITEMS" type:"setting" default:"30" group:"Agent" help:"How many of a thread's last items the model is given, 1 to 500."`
	OfflineDelay time.Duration `name:"offline-delay" env:"CHATKITD_OFFLINE_DELAY" type:"setting" default:"15ms" group:"Agent" help:"Time between two words of the offline agent, 0s to 5s."`

	OpenAIAPIKey    Secret    `name:"openai-api-key" env:"OPENAI_API_KEY" type:"setting" placeholder:"KEY" group:"Agent" help:"API key of the model's provider. Use the environment: flags show in the list of processes."`
	OpenAIBaseURL   string    `name:"openai-base-url" env:"OPENAI_BASE_URL" type:"setting" placeholder:"URL" group:"Agent" help:"Base URL of another provider that speaks the Responses API, such as http://127.0.0.1:11434/v1. Not set means OpenAI."`
	OpenAIModel     string    `name:"openai-model" env:"OPENAI_MODEL" type:"setting" default:"gpt-5-mini" group:"Agent" help:"Model that answers."`
	OpenAIModels    []string  `name:"openai-models" env:"OPENAI_MODELS" type:"setting" placeholder:"MODEL,..." group:"Agent" help:"Other models that a client may ask for, separated by commas."`
	OpenAIReasoning Reasoning `name:"openai-reasoning" env:"OPENAI_REASONING" type:"setting" default:"auto" group:"Agent" help:"auto asks the model for a summary of its reasoning; off does not, for models that refuse the question."`

	JWTSecret        Secret `name:"jwt-secret" env:"JWT_SECRET" type:"setting" placeholder:"SECRET" group:"Tokens" help:"Secret that HS256 tokens are signed with, at least 32 bytes in production. In development one is made and kept in the data folder when no key is set. Use the environment: flags show in the list of processes."`
	JWTPublicKeyFile string `name:"jwt-public-key-file" env:"JWT_PUBLIC_KEY_FILE" type:"setting" placeholder:"FILE" group:"Tokens" help:"PEM file of the public key that verifies tokens: RSA, ECDSA or Ed25519."`
	JWTJWKSURL       string `name:"jwt-jwks-url" env:"JWT_JWKS_URL" type:"setting" placeholder:"URL" group:"Tokens" help:"URL of the key set (JWKS) that verifies tokens; https in production."`
	JWTAlgorithm     string `name:"jwt-algorithm" env:"JWT_ALGORITHM" type:"setting" placeholder:"NAME" group:"Tokens" help:"The one algorithm that tokens may have, such as HS256, RS256, ES256 or EdDSA. Not set means HS256 with a secret, RS256 with a key set, and the algorithm of the key with a key file."`
	JWTIssuer        string `name:"jwt-issuer" env:"JWT_ISSUER" type:"setting" placeholder:"NAME" group:"Tokens" help:"Issuer that a token must name. Not set means any."`
	JWTAudience      string `name:"jwt-audience" env:"JWT_AUDIENCE" type:"setting" placeholder:"NAME" group:"Tokens" help:"Audience that a token must name. Not set means any."`

	misread []misread // values that could not be read, for Validate
}

// IsDevelopment reports whether the service runs on a developer's machine: it
// then makes its own secret, accepts test tokens and lets local pages in.
// It is true when [Config.Environment] is not set.
func (c *Config) IsDevelopment() bool {
	return c.Environment == "" || c.Environment == EnvironmentDevelopment
}

// AgentInUse resolves [AgentAuto]: it returns [AgentOpenAI] or [AgentOffline].
func (c *Config) AgentInUse() Agent {
	switch {
	case c.Agent != AgentAuto:
		return c.Agent
	case c.OpenAIAPIKey != "":
		return AgentOpenAI
	default:
		return AgentOffline
	}
}

// NeedsDevSecret reports whether no key at all is set, so that the secret comes
// from [DevSecret]. It is never true in production.
func (c *Config) NeedsDevSecret() bool {
	return c.IsDevelopment() && c.JWTSecret == "" && c.JWTPublicKeyFile == "" && c.JWTJWKSURL == ""
}
