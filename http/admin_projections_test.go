package http_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chatkitd/chatkitd"
	chatkitdhttp "github.com/chatkitd/chatkitd/http"
)

func running(name string, at uint64) chatkitd.ProjectionState {
	return chatkitd.ProjectionState{Name: name, Version: 1, State: chatkitd.PhaseRunning, Position: pos(at), Head: pos(at)}
}

func rebuilding(name, phase string) chatkitd.ProjectionState {
	st := running(name, 9)
	st.Rebuild = &chatkitd.RebuildState{Phase: phase, Events: 3, Total: 9}
	return st
}

func TestListProjections(t *testing.T) {
	o := &office{}
	o.set(nil, running("tasks", 7))
	c := o.open(t).operator(t, "eve")
	resp := c.Do(t, "GET", "/api/v1/admin/projections", nil, "X-Request-Id", "req_1")
	const want = `{"data":[{"name":"tasks","version":1,"generation":0,"state":"running","position":"7","head":"7","lag_events":0,"lag_seconds":0,"rate":0}]}`
	if resp.Status != http.StatusOK || string(resp.Body) != want {
		t.Errorf("got %d %s", resp.Status, resp.Body)
	}
	if log, _ := o.taken(); len(log) != 1 || log[0] != "eve req_1 read projections {}" {
		t.Errorf("written: %q", log)
	}
	o.set(chatkitd.Errorf(chatkitd.CodeUnavailable, "the event log cannot be read"))
	for _, accept := range []string{"application/json", eventStream} {
		if resp := c.Do(t, "GET", "/api/v1/admin/projections", nil, "Accept", accept); resp.Status != http.StatusServiceUnavailable {
			t.Errorf("%s: got %d %s", accept, resp.Status, resp.Body)
		}
	}
}

func TestFollowProjections(t *testing.T) {
	o := &office{}
	o.set(nil, running("tasks", 7))
	s := o.open(t, func(o *chatkitdhttp.Options) { o.StatesInterval, o.Heartbeat = 5*time.Millisecond, 50*time.Millisecond })
	st := s.operator(t, "eve").Stream(t, "GET", "/api/v1/admin/projections", nil, "Accept", eventStream, "X-Request-Id", "req_1")
	next := func(name, holds string) {
		t.Helper()
		if ev := st.Event(t); ev.Name != name || !strings.Contains(ev.Data, holds) || !json.Valid([]byte(ev.Data)) {
			t.Errorf("got %+v, want %s with %s", ev, name, holds)
		}
	}
	next("states", `"position":"7"`)
	// Ten looks or so that see nothing new are silent up to the heartbeat.
	if ev, err := st.Next(); err != nil || ev.Comment != "ping" {
		t.Errorf("got %+v, %v, want a heartbeat", ev, err)
	}
	o.set(nil, running("tasks", 8))
	next("states", `"position":"8"`)
	o.set(chatkitd.Errorf(chatkitd.CodeUnavailable, "the event log cannot be read").Because(errBroken))
	next("error", "the event log cannot be read")
	if ev, err := st.Next(); err != nil || ev.Comment != "ping" {
		t.Errorf("got %+v, %v, want the error once", ev, err)
	}
	o.set(nil, running("tasks", 8))
	next("states", `"position":"8"`)
	if log, _ := o.taken(); len(log) != 1 || log[0] != `eve req_1 read projections {"follow":true}` {
		t.Errorf("written: %q", log)
	}
}

func TestChangeProjection(t *testing.T) {
	tests := []struct {
		path, body string
		status     int
		done, log  string
	}{
		{"tasks/rebuild", "", 202, "rebuild [tasks]", "rebuild tasks 0"},
		{"all/rebuild", "", 202, "rebuild []", "rebuild all 0"},
		{"threads/cancel", "", 200, "cancel", "cancel threads 0"},
		{"all/cancel", "", 200, "cancel", "cancel all 0"},
		{"tasks/pause", "", 200, "pause tasks", "pause tasks 0"},
		{"tasks/resume", "{}", 200, "resume tasks", "resume tasks 0"},
		{"tasks/retry", "", 200, "retry tasks", "retry tasks 0"},
		{"tasks/rollback", "", 200, "rollback tasks", "rollback tasks 0"},
		{"tasks/skip", `{"position": "4711"}`, 200, "skip tasks 4711", "skip tasks 4711"},
		{"tasks/skip", `{"position": 4711}`, 200, "skip tasks 4711", "skip tasks 4711"},
		{"tasks/skip", `{"position": "9/8"}`, 200, "skip tasks 9/8", "skip tasks 9/8"},
	}
	for _, tt := range tests {
		o := &office{}
		o.set(nil, running("tasks", 7), rebuilding("threads", chatkitd.RebuildFold))
		var body any
		if tt.body != "" {
			body = tt.body
		}
		resp := o.open(t).operator(t, "eve").Do(t, "POST", "/api/v1/admin/projections/"+tt.path, body, "X-Request-Id", "req_1")
		if resp.Status != tt.status || string(resp.Body) != "{}" {
			t.Errorf("%s: got %d %s", tt.path, resp.Status, resp.Body)
		}
		if want := map[int]string{202: "/api/v1/admin/projections"}[tt.status]; resp.Header.Get("Location") != want {
			t.Errorf("%s: Location %q", tt.path, resp.Header.Get("Location"))
		}
		log, done := o.taken()
		if !slices.Equal(done, []string{tt.done}) || !slices.Equal(log, []string{"eve req_1 " + tt.log}) {
			t.Errorf("%s: done %q, written %q", tt.path, done, log)
		}
	}
}

func TestChangeProjectionRefused(t *testing.T) {
	o := &office{}
	o.set(nil, running("tasks", 7), rebuilding("threads", chatkitd.RebuildDone), rebuilding("items", chatkitd.RebuildCanceled))
	c := o.open(t).operator(t, "eve")
	for _, tt := range []struct {
		path, body string
		status     int
		says       string
	}{
		{"taks/rebuild", "", 404, "there are tasks, threads, items"},
		{"taks/pause", "", 404, "there are tasks"},
		{"tasks/explode", "", 404, "use rebuild, cancel"},
		{"all/pause", "", 400, "name one projection to pause"},
		{"all/skip", `{"position":"3"}`, 400, "name one projection to skip"},
		{"tasks/cancel", "", 409, "nothing to cancel"},
		{"threads/cancel", "", 409, "nothing to cancel"},
		{"items/cancel", "", 409, "nothing to cancel"},
		{"tasks/skip", "", 400, "JSON object"},
		{"tasks/skip", "{}", 400, "position must be"},
		{"tasks/skip", `{"position":null}`, 400, "position must be"},
		{"tasks/skip", `{"position":"0"}`, 400, "position must be"},
		{"tasks/skip", `{"position":{"commit":1}}`, 400, "position must be"},
		{"tasks/skip", `{"position":-1}`, 400, "position must be"},
	} {
		var body any
		if tt.body != "" {
			body = tt.body
		}
		resp := c.Do(t, "POST", "/api/v1/admin/projections/"+tt.path, body)
		if resp.Status != tt.status || !strings.Contains(messageOf(t, resp.Body), tt.says) {
			t.Errorf("%s: got %d %s, want %d %s", tt.path, resp.Status, resp.Body, tt.status, tt.says)
		}
	}
	if log, done := o.taken(); len(log)+len(done) > 0 {
		t.Errorf("written %q, done %q", log, done)
	}

	// What only the port can know is in the log, with its refusal.
	for code, want := range map[chatkitd.Code]struct {
		status int
		log    string
	}{
		chatkitd.CodeConflict:    {409, "[eve r rebuild all 0 eve r rebuild_refused all 0]"},
		chatkitd.CodeUnavailable: {503, "[eve r rebuild all 0]"}, // it may have been done
	} {
		o.act = func(string) error { return chatkitd.Errorf(code, "a rebuild of tasks is under way") }
		resp := c.Do(t, "POST", "/api/v1/admin/projections/all/rebuild", nil, "X-Request-Id", "r")
		if resp.Status != want.status || messageOf(t, resp.Body) != "a rebuild of tasks is under way" {
			t.Errorf("%s: got %d %s", code, resp.Status, resp.Body)
		}
		if log, _ := o.taken(); fmt.Sprint(log) != want.log {
			t.Errorf("%s: written %q, want %s", code, log, want.log)
		}
	}
	if resp := c.Do(t, "GET", "/api/v1/admin/projections/tasks/pause", nil); resp.Status != http.StatusMethodNotAllowed {
		t.Errorf("GET of an action: got %d", resp.Status)
	}
	if resp := c.Do(t, "POST", "/api/v1/admin/projections/tasks/pause", nil, "Origin", "https://evil.example"); resp.Status != http.StatusForbidden {
		t.Errorf("a page of a foreign origin: got %d", resp.Status)
	}
}
