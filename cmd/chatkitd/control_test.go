package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chatkitd/chatkitd/http/apitest"
)

// buffer is a strings.Builder that is read while it is written.
type buffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// background runs a command until stop is called, which returns its exit status.
func background(t *testing.T, args ...string) (stdout, stderr *buffer, stop func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	status := make(chan int, 1)
	stdout, stderr = &buffer{}, &buffer{}
	go func() { status <- run(ctx, args, stdout, stderr, nil) }()
	stop = sync.OnceValue(func() int {
		cancel()
		select {
		case s := <-status:
			return s
		case <-time.After(30 * time.Second):
			t.Errorf("%v does not stop", args)
			return -1
		}
	})
	t.Cleanup(func() { stop() })
	return stdout, stderr, stop
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for start := time.Now(); !ok(); <-tick.C {
		if time.Since(start) > 30*time.Second {
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}

func controlOf(t *testing.T, dir string) control {
	t.Helper()
	c, ok, err := readControl(dir)
	if err != nil || !ok {
		t.Fatalf("no control file: %v", err)
	}
	return c
}

// TestControlFile has a server that is found by the file as long as it runs.
func TestControlFile(t *testing.T) {
	dir := t.TempDir()
	out, logged, stop := background(t, "serve", "--listen=127.0.0.1:0", "--data="+dir, "--agent=offline", "--log-level=debug")
	eventually(t, "the server listens", func() bool { return strings.Contains(out.String(), "Open http") })

	info, err := os.Stat(filepath.Join(dir, controlFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v, want 0600", info.Mode(), err)
	}
	c := controlOf(t, dir)
	if c.PID != os.Getpid() || len(c.Token) < 40 {
		t.Errorf("pid %d, token of %d bytes", c.PID, len(c.Token))
	}
	for token, want := range map[string]int{c.Token: 200, c.Token[1:]: 401, "": 401, "test-token-operator": 403} {
		if resp := apitest.New(t, c.URL, token).Do(t, "GET", projectionsPath, nil); resp.Status != want {
			t.Errorf("with a token of %d bytes: got %d, want %d", len(token), resp.Status, want)
		}
	}
	if status := stop(); status != exitOK {
		t.Errorf("exit status %d", status)
	}
	if _, ok, err := readControl(dir); ok || err != nil {
		t.Errorf("the file is there after the stop: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, controlFile+"*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if s := logged.String() + out.String(); strings.Contains(s, c.Token) || !strings.Contains(s, "listening") {
		t.Error("the token is in the log, or nothing is")
	}
}

// TestControlFileOfTheDead has a server that was killed: its file leads nowhere,
// and the commands work without it.
func TestControlFileOfTheDead(t *testing.T) {
	dir := t.TempDir()
	addr, kill := spawn(t, dir)
	say(t, apitest.New(t, "http://"+addr, "test-token-alice"), "", "add buy milk")
	if status, out, stderr := command(t, "projections", "list", "--data="+dir); status != exitOK || !strings.Contains(out, "tasks") {
		t.Errorf("list: %d %s %s", status, out, stderr)
	}
	kill()
	stale := controlOf(t, dir)
	if status, out, stderr := command(t, "projections", "list", "--json", "--data="+dir); status != exitOK || !strings.Contains(out, `"tasks"`) {
		t.Errorf("list: %d %s %s", status, out, stderr)
	}
	if status, out, stderr := command(t, "projections", "rebuild", "tasks", "--data="+dir); status != exitOK || !strings.Contains(out, "Rebuilt tasks") {
		t.Errorf("rebuild: %d %s %s", status, out, stderr)
	}
	for _, args := range [][]string{{"pause", "tasks"}, {"rebuild", "tasks", "--detach"}, {"list", "--watch"}} {
		if status, _, stderr := command(t, append(append([]string{"projections"}, args...), "--data="+dir)...); status != exitFault || !strings.Contains(stderr, "no server runs") {
			t.Errorf("%v: %d %s", args, status, stderr)
		}
	}
	s := start(t, dir)
	fresh := controlOf(t, dir)
	if fresh.Token == stale.Token {
		t.Error("a token outlives its server")
	}
	if resp := apitest.New(t, "http://"+s.addr, stale.Token).Do(t, "GET", projectionsPath, nil); resp.Status != http.StatusUnauthorized {
		t.Errorf("the old token: got %d", resp.Status)
	}
	if err := removeControl(dir, stale); err != nil {
		t.Error(err)
	}
	if controlOf(t, dir) != fresh {
		t.Error("a server removed the file of another")
	}
	s.wait(t)
}

// TestControlFileLeadsElsewhere has another program on the port by now.
func TestControlFileLeadsElsewhere(t *testing.T) {
	dir := t.TempDir()
	for status, says := range map[int]string{401: "another program", 418: "418", 503: "503"} {
		other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		if err := writeControl(dir, control{URL: other.URL, Token: "t", PID: 1}); err != nil {
			t.Fatal(err)
		}
		if exit, _, stderr := command(t, "projections", "pause", "tasks", "--data="+dir); exit != exitFault || !strings.Contains(stderr, says) {
			t.Errorf("%d: %d %s", status, exit, stderr)
		}
		other.Close()
	}
	if err := os.WriteFile(filepath.Join(dir, controlFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if exit, _, stderr := command(t, "projections", "pause", "tasks", "--data="+dir); exit != exitFault || !strings.Contains(stderr, "damaged") {
		t.Errorf("damaged: %d %s", exit, stderr)
	}
	if err := writeControl(filepath.Join(dir, "none"), control{}); err == nil {
		t.Error("a folder that is not there is no error")
	}
}

func TestRefusals(t *testing.T) {
	for status, want := range map[int]int{400: exitUsage, 403: exitUsage, 404: exitUsage, 409: exitFault, 500: exitFault, 503: exitFault} {
		dir := t.TempDir()
		other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, `{"error":{"code":"x","message":"so it is"}}`)
		}))
		if err := writeControl(dir, control{URL: other.URL, Token: "t", PID: 1}); err != nil {
			t.Fatal(err)
		}
		if exit, _, stderr := command(t, "projections", "pause", "tasks", "--data="+dir); exit != want || stderr != "chatkitd: so it is\n" {
			t.Errorf("%d: exit status %d, want %d: %s", status, exit, want, stderr)
		}
		other.Close()
	}
}

// TestFollowOutlastsARestart has a stream that breaks off twice.
func TestFollowOutlastsARestart(t *testing.T) {
	dir := t.TempDir()
	opened := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		opened++
		if opened == 2 {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, `{"error":{"code":"unavailable","message":"the server is stopping"}}`)
			return
		}
		body, _ := json.Marshal(map[string]any{"data": []any{map[string]any{"name": "tasks", "version": opened}}})
		_, _ = io.WriteString(w, ": ping\n\nevent: error\ndata: {}\n\nevent: states\ndata: "+string(body)+"\n\n")
	}))
	defer srv.Close()
	if err := writeControl(dir, control{URL: srv.URL, Token: "t", PID: 1}); err != nil {
		t.Fatal(err)
	}
	out, _, stop := background(t, "projections", "list", "--watch", "--json", "--data="+dir)
	eventually(t, "the states after the restart", func() bool { return strings.Contains(out.String(), `"version":3`) })
	if status := stop(); status != exitOK || !strings.Contains(out.String(), `"version":1`) {
		t.Errorf("exit status %d: %s", status, out)
	}
}

func TestLocalURL(t *testing.T) {
	for addr, want := range map[string]string{
		"127.0.0.1:8000": "http://127.0.0.1:8000", "0.0.0.0:80": "http://127.0.0.1:80", "[::]:8000": "http://[::1]:8000",
		"[::1]:8000": "http://[::1]:8000", "192.168.1.2:1": "http://192.168.1.2:1",
	} {
		if got := localURL(addr); got != want {
			t.Errorf("%s: got %s, want %s", addr, got, want)
		}
	}
}
