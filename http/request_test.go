package http_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chatkitd/chatkitd"
	chatkitdhttp "github.com/chatkitd/chatkitd/http"
	"github.com/chatkitd/chatkitd/http/auth"
)

func TestErrorStatuses(t *testing.T) {
	boom := errors.New("dsn=secret")
	tests := []struct {
		err        error
		status     int
		code       chatkitd.Code
		message    string
		retryAfter bool
	}{
		{chatkitd.Errorf(chatkitd.CodeInvalid, "title is too long"), 400, chatkitd.CodeInvalid, "title is too long", false},
		{chatkitd.Errorf(chatkitd.CodeUnsupported, "no"), 400, chatkitd.CodeUnsupported, "no", false},
		{chatkitd.Errorf(chatkitd.CodeUnauthorized, "no"), 401, chatkitd.CodeUnauthorized, "no", false},
		{chatkitd.Errorf(chatkitd.CodeForbidden, "no"), 403, chatkitd.CodeForbidden, "no", false},
		{chatkitd.Errorf(chatkitd.CodeNotFound, "task t1 is bob's"), 404, chatkitd.CodeNotFound, "not found", false},
		{chatkitd.Errorf(chatkitd.CodeConflict, "moved on"), 409, chatkitd.CodeConflict, "moved on", false},
		{chatkitd.Errorf(chatkitd.CodeBusy, "still answering"), 409, chatkitd.CodeBusy, "still answering", false},
		{chatkitd.Errorf(chatkitd.CodeKeyReused, "used"), 409, chatkitd.CodeKeyReused, "used", false},
		{chatkitd.Errorf(chatkitd.CodeTooLarge, "big"), 413, chatkitd.CodeTooLarge, "big", false},
		{chatkitd.Errorf(chatkitd.CodeUnsupportedMedia, "no"), 415, chatkitd.CodeUnsupportedMedia, "no", false},
		{chatkitd.Errorf(chatkitd.CodeRateLimited, "slow"), 429, chatkitd.CodeRateLimited, "slow", true},
		{chatkitd.Errorf(chatkitd.CodeCanceled, "gone"), 499, chatkitd.CodeCanceled, "gone", false},
		{chatkitd.Errorf(chatkitd.CodeInternal, "secret").Because(boom), 500, chatkitd.CodeInternal, "internal error", false},
		{boom, 500, chatkitd.CodeInternal, "internal error", false},
		{chatkitd.Errorf(chatkitd.CodeUnavailable, "the store is down").Because(boom), 503, chatkitd.CodeUnavailable, "the store is down", true},
		{context.DeadlineExceeded, 504, chatkitd.CodeTimeout, "the answer took too long: what was asked for may still happen", true},
	}
	var result error
	var logs lockedBuffer
	s := start(t, &fake{task: func(chatkitd.UserID, chatkitd.TaskID) (chatkitd.Task, error) {
		return chatkitd.Task{}, result
	}}, func(o *chatkitdhttp.Options) { o.Log = slog.New(slog.NewJSONHandler(&logs, nil)) })
	c := s.client(t, "alice")
	for _, tt := range tests {
		t.Run(tt.err.Error(), func(t *testing.T) {
			result = tt.err
			logs.Reset()
			resp := c.Do(t, "GET", "/api/v1/tasks/tsk_1", nil)
			var body struct {
				Error struct{ Code, Message, RequestID string }
			}
			var raw struct {
				Error map[string]string `json:"error"`
			}
			resp.Decode(t, &raw)
			body.Error.Code, body.Error.Message, body.Error.RequestID = raw.Error["code"], raw.Error["message"], raw.Error["request_id"]
			if resp.Status != tt.status || body.Error.Code != string(tt.code) || body.Error.Message != tt.message {
				t.Errorf("got %d %s, want %d %s %q", resp.Status, resp.Body, tt.status, tt.code, tt.message)
			}
			if got := resp.Header.Get("X-Request-Id"); got == "" || got != body.Error.RequestID {
				t.Errorf("request id %q in the header, %q in the body", got, body.Error.RequestID)
			}
			if got := resp.Header.Get("Retry-After") != ""; got != tt.retryAfter {
				t.Errorf("Retry-After is there: %t, want %t", got, tt.retryAfter)
			}
			if got := resp.Header.Get("WWW-Authenticate") != ""; got != (tt.status == 401) {
				t.Errorf("WWW-Authenticate is there: %t", got)
			}
			if strings.Contains(string(resp.Body), "secret") {
				t.Errorf("the body shows a cause: %s", resp.Body)
			}
			line := logs.String()
			if got := strings.Contains(line, "request failed"); got != (tt.status >= 500) {
				t.Errorf("logged as failed: %t: %s", got, line)
			}
			if errors.Is(tt.err, boom) && !strings.Contains(line, "dsn=secret") {
				t.Errorf("the log does not have the cause: %s", line)
			}
		})
	}
}

// lockedBuffer is a log that a test reads while the server writes.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *lockedBuffer) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b.Reset()
}

func TestUnknownAddressesAndMethods(t *testing.T) {
	s := start(t, &fake{})
	c := s.client(t, "")
	tests := []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/nope", 404, ""},
		{"GET", "/api/v1/chatkit/threads/thr_1/branches", 404, ""},
		{"GET", "/api/v1/chatkit/live-updates/poll", 404, ""},
		{"POST", "/auth/dev-token", 404, ""}, // not in development
		{"GET", "/api/v1/chatkit", 405, "POST"},
		{"PUT", "/api/v1/tasks", 405, "GET, POST"},
		{"PUT", "/api/v1/tasks/tsk_1", 405, "GET, DELETE, PATCH"},
		{"POST", "/health", 405, "GET, HEAD"},
		{"PROPFIND", "/api/v1/tasks", 405, "GET, HEAD, POST, PATCH, DELETE, OPTIONS"},
		{"PROPFIND", "/nope", 405, "GET, HEAD, POST, PATCH, DELETE, OPTIONS"},
	}
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			resp := c.Do(t, tt.method, tt.path, nil)
			if resp.Status != tt.status || resp.Header.Get("Allow") != tt.allow {
				t.Errorf("got %d, Allow %q; want %d, %q", resp.Status, resp.Header.Get("Allow"), tt.status, tt.allow)
			}
			if resp.Code() == "" || resp.Header.Get("Content-Type") != "application/json" || resp.Header.Get("X-Request-Id") == "" {
				t.Errorf("not an error of the API: %v %s", resp.Header, resp.Body)
			}
		})
	}
}

func TestAuthentication(t *testing.T) {
	s := start(t, &fake{task: func(u chatkitd.UserID, id chatkitd.TaskID) (chatkitd.Task, error) {
		return chatkitd.Task{ID: id, Title: string(u)}, nil
	}})
	c := s.client(t, "")
	good, err := auth.Sign(secret, auth.Claims{User: "alice", IssuedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, header string
		status       int
	}{
		{"none", "", 401},
		{"another scheme", "Basic YWxpY2U6", 401},
		{"no token", "Bearer ", 401},
		{"not a token", "Bearer x", 401},
		{"good", "Bearer " + good, 200},
		{"scheme in lower case", "bearer " + good, 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			resp := c.Do(t, "GET", "/api/v1/tasks/tsk_1", nil, "Authorization", tt.header, "X-User-ID", "mallory", "Accept-Language", "de-CH,de;q=0.9,*;q=0.1")
			if resp.Status != tt.status {
				t.Fatalf("got %d %s, want %d", resp.Status, resp.Body, tt.status)
			}
			if tt.status == 401 && (resp.Code() != "unauthorized" || resp.Header.Get("WWW-Authenticate") == "") {
				t.Errorf("got %v %s", resp.Header, resp.Body)
			}
			if tt.status == 200 && !strings.Contains(string(resp.Body), `"title":"alice"`) {
				t.Errorf("acted for %s, want alice", resp.Body)
			}
		})
	}
}

func TestRequestIDAndTraceParent(t *testing.T) {
	var got chatkitd.Meta
	s := start(t, &fake{doTask: func(m chatkitd.Meta, _ chatkitd.TaskCommand) (chatkitd.TaskResult, error) {
		got = m
		return chatkitd.TaskResult{}, nil
	}})
	c := s.client(t, "alice")
	const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

	resp := c.Do(t, "DELETE", "/api/v1/tasks/tsk_1", nil, "X-Request-ID", "from-proxy_1", "traceparent", trace, "Idempotency-Key", "k 1")
	want := chatkitd.Meta{User: "alice", Key: "k 1", Request: "from-proxy_1", TraceParent: trace}
	if got != want || resp.Header.Get("X-Request-Id") != "from-proxy_1" {
		t.Errorf("got %+v and id %q, want %+v", got, resp.Header.Get("X-Request-Id"), want)
	}

	for _, bad := range []string{"a b", strings.Repeat("x", 65), `"><script>`} {
		resp = c.Do(t, "DELETE", "/api/v1/tasks/tsk_1", nil, "X-Request-ID", bad, "traceparent", strings.ToUpper(trace))
		if id := resp.Header.Get("X-Request-Id"); !strings.HasPrefix(id, chatkitd.PrefixRequest) || got.Request != id || got.TraceParent != "" {
			t.Errorf("id %q became %q, meta %+v", bad, id, got)
		}
	}
	for _, bad := range []string{
		"00-00000000000000000000000000000000-b7ad6b7169203331-01",
		"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
		"01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
		"00_0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331_01",
	} {
		if c.Do(t, "DELETE", "/api/v1/tasks/tsk_1", nil, "traceparent", bad); got.TraceParent != "" {
			t.Errorf("%q was passed on", bad)
		}
	}
}

func TestCORS(t *testing.T) {
	f := &fake{
		doTask: func(chatkitd.Meta, chatkitd.TaskCommand) (chatkitd.TaskResult, error) {
			return chatkitd.TaskResult{}, nil
		},
		task: func(chatkitd.UserID, chatkitd.TaskID) (chatkitd.Task, error) { return chatkitd.Task{}, nil },
		startTurn: func(context.Context, chatkitd.Meta, chatkitd.TurnCommand) (chatkitd.TurnStream, error) {
			return ended("{}"), nil
		},
	}
	production := start(t, f, func(o *chatkitdhttp.Options) { o.CORSOrigins = []string{"https://app.example"} })
	development := start(t, f, func(o *chatkitdhttp.Options) { o.Development = true })
	tests := []struct {
		name    string
		s       *server
		origin  string
		allowed bool
	}{
		{"listed", production, "https://app.example", true},
		{"its own", production, production.base, true},
		{"its own behind TLS", production, "https://" + production.addr, true},
		{"foreign", production, "https://evil.example", false},
		{"prefix of a listed one", production, "https://app.example.evil", false},
		{"another scheme", production, "http://app.example", false},
		{"another port", production, "https://app.example:8443", false},
		{"null", production, "null", false},
		{"local in production", production, "http://localhost:5173", false},
		{"local in development", development, "http://localhost:5173", true},
		{"loopback in development", development, "http://127.0.0.1:3000", true},
		{"loopback 6 in development", development, "http://[::1]:3000", true},
		{"not quite local", development, "http://localhost.evil.example", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := tt.s.client(t, "alice")
			want, del := "", 403
			if tt.allowed {
				want, del = tt.origin, 204
			}
			check := func(what string, h http.Header) {
				t.Helper()
				if got := h.Get("Access-Control-Allow-Origin"); got != want {
					t.Errorf("%s: Allow-Origin %q, want %q", what, got, want)
				}
				if !strings.Contains(strings.Join(h.Values("Vary"), ","), "Origin") {
					t.Errorf("%s: Vary %q lacks Origin", what, h.Values("Vary"))
				}
			}
			resp := c.As("").Do(t, "OPTIONS", "/api/v1/tasks", nil, "Origin", tt.origin, "Access-Control-Request-Method", "POST",
				"Access-Control-Request-Headers", "authorization,chatkit-frame-instance-id,x-chatkit-domain-key")
			check("preflight", resp.Header)
			if resp.Status != 204 {
				t.Errorf("preflight: %d", resp.Status)
			}
			if got := resp.Header.Get("Access-Control-Allow-Headers"); (got == "authorization,chatkit-frame-instance-id,x-chatkit-domain-key") != tt.allowed {
				t.Errorf("preflight: Allow-Headers %q", got)
			}
			check("answer", c.Do(t, "GET", "/api/v1/tasks/tsk_1", nil, "Origin", tt.origin).Header)
			check("401", c.As("").Do(t, "GET", "/api/v1/tasks/tsk_1", nil, "Origin", tt.origin).Header)
			check("404", c.Do(t, "GET", "/nope", nil, "Origin", tt.origin).Header)
			check("405", c.Do(t, "BREW", "/nope", nil, "Origin", tt.origin).Header)
			resp = c.Do(t, "DELETE", "/api/v1/tasks/tsk_1", nil, "Origin", tt.origin)
			check("change", resp.Header)
			if resp.Status != del {
				t.Errorf("a change got %d, want %d", resp.Status, del)
			}
			if tt.allowed {
				st := c.Stream(t, "POST", "/api/v1/chatkit", create("hello"), "Origin", tt.origin)
				check("stream", st.Header)
				st.All(t)
			}
		})
	}
	resp := production.client(t, "alice").Do(t, "DELETE", "/api/v1/tasks/tsk_1", nil)
	if resp.Status != 204 || resp.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("without an origin: %d %v", resp.Status, resp.Header)
	}
}

func TestHostInDevelopment(t *testing.T) {
	f := &fake{task: func(chatkitd.UserID, chatkitd.TaskID) (chatkitd.Task, error) { return chatkitd.Task{}, nil }}
	production := start(t, f)
	development := start(t, f, func(o *chatkitdhttp.Options) { o.Development = true })
	for host, want := range map[string]int{
		"localhost:8000": 200, "localhost": 200, "127.0.0.1:8000": 200, "192.168.1.7:8000": 200, "[::1]:8000": 200, "chatkitd:8000": 200, "app.localhost:3000": 200,
		"evil.example:8000": 403, "evil.example": 403, "localhost.evil.example": 403, "127.0.0.1.nip.io:8000": 403,
	} {
		request := "GET /api/v1/tasks/tsk_1 HTTP/1.1\r\nHost: " + host + "\r\nAuthorization: Bearer test-token-alice\r\nConnection: close\r\n\r\n"
		for s, want := range map[*server]int{development: want, production: 200} {
			if got := s.raw(t, request); got.StatusCode != want {
				t.Errorf("%s: got %d, want %d", host, got.StatusCode, want)
			}
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	_, err := chatkitdhttp.New(chatkitdhttp.Options{CORSOrigins: []string{"*", "https://app.example/"}})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"Auth", "Tasks", "TaskReader", "Threads", "ThreadReader", `"*"`, `"https://app.example/"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
}

func TestRateLimit(t *testing.T) {
	s := start(t, &fake{task: func(chatkitd.UserID, chatkitd.TaskID) (chatkitd.Task, error) { return chatkitd.Task{}, nil }},
		func(o *chatkitdhttp.Options) { o.RateLimit, o.RateBurst = 0.1, 3 })
	alice := s.client(t, "alice")
	for i := range 3 {
		if got := alice.Do(t, "GET", "/api/v1/tasks/tsk_1", nil).Status; got != 200 {
			t.Fatalf("request %d got %d", i+1, got)
		}
	}
	resp := alice.Do(t, "GET", "/api/v1/tasks/tsk_1", nil)
	if resp.Status != 429 || resp.Code() != "rate_limited" || resp.Header.Get("Retry-After") != "10" {
		t.Errorf("got %d %v %s", resp.Status, resp.Header, resp.Body)
	}
	if got := alice.As("test-token-bob").Do(t, "GET", "/api/v1/tasks/tsk_1", nil).Status; got != 200 {
		t.Errorf("another user got %d", got)
	}
}

func TestPanicIsAnswered(t *testing.T) {
	var logs lockedBuffer
	s := start(t, &fake{task: func(chatkitd.UserID, chatkitd.TaskID) (chatkitd.Task, error) { panic("oh no") }},
		func(o *chatkitdhttp.Options) { o.Log = slog.New(slog.NewJSONHandler(&logs, nil)) })
	resp := s.client(t, "alice").Do(t, "GET", "/api/v1/tasks/tsk_1", nil)
	if resp.Status != 500 || resp.Code() != "internal" || strings.Contains(string(resp.Body), "oh no") {
		t.Errorf("got %d %s", resp.Status, resp.Body)
	}
	if got := logs.String(); !strings.Contains(got, "oh no") || !strings.Contains(got, "request_test.go") {
		t.Errorf("the log has no panic with its stack: %s", got)
	}
}

func TestRequestTimeout(t *testing.T) {
	s := start(t, &fake{startTurn: func(ctx context.Context, _ chatkitd.Meta, _ chatkitd.TurnCommand) (chatkitd.TurnStream, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}, func(o *chatkitdhttp.Options) { o.RequestTimeout = 20 * time.Millisecond })
	resp := s.client(t, "alice").Do(t, "POST", "/api/v1/chatkit", create("hello"))
	if resp.Status != 504 || resp.Header.Get("Retry-After") == "" || resp.Code() != "timeout" {
		t.Errorf("got %d %s", resp.Status, resp.Body)
	}
	if got := s.metric(t, "chatkitd_http_open_streams", ""); got != 0 {
		t.Errorf("%v streams are open", got)
	}
}

func TestLogLine(t *testing.T) {
	var logs lockedBuffer
	s := start(t, &fake{doTask: func(chatkitd.Meta, chatkitd.TaskCommand) (chatkitd.TaskResult, error) {
		return chatkitd.TaskResult{}, nil
	}}, func(o *chatkitdhttp.Options) { o.Log = slog.New(slog.NewJSONHandler(&logs, nil)) })
	s.client(t, "alice").Do(t, "PATCH", "/api/v1/tasks/tsk_1", `{"title":"buy milk"}`)
	s.client(t, "").Do(t, "GET", "/health/live", nil)
	line := logs.String()
	for _, want := range []string{`"msg":"request"`, `"level":"INFO"`, `"method":"PATCH"`, `"route":"/api/v1/tasks/:id"`, `"status":200`, `"user":"alice"`, `"request_id":"req_`, `"duration":`} {
		if !strings.Contains(line, want) {
			t.Errorf("%s is not in %s", want, line)
		}
	}
	for _, not := range []string{"test-token", "milk", "tsk_1", "/health"} {
		if strings.Contains(line, not) {
			t.Errorf("%s is in %s", not, line)
		}
	}
	if got := strings.Count(line, "\n"); got != 1 {
		t.Errorf("%d lines, want 1", got)
	}
}
