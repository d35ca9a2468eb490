package main

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chatkitd/chatkitd/http/apitest"
	"github.com/chatkitd/chatkitd/internal/esdbserver"
)

// TestCredentialsStaySecret greps everything that the program says for the
// password of the database: logs, errors, help, metrics, files.
func TestCredentialsStaySecret(t *testing.T) {
	const canary = "kanarienvogel-42"
	tls := httptest.NewTLSServer(http.NotFoundHandler())
	tls.Close()
	db := newESDB(t, esdbserver.Options{TLS: tls.TLS, Users: map[string]string{"admin": canary}})
	good := "esdb://admin:" + canary + "@" + db.Addr() + "?tlsVerifyCert=false&defaultDeadline=500"
	dir := t.TempDir()
	said := &strings.Builder{}
	t.Setenv("CHATKITD_EVENTSTORE", good)
	stdout, stderr, stop := background(t, "serve", "--listen=127.0.0.1:0", "--agent=offline", "--log-level=debug", "--data="+dir)
	eventually(t, "the server listens", func() bool { _, ok, err := readControl(dir); return ok && err == nil })
	alice := apitest.New(t, controlOf(t, dir).URL, "test-token-alice")
	awaitReady(t, alice)
	say(t, alice, "", "add milk")
	said.Write(alice.Do(t, "GET", "/metrics", nil).Body)
	said.Write(alice.Do(t, "GET", "/health", nil).Body)
	ask := func(args ...string) {
		status, out, errs := command(t, append(args, "--data="+dir)...)
		said.WriteString(strings.Join(args, " ") + "\n" + out + errs)
		if out+errs == "" && status == exitOK {
			t.Errorf("%v says nothing", args)
		}
	}
	for _, args := range [][]string{
		{"events"},
		{"verify"},
		{"projections", "list"},
		{"export", "--user=alice"},
		{"trace", "1"},
		{"replay", "--user=alice"},
		{"serve", "--help"},
		{"copy", "--help"},
		{"copy", "--from=env:CHATKITD_EVENTSTORE", "--to=embedded:" + filepath.Join(t.TempDir(), "x")},
	} {
		ask(args...)
	}
	db.Stop()
	ask("events")
	ask("copy", "--from=env:CHATKITD_EVENTSTORE", "--to=embedded:"+t.TempDir())
	if resp := alice.Do(t, "POST", "/api/v1/tasks", map[string]any{"title": "x"}); resp.Status == http.StatusCreated {
		t.Errorf("without the database: %d", resp.Status)
	}
	stop()
	said.WriteString(stdout.String() + stderr.String())
	startESDB(t, db)
	for _, bad := range []string{
		"esdb://admin:" + canary, "esdb://admin:" + canary + "@", "esdb://admin:x?" + canary + "@h", "esdb://admin:x/" + canary + "@h:1?y",
		"esdb://admin:" + canary + "@" + db.Addr() + "?tls=false", "esdb://admin:" + canary + "@" + db.Addr() + "?no=1",
		"esdb://admin:%" + canary + "@h", "esdb://eve:" + canary + "x@" + db.Addr() + "?tlsVerifyCert=false", "esd://admin:" + canary + "@h",
		"esdb://admin:" + canary + "@" + db.Addr(), "kurrentdb://admin:" + canary + "@h",
	} {
		t.Setenv("CHATKITD_EVENTSTORE", bad)
		for _, args := range [][]string{{"events"}, {"copy", "--from=" + bad, "--to=embedded:" + t.TempDir()}} {
			status, out, errs := command(t, append(args, "--data="+dir)...)
			said.WriteString(out + errs)
			if status == exitOK {
				t.Errorf("%s: exit status %d", bad, status)
			}
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) < 4 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		said.Write(raw)
	}
	for _, form := range []string{canary, url.QueryEscape(canary), "YWRtaW46a2FuYXJpZW52b2dlbC00Mg"} {
		if i := strings.Index(said.String(), form); i >= 0 {
			t.Errorf("the password is told: …%s…", said.String()[max(0, i-300):min(said.Len(), i+100)])
		}
	}
}
