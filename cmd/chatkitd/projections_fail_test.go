package main

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/internal/embedded"
)

// plantEvent appends an event that no program of this version would write.
func plantEvent(t *testing.T, dir, stream, typ, data string) chatkitd.Position {
	t.Helper()
	store, err := embedded.Open(t.Context(), embedded.Options{Dir: dir, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	done, err := store.Append(t.Context(), stream, events.Any, events.New{
		ID: events.ID(stream, "planted", 0), Type: typ, Data: []byte(data), Meta: []byte(`{}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	return done.Position
}

// metric returns the lines of a metric.
func (s *server) metric(t *testing.T, name string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.addr+"/metrics", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	all, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(all)) {
		if strings.HasPrefix(line, name+"{") || strings.HasPrefix(line, name+" ") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// TestFailingEvent has an event in the log that one read model cannot apply, and
// goes all the way that its operator goes.
func TestFailingEvent(t *testing.T) {
	dir, _ := usedFolder(t)
	poison := plantEvent(t, dir, "user-mallory", "task.added.v1", `{"task_id":7}`)
	s := start(t, dir)
	alice := s.client(t, "alice")
	do := func(want int, args ...string) string {
		t.Helper()
		status, out, stderr := command(t, append(append([]string{"projections"}, args...), "--data="+dir)...)
		if status != want {
			t.Errorf("%v: exit status %d, want %d:\n%s%s", args, status, want, out, stderr)
		}
		t.Logf("$ chatkitd projections %s\n%s%s", strings.Join(args, " "), out, stderr)
		return out + stderr
	}
	failed := func() {
		t.Helper()
		eventually(t, "tasks have failed", func() bool { return states(t, dir)["tasks"].State == chatkitd.PhaseFailed })
	}
	at := poison.String()

	failed()
	contains(t, do(exitOK, "list"),
		"tasks", "failed", "task.added.v1 at "+at+" (revision 0 of user-mallory)", "task_id",
		"chatkitd projections retry tasks", "chatkitd projections skip tasks "+at)
	st := states(t, dir)["tasks"]
	if f := st.Failure; f == nil || f.Position != poison || f.Stream != "user-mallory" || f.Type != "task.added.v1" || f.Attempts != 5 || f.Since.IsZero() || st.LagEvents == 0 {
		t.Errorf("list --json: %+v %+v", st, f)
	}
	code, word := health(t, s)
	if code != http.StatusOK || word != "degraded" {
		t.Errorf("readiness: %d %s", code, word)
	}
	contains(t, s.metric(t, "chatkitd_projections_running"), `{projection="tasks"} 0`, `{projection="threads"} 1`, `{projection="thread_items"} 1`)
	contains(t, s.metric(t, "chatkitd_projections_failures_total"), `{projection="tasks"} 5`, `{projection="threads"} 0`)

	// Writes and the other read models go on.
	thread, answer := say(t, alice, "", "add bread")
	if answer == "" || len(items(t, alice, thread)) < 2 {
		t.Errorf("a turn beside it: %q", answer)
	}
	if resp := alice.Do(t, "GET", "/api/v1/tasks", nil); resp.Status != http.StatusServiceUnavailable || !strings.Contains(string(resp.Body), "behind") {
		t.Errorf("tasks: %d %s", resp.Status, resp.Body)
	}
	for _, name := range []string{"threads", "thread_items"} {
		if st := states(t, dir)[name]; st.State != chatkitd.PhaseRunning {
			t.Errorf("%s: %+v", name, st)
		}
	}

	contains(t, do(exitFault, "retry", "tasks"), "failed again", "task.added.v1 at "+at, "projections skip tasks "+at)
	failed()
	contains(t, do(exitFault, "rebuild", "tasks"), "task.added.v1 at "+at, "what served goes on serving")
	contains(t, do(exitFault, "skip", "tasks", "1"), "stands before the event at "+at+", not at 1")
	contains(t, do(exitOK, "skip", "tasks", at), "passes the event at "+at)
	eventually(t, "tasks go on", func() bool {
		st := states(t, dir)["tasks"]
		return st.State == chatkitd.PhaseRunning && st.LagEvents == 0 && st.Failure == nil
	})
	eventually(t, "the server is well", func() bool { _, word := health(t, s); return word == "ok" })
	if l := tasks(t, alice); l.Total != 2 {
		t.Errorf("tasks: %+v", l)
	}
	contains(t, s.metric(t, "chatkitd_projections_running"), `{projection="tasks"} 1`)
	skipped(t, dir, at)
	s.wait(t)

	s = start(t, dir)
	eventually(t, "the server is well", func() bool { _, word := health(t, s); return word == "ok" })
	contains(t, do(exitOK, "list"), "tasks has passed task.added.v1 at "+at, "rebuild")
	contains(t, do(exitOK, "rebuild", "tasks"), "equal to the old ones", "passed again: task.added.v1 at "+at)
	if st := states(t, dir)["tasks"]; len(st.Skipped) != 1 || st.Skipped[0].Position != poison || st.State != chatkitd.PhaseRunning {
		t.Errorf("after a rebuild: %+v", st)
	}
	s.wait(t)
}

// skipped checks that the log tells who passed the event, and who tried in vain.
func skipped(t *testing.T, dir, at string) {
	t.Helper()
	status, out, stderr := command(t, "events", "--type=projection.changed.v1", "--json", "--data="+dir)
	if status != exitOK {
		t.Fatalf("events: %d %s", status, stderr)
	}
	var did []string
	for line := range strings.Lines(out) {
		var ev struct {
			Stream string
			Data   events.ProjectionChanged
		}
		if err := json.Unmarshal([]byte(line), &ev); err != nil {
			t.Fatal(err)
		}
		if ev.Stream != "audit-operator" {
			t.Errorf("in stream %s", ev.Stream)
		}
		if strings.HasPrefix(ev.Data.Action, "skip") {
			did = append(did, ev.Data.Action+" "+ev.Data.Name+" "+ev.Data.Position.String())
		}
	}
	want := "skip tasks 1, skip_refused tasks 1, skip tasks " + at
	if got := strings.Join(did, ", "); got != want {
		t.Errorf("the log says %q, want %q", got, want)
	}
}

// TestUnknownEventStopsItsCategory has an event of a newer program: what follows
// its streams stops before it, since it may matter; what does not goes on.
func TestUnknownEventStopsItsCategory(t *testing.T) {
	dir, _ := usedFolder(t)
	at := plantEvent(t, dir, "thread-thr_new", "thread.folded.v9", `{}`)
	s := start(t, dir)
	eventually(t, "both have failed", func() bool {
		all := states(t, dir)
		return all["threads"].State == chatkitd.PhaseFailed && all["thread_items"].State == chatkitd.PhaseFailed
	})
	if st := states(t, dir)["tasks"]; st.State != chatkitd.PhaseRunning || st.Failure != nil {
		t.Errorf("tasks: %+v", st)
	}
	if l := tasks(t, s.client(t, "alice")); l.Total != 1 {
		t.Errorf("tasks: %+v", l)
	}
	_, out, _ := command(t, "projections", "list", "--data="+dir)
	contains(t, out, "thread.folded.v9 at "+at.String(), "newer version of chatkitd", "retry threads", "retry thread_items")
	for _, name := range []string{"threads", "thread_items"} {
		if status, _, stderr := command(t, "projections", "skip", name, at.String(), "--data="+dir); status != exitOK {
			t.Errorf("skip %s: %d %s", name, status, stderr)
		}
	}
	eventually(t, "the server is well", func() bool { _, word := health(t, s); return word == "ok" })
	s.wait(t)
}
