package http

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
	"golang.org/x/sync/singleflight"
)

const checkTimeout = 2 * time.Second

// The statuses of the service and of its parts.
const (
	statusOK       = "ok"
	statusDegraded = "degraded"
	statusDown     = "down"
)

// health runs the checks. Probes that come together share one run.
type health struct {
	checks []Check
	flight singleflight.Group

	mu      sync.Mutex
	failing map[string]bool // as logged last
}

// healthBody is the answer of GET /health and /health/ready.
type healthBody struct {
	Status   string                 `json:"status"`
	Draining bool                   `json:"draining,omitempty"`
	Checks   map[string]checkResult `json:"checks"`
}

type checkResult struct {
	Status     string `json:"status"` // ok or down
	Optional   bool   `json:"optional,omitempty"`
	DurationMS int64  `json:"duration_ms"`
}

// getHealth answers GET /health: what is well and what is not, without saying
// why. 503 when the service is down.
func (s *Server) getHealth(r *request) error { return s.answerHealth(r) }

// getReady answers GET /health/ready: 503 while a part that is needed fails or
// the server is stopping.
func (s *Server) getReady(r *request) error { return s.answerHealth(r) }

// getLive answers GET /health/live: the process runs.
func (s *Server) getLive(r *request) error {
	r.c.Set(fiber.HeaderCacheControl, "no-store")
	return writeJSON(r.c, fiber.StatusOK, map[string]string{"status": statusOK})
}

func (s *Server) answerHealth(r *request) error {
	body := s.runChecks()
	r.c.Set(fiber.HeaderCacheControl, "no-store")
	status := fiber.StatusOK
	if body.Status == statusDown {
		status = fiber.StatusServiceUnavailable
		r.c.Set(fiber.HeaderRetryAfter, "1")
	}
	return writeJSON(r.c, status, body)
}

func (s *Server) runChecks() healthBody {
	v, _, _ := s.health.flight.Do("", func() (any, error) { return s.checkAll(), nil })
	results, _ := v.(map[string]checkResult)
	body := healthBody{Status: statusOK, Draining: s.draining.Load(), Checks: results}
	for _, res := range results {
		switch {
		case res.Status == statusOK:
		case !res.Optional:
			body.Status = statusDown
		case body.Status == statusOK:
			body.Status = statusDegraded
		}
	}
	if body.Draining {
		body.Status = statusDown
	}
	return body
}

// checkAll asks all parts at once.
func (s *Server) checkAll() map[string]checkResult {
	ctx, cancel := context.WithTimeout(s.requests, checkTimeout)
	defer cancel()
	var wg sync.WaitGroup
	var mu sync.Mutex
	results := make(map[string]checkResult, len(s.health.checks))
	for _, check := range s.health.checks {
		wg.Go(func() {
			start := time.Now()
			err := check.run(ctx)
			res := checkResult{Status: statusOK, Optional: check.Optional, DurationMS: time.Since(start).Milliseconds()}
			if err != nil {
				res.Status = statusDown
			}
			s.noteCheck(ctx, check.Name, err)
			mu.Lock()
			defer mu.Unlock()
			results[check.Name] = res
		})
	}
	wg.Wait()
	return results
}

// run asks the part; a panic is its failure.
func (c Check) run(ctx context.Context) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	return c.Func(ctx)
}

// noteCheck logs a part that fails or is well again, once each.
func (s *Server) noteCheck(ctx context.Context, name string, err error) {
	h := &s.health
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.failing == nil {
		h.failing = make(map[string]bool)
	}
	if h.failing[name] == (err != nil) {
		return
	}
	h.failing[name] = err != nil
	if err != nil {
		s.log.LogAttrs(ctx, slog.LevelError, "check failed", slog.String("check", name), slog.Any("error", err))
		return
	}
	s.log.LogAttrs(ctx, slog.LevelInfo, "check passed again", slog.String("check", name))
}
