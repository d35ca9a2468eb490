package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/actors"
	"github.com/chatkitd/chatkitd/agent"
	"github.com/chatkitd/chatkitd/agent/offline"
	"github.com/chatkitd/chatkitd/agent/openai"
	"github.com/chatkitd/chatkitd/audit"
	"github.com/chatkitd/chatkitd/config"
	chatkitdhttp "github.com/chatkitd/chatkitd/http"
	"github.com/chatkitd/chatkitd/http/auth"
	"github.com/chatkitd/chatkitd/internal/auditlog"
	"github.com/chatkitd/chatkitd/tools"
	"github.com/chatkitd/chatkitd/web"
)

type serveCmd struct{}

// Help has examples.
func (serveCmd) Help() string {
	return `The page is at the address that it listens on, /admin for operators. A first Ctrl-C
stops in order, a second one at once.

Examples:
  chatkitd serve
  chatkitd serve --listen 127.0.0.1:0 --data /tmp/try
  ENVIRONMENT=production JWT_SECRET=… chatkitd serve --listen 10.0.0.7:8000 --data /var/lib/chatkitd
  CHATKITD_EVENTSTORE=esdb://chatkitd:…@db1,db2,db3 chatkitd serve`
}

// Run serves until the program is told to stop.
func (serveCmd) Run(p *program) error {
	log := newLog(p.cfg, p.stderr)
	if os.Getenv("GOGC") == "" {
		// What lives long is small beside what a turn throws away: half as many
		// collections cost little memory.
		debug.SetGCPercent(200)
	}
	s, err := newService(p.ctx, p.cfg, log)
	if err != nil {
		return err
	}
	return s.serve(p)
}

// service is everything that runs, in the order in which it is started.
type service struct {
	cfg     *config.Config
	log     *slog.Logger
	data    *dataFolder
	actors  *actors.System
	auth    *auth.Verifier
	http    *chatkitdhttp.Server
	control control // its URL is known once the server listens
}

// newService opens and wires everything. Nothing runs yet but what answers to
// messages.
func newService(ctx context.Context, cfg *config.Config, log *slog.Logger) (_ *service, err error) {
	s := &service{cfg: cfg, log: log, control: control{Token: newControlToken(), PID: os.Getpid()}}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.closeSoon(ctx))
		}
	}()
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	secret, err := jwtSecret(cfg)
	if err != nil {
		return nil, err
	}
	if s.auth, err = newVerifier(cfg, secret, s.control.Token, log); err != nil {
		return nil, err
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if s.data, err = openData(ctx, cfg, log, registry); err != nil {
		return nil, err
	}
	model, err := newModel(cfg, log)
	if err != nil {
		return nil, err
	}
	s.actors, err = actors.New(actors.Options{
		Store: s.data.store, Snapshots: s.data.snapshots, Log: log, Metrics: registry, OnAppend: s.data.views.NoteWrite,
		Agent: func(tasks chatkitd.Tasks) chatkitd.Agent {
			return agent.New(agent.Options{Model: model, Tools: tools.New(tasks, s.data.views, log), Log: log})
		},
		MaxTurns: cfg.MaxTurns, TurnTimeout: cfg.TurnTimeout, HistoryItems: cfg.HistoryItems, MaxActors: cfg.MaxActors,
		Shared: s.shared(), Instance: s.data.node, RenewEvery: pulse.renew, Lease: pulse.lease,
	})
	if err != nil {
		return nil, err
	}
	s.http, err = chatkitdhttp.New(chatkitdhttp.Options{
		Log: log, Auth: s.auth,
		Tasks: s.actors, TaskReader: s.data.views, Threads: s.actors, ThreadReader: s.data.views,
		Auditor: audit.New(s.data.store, audit.Options{Dense: s.data.log.dense()}), Projections: s.data.views, AuditLog: auditlog.New(s.data.store, nil),
		Page: web.Files(), Gatherer: registry, Registerer: registry,
		Checks:      s.checks(),
		CORSOrigins: cfg.CORSOrigins, Development: cfg.IsDevelopment(),
		MaxStreams: cfg.MaxStreams, RateLimit: rateLimit(cfg), RateBurst: 2 * cfg.RateLimit,
	})
	return s, err
}

// pulse is how often servers on one log say that they are there, and after how
// much silence one is taken for dead. Zero is the default of actors; tests are in
// more of a hurry.
var pulse struct{ renew, lease time.Duration }

// shared reports whether other servers may append to the log.
func (s *service) shared() bool { return !s.data.log.dense() }

func (s *service) checks() []chatkitdhttp.Check {
	ready := &readiness{models: s.data.views}
	checks := []chatkitdhttp.Check{
		{Name: "event_store", Func: s.data.store.Ready},
		{Name: "read_models", Func: ready.caughtUp},
		{Name: "projections", Func: ready.running, Optional: true},
		{Name: "token_keys", Func: s.auth.Ready},
	}
	if s.shared() {
		checks = append(checks, chatkitdhttp.Check{
			Name: "other_servers", Func: func(context.Context) error { return s.actors.Ready() },
		})
	}
	return checks
}

// rateLimit translates the setting, in which 0 means none.
func rateLimit(cfg *config.Config) float64 {
	if cfg.RateLimit == 0 {
		return -1
	}
	return float64(cfg.RateLimit)
}

func newVerifier(cfg *config.Config, secret config.Secret, controlToken string, log *slog.Logger) (*auth.Verifier, error) {
	return auth.New(auth.Config{
		Secret: []byte(secret.Reveal()), PublicKeyFile: cfg.JWTPublicKeyFile, JWKSURL: cfg.JWTJWKSURL,
		Algorithm: cfg.JWTAlgorithm, Issuer: cfg.JWTIssuer, Audience: cfg.JWTAudience,
		ControlToken: controlToken, Development: cfg.IsDevelopment(), Log: log,
	})
}

func newModel(cfg *config.Config, log *slog.Logger) (agent.Model, error) {
	if cfg.AgentInUse() == config.AgentOffline {
		return offline.New(offline.Options{Delay: cfg.OfflineDelay}), nil
	}
	reasoning := openai.Auto
	if cfg.OpenAIReasoning == config.ReasoningOff {
		reasoning = openai.Off
	}
	return openai.New(openai.Options{
		APIKey: cfg.OpenAIAPIKey.Reveal(), BaseURL: cfg.OpenAIBaseURL, Model: cfg.OpenAIModel, Models: cfg.OpenAIModels,
		Reasoning: reasoning, MaxTurns: cfg.MaxTurns, Log: log,
	})
}

// serve runs until p's context ends or a part fails, and then stops everything
// in the order of the flow.
func (s *service) serve(p *program) error {
	ln, err := s.http.Listen(p.ctx, s.cfg.Listen)
	if err != nil {
		return errors.Join(err, s.closeSoon(p.ctx))
	}
	s.control.URL = localURL(ln.Addr().String())
	if err := writeControl(s.cfg.Data, s.control); err != nil {
		return errors.Join(err, ln.Close(), s.closeSoon(p.ctx))
	}
	// The views outlive p's context: a command that is taken late is still to be
	// read by whoever gave it.
	views, stopViews := context.WithCancel(context.WithoutCancel(p.ctx))
	defer stopViews()
	failed := make(chan error, 3) // one for each part, so that none blocks
	var parts sync.WaitGroup
	parts.Go(func() { failed <- s.followLog(views, &parts, failed) })
	parts.Go(func() { failed <- s.http.Serve(ln) })

	s.greet(p, ln.Addr().String())
	select {
	case <-p.ctx.Done():
		s.log.Info("stopping", "cause", context.Cause(p.ctx).Error())
	case err = <-failed:
		s.log.Error("a part failed, stopping", "error", err)
	}

	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.ctx), s.cfg.ShutdownTimeout)
	defer cancel()
	s.http.Drain() // new work is refused; streams go on and see their turns end
	err = errors.Join(err, s.actors.Close(ctx), s.http.Shutdown(ctx))
	stopViews()
	if err := waitFor(ctx, &parts); err != nil {
		// What still runs may use what would be closed now; the process ends.
		return errors.Join(err, removeControl(s.cfg.Data, s.control))
	}
	// Before the folder is free: another server may write its own file then.
	err = errors.Join(err, removeControl(s.cfg.Data, s.control), s.data.close())
	s.auth.Close()
	s.log.Info("stopped")
	return err
}

// followLog does what needs the log, once it is there and the folder's: it keeps the
// read models, until ctx ends. Another log than the folder's is an error.
func (s *service) followLog(ctx context.Context, parts *sync.WaitGroup, failed chan<- error) error {
	if err := s.data.store.Await(ctx, s.log); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	parts.Go(func() { failed <- s.actors.Run(ctx) })
	parts.Go(func() { s.closeCutOffTurns(ctx) })
	return s.data.views.Run(ctx)
}

// waitFor waits for the parts, until ctx ends.
func waitFor(ctx context.Context, parts *sync.WaitGroup) error {
	ended := make(chan struct{})
	go func() {
		parts.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return errors.New("the read models did not stop in time; nothing is lost, they go on from their checkpoint")
	}
}

// closeCutOffTurns ends the turns that a crash cut off, once the read model that
// knows them has seen the whole log.
func (s *service) closeCutOffTurns(ctx context.Context) {
	const first, last = time.Second, 30 * time.Second
	for wait := first; ; wait = min(2*wait, last) {
		ids, err := s.data.views.OpenTurns(ctx)
		if err == nil {
			if len(ids) > 0 {
				failed := s.actors.Recover(ctx, ids)
				s.log.Info("looked for turns that were cut off", "threads", len(ids), "failed", failed)
			}
			return
		}
		if ctx.Err() == nil && wait == first {
			s.log.Warn("turns that were cut off cannot be looked for yet; each is closed at the latest when its thread is used", "error", err)
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return
		}
	}
}

// greet says where the page is.
func (s *service) greet(p *program, addr string) {
	s.log.Info("listening", "addr", addr, "agent", string(s.cfg.AgentInUse()), "data", s.cfg.Data,
		"eventstore", s.data.log.kind, "servers", s.data.log.where, "node", s.data.node)
	what := "the offline agent (set OPENAI_API_KEY for a real model)"
	if s.cfg.AgentInUse() == config.AgentOpenAI {
		what = "the model " + s.cfg.OpenAIModel
	}
	_, _ = fmt.Fprintf(p.stdout, "\n  chatkitd is running with %s.\n  Open http://%s/\n\n", what, addr)
	if p.ready != nil {
		p.ready <- addr
	}
}

// closeSoon closes what is open of a service that never served, whether or not
// ctx has ended.
func (s *service) closeSoon(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.ShutdownTimeout)
	defer cancel()
	var errs []error
	if s.actors != nil {
		errs = append(errs, s.actors.Close(ctx))
	}
	if s.data != nil {
		errs = append(errs, s.data.close())
	}
	if s.auth != nil {
		s.auth.Close()
	}
	return errors.Join(errs...)
}
