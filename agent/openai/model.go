package openai

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	sdk "github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/agent"
)

// DefaultBaseURL is OpenAI's own.
const DefaultBaseURL = "https://api.openai.com/v1"

// Mode says whether a feature that not every provider knows is used.
type Mode string

// The modes. Auto, the zero value, means on at OpenAI and Azure OpenAI, off
// elsewhere: an unknown server may refuse a field that it does not know.
const (
	Auto Mode = ""
	On   Mode = "on"
	Off  Mode = "off"
)

// Options of a [Model]. Nothing is read from the environment.
type Options struct {
	APIKey       string
	Organization string
	Project      string
	BaseURL      string   // empty means [DefaultBaseURL]
	Model        string   // required
	Models       []string // that a person may ask for beside Model
	// Reasoning asks for summaries of what the model thinks, and for its thoughts
	// in encrypted form, which go back to it between the rounds of a turn. Auto
	// also demands a model that is known to think (o1…o4, gpt-5 and later).
	Reasoning Mode
	// Strict makes the provider hold tool calls to their schema.
	Strict Mode

	MaxRetries    int           // before the first event; negative is none, 0 means 2
	HeaderTimeout time.Duration // until the answer begins; 0 means 60 s
	IdleTimeout   time.Duration // between two events; 0 means 60 s
	MaxTurns      int           // at the same time: so many connections are kept; 0 means 64
	Client        *http.Client  // nil is one of our own; then HeaderTimeout and MaxTurns count
	Log           *slog.Logger  // nil discards
}

// Model implements [agent.Model]. It is safe for concurrent use.
type Model struct {
	opts   Options
	client sdk.Client
	log    *slog.Logger
	tools  toolsJSON
}

var _ agent.Model = (*Model)(nil)

// New returns a model, or an error for options that cannot work.
func New(opts Options) (*Model, error) {
	if opts.Model == "" {
		return nil, errors.New("openai: no model is given")
	}
	if opts.BaseURL == "" {
		opts.BaseURL = DefaultBaseURL
	}
	base, err := url.Parse(opts.BaseURL)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, errors.New("openai: the base URL must be an http or https address")
	}
	opts.MaxRetries = max(0, or(opts.MaxRetries, 2))
	opts.HeaderTimeout = or(opts.HeaderTimeout, time.Minute)
	opts.IdleTimeout = or(opts.IdleTimeout, time.Minute)
	opts.MaxTurns = or(opts.MaxTurns, 64)
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Client == nil {
		opts.Client = newClient(opts)
	}
	hosted := hosts(base.Hostname())
	if opts.Reasoning == Auto && (!hosted || !thinks(opts.Model)) {
		opts.Reasoning = Off
	}
	if opts.Strict == Auto && !hosted {
		opts.Strict = Off
	}
	m := &Model{opts: opts, log: opts.Log}
	// The struct and not sdk.NewClient: that one reads OPENAI_* from the
	// environment, headers included, and would send them to any base URL.
	m.client = sdk.Client{Options: []option.RequestOption{
		option.WithHTTPClient(opts.Client),
		option.WithBaseURL(opts.BaseURL),
		option.WithMaxRetries(opts.MaxRetries),
		option.WithHeader("Accept", "text/event-stream"),
	}}
	for _, o := range []struct {
		value string
		opt   func(string) option.RequestOption
	}{{opts.APIKey, option.WithAPIKey}, {opts.Organization, option.WithOrganization}, {opts.Project, option.WithProject}} {
		if o.value != "" {
			m.client.Options = append(m.client.Options, o.opt(o.value))
		}
	}
	return m, nil
}

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// newClient returns a client for long streams: no limit on the whole answer, but
// on its beginning; no compression, which would hold events back.
func newClient(opts Options) *http.Client {
	return &http.Client{Transport: &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout:    10 * time.Second,
		ResponseHeaderTimeout:  opts.HeaderTimeout,
		ExpectContinueTimeout:  time.Second,
		IdleConnTimeout:        90 * time.Second,
		MaxIdleConns:           2 * opts.MaxTurns,
		MaxIdleConnsPerHost:    opts.MaxTurns,
		MaxResponseHeaderBytes: 64 << 10,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true,
	}}
}

// hosts reports whether a host is OpenAI or Azure OpenAI.
func hosts(host string) bool {
	return host == "api.openai.com" || strings.HasSuffix(host, ".api.openai.com") ||
		strings.HasSuffix(host, ".openai.azure.com") || strings.HasSuffix(host, ".services.ai.azure.com")
}

// thinks reports whether a model is one that reasons, by its name.
func thinks(model string) bool {
	if len(model) > 1 && model[0] == 'o' && model[1] >= '1' && model[1] <= '9' {
		return true
	}
	rest, gpt := strings.CutPrefix(model, "gpt-")
	return gpt && rest != "" && rest[0] >= '5' && rest[0] <= '9' && !strings.Contains(rest, "chat")
}

// Name implements [agent.Model].
func (m *Model) Name() string { return m.opts.Model }

// Allows implements [agent.Model].
func (m *Model) Allows(name string) bool {
	return name == m.opts.Model || slices.Contains(m.opts.Models, name)
}

// Close closes connections that are not in use.
func (m *Model) Close() { m.opts.Client.CloseIdleConnections() }

// errIdle is the cause of a stream that was given up because nothing came.
var errIdle = errors.New("openai: no event within the idle timeout")

// drainTime is how long the end of a stream is waited for behind its terminal
// event. It normally lies in the buffer already, and a connection that was read
// to its end can be used again.
const drainTime = 50 * time.Millisecond

// Stream implements [agent.Model].
func (m *Model) Stream(parent context.Context, req *agent.Request, emit func(*agent.Event) error) (*agent.Response, error) {
	body, err := m.encode(req)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	seen := &refusal{}
	var res *http.Response
	err = m.client.Post(ctx, "responses", body, nil, option.WithResponseInto(&res), option.WithMiddleware(seen.watch))
	if res != nil && res.Body != nil {
		defer res.Body.Close() //nolint:errcheck // the stream has been read, or is given up
	}
	if err != nil {
		return nil, m.refused(parent, seen, err)
	}
	if kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")); kind == "application/json" || kind == "text/html" {
		return nil, m.failure(chatkitd.CodeUnavailable, "The model service does not stream its answers, which is needed here.",
			errors.New("openai: answered with "+kind))
	}

	idle := time.AfterFunc(m.opts.IdleTimeout, func() { cancel(errIdle) })
	defer idle.Stop()
	in := newEvents(res.Body)
	d := newDecoder(emit)
	for !d.ended {
		data, err := in.next()
		if err != nil {
			return nil, m.broken(parent, ctx, err)
		}
		idle.Reset(m.opts.IdleTimeout)
		if err := d.event(data); err != nil {
			if f, ok := errors.AsType[*providerError](err); ok {
				return nil, m.classify(f)
			}
			if parent.Err() != nil {
				return nil, parent.Err()
			}
			return nil, err
		}
	}
	idle.Reset(drainTime)
	_, _ = io.CopyN(io.Discard, res.Body, 64<<10) // what follows the terminal event means nothing
	return d.response(or(req.Model, m.opts.Model)), nil
}
