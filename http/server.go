package http

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"

	"github.com/gofiber/fiber/v2"

	"github.com/chatkitd/chatkitd"
)

// Server is the HTTP server.
type Server struct {
	opts    Options
	log     *slog.Logger
	app     *fiber.App
	metrics *metrics
	limiter *limiter
	slots   *slots
	zones   zones
	page    page
	health  health

	// requests is the life of the requests that are no streams, streams that of
	// the streams: it ends first.
	requests    context.Context //nolint:containedctx // the server's own life, ended by Shutdown
	endRequests context.CancelFunc
	streams     context.Context //nolint:containedctx // as above
	endStreams  context.CancelFunc
	draining    atomic.Bool

	mu        sync.Mutex
	listeners []*listener
	stopped   bool
}

// New returns a server that does not listen yet, or all mistakes of o.
func New(o Options) (*Server, error) {
	o.setDefaults()
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("http: %w", err)
	}
	s := &Server{opts: o, log: o.Log}
	s.health.checks = o.Checks
	var err error
	if s.page, err = readPage(o.Page); err != nil {
		return nil, fmt.Errorf("http: read the page: %w", err)
	}
	if s.limiter, err = newLimiter(o.RateLimit, o.RateBurst); err != nil {
		return nil, fmt.Errorf("http: %w", err)
	}
	s.slots = newSlots(o.MaxStreams, o.MaxUserStreams)
	if s.metrics, err = newMetrics(o.Registerer, s.slots); err != nil {
		return nil, fmt.Errorf("http: %w", err)
	}
	s.requests, s.endRequests = context.WithCancel(context.Background())
	s.streams, s.endStreams = context.WithCancel(context.Background())

	s.app = fiber.New(fiber.Config{
		AppName:                      "chatkitd",
		BodyLimit:                    o.BodyLimit,
		CaseSensitive:                true,
		Concurrency:                  o.MaxConns + 1, // listener counts, and refuses with an answer
		DisablePreParseMultipartForm: true,
		DisableStartupMessage:        true,
		ErrorHandler:                 s.failUnparsed,
		IdleTimeout:                  o.IdleTimeout,
		// Without it every string of a request is a view of a buffer that the
		// connection's next request overwrites.
		Immutable:       true,
		ReadBufferSize:  16 << 10, // the longest header; tokens are long
		ReadTimeout:     o.ReadTimeout,
		WriteBufferSize: 4 << 10,
		// An idle or streaming connection holds no read buffer.
		ReduceMemoryUsage: true,
		// No WriteTimeout: it would cut streams. See conn.Write.
	})
	s.routes()
	s.watchRequests()
	return s, nil
}

// Listen binds addr, so that a taken port is told before anything starts.
func (s *Server) Listen(ctx context.Context, addr string) (net.Listener, error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("http: %w", err)
	}
	return ln, nil
}

// Serve serves ln until [Server.Shutdown], then returns nil.
func (s *Server) Serve(ln net.Listener) error {
	l := newListener(ln, s.opts, s.metrics)
	s.mu.Lock()
	if s.stopped {
		s.mu.Unlock()
		return ln.Close()
	}
	s.listeners = append(s.listeners, l)
	s.mu.Unlock()
	if err := s.app.Listener(l); err != nil {
		return fmt.Errorf("http: serve: %w", err)
	}
	return nil
}

// Drain makes the server refuse new work with 503 and /health/ready fail, while
// open requests and streams go on. It gives a load balancer time to look away
// before [Server.Shutdown].
func (s *Server) Drain() { s.draining.Store(true) }

// Shutdown drains, ends every stream, stops listening and waits for the open
// requests until ctx ends; then it cancels them and returns ctx's error.
func (s *Server) Shutdown(ctx context.Context) error {
	s.Drain()
	s.mu.Lock()
	s.stopped = true
	listeners := s.listeners
	s.mu.Unlock()

	s.endStreams() // fasthttp would wait for them for ever
	defer s.endRequests()
	for _, l := range listeners {
		l.closeIdle() // and for connections that sent nothing, or half a request
	}
	if err := s.app.ShutdownWithContext(ctx); err != nil {
		return fmt.Errorf("http: shut down: %w", err)
	}
	for _, l := range listeners {
		l.wait()
	}
	return nil
}

// errDraining is the answer to new work while the server stops.
func errDraining() error {
	return chatkitd.Errorf(chatkitd.CodeUnavailable, "the server is stopping: try again in a moment")
}
