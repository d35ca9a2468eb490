package http

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/http/auth"
)

// Options are what a [Server] needs. Auth and the four ports are required, the
// rest has a default.
type Options struct {
	Log          *slog.Logger // nil discards
	Auth         *auth.Verifier
	Tasks        chatkitd.Tasks
	TaskReader   chatkitd.TaskReader
	Threads      chatkitd.Threads
	ThreadReader chatkitd.ThreadReader

	// What operators use, on /api/v1/admin. Auditor and Projections may be nil:
	// then their routes do not exist. AuditLog is required with either.
	Auditor     chatkitd.Auditor
	Projections chatkitd.Projections
	AuditLog    chatkitd.AuditLog

	// Page holds the web page: index.html answers / and /t/{id}, admin.html (or,
	// without one, index.html) /admin, every other file answers at its own path,
	// and what lies under assets/ is named by its content and never changes. A file
	// with .gz behind the name of another is that one, compressed. It is read once,
	// by [New]. nil = none.
	Page fs.FS

	Gatherer   prometheus.Gatherer   // what /metrics shows; nil = 404
	Registerer prometheus.Registerer // takes the server's own metrics; nil = none
	Checks     []Check               // what /health asks

	// CORSOrigins are the origins whose pages may use the API, such as
	// https://app.example. An origin of the server's own host may always, and in
	// development one of this machine, whatever its port.
	CORSOrigins []string
	Development bool // also serves POST /auth/dev-token

	BodyLimit      int           // bytes of a request's body; 0 means 1 MiB
	MaxConns       int           // open connections; 0 means 16,384
	MaxStreams     int           // open streams; 0 means 10,000
	MaxUserStreams int           // open streams of one user; 0 means 100
	RateLimit      float64       // requests a second of one user; 0 means 200, below 0 none
	RateBurst      int           // requests at once of one user; 0 means 400
	RequestTimeout time.Duration // of an answer that is no stream; 0 means 10 s
	Heartbeat      time.Duration // of an idle stream; 0 means 15 s
	WriteTimeout   time.Duration // of one write to a client; 0 means 30 s
	ReadTimeout    time.Duration // of a request's headers and body; 0 means 30 s
	IdleTimeout    time.Duration // of a kept-alive connection; 0 means 120 s
	DevTokenTTL    time.Duration // 0 means 12 h
	StatesInterval time.Duration // between two looks at projections that are followed; 0 means 1 s
}

// Check is something that the service needs.
type Check struct {
	Name string // snake_case, shown to everyone
	// Func returns why the part is not well; the log shows it, callers never
	// see it. It must return when ctx ends, which is after 2 s.
	Func func(ctx context.Context) error
	// Optional: when it fails the service is degraded, and still ready.
	Optional bool
}

func (o *Options) setDefaults() {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	setDefault(&o.BodyLimit, 1<<20)
	setDefault(&o.MaxConns, 16_384)
	setDefault(&o.MaxStreams, 10_000)
	setDefault(&o.MaxUserStreams, 100)
	setDefault(&o.RateLimit, 200)
	setDefault(&o.RateBurst, 400)
	setDefault(&o.RequestTimeout, 10*time.Second)
	setDefault(&o.Heartbeat, 15*time.Second)
	setDefault(&o.WriteTimeout, 30*time.Second)
	setDefault(&o.ReadTimeout, 30*time.Second)
	setDefault(&o.IdleTimeout, 120*time.Second)
	setDefault(&o.DevTokenTTL, 12*time.Hour)
	setDefault(&o.StatesInterval, time.Second)
}

func setDefault[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}

// validate returns all mistakes at once.
func (o *Options) validate() error {
	var errs []error
	required := map[string]bool{
		"Auth":         o.Auth == nil,
		"Tasks":        o.Tasks == nil,
		"TaskReader":   o.TaskReader == nil,
		"Threads":      o.Threads == nil,
		"ThreadReader": o.ThreadReader == nil,
		"AuditLog":     o.AuditLog == nil && (o.Auditor != nil || o.Projections != nil),
	}
	for name, missing := range required {
		if missing {
			errs = append(errs, fmt.Errorf("option %s is missing", name))
		}
	}
	for _, origin := range o.CORSOrigins {
		if err := checkOrigin(origin); err != nil {
			errs = append(errs, err)
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(errs...)
}

// checkOrigin refuses what a browser never sends as an Origin.
func checkOrigin(origin string) error {
	u, err := url.Parse(origin)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.Scheme+"://"+u.Host != origin {
		return fmt.Errorf("origin %q: write it as https://app.example or http://localhost:5173, without a path or *", origin)
	}
	return nil
}
