package main

import (
	"context"
	"encoding/json"
	"net/http"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"github.com/chatkitd/chatkitd/chatkit"
	"github.com/chatkitd/chatkitd/http/apitest"
)

// server is the program, run in this process.
type server struct {
	addr    string
	stop    context.CancelFunc
	stopped chan int
	out     *strings.Builder // read it only after wait
}

// start runs the program on a free port with its data in dir.
func start(t *testing.T, dir string, args ...string) *server {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	s := &server{stop: stop, stopped: make(chan int, 1), out: &strings.Builder{}}
	ready := make(chan string, 1)
	args = append([]string{"serve", "--listen=127.0.0.1:0", "--data=" + dir, "--offline-delay=0s", "--agent=offline"}, args...)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.stopped <- run(ctx, args, s.out, t.Output(), ready)
	}()
	select {
	case s.addr = <-ready:
	case status := <-s.stopped:
		stop()
		t.Fatalf("serve ended with %d", status)
	}
	t.Cleanup(func() { // it logs to t, so it must not outlive it
		s.stop()
		select {
		case <-ended:
		case <-time.After(30 * time.Second):
			t.Error("the program does not stop")
		}
	})
	return s
}

// wait stops the program and returns its exit status.
func (s *server) wait(t *testing.T) int {
	t.Helper()
	s.stop()
	select {
	case status := <-s.stopped:
		return status
	case <-time.After(30 * time.Second):
		_ = pprof.Lookup("goroutine").WriteTo(t.Output(), 1)
		t.Fatal("the program does not stop")
		return -1
	}
}

func (s *server) client(t *testing.T, user string) *apitest.Client {
	t.Helper()
	return apitest.New(t, "http://"+s.addr, "test-token-"+user)
}

func input(text string) map[string]any {
	return map[string]any{
		"content":     []any{map[string]any{"type": "input_text", "text": text}},
		"attachments": []any{}, "inference_options": map[string]any{},
	}
}

// say sends a message, to a new thread when thread is empty, and returns the
// thread and what was answered.
func say(t *testing.T, c *apitest.Client, thread, text string) (id, answer string) {
	t.Helper()
	kind, params := "threads.create", map[string]any{"input": input(text)}
	if thread != "" {
		kind, params["thread_id"] = "threads.add_user_message", thread
	}
	id = thread
	for _, e := range c.ChatKitStream(t, kind, params).All(t) {
		ev, err := chatkit.DecodeEvent([]byte(e.Data))
		if err != nil {
			t.Fatal(err)
		}
		if ev, ok := ev.(chatkit.ThreadCreated); ok {
			id = ev.Thread.ID
		}
		if ev, ok := ev.(chatkit.ItemDone); ok {
			if m, ok := ev.Item.(chatkit.AssistantMessage); ok {
				answer += m.Content[0].Text
			}
		}
		if ev, ok := ev.(chatkit.ErrorEvent); ok {
			t.Fatalf("%q: the turn failed: %s", text, ev.Message)
		}
	}
	return id, answer
}

type taskList struct {
	Data []struct {
		Title     string
		Completed bool
		DueAt     *time.Time `json:"due_at"`
	}
	Total, Pending, Completed int
}

func tasks(t *testing.T, c *apitest.Client) (l taskList) {
	t.Helper()
	c.Do(t, "GET", "/api/v1/tasks?sort=created_at", nil).Decode(t, &l)
	return l
}

func items(t *testing.T, c *apitest.Client, thread string) (kinds []string) {
	t.Helper()
	var page struct{ Data []struct{ Type string } }
	c.ChatKit(t, "items.list", map[string]any{"thread_id": thread, "order": "asc", "limit": 100}).Decode(t, &page)
	for _, it := range page.Data {
		kinds = append(kinds, it.Type)
	}
	return kinds
}

// TestDay is a person's day with the program: tasks by chat, a restart, and
// nothing is lost, doubled or seen by others.
func TestDay(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	alice, bob := s.client(t, "alice"), s.client(t, "bob")

	thread, _ := say(t, alice, "", "add buy milk tomorrow, and call Anna")
	l := tasks(t, alice)
	if len(l.Data) != 2 || l.Data[0].Title != "buy milk" || l.Data[0].DueAt == nil || l.Data[1].Title != "call Anna" || l.Data[1].DueAt != nil {
		t.Fatalf("tasks = %+v", l)
	}
	_, answer := say(t, alice, thread, "what is left?")
	if !strings.Contains(answer, "buy milk") || !strings.Contains(answer, "call Anna") {
		t.Errorf("what is left? %s", answer)
	}
	say(t, alice, thread, "done with the milk")
	if l := tasks(t, alice); l.Pending != 1 || l.Completed != 1 || !l.Data[0].Completed {
		t.Errorf("tasks = %+v", l)
	}
	before := items(t, alice, thread)

	if l := tasks(t, bob); l.Total != 0 || len(l.Data) != 0 {
		t.Errorf("bob sees %+v", l)
	}
	if resp := bob.ChatKit(t, "threads.get_by_id", map[string]any{"thread_id": thread}); resp.Status != http.StatusNotFound {
		t.Errorf("bob reads the thread: %d %s", resp.Status, resp.Body)
	}
	if status := s.wait(t); status != exitOK {
		t.Fatalf("exit status %d", status)
	}
	if !strings.Contains(s.out.String(), "Open http://127.0.0.1:") {
		t.Errorf("serve printed %q", s.out.String())
	}

	s = start(t, dir)
	alice = s.client(t, "alice")
	if l := tasks(t, alice); len(l.Data) != 2 || l.Pending != 1 {
		t.Errorf("after the restart: tasks = %+v", l)
	}
	if after := items(t, alice, thread); strings.Join(after, " ") != strings.Join(before, " ") {
		t.Errorf("after the restart: items\n %v\nwant\n %v", after, before)
	}
	say(t, alice, thread, "what is left?")
	if status := s.wait(t); status != exitOK {
		t.Errorf("exit status %d", status)
	}
}

// command runs the program to its end.
func command(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs strings.Builder
	status = run(t.Context(), args, &out, &errs, nil)
	return status, out.String(), errs.String()
}

func TestCommands(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	alice := s.client(t, "alice")
	say(t, alice, "", "add buy milk")

	status, token, stderr := command(t, "token", "--user=alice", "--data="+dir)
	if status != exitOK || strings.Count(token, ".") != 2 {
		t.Fatalf("token: %d %q %s", status, token, stderr)
	}
	if l := tasks(t, alice.As(strings.TrimSpace(token))); l.Total != 1 {
		t.Errorf("with the token: %+v", l)
	}

	t.Run("beside a running server", func(t *testing.T) {
		status, out, stderr := command(t, "projections", "list", "--json", "--data="+dir)
		var states []struct{ Name, State string }
		if err := json.Unmarshal([]byte(out), &states); status != exitOK || err != nil || len(states) != 3 {
			t.Errorf("list: %d %s %s %v", status, out, stderr, err)
		}
		if status, out, stderr := command(t, "projections", "rebuild", "all", "--data="+dir); status != exitOK || !strings.Contains(out, "equal to the old ones") {
			t.Errorf("rebuild: %d %s %s", status, out, stderr)
		}
		if status, _, stderr := command(t, "serve", "--data="+dir, "--listen=127.0.0.1:0"); status != exitFault || !strings.Contains(stderr, "in use") {
			t.Errorf("a second server: %d %s", status, stderr)
		}
	})
	if status := s.wait(t); status != exitOK {
		t.Fatal(status)
	}
	t.Run("alone", func(t *testing.T) {
		if status, out, stderr := command(t, "projections", "rebuild", "all", "--data="+dir); status != exitOK {
			t.Errorf("rebuild: %d %s %s", status, out, stderr)
		}
		if status, out, stderr := command(t, "projections", "list", "--data="+dir); status != exitOK || !strings.Contains(out, "tasks") {
			t.Errorf("list: %d %s %s", status, out, stderr)
		}
	})
	s = start(t, dir)
	if l := tasks(t, s.client(t, "alice")); l.Total != 1 {
		t.Errorf("after the rebuild: %+v", l)
	}
	s.wait(t)
}

func TestMistakes(t *testing.T) {
	dir := t.TempDir()
	tests := []struct {
		name   string
		env    map[string]string
		args   []string
		status int
		want   []string
	}{
		{"no command", nil, nil, exitUsage, []string{"--help"}},
		{"an unknown command", nil, []string{"sevre"}, exitUsage, []string{"sevre"}},
		{"an unknown projection", nil, []string{"projections", "rebuild", "taks", "--data=" + dir}, exitUsage, []string{"taks", "tasks", "thread_items"}},
		{"every wrong setting at once", map[string]string{"CHATKITD_LISTN": "x", "CHATKITD_MAX_TURNS": "many"}, []string{"serve"}, exitUsage, []string{"CHATKITD_LISTN", "CHATKITD_MAX_TURNS"}},
		{"production without a secret", map[string]string{"ENVIRONMENT": "production"}, []string{"serve"}, exitUsage, []string{"JWT_SECRET"}},
		{"the world without an environment", nil, []string{"serve", "--listen=0.0.0.0:8000"}, exitUsage, []string{"ENVIRONMENT"}},
		{"a token for nobody", nil, []string{"token", "--user= ", "--data=" + dir}, exitUsage, []string{"user"}},
		{"no data to list", nil, []string{"projections", "list", "--data=" + dir + "/none"}, exitUsage, []string{"no read models in", "none", "--data"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for k, v := range tt.env {
				t.Setenv(k, v)
			}
			status, _, stderr := command(t, tt.args...)
			if status != tt.status {
				t.Errorf("exit status %d, want %d: %s", status, tt.status, stderr)
			}
			for _, w := range tt.want {
				if !strings.Contains(stderr, w) {
					t.Errorf("stderr does not name %s:\n%s", w, stderr)
				}
			}
		})
	}
	if status, out, _ := command(t, "--help"); status != exitOK || !strings.Contains(out, "serve") || !strings.Contains(out, "Examples") {
		t.Errorf("--help: %d %s", status, out)
	}
}
