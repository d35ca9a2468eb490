package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// askHealth runs the command and returns its exit status and what it said.
func askHealth(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errOut strings.Builder
	status = run(t.Context(), append([]string{"health"}, args...), &out, &errOut, nil)
	return status, out.String(), errOut.String()
}

func TestHealthAsksTheServer(t *testing.T) {
	s := start(t, t.TempDir())
	// Ready once the read models have caught up.
	waitFor := func(want int) (stdout, stderr string) {
		t.Helper()
		var got int
		for range 500 {
			if got, stdout, stderr = askHealth(t, "--listen="+s.addr); got == want {
				return stdout, stderr
			}
		}
		t.Fatalf("health says %d: %s%s", got, stdout, stderr)
		return "", ""
	}
	if stdout, stderr := waitFor(exitOK); stdout != "ready\n" || stderr != "" {
		t.Errorf("it says %q and %q", stdout, stderr)
	}
	if status, stdout, stderr := askHealth(t, "--url=http://"+s.addr+"/", "--listen=127.0.0.1:0"); status != exitOK || stdout != "ready\n" {
		t.Errorf("with --url: %d, %s%s", status, stdout, stderr)
	}
	s.wait(t)
	if _, stderr := waitFor(exitFault); !strings.Contains(stderr, "not ready: no answer from http://"+s.addr) {
		t.Errorf("when nothing listens it says %q", stderr)
	}
}

func TestHealthOnlyBelievesA200(t *testing.T) {
	tests := []struct {
		name         string
		status       int
		body         string
		want         int
		stdout, says string
	}{
		{"ready", 200, `{"status":"ok","checks":{"event_store":{"status":"ok"}}}`, exitOK, "ready\n", ""},
		{
			"degraded", 200, `{"status":"degraded","checks":{"projections":{"status":"down","optional":true}}}`, exitOK,
			"ready (projections: down)\n", "",
		},
		{
			"down", 503, `{"status":"down","checks":{"read_models":{"status":"down"},"event_store":{"status":"down"},"token_keys":{"status":"ok"}}}`, exitFault,
			"", "answers 503 Service Unavailable (event_store: down, read_models: down)\n",
		},
		{"stopping", 503, `{"status":"down","draining":true,"checks":{}}`, exitFault, "", "answers 503 Service Unavailable (it is stopping)\n"},
		{"another program", 404, "<html>", exitFault, "", "answers 404 Not Found\n"},
		{"a redirect", 302, "", exitFault, "", "answers 302 Found\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/health/ready" {
					t.Errorf("it asks for %s", r.URL.Path)
				}
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(tt.status)
				_, _ = w.Write([]byte(tt.body))
			}))
			defer srv.Close()
			t.Setenv("HTTP_PROXY", "http://127.0.0.1:1") // is not asked
			status, stdout, stderr := askHealth(t, "--url="+srv.URL)
			if status != tt.want || stdout != tt.stdout || !strings.HasSuffix(stderr, tt.says) {
				t.Errorf("got %d, %q, %q; want %d, %q, …%q", status, stdout, stderr, tt.want, tt.stdout, tt.says)
			}
		})
	}
}

func TestHealthDoesNotWaitForEver(t *testing.T) {
	release := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer srv.Close()
	defer close(release)
	if status, _, stderr := askHealth(t, "--url="+srv.URL, "--timeout=50ms"); status != exitFault || !strings.Contains(stderr, "not ready") {
		t.Errorf("got %d, %q", status, stderr)
	}
}

func TestHealthSaysWhatIsWrongWithTheQuestion(t *testing.T) {
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"no address", []string{"--listen=127.0.0.1:0"}, "--url"},
		{"a path", []string{"--url=http://127.0.0.1:8000/health"}, "--url"},
		{"no scheme", []string{"--url=127.0.0.1:8000"}, "--url"},
		{"no host", []string{"--url=http://:8000"}, "no host"},
		{"another scheme", []string{"--url=esdb://127.0.0.1:2113"}, "--url"},
		{"no time", []string{"--timeout=0s"}, "--timeout"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if status, stdout, stderr := askHealth(t, tt.args...); status != exitUsage || stdout != "" || !strings.Contains(stderr, tt.want) {
				t.Errorf("got %d, %q, %q", status, stdout, stderr)
			}
		})
	}
}
