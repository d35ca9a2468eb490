package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/events/eventstest"
	"github.com/chatkitd/chatkitd/http/apitest"
	"github.com/chatkitd/chatkitd/internal/embedded"
	"github.com/chatkitd/chatkitd/internal/esdbserver"
	"github.com/chatkitd/chatkitd/internal/logbind"
	"github.com/chatkitd/chatkitd/internal/memstore"
)

// newESDB starts a server that speaks EventStoreDB's protocol, over a log in
// memory, until the test ends. What it holds outlives its Stop and Start.
func newESDB(t *testing.T, o esdbserver.Options) *esdbserver.Server {
	t.Helper()
	engine := memstore.New()
	t.Cleanup(func() { _ = engine.Close() })
	return serveESDB(t, engine, o)
}

func serveESDB(t *testing.T, engine events.Store, o esdbserver.Options) *esdbserver.Server {
	t.Helper()
	db, err := esdbserver.New(t.Context(), engine, o)
	if err != nil {
		t.Fatal(err)
	}
	startESDB(t, db)
	t.Cleanup(db.Stop)
	return db
}

func startESDB(t *testing.T, db *esdbserver.Server) {
	t.Helper()
	if err := db.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func readyStatus(t *testing.T, c *apitest.Client) (status int, body string) {
	t.Helper()
	resp := c.Do(t, "GET", "/health/ready", nil)
	return resp.Status, string(resp.Body)
}

// TestOnEventStoreDB is a person's day with the program on an EventStoreDB, and
// every command beside the server and without it.
func TestOnEventStoreDB(t *testing.T) {
	db, dir := newESDB(t, esdbserver.Options{}), t.TempDir()
	t.Setenv("CHATKITD_EVENTSTORE", db.URL())
	s := start(t, dir)
	alice := s.client(t, "alice")
	awaitReady(t, alice)
	thread, _ := say(t, alice, "", "add buy milk tomorrow, and call Anna")
	say(t, alice, thread, "done with the milk")
	if l := tasks(t, alice); l.Total != 2 || l.Completed != 1 {
		t.Fatalf("tasks = %+v", l)
	}
	if resp := alice.Do(t, "GET", "/metrics", nil); !strings.Contains(string(resp.Body), `chatkitd_eventstoredb_appends_total{result="ok"}`) {
		t.Error("/metrics does not tell of the store")
	}
	file := filepath.Join(t.TempDir(), "alice.jsonl")
	commands := func(t *testing.T) {
		t.Helper()
		for _, tt := range []struct {
			args []string
			want string
		}{
			{[]string{"events"}, "task.completed.v1"},
			{[]string{"events", "--user=alice", "--since=-1h"}, "task.added.v1"},
			{[]string{"events", "--json", "--type=turn", "--limit=2"}, `"type":"turn.completed.v1"`},
			{[]string{"replay", "--user=alice", "--at=now", "--steps"}, "buy milk"},
			{[]string{"replay", "--thread=" + thread}, "done with the milk"},
			{[]string{"trace", traceable(t, dir)}, "complete_task"},
			{[]string{"verify"}, "Nothing was found."},
			{[]string{"verify", "--json"}, `"ok": true`},
			{[]string{"export", "--user=alice", "-o", file}, "Wrote"},
			{[]string{"projections", "list"}, "thread_items"},
			{[]string{"projections", "rebuild", "all"}, "equal to the old ones"},
		} {
			status, out, stderr := command(t, append(tt.args, "--data="+dir)...)
			if status != exitOK || !strings.Contains(out, tt.want) {
				t.Errorf("%v: %d %s%s, want %q", tt.args, status, out, stderr, tt.want)
			}
		}
	}
	t.Run("beside the server", commands)
	t.Run("follow", func(t *testing.T) {
		out, _, stop := background(t, "events", "--follow", "--type=task", "--json", "--data="+dir)
		eventually(t, "what there is", func() bool { return strings.Count(out.String(), "\n") == 3 })
		say(t, alice, thread, "add buy bread")
		eventually(t, "what comes", func() bool { return strings.Contains(out.String(), "buy bread") })
		if status := stop(); status != exitOK {
			t.Errorf("exit status %d", status)
		}
	})
	if status := s.wait(t); status != exitOK {
		t.Fatalf("exit status %d", status)
	}
	t.Run("alone", commands)

	node, err := os.ReadFile(filepath.Join(dir, nodeFile))
	if err != nil {
		t.Fatal(err)
	}
	s = start(t, dir)
	alice = s.client(t, "alice")
	awaitReady(t, alice)
	if l := tasks(t, alice); l.Total != 3 {
		t.Errorf("after the restart: %+v", l)
	}
	if again, err := os.ReadFile(filepath.Join(dir, nodeFile)); err != nil || string(again) != string(node) {
		t.Errorf("the name of the server was %s and is %s, %v", node, again, err)
	}
	if status, _, stderr := command(t, "serve", "--data="+dir, "--listen=127.0.0.1:0"); status != exitFault || !strings.Contains(stderr, "in use") {
		t.Errorf("a second server on the folder: %d %s", status, stderr)
	}
	s.wait(t)

	t.Run("import", func(t *testing.T) {
		for _, again := range []bool{false, true} { // the second time it is there already
			if !again {
				t.Setenv("CHATKITD_EVENTSTORE", newESDB(t, esdbserver.Options{}).URL())
			}
			status, out, stderr := command(t, "import", file, "--data="+t.TempDir())
			if status != exitOK || !strings.Contains(out, "in 2 streams into EventStoreDB at 127.0.0.1:") {
				t.Errorf("import: %d %s%s", status, out, stderr)
			}
		}
		copied := filepath.Join(t.TempDir(), "again.jsonl")
		if status, _, stderr := command(t, "export", "--user=alice", "-o", copied); status != exitOK {
			t.Error(stderr)
		}
		if a, b := withoutPlaces(t, file), withoutPlaces(t, copied); a != b {
			t.Errorf("export of the import:\n%s\nwant\n%s", b, a)
		}
		t.Setenv("CHATKITD_EVENTSTORE", db.URL())
		if status, _, stderr := command(t, "import", file, "--data="+t.TempDir()); status != exitUsage || !strings.Contains(stderr, "something else") {
			t.Errorf("import into another log: %d %s", status, stderr)
		}
	})
}

// traceable returns the id of the event that completed a task.
func traceable(t *testing.T, dir string) string {
	t.Helper()
	status, out, stderr := command(t, "events", "--json", "--type=task.completed", "--data="+dir)
	if status != exitOK {
		t.Fatal(stderr)
	}
	var ev struct{ ID string }
	if err := json.Unmarshal([]byte(out), &ev); err != nil {
		t.Fatal(err)
	}
	return ev.ID
}

// withoutPlaces returns an export without positions and the times of the store,
// which are new in a copy, byte for byte.
func withoutPlaces(t *testing.T, file string) string {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for line := range strings.Lines(string(raw)) {
		var ev struct {
			Position json.RawMessage `json:"position"`
			Time     json.RawMessage `json:"time"`
		}
		if err := json.Unmarshal([]byte(line), &ev); err != nil {
			t.Fatal(err)
		}
		line = strings.Replace(line, `"position":`+string(ev.Position), `"position":0`, 1)
		out.WriteString(strings.Replace(line, `"time":`+string(ev.Time), `"time":0`, 1))
	}
	return out.String()
}

// TestStartWithoutEventStoreDB starts while the database is away: the program runs,
// says what is wrong, and is ready by itself when the database comes.
func TestStartWithoutEventStoreDB(t *testing.T) {
	db, dir := newESDB(t, esdbserver.Options{}), t.TempDir()
	t.Setenv("CHATKITD_EVENTSTORE", db.URL())
	s := start(t, dir)
	awaitReady(t, s.client(t, "alice"))
	say(t, s.client(t, "alice"), "", "add buy milk")
	s.wait(t)
	db.Stop()

	for name, folder := range map[string]string{"a folder with read models": dir, "a new folder": t.TempDir()} {
		t.Run(name, func(t *testing.T) {
			db.Stop()
			began := time.Now()
			_, stderr, stop := background(t, "serve", "--listen=127.0.0.1:0", "--agent=offline", "--data="+folder)
			eventually(t, "the server listens", func() bool { _, ok, err := readControl(folder); return ok && err == nil })
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("it listens after %v", took)
			}
			alice := apitest.New(t, controlOf(t, folder).URL, "test-token-alice")
			if status, body := readyStatus(t, alice); status != http.StatusServiceUnavailable || !strings.Contains(body, "event_store") {
				t.Errorf("ready without the database: %d %s", status, body)
			}
			if resp := alice.Do(t, "GET", "/health/live", nil); resp.Status != http.StatusOK {
				t.Errorf("live: %d", resp.Status)
			}
			for _, resp := range []*apitest.Response{
				alice.Do(t, "GET", "/api/v1/tasks", nil),
				alice.Do(t, "POST", "/api/v1/tasks", map[string]any{"title": "x"}),
			} {
				if resp.Status != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
					t.Errorf("without the database: %d %s", resp.Status, resp.Body)
				}
			}
			contains(t, stderr.String(), "the event log cannot be read; the server is not ready until it can")
			defer func() {
				if t.Failed() {
					t.Log(stderr.String())
				}
			}()
			startESDB(t, db)
			back := time.Now()
			eventually(t, "it is ready", func() bool { status, _ := readyStatus(t, alice); return status == http.StatusOK })
			if took := time.Since(back); took > 3*time.Second {
				t.Errorf("ready %v after the database was back", took)
			}
			if l := tasks(t, alice); l.Total != 1 {
				t.Errorf("tasks = %+v", l)
			}
			if status := stop(); status != exitOK {
				t.Errorf("exit status %d", status)
			}
		})
	}
}

// TestAnotherLog points a data folder to another log: read models of one are never
// mixed with the events of the other.
func TestAnotherLog(t *testing.T) {
	db, dir := newESDB(t, esdbserver.Options{}), t.TempDir()
	use := func(t *testing.T, address string, add string) {
		t.Helper()
		s := start(t, dir, "--eventstore="+address)
		awaitReady(t, s.client(t, "alice"))
		say(t, s.client(t, "alice"), "", "add "+add)
		if l := tasks(t, s.client(t, "alice")); l.Total != 1 {
			t.Errorf("tasks = %+v", l)
		}
		s.wait(t)
	}
	refused := func(t *testing.T, address string, want ...string) {
		t.Helper()
		for _, args := range [][]string{{"serve", "--listen=127.0.0.1:0"}, {"projections", "list"}, {"projections", "rebuild", "all"}, {"verify"}} {
			status, out, stderr := command(t, append(args, "--data="+dir, "--eventstore="+address)...)
			if status != exitFault {
				t.Errorf("%v: exit status %d", args, status)
			}
			contains(t, out+stderr, want...)
		}
	}
	use(t, "embedded", "milk")
	refused(t, db.URL(), "the embedded log that begins at", "names the log in EventStoreDB at 127.0.0.1", "delete readmodels* and snapshots*")
	if err := removeReadModels(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "snapshots.db")); err != nil {
		t.Fatal(err)
	}
	use(t, db.URL(), "bread")
	for _, args := range [][]string{{"serve", "--listen=127.0.0.1:0"}, {"projections", "list"}} { // the setting was forgotten
		status, _, stderr := command(t, append(args, "--data="+dir)...)
		if status != exitFault || !strings.Contains(stderr, "made from the log in EventStoreDB") {
			t.Errorf("%v: %d %s", args, status, stderr)
		}
	}
	refused(t, newESDB(t, esdbserver.Options{}).URL(), "which is empty")
	other := memstore.New()
	t.Cleanup(func() { _ = other.Close() })
	eventstest.Append(t, other, "user-alice", events.NoStream, eventstest.Events(1)...)
	refused(t, serveESDB(t, other, esdbserver.Options{}).URL(), "made from the log in EventStoreDB at 127.0.0.1")
	s := start(t, dir, "--eventstore="+db.URL())
	awaitReady(t, s.client(t, "alice"))
	s.wait(t)
}

// TestServerComesAsAnotherLog starts while the database is away, and another one
// comes in its place: the program ends.
func TestServerComesAsAnotherLog(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, readModelsFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	db := newESDB(t, esdbserver.Options{})
	s := start(t, dir, "--eventstore="+db.URL())
	awaitReady(t, s.client(t, "alice"))
	say(t, s.client(t, "alice"), "", "add milk")
	s.wait(t)
	addr := db.Addr()
	db.Stop()
	s = start(t, dir, "--eventstore=esdb://"+addr+"?tls=false")
	newESDB(t, esdbserver.Options{Addr: addr})
	select {
	case status := <-s.stopped:
		if status != exitFault {
			t.Errorf("exit status %d", status)
		}
	case <-time.After(20 * time.Second):
		t.Error("the program goes on with another log")
	}
}

// TestNoEventStoreDB has every command say so, and soon.
func TestNoEventStoreDB(t *testing.T) {
	dir := t.TempDir()
	db := newESDB(t, esdbserver.Options{})
	db.Stop()
	t.Setenv("CHATKITD_EVENTSTORE", db.URL())
	file := filepath.Join(dir, "in.jsonl")
	if err := os.WriteFile(file, []byte(`{"position":1,"stream":"user-a","revision":0,"type":"task.deleted.v1","id":"6ba7b810-9dad-11d1-80b4-00c04fd430c8","time":"2026-01-01T00:00:00Z","data":{"task_id":"tsk_1"},"metadata":{"recorded_at":"2026-01-01T00:00:00Z"}}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"events"},
		{"events", "--follow"},
		{"verify"},
		{"projections", "list"},
		{"projections", "rebuild", "all"},
		{"export", "--user=alice"},
		{"trace", "1"},
		{"replay", "--user=alice"},
		{"import", file},
		{"copy", "--from=env:CHATKITD_EVENTSTORE", "--to=embedded:" + filepath.Join(dir, "x")},
	} {
		t.Run(strings.Join(args[:1], " "), func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			status, _, stderr := command(t, append(args, "--data="+t.TempDir())...)
			if took := time.Since(began); status != exitFault || took > 4*answerWithin {
				t.Errorf("%v: exit status %d after %v", args, status, took)
			}
			contains(t, stderr, "CHATKITD_EVENTSTORE", "connection refused")
		})
	}
}

// TestUnsafeConnection is told of in production.
func TestUnsafeConnection(t *testing.T) {
	t.Setenv("ENVIRONMENT", "production")
	t.Setenv("JWT_SECRET", strings.Repeat("s", 32))
	dir := t.TempDir()
	_, stderr, stop := background(t, "serve", "--listen=127.0.0.1:0", "--agent=offline", "--data="+dir, "--eventstore="+newESDB(t, esdbserver.Options{}).URL())
	eventually(t, "the server listens", func() bool { _, ok, err := readControl(dir); return ok && err == nil })
	stop()
	contains(t, stderr.String(), "the connection to EventStoreDB is not safe", "plain text")
}

// TestEmbeddedLogThatIsNotUsed has a folder whose embedded log is left behind.
func TestEmbeddedLogThatIsNotUsed(t *testing.T) {
	dir := t.TempDir()
	log, err := embedded.Open(t.Context(), embedded.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	eventstest.Append(t, log, "user-alice", events.NoStream, eventstest.Events(1)...)
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	_, stderr, stop := background(t, "serve", "--listen=127.0.0.1:0", "--agent=offline", "--data="+dir, "--eventstore="+newESDB(t, esdbserver.Options{}).URL())
	eventually(t, "the server listens", func() bool { _, ok, err := readControl(dir); return ok && err == nil })
	stop()
	contains(t, stderr.String(), "an embedded log, which is not used")
	if _, err := os.Stat(filepath.Join(dir, logbind.FileName)); err != nil {
		t.Error(err)
	}
}
