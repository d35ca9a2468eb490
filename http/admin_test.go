package http_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/chatkitd/chatkitd"
	chatkitdhttp "github.com/chatkitd/chatkitd/http"
	"github.com/chatkitd/chatkitd/http/apitest"
	"github.com/chatkitd/chatkitd/http/auth"
)

// office is the ports of operators as functions, and the audit log as lines.
type office struct {
	events func(chatkitd.EventQuery) (chatkitd.EventPage, error)
	follow func(context.Context, chatkitd.EventQuery, func(chatkitd.EventView) error) error
	replay func(chatkitd.ReplayQuery) (chatkitd.Replay, error)
	trace  func(string) (chatkitd.TraceNode, error)
	act    func(what string) error

	mu     sync.Mutex
	states []chatkitd.ProjectionState
	down   error // of States
	closed error // of the audit log
	log    []string
	done   []string
}

func (o *office) Events(_ context.Context, q chatkitd.EventQuery) (chatkitd.EventPage, error) {
	return o.events(q)
}

func (o *office) Follow(ctx context.Context, q chatkitd.EventQuery, yield func(chatkitd.EventView) error) error {
	return o.follow(ctx, q, yield)
}

func (o *office) Replay(_ context.Context, q chatkitd.ReplayQuery) (chatkitd.Replay, error) {
	return o.replay(q)
}

func (o *office) Trace(_ context.Context, id string) (chatkitd.TraceNode, error) { return o.trace(id) }

func (o *office) States(context.Context) ([]chatkitd.ProjectionState, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.states), o.down
}

func (o *office) set(down error, states ...chatkitd.ProjectionState) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.states, o.down = states, down
}

func (o *office) do(format string, args ...any) error {
	what := fmt.Sprintf(format, args...)
	if o.act != nil {
		if err := o.act(what); err != nil {
			return err
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.done = append(o.done, what)
	return nil
}

func (o *office) Rebuild(_ context.Context, names ...string) error { return o.do("rebuild %v", names) }
func (o *office) CancelRebuild(context.Context) error              { return o.do("cancel") }
func (o *office) Pause(_ context.Context, name string) error       { return o.do("pause %s", name) }
func (o *office) Resume(_ context.Context, name string) error      { return o.do("resume %s", name) }
func (o *office) Retry(_ context.Context, name string) error       { return o.do("retry %s", name) }
func (o *office) Rollback(_ context.Context, name string) error    { return o.do("rollback %s", name) }

func (o *office) Skip(_ context.Context, name string, p chatkitd.Position) error {
	return o.do("skip %s %s", name, p)
}

func (o *office) note(format string, args ...any) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed != nil {
		return o.closed
	}
	o.log = append(o.log, fmt.Sprintf(format, args...))
	return nil
}

func (o *office) Record(_ context.Context, m chatkitd.Meta, what string, query json.RawMessage) error {
	return o.note("%s %s read %s %s", m.User, m.Request, what, query)
}

func (o *office) Changed(_ context.Context, m chatkitd.Meta, name, action string, pos chatkitd.Position) error {
	return o.note("%s %s %s %s %s", m.User, m.Request, action, name, pos)
}

// taken returns what was written and done since the last call.
func (o *office) taken() (log, done []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	log, done = o.log, o.done
	o.log, o.done = nil, nil
	return log, done
}

// open starts a server with o as its ports.
func (o *office) open(t *testing.T, change ...func(*chatkitdhttp.Options)) *server {
	t.Helper()
	return start(t, &fake{}, append([]func(*chatkitdhttp.Options){func(opts *chatkitdhttp.Options) {
		opts.Auditor, opts.Projections, opts.AuditLog = o, o, o
	}}, change...)...)
}

// operator returns a client of role admin.
func (s *server) operator(t *testing.T, user string) *apitest.Client {
	t.Helper()
	token, err := auth.Sign(secret, auth.Claims{User: chatkitd.UserID(user), Roles: []string{"admin"}, IssuedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	return apitest.New(t, s.base, token)
}

var adminRoutes = []string{
	"GET /api/v1/admin/events", "GET /api/v1/admin/streams/user-alice", "GET /api/v1/admin/replay?user=alice", "GET /api/v1/admin/trace/trn_1",
	"GET /api/v1/admin/projections", "POST /api/v1/admin/projections/tasks/pause", "POST /api/v1/admin/projections/all/rebuild",
}

// TestOnlyOperators asks every route without the role: nothing is done, read or
// written, however the answer is asked for.
func TestOnlyOperators(t *testing.T) {
	o := &office{} // any call of a port would panic
	s := o.open(t)
	reader, err := auth.Sign(secret, auth.Claims{User: "bob", Roles: []string{"Admin", "administrator", "reader"}, IssuedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	for _, route := range adminRoutes {
		method, path, _ := strings.Cut(route, " ")
		for _, accept := range []string{"application/json", eventStream} {
			for token, want := range map[string]int{"": 401, "nonsense": 401, "test-token-alice": 403, reader: 403} {
				resp := apitest.New(t, s.base, token).Do(t, method, path, nil, "Accept", accept)
				code := map[int]string{401: "unauthorized", 403: "forbidden"}[want]
				if resp.Status != want || resp.Code() != code {
					t.Errorf("%s with %.12q: got %d %s, want %d", route, token, resp.Status, resp.Body, want)
				}
				if want == 403 && !strings.Contains(string(resp.Body), "role admin") {
					t.Errorf("%s: %s does not say what is missing", route, resp.Body)
				}
			}
		}
	}
	if log, done := o.taken(); len(log)+len(done) > 0 {
		t.Errorf("written %v, done %v", log, done)
	}
}

func TestWithoutPorts(t *testing.T) {
	s := start(t, &fake{})
	for _, route := range adminRoutes {
		method, path, _ := strings.Cut(route, " ")
		if resp := s.operator(t, "eve").Do(t, method, path, nil); resp.Status != http.StatusNotFound {
			t.Errorf("%s: got %d %s", route, resp.Status, resp.Body)
		}
	}
	f := &fake{}
	_, err := chatkitdhttp.New(chatkitdhttp.Options{Auth: s.auth, Tasks: f, TaskReader: f, Threads: f, ThreadReader: f, Auditor: &office{}})
	if err == nil || !strings.Contains(err.Error(), "AuditLog") {
		t.Errorf("an auditor without an audit log: %v", err)
	}
}

// TestNothingUnrecorded has an audit log that takes nothing: then nothing is
// shown and nothing done.
func TestNothingUnrecorded(t *testing.T) {
	o := &office{closed: chatkitd.Errorf(chatkitd.CodeUnavailable, "it cannot be written down"), states: []chatkitd.ProjectionState{{Name: "tasks"}}}
	s := o.open(t)
	for _, route := range adminRoutes {
		method, path, _ := strings.Cut(route, " ")
		for _, accept := range []string{"application/json", eventStream} {
			resp := s.operator(t, "eve").Do(t, method, path, nil, "Accept", accept)
			if resp.Status != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" || !strings.Contains(string(resp.Body), "written down") {
				t.Errorf("%s %s: got %d %s", route, accept, resp.Status, resp.Body)
			}
		}
	}
	if _, done := o.taken(); len(done) > 0 {
		t.Errorf("done %v", done)
	}
	if got := s.metric(t, "chatkitd_http_open_streams", ""); got != 0 {
		t.Errorf("%v streams are open", got)
	}
}

func TestAdminPage(t *testing.T) {
	html := func(names ...string) func(*chatkitdhttp.Options) {
		files := fstest.MapFS{}
		for _, n := range names {
			files[n] = &fstest.MapFile{Data: []byte(n)}
		}
		return func(o *chatkitdhttp.Options) { o.Page = files }
	}
	for _, tt := range []struct {
		page func(*chatkitdhttp.Options)
		want string
	}{{html("index.html", "admin.html"), "admin.html"}, {html("index.html"), "index.html"}} {
		s := start(t, &fake{}, tt.page)
		resp := s.client(t, "").Do(t, "GET", "/admin", nil)
		if resp.Status != http.StatusOK || string(resp.Body) != tt.want || !strings.Contains(resp.Header.Get("Content-Security-Policy"), "default-src 'self'") {
			t.Errorf("got %d %s %v, want %s", resp.Status, resp.Body, resp.Header, tt.want)
		}
	}
	if resp := start(t, &fake{}, html()).client(t, "").Do(t, "GET", "/admin", nil); resp.Status != http.StatusNotFound {
		t.Errorf("without a page: got %d", resp.Status)
	}
}

// TestAdminLimits has an operator held to the same bounds as anyone.
func TestAdminLimits(t *testing.T) {
	o := &office{follow: func(ctx context.Context, _ chatkitd.EventQuery, _ func(chatkitd.EventView) error) error {
		<-ctx.Done()
		return ctx.Err()
	}}
	s := o.open(t, func(o *chatkitdhttp.Options) { o.MaxUserStreams, o.RateLimit, o.RateBurst = 1, 0.001, 3 })
	c := s.operator(t, "eve")
	c.Stream(t, "GET", "/api/v1/admin/events", nil, "Accept", eventStream)
	for _, path := range []string{"/api/v1/admin/events", "/api/v1/admin/projections"} {
		if resp := c.Do(t, "GET", path, nil, "Accept", eventStream); resp.Status != http.StatusTooManyRequests || !strings.Contains(string(resp.Body), "streams") {
			t.Errorf("a second stream: got %d %s", resp.Status, resp.Body)
		}
	}
	if resp := c.Do(t, "GET", "/api/v1/admin/projections", nil); resp.Status != http.StatusTooManyRequests || resp.Code() != "rate_limited" {
		t.Errorf("over the rate: got %d %s", resp.Status, resp.Body)
	}
	if log, _ := o.taken(); len(log) != 1 {
		t.Errorf("written: %q: want the one that was served", log)
	}
}

var errBroken = errors.New("the disk is broken")
