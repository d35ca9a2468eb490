package deploy_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// backend is a server as the proxy sees a chatkitd.
type backend struct {
	*httptest.Server
	ready atomic.Bool
	asked atomic.Int64 // requests that did not ask for its health
	serve atomic.Pointer[http.HandlerFunc]
}

func newBackend(t *testing.T) *backend {
	t.Helper()
	b := &backend{}
	b.ready.Store(true)
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/health/ready" {
			if !b.ready.Load() {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			return
		}
		b.asked.Add(1)
		if serve := b.serve.Load(); serve != nil {
			(*serve)(w, r)
			return
		}
		_, _ = io.WriteString(w, r.Header.Get("X-Request-Id"))
	}))
	t.Cleanup(b.Close)
	return b
}

func (b *backend) handle(serve http.HandlerFunc) { b.serve.Store(&serve) }

// proxy runs HAProxy with our configuration in front of two backends and returns
// its address, once both are in use.
func proxy(t *testing.T, one, two *backend) string {
	t.Helper()
	binary, err := exec.LookPath("haproxy")
	if err != nil {
		t.Skip("needs haproxy, 2.6 or later, on the PATH")
	}
	public, health := freePort(t), freePort(t)
	cfg := read(t, "haproxy.cfg")
	for _, change := range [][2]string{
		{"bind :8080", "bind " + public},
		{"bind 127.0.0.1:8081", "bind " + health},
		{" chatkitd1:8000", " " + one.Listener.Addr().String()},
		{" chatkitd2:8000", " " + two.Listener.Addr().String()},
		{" resolvers docker init-addr libc,none", ""},
		{"maxconn 20000 ", "maxconn 100 "},
		{"inter 1s", "inter 50ms"},
	} {
		if !strings.Contains(cfg, change[0]) {
			t.Fatalf("haproxy.cfg has no %q", change[0])
		}
		cfg = strings.Replace(cfg, change[0], change[1], 1)
	}
	file := filepath.Join(t.TempDir(), "haproxy.cfg")
	if err := os.WriteFile(file, []byte(cfg), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary, "-db", "-f", file)
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	})
	eventually(t, "the proxy answers", func() bool {
		resp, err := http.Get("http://" + health) //nolint:noctx // a test
		if err != nil {
			return false
		}
		defer func() { _ = resp.Body.Close() }()
		return resp.StatusCode == http.StatusOK
	})
	return "http://" + public
}

func freePort(t *testing.T) string {
	t.Helper()
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	return ln.Addr().String()
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if done() {
			return
		}
	}
	t.Fatalf("not within 10 s: %s", what)
}

// ask sends a request and returns status, X-Request-Id and body. Status 0 is a
// connection that was closed without an answer.
func ask(t *testing.T, method, url string, header ...string) (status int, id, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return resp.StatusCode, resp.Header.Get("X-Request-Id"), string(b)
}

func TestProxyPassesEventsOnAsTheyCome(t *testing.T) {
	one, two := newBackend(t), newBackend(t)
	next, gone := make(chan struct{}), make(chan struct{}, 1)
	for _, b := range []*backend{one, two} {
		b.handle(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			for i := 0; ; i++ {
				_, _ = fmt.Fprintf(w, "data: %d\n\n", i)
				_ = http.NewResponseController(w).Flush()
				select {
				case <-next: // only now, so that nothing else could push the event through
				case <-r.Context().Done():
					gone <- struct{}{}
					return
				}
			}
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, proxy(t, one, two)+"/api/v1/tasks", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	rd := bufio.NewReader(resp.Body)
	for i := range 20 {
		line, err := rd.ReadString('\n')
		if want := fmt.Sprintf("data: %d\n", i); err != nil || line != want {
			t.Fatalf("got %q, %v; want %q", line, err, want)
		}
		if _, err := rd.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		next <- struct{}{}
	}
	cancel()
	select {
	case <-gone: // at once, not when the next event cannot be sent
	case <-time.After(5 * time.Second):
		t.Error("the server is not told that the client went away")
	}
}

// TestProxyTriesAnotherServer has one server fail in each way there is.
func TestProxyTriesAnotherServer(t *testing.T) {
	failures := map[string]http.HandlerFunc{
		"stops": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) },
		"dies":  func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	}
	requests := []struct {
		name, method string
		header       []string
		again        bool
	}{
		{"a read", "GET", nil, true},
		{"a command with a key", "POST", []string{"Idempotency-Key", "k1"}, true},
		{"a command without a key", "POST", nil, false},
	}
	for failure, fail := range failures {
		for _, tt := range requests {
			t.Run(failure+", "+tt.name, func(t *testing.T) {
				one, two := newBackend(t), newBackend(t)
				for _, b := range []*backend{one, two} {
					first := &atomic.Bool{}
					b.handle(func(w http.ResponseWriter, r *http.Request) {
						// Whichever is asked first fails.
						if one.asked.Load()+two.asked.Load() == 1 && first.CompareAndSwap(false, true) {
							fail(w, r)
						}
					})
				}
				status, _, body := ask(t, tt.method, proxy(t, one, two)+"/api/v1/tasks", tt.header...)
				asked := one.asked.Load() + two.asked.Load()
				switch {
				case tt.again && (status != http.StatusOK || one.asked.Load() != 1 || two.asked.Load() != 1):
					t.Errorf("status %d %s after %d and %d requests", status, body, one.asked.Load(), two.asked.Load())
				case !tt.again && (status == http.StatusOK || asked != 1):
					t.Errorf("status %d after %d requests: it may have happened twice", status, asked)
				}
			})
		}
	}
}

func TestProxyAsksOnlyWhoIsReady(t *testing.T) {
	one, two := newBackend(t), newBackend(t)
	base := proxy(t, one, two)
	one.ready.Store(false)
	eventually(t, "the one that is not ready is left alone", func() bool {
		before := one.asked.Load()
		for range 10 {
			if status, _, body := ask(t, "POST", base+"/api/v1/tasks"); status != http.StatusOK {
				t.Fatalf("%d %s", status, body)
			}
		}
		return one.asked.Load() == before
	})
	two.ready.Store(false)
	eventually(t, "nobody is asked", func() bool {
		status, id, body := ask(t, "GET", base+"/api/v1/tasks")
		return status == http.StatusServiceUnavailable && strings.Contains(body, `"code":"unavailable"`) && strings.Contains(body, id)
	})
	one.ready.Store(true)
	eventually(t, "the one that is ready again is asked", func() bool {
		status, _, _ := ask(t, "GET", base+"/api/v1/tasks")
		return status == http.StatusOK
	})
}

func TestProxyKeepsAUserAtAServer(t *testing.T) {
	one, two := newBackend(t), newBackend(t)
	base := proxy(t, one, two)
	both := 0
	for _, claims := range []string{ // {"user_id":"a"} and so on; the last has sub
		"eyJ1c2VyX2lkIjoiYSJ9", "eyJ1c2VyX2lkIjoiYiJ9", "eyJ1c2VyX2lkIjoiYyJ9", "eyJ1c2VyX2lkIjoiZCJ9",
		"eyJ1c2VyX2lkIjoiZSJ9", "eyJ1c2VyX2lkIjoiZiJ9", "eyJzdWIiOiJnIn0",
	} {
		before := one.asked.Load()
		for i := range 5 {
			token := fmt.Sprintf("eyJhbGciOiJIUzI1NiJ9.%s.c2ln%02d", claims, i) // another token each time
			ask(t, "GET", base+"/api/v1/tasks", "Authorization", "Bearer "+token)
		}
		if n := one.asked.Load() - before; n != 0 && n != 5 {
			t.Errorf("%s: %d of 5 requests went to the first server", claims, n)
		}
		if one.asked.Load() > 0 && two.asked.Load() > 0 {
			both++
		}
	}
	if both == 0 {
		t.Error("all users are at one server")
	}
}

func TestProxyGivesRequestsAnID(t *testing.T) {
	one, two := newBackend(t), newBackend(t)
	base := proxy(t, one, two)
	sane := regexp.MustCompile(`^[A-Za-z0-9_-]{8,64}$`)
	for _, given := range []string{"", `a"},{"b`, strings.Repeat("x", 65), "two, of them"} {
		if _, id, passed := ask(t, "GET", base+"/", "X-Request-Id", given); !sane.MatchString(id) || id == given || passed != id {
			t.Errorf("%q: the server got %q, the client %q", given, passed, id)
		}
	}
	if _, id, passed := ask(t, "GET", base+"/", "X-Request-Id", "req_42"); id != "req_42" || passed != id {
		t.Errorf("the server got %q, the client %q", passed, id)
	}
}

func TestProxyHidesWhatIsForOperators(t *testing.T) {
	one, two := newBackend(t), newBackend(t)
	base := proxy(t, one, two)
	for _, path := range []string{
		"/metrics", "/metrics/", "/metrics?x", "//metrics", "/METRICS", "/%6detrics", "/metrics%2f", "/health", "/health/live", "/health/ready",
	} {
		if status, _, _ := ask(t, "GET", base+path); status != http.StatusNotFound {
			t.Errorf("%s: %d", path, status)
		}
	}
	if n := one.asked.Load() + two.asked.Load(); n != 0 {
		t.Errorf("%d requests came through", n)
	}
	if status, _, _ := ask(t, "GET", base+"/healthy"); status != http.StatusOK {
		t.Errorf("/healthy: %d", status)
	}
}
