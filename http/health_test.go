package http_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/chatkitd/chatkitd"
	chatkitdhttp "github.com/chatkitd/chatkitd/http"
)

func TestHealth(t *testing.T) {
	var store, lag atomic.Bool // failing
	check := func(failing *atomic.Bool) func(context.Context) error {
		return func(context.Context) error {
			if failing.Load() {
				return errors.New("dsn=secret")
			}
			return nil
		}
	}
	s := start(t, &fake{}, func(o *chatkitdhttp.Options) {
		o.Checks = []chatkitdhttp.Check{{Name: "store", Func: check(&store)}, {Name: "projections", Func: check(&lag), Optional: true}}
	})
	c := s.client(t, "")
	tests := []struct {
		name          string
		store, lag    bool
		status        string
		health, ready int
	}{
		{"all well", false, false, "ok", 200, 200},
		{"an optional part fails", false, true, "degraded", 200, 200},
		{"a part fails", true, false, "down", 503, 503},
		{"both fail", true, true, "down", 503, 503},
		{"well again", false, false, "ok", 200, 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			store.Store(tt.store)
			lag.Store(tt.lag)
			resp := c.Do(t, "GET", "/health", nil)
			var body struct {
				Status string
				Checks map[string]struct{ Status string }
			}
			resp.Decode(t, &body)
			if resp.Status != tt.health || body.Status != tt.status || len(body.Checks) != 2 || (body.Checks["store"].Status == "ok") == tt.store {
				t.Errorf("health: got %d %s", resp.Status, resp.Body)
			}
			if strings.Contains(string(resp.Body), "secret") {
				t.Errorf("a cause is shown: %s", resp.Body)
			}
			if got := c.Do(t, "GET", "/health/ready", nil).Status; got != tt.ready {
				t.Errorf("ready: got %d, want %d", got, tt.ready)
			}
			if got := c.Do(t, "GET", "/health/live", nil).Status; got != 200 {
				t.Errorf("live: got %d", got)
			}
			if got := c.Do(t, "HEAD", "/health/live", nil); got.Status != 200 || len(got.Body) != 0 {
				t.Errorf("HEAD: got %d %s", got.Status, got.Body)
			}
		})
	}
}

func TestSlowCheckFails(t *testing.T) {
	s := start(t, &fake{}, func(o *chatkitdhttp.Options) {
		o.Checks = []chatkitdhttp.Check{{Name: "store", Func: func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}}}
	})
	began := time.Now()
	if got := s.client(t, "").Do(t, "GET", "/health/ready", nil).Status; got != 503 {
		t.Errorf("got %d", got)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("took %s", took)
	}
}

func TestDrain(t *testing.T) {
	s := start(t, &fake{
		task: func(chatkitd.UserID, chatkitd.TaskID) (chatkitd.Task, error) { return chatkitd.Task{}, nil },
		startTurn: func(context.Context, chatkitd.Meta, chatkitd.TurnCommand) (chatkitd.TurnStream, error) {
			return ended("{}"), nil
		},
	})
	c := s.client(t, "alice")
	s.Drain()
	for _, resp := range []struct {
		what           string
		status, answer int
	}{
		{"ready", 503, c.Do(t, "GET", "/health/ready", nil).Status},
		{"health", 503, c.Do(t, "GET", "/health", nil).Status},
		{"live", 200, c.Do(t, "GET", "/health/live", nil).Status},
		{"task", 503, c.Do(t, "GET", "/api/v1/tasks/tsk_1", nil).Status},
	} {
		if resp.answer != resp.status {
			t.Errorf("%s got %d, want %d", resp.what, resp.answer, resp.status)
		}
	}
	resp := c.Do(t, "POST", "/api/v1/chatkit", create("hello"))
	if resp.Status != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("got %d %v", resp.Status, resp.Header)
	}
	eventually(t, "the connection is closed", func() bool { return s.metric(t, "chatkitd_http_connections", "") == 0 })
}

func TestCheckThatPanicsFails(t *testing.T) {
	s := start(t, &fake{}, func(o *chatkitdhttp.Options) {
		o.Checks = []chatkitdhttp.Check{{Name: "store", Func: func(context.Context) error { panic("oh no") }}}
	})
	if got := s.client(t, "").Do(t, "GET", "/health/ready", nil); got.Status != 503 {
		t.Errorf("got %d %s", got.Status, got.Body)
	}
}

func TestMetrics(t *testing.T) {
	s := start(t, &fake{task: func(chatkitd.UserID, chatkitd.TaskID) (chatkitd.Task, error) { return chatkitd.Task{}, nil }})
	c := s.client(t, "alice")
	c.Do(t, "GET", "/api/v1/tasks/tsk_1", nil)
	c.Do(t, "GET", "/nope/tsk_1", nil)
	c.Do(t, "BREW", "/nope", nil)
	text := string(c.As("").Do(t, "GET", "/metrics", nil).Body)
	for _, want := range []string{
		`chatkitd_http_requests_total{method="GET",route="/api/v1/tasks/:id",status="2xx"} 1`,
		`chatkitd_http_requests_total{method="GET",route="unmatched",status="4xx"} 1`,
		`chatkitd_http_requests_total{method="other",route="unmatched",status="4xx"} 1`,
		`chatkitd_http_request_duration_seconds_count{route="/api/v1/tasks/:id"} 1`,
		`chatkitd_http_open_streams 0`, `chatkitd_http_connections 1`, `chatkitd_http_streams_total{end="client_gone"} 0`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("%s is not in\n%s", want, text)
		}
	}
	if strings.Contains(text, "tsk_1") || strings.Contains(text, "alice") {
		t.Error("an id or a user is in the metrics")
	}
}

func TestPage(t *testing.T) {
	s := start(t, &fake{})
	c := s.client(t, "")
	var etag string
	for _, path := range []string{"/", "/t/thr_1", "/admin", "/index.html", "/?x=1"} {
		resp := c.Do(t, "GET", path, nil)
		if resp.Status != 200 || !strings.Contains(string(resp.Body), "<title>chatkitd") || resp.Header.Get("Cache-Control") != "no-cache" {
			t.Errorf("%s: got %d %v", path, resp.Status, resp.Header)
		}
		csp := resp.Header.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'self'") || strings.Contains(csp, "unsafe") || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: policy %q", path, csp)
		}
		etag = resp.Header.Get("Etag")
	}
	if resp := c.Do(t, "GET", "/", nil, "If-None-Match", etag); resp.Status != 304 || len(resp.Body) != 0 {
		t.Errorf("unchanged: got %d %s", resp.Status, resp.Body)
	}
	resp := c.Do(t, "GET", "/assets/app-1a2.js", nil)
	if resp.Status != 200 || !strings.Contains(resp.Header.Get("Cache-Control"), "immutable") || !strings.HasPrefix(string(resp.Body), "console.log") {
		t.Errorf("asset: got %d %v %s", resp.Status, resp.Header, resp.Body)
	}
	resp = c.Do(t, "GET", "/assets/app-1a2.js", nil, "Accept-Encoding", "gzip")
	if resp.Header.Get("Content-Encoding") != "gzip" || len(resp.Body) > 100 {
		t.Errorf("asset: not compressed: %v, %d bytes", resp.Header, len(resp.Body))
	}
	for _, path := range []string{"/assets/none.js", "/assets/", "/assets/../server.go", "/..%2f..%2fetc/passwd", "/t/a/b"} {
		if resp := c.Do(t, "GET", path, nil); resp.Status != 404 {
			t.Errorf("%s: got %d %s", path, resp.Status, resp.Body)
		}
	}
	bare := start(t, &fake{}, func(o *chatkitdhttp.Options) { o.Page = fstest.MapFS{} })
	if got := bare.client(t, "").Do(t, "GET", "/", nil).Status; got != 404 {
		t.Errorf("without a page: got %d", got)
	}
}

func TestDevToken(t *testing.T) {
	s := start(t, &fake{task: func(u chatkitd.UserID, _ chatkitd.TaskID) (chatkitd.Task, error) {
		return chatkitd.Task{Title: string(u)}, nil
	}}, func(o *chatkitdhttp.Options) { o.Development = true })
	c := s.client(t, "")
	var got struct {
		Token     string
		User      string
		ExpiresAt time.Time `json:"expires_at"`
	}
	resp := c.Do(t, "POST", "/auth/dev-token", `{"user":"alice"}`)
	resp.Decode(t, &got)
	if resp.Status != 200 || got.User != "alice" || time.Until(got.ExpiresAt) < time.Hour || resp.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("got %d %s", resp.Status, resp.Body)
	}
	if resp := c.As(got.Token).Do(t, "GET", "/api/v1/tasks/tsk_1", nil); !strings.Contains(string(resp.Body), `"title":"alice"`) {
		t.Errorf("the token is not alice's: %d %s", resp.Status, resp.Body)
	}
	for _, bad := range []string{``, `{}`, `{"user":1}`, `{"user":" alice"}`, `{"user":"a\u0000b"}`, `{"user":"` + strings.Repeat("x", 257) + `"}`} {
		if resp := c.Do(t, "POST", "/auth/dev-token", bad); resp.Status != 400 {
			t.Errorf("%s: got %d %s", bad, resp.Status, resp.Body)
		}
	}
	for body, admin := range map[string]bool{`{"user":"op"}`: false, `{"user":"op","roles":["admin"]}`: true, `{"user":"op","roles":["reader"]}`: false} {
		c.Do(t, "POST", "/auth/dev-token", body).Decode(t, &got)
		if id, err := s.auth.Verify(t.Context(), "Bearer "+got.Token); err != nil || id.User != "op" || id.Admin() != admin {
			t.Errorf("%s: got %+v, %v, want an operator: %t", body, id, err, admin)
		}
	}
	for _, bad := range []string{`{"user":"op","roles":"admin"}`, `{"user":"op","roles":[""]}`, `{"user":"op","roles":["` + strings.Repeat(`x","`, 16) + `x"]}`} {
		if resp := c.Do(t, "POST", "/auth/dev-token", bad); resp.Status != 400 {
			t.Errorf("%s: got %d %s", bad, resp.Status, resp.Body)
		}
	}
	if resp := c.Do(t, "POST", "/auth/dev-token", `{"user":"alice"}`, "Origin", "https://evil.example"); resp.Status != 403 {
		t.Errorf("a foreign page got %d %s", resp.Status, resp.Body)
	}
}

func TestConnectionBound(t *testing.T) {
	s := start(t, &fake{}, func(o *chatkitdhttp.Options) { o.MaxConns = 2 })
	held := []io.Closer{s.dial(t), s.dial(t)}
	eventually(t, "both are counted", func() bool { return s.metric(t, "chatkitd_http_connections", "") == 2 })
	resp := s.client(t, "").Do(t, "GET", "/health/live", nil)
	if resp.Status != http.StatusServiceUnavailable || resp.Code() != "unavailable" || resp.Header.Get("Retry-After") == "" {
		t.Errorf("got %d %v %s", resp.Status, resp.Header, resp.Body)
	}
	_ = held[0].Close()
	eventually(t, "one is gone", func() bool { return s.metric(t, "chatkitd_http_connections", "") == 1 })
	if got := s.client(t, "").Do(t, "GET", "/health/live", nil).Status; got != 200 {
		t.Errorf("got %d with a free place", got)
	}
}
