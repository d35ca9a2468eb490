package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/http/apitest"
	"github.com/chatkitd/chatkitd/internal/embedded"
	"github.com/chatkitd/chatkitd/projections"
)

// fillFolder writes n tasks into an empty data folder.
func fillFolder(t *testing.T, dir string, n int) {
	t.Helper()
	store, err := embedded.Open(t.Context(), embedded.Options{Dir: dir, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}()
	const batch = 500
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for i := 0; i < n; i += batch {
		user := chatkitd.UserID(fmt.Sprintf("u%d", i/batch))
		evs := make([]events.Event, batch)
		for k := range evs {
			evs[k] = events.TaskAdded{TaskID: chatkitd.TaskID(fmt.Sprintf("tsk_%d", i+k)), Title: "task"}
		}
		stream := events.UserStream(user)
		out, err := events.Prepare(stream, events.Metadata{User: user, RecordedAt: noon}, fmt.Sprint(i), evs...)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := store.Append(t.Context(), stream, events.NoStream, out...); err != nil {
			t.Fatal(err)
		}
	}
}

func states(t *testing.T, dir string) map[string]chatkitd.ProjectionState {
	t.Helper()
	status, out, stderr := command(t, "projections", "list", "--json", "--data="+dir)
	var all []chatkitd.ProjectionState
	if err := json.Unmarshal([]byte(out), &all); status != exitOK || err != nil {
		t.Fatalf("list: %d %s %s %v", status, out, stderr, err)
	}
	m := make(map[string]chatkitd.ProjectionState)
	for _, st := range all {
		m[st.Name] = st
	}
	return m
}

func health(t *testing.T, s *server) (status int, word string) {
	t.Helper()
	var body struct{ Status string }
	resp := apitest.New(t, "http://"+s.addr, "").Do(t, "GET", "/health/ready", nil)
	resp.Decode(t, &body)
	return resp.Status, body.Status
}

// TestOperate is an operator's day: looking, pausing, rebuilding, all of it in
// the log.
func TestOperate(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	say(t, s.client(t, "alice"), "", "add buy milk, and call Anna")
	do := func(want int, says string, args ...string) {
		t.Helper()
		status, out, stderr := command(t, append(append([]string{"projections"}, args...), "--data="+dir)...)
		if status != want || !strings.Contains(out+stderr, says) {
			t.Errorf("%v: exit status %d, want %d with %q:\n%s%s", args, status, want, says, out, stderr)
		}
	}
	do(exitOK, "running", "list")
	eventually(t, "the server is ready", func() bool { code, word := health(t, s); return code == 200 && word == "ok" })

	do(exitOK, "tasks is paused", "pause", "tasks")
	do(exitFault, "", "pause", "tasks")
	do(exitOK, "resume tasks", "list")
	eventually(t, "readiness says degraded", func() bool { code, word := health(t, s); return code == 200 && word == "degraded" })
	do(exitOK, "goes on", "resume", "tasks")
	eventually(t, "the server is well again", func() bool { _, word := health(t, s); return word == "ok" })

	do(exitFault, "", "retry", "tasks")
	do(exitFault, "", "skip", "tasks", "3")
	do(exitFault, "", "rollback", "tasks")
	do(exitFault, "nothing to cancel", "cancel", "tasks")
	do(exitOK, "equal to the old ones", "rebuild", "all")
	for name, st := range states(t, dir) {
		if st.Rebuild == nil || st.Rebuild.Phase != chatkitd.RebuildDone || st.Rebuild.Compare == nil || !st.Rebuild.Compare.Equal || st.Previous == nil {
			t.Errorf("%s after the rebuild: %+v", name, st)
		}
	}
	do(exitOK, "goes back", "rollback", "tasks")
	if l := tasks(t, s.client(t, "alice")); l.Total != 2 {
		t.Errorf("tasks after all that: %+v", l)
	}
	status, out, stderr := command(t, "projections", "rebuild", "threads", "--json", "--data="+dir)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	var last []chatkitd.ProjectionState
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); status != exitOK || err != nil || len(last) != 1 || last[0].Name != "threads" || last[0].Rebuild.Phase != chatkitd.RebuildDone {
		t.Errorf("rebuild --json: %d %v %s %s", status, err, out, stderr)
	}
	if status := s.wait(t); status != exitOK {
		t.Fatal(status)
	}
	checkLog(t, dir)
	want := []string{
		"pause tasks", "pause tasks", "pause_refused tasks", "resume tasks", "retry tasks", "retry_refused tasks", "skip tasks", "skip_refused tasks",
		"rollback tasks", "rollback_refused tasks", "rebuild all", "rollback tasks", "rebuild threads",
	}
	if got := actions(t, dir); !slices.Equal(got, want) {
		t.Errorf("the log says\n%q, want\n%q", got, want)
	}
}

// actions returns what the log says that the operator did.
func actions(t *testing.T, dir string) (all []string) {
	t.Helper()
	store, err := embedded.OpenReadOnly(t.Context(), embedded.Options{Dir: dir, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	for rec, err := range store.ReadStream(t.Context(), "audit-operator", events.StreamRead{}) {
		if err != nil {
			t.Fatal(err)
		}
		ev, err := events.Decode(rec.Type, rec.Data)
		if err != nil {
			t.Fatal(err)
		}
		if ev, ok := ev.(events.ProjectionChanged); ok {
			all = append(all, ev.Action+" "+ev.Name)
		}
	}
	return all
}

// TestRebuildUnderWay has rebuilds that are halted before they come to their end.
func TestRebuildUnderWay(t *testing.T) {
	dir := t.TempDir()
	fillFolder(t, dir, 2000)
	s := start(t, dir)
	eventually(t, "the server is ready", func() bool { code, _ := health(t, s); return code == 200 })
	do := func(args ...string) (int, string) {
		t.Helper()
		status, out, stderr := command(t, append(append([]string{"projections"}, args...), "--data="+dir)...)
		return status, out + stderr
	}
	// halt begins a rebuild of all and pauses it; one that was too fast for that
	// does not count.
	halt := func(begin func()) {
		t.Helper()
		for range 20 {
			before := states(t, dir)["tasks"].Rebuild
			begin()
			eventually(t, "it begins", func() bool {
				st := states(t, dir)["tasks"]
				return st.Rebuild != nil && (before == nil || !st.Rebuild.Started.Equal(before.Started))
			})
			if status, out := do("pause", "tasks"); status != exitOK {
				t.Fatalf("pause: %d %s", status, out)
			}
			if st := states(t, dir)["tasks"]; st.Rebuild.Paused && st.State == chatkitd.PhaseRunning {
				return
			}
			do("resume", "tasks")
		}
		t.Fatal("every rebuild is over before it can be paused")
	}

	halt(func() {
		if status, out := do("rebuild", "all", "--detach"); status != exitOK || !strings.Contains(out, "chatkitd projections cancel") {
			t.Fatalf("rebuild --detach: %d %s", status, out)
		}
	})
	if status, out := do("rebuild", "threads"); status != exitFault || !strings.Contains(out, "under way") {
		t.Errorf("two at once: %d %s", status, out)
	}
	if status, out := do("list"); status != exitOK || !strings.Contains(out, "paused in") {
		t.Errorf("list: %d %s", status, out)
	}
	if status, out := do("cancel"); status != exitOK {
		t.Errorf("cancel: %d %s", status, out)
	}
	eventually(t, "it is cancelled", func() bool { return states(t, dir)["tasks"].Rebuild.Phase == chatkitd.RebuildCanceled })

	// Whoever watches goes away, the rebuild goes on.
	var stderr *buffer
	var stop func() int
	halt(func() {
		if stop != nil {
			stop()
		}
		_, stderr, stop = background(t, "projections", "rebuild", "tasks", "--data="+dir)
	})
	if status := stop(); status != exitFault || !strings.Contains(stderr.String(), "detached") || !strings.Contains(stderr.String(), "projections cancel") {
		t.Errorf("detached: %d %s", status, stderr)
	}
	if status, out := do("resume", "tasks"); status != exitOK {
		t.Errorf("resume: %d %s", status, out)
	}
	eventually(t, "it has come to its end", func() bool { return states(t, dir)["tasks"].Rebuild.Phase == chatkitd.RebuildDone })
	s.wait(t)
}

func TestProjectionMistakes(t *testing.T) {
	dir := t.TempDir()
	for _, action := range []string{"rebuild", "pause", "resume", "cancel", "retry", "rollback", "skip"} {
		args := []string{"projections", action, "taks", "--data=" + dir}
		if action == "skip" {
			args = append(args, "7")
		}
		status, _, stderr := command(t, args...)
		if status != exitUsage || !strings.Contains(stderr, `"taks"`) || !strings.Contains(stderr, strings.Join(projections.Names(), ", ")) {
			t.Errorf("%s: %d %s", action, status, stderr)
		}
	}
	for _, tt := range []struct {
		status int
		says   string
		args   []string
	}{
		{exitUsage, "not a position", []string{"skip", "tasks", "seven"}},
		{exitUsage, "position", []string{"skip", "tasks"}},
		{exitUsage, `"all"`, []string{"pause", "all"}},
		{exitUsage, "name", []string{"rebuild"}},
		{exitUsage, "", []string{"rebuild", "tasks", "threads"}},
		{exitFault, "start it first", []string{"pause", "tasks"}},
		{exitFault, "start it first", []string{"cancel"}},
		{exitFault, "leave --detach out", []string{"rebuild", "all", "--detach"}},
		{exitFault, "leave --watch out", []string{"list", "--watch"}},
		{exitUsage, "there are no read models in " + dir, []string{"list"}},
	} {
		status, _, stderr := command(t, append(append([]string{"projections"}, tt.args...), "--data="+dir)...)
		if status != tt.status || !strings.Contains(stderr, tt.says) {
			t.Errorf("%v: %d %s", tt.args, status, stderr)
		}
	}
	for _, action := range []string{"list", "rebuild", "pause", "resume", "cancel", "retry", "rollback", "skip"} {
		if status, out, _ := command(t, "projections", action, "--help"); status != exitOK || !strings.Contains(out, "chatkitd projections "+action) {
			t.Errorf("%s --help: %d %s", action, status, out)
		}
	}
}

// TestAdmin asks a real server what only operators may know.
func TestAdmin(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	alice := s.client(t, "alice")
	thread, _ := say(t, alice, "", "add buy milk")
	_, token, _ := command(t, "token", "--user=eve", "--role=admin", "--data="+dir)
	eve := alice.As(strings.TrimSpace(token))

	paths := []string{"events", "streams/user-alice", "replay?user=alice", "trace/1", "projections"}
	for _, path := range paths {
		if resp := alice.Do(t, "GET", "/api/v1/admin/"+path, nil); resp.Status != http.StatusForbidden || strings.Contains(string(resp.Body), "milk") {
			t.Errorf("a user asks for %s: got %d %s", path, resp.Status, resp.Body)
		}
	}
	var page chatkitd.EventPage
	eve.Do(t, "GET", "/api/v1/admin/events?user=alice", nil).Decode(t, &page)
	if len(page.Data) != 1 || page.Data[0].Type != "task.added.v1" {
		t.Fatalf("events of alice: %+v", page)
	}
	added := page.Data[0]
	live := eve.Stream(t, "GET", "/api/v1/admin/events?type=task&after="+page.Head.String(), nil, "Accept", "text/event-stream")
	say(t, alice, thread, "done with the milk")
	ev := live.Event(t)
	var done chatkitd.EventView
	if err := json.Unmarshal([]byte(ev.Data), &done); err != nil || done.Type != "task.completed.v1" || ev.ID != done.Position.String() {
		t.Errorf("live: got %+v, %v", ev, err)
	}
	live.Close()
	resumed := eve.Stream(t, "GET", "/api/v1/admin/events?user=alice", nil, "Accept", "text/event-stream", "Last-Event-ID", added.Position.String())
	if ev := resumed.Event(t); ev.ID != done.Position.String() {
		t.Errorf("resumed: got %+v", ev)
	}
	resumed.Close()

	var first, second chatkitd.EventPage
	stream := "/api/v1/admin/streams/" + url.PathEscape(events.ThreadStream(chatkitd.ThreadID(thread)))
	eve.Do(t, "GET", stream+"?limit=3", nil).Decode(t, &first)
	eve.Do(t, "GET", stream+"?limit=2&after="+first.After, nil).Decode(t, &second)
	if len(first.Data) != 3 || len(second.Data) != 2 || first.After != "2" || second.Data[0].Revision != 3 || second.Data[1].Revision != 4 {
		t.Errorf("pages of a stream: %+v\n%+v", first, second)
	}
	eve.Do(t, "GET", stream+"?order=desc&limit=2&after=2", nil).Decode(t, &second)
	if len(second.Data) != 2 || second.Data[0].Revision != 1 || second.Data[1].Revision != 0 || second.HasMore {
		t.Errorf("backwards: %+v", second)
	}
	if resp := eve.Do(t, "GET", "/api/v1/admin/streams/user-nobody", nil); resp.Status != http.StatusNotFound || !strings.Contains(string(resp.Body), "user-nobody") {
		t.Errorf("an unknown stream: got %d %s", resp.Status, resp.Body)
	}

	var then, now chatkitd.Replay
	eve.Do(t, "GET", "/api/v1/admin/replay?user=alice&steps=true&position="+added.Position.String(), nil).Decode(t, &then)
	eve.Do(t, "GET", "/api/v1/admin/replay?user=alice", nil).Decode(t, &now)
	if len(then.Tasks) != 1 || then.Tasks[0].Completed || len(then.Steps) != 1 || len(now.Tasks) != 1 || !now.Tasks[0].Completed {
		t.Errorf("then %+v, now %+v", then, now)
	}
	if resp := eve.Do(t, "GET", "/api/v1/admin/trace/"+added.ID, nil); resp.Status != http.StatusOK || !strings.Contains(string(resp.Body), `"kind":"turn"`) {
		t.Errorf("trace: got %d %s", resp.Status, resp.Body)
	}
	for path, status := range map[string]int{"replay?user=alice&position=999999": 400, "events?type=task.eaten": 400, "events?from=999999": 400, "trace/nothing": 404, "replay?thread=thr_none": 404} {
		if resp := eve.Do(t, "GET", "/api/v1/admin/"+path, nil); resp.Status != status || strings.Contains(string(resp.Body), `"not found"`) {
			t.Errorf("%s: got %d %s, want %d and why", path, resp.Status, resp.Body, status)
		}
	}

	// Eve's own reads are in the log, and alice's are not.
	var reads chatkitd.EventPage
	eve.Do(t, "GET", "/api/v1/admin/events?type=audit.read.v1&limit=1000", nil).Decode(t, &reads)
	var whats []string
	for _, ev := range reads.Data {
		var d events.AuditRead
		if err := json.Unmarshal(ev.Data, &d); err != nil || ev.Stream != "audit-eve" {
			t.Fatalf("%+v: %v", ev, err)
		}
		whats = append(whats, d.What)
	}
	want := strings.Fields("events events events stream stream stream stream replay replay trace")
	if len(whats) < len(want)+6 || !slices.Equal(whats[:len(want)], want) {
		t.Errorf("the log says that eve read %v", whats)
	}
	s.wait(t)
}
