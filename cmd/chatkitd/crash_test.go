package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/http/apitest"
	"github.com/chatkitd/chatkitd/internal/embedded"
)

// TestMain lets the test binary be the program itself, so that it can be killed, or
// the database behind it. CHATKITD_TEST_PULSE shortens the times by which servers
// on one log tell each other that they live.
func TestMain(m *testing.M) {
	if text := os.Getenv("CHATKITD_TEST_PULSE"); text != "" {
		renew, lease, _ := strings.Cut(text, ",")
		var errRenew, errLease error
		pulse.renew, errRenew = time.ParseDuration(renew)
		pulse.lease, errLease = time.ParseDuration(lease)
		if err := errors.Join(errRenew, errLease); err != nil {
			panic(err)
		}
	}
	switch os.Getenv("CHATKITD_TEST_BE") {
	case "the program":
		os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr, nil))
	case "the database":
		os.Exit(beTheDatabase(os.Args[1], os.Args[2]))
	}
	answerWithin = time.Second
	os.Exit(m.Run())
}

// spawn starts the program as a process of its own and returns its address and
// what kills it with -9.
func spawn(t *testing.T, dir string) (addr string, kill func()) {
	t.Helper()
	return spawnServer(t, dir, "127.0.0.1:0", nil, "--offline-delay=5ms")
}

func spawnServer(t *testing.T, dir, listen string, env []string, args ...string) (addr string, kill func()) {
	t.Helper()
	args = append([]string{"serve", "--listen=" + listen, "--data=" + dir, "--agent=offline", "--log-level=warn", "--rate-limit=0"}, args...)
	addr, kill = spawnProcess(t, append(env, "CHATKITD_TEST_BE=the program"), "Open http://", args...)
	return strings.TrimSuffix(addr, "/"), kill
}

// spawnProcess starts the test binary as something else, and returns what is behind
// said on the first line of its output that has it.
func spawnProcess(t *testing.T, env []string, said string, args ...string) (rest string, kill func()) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(context.Background(), exe, args...)
	cmd.Env = env
	for _, kv := range os.Environ() { // the tests' own settings are none of the program's
		if !strings.HasPrefix(kv, "CHATKITD_") {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // "killed" is what we want
	})
	t.Cleanup(kill)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if _, rest, ok := strings.Cut(lines.Text(), said); ok {
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return rest, kill
		}
	}
	t.Fatalf("%v did not say %q", args, said)
	return "", nil
}

// acks is what the clients were told is done.
type acks struct {
	mu       sync.Mutex
	tasks    map[string]bool   // titles
	messages map[string]string // item id -> thread
	threads  map[string]bool
}

// TestKill kills the program with -9 again and again while clients add tasks and
// chat. What was acknowledged must be there once, nothing may be there twice, and
// no thread may be stuck. CHATKITD_TEST_CRASH_ROUNDS says how often; default 3.
func TestKill(t *testing.T) {
	rounds := 3
	if s := os.Getenv("CHATKITD_TEST_CRASH_ROUNDS"); s != "" {
		var err error
		if rounds, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	a := &acks{tasks: map[string]bool{}, messages: map[string]string{}, threads: map[string]bool{}}
	for round := range rounds {
		addr, kill := spawn(t, dir)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for w := range 8 {
			c := apitest.New(t, "http://"+addr, "test-token-alice")
			wg.Go(func() {
				for i := 0; ctx.Err() == nil; i++ {
					name := fmt.Sprintf("r%d-w%d-%d", round, w, i)
					if w%2 == 0 {
						a.addTask(ctx, c, name)
					} else {
						a.chat(ctx, c, name)
					}
				}
			})
		}
		time.Sleep(time.Duration(200+rand.IntN(600)) * time.Millisecond) // when the process dies is the test's input
		kill()
		cancel()
		wg.Wait()
		a.check(t, dir)
	}
	t.Logf("%d rounds: %d tasks, %d messages in %d threads were acknowledged and found once", rounds, len(a.tasks), len(a.messages), len(a.threads))
	if len(a.tasks) == 0 || len(a.messages) == 0 {
		t.Error("nothing was acknowledged: the test proves nothing")
	}
}

func (a *acks) addTask(ctx context.Context, c *apitest.Client, title string) {
	resp, err := c.Try(ctx, "POST", "/api/v1/tasks", map[string]any{"title": title}, "Idempotency-Key", title)
	if err == nil && resp.Status == http.StatusCreated {
		a.mu.Lock()
		a.tasks[title] = true
		a.mu.Unlock()
	}
}

// chat opens a thread; the message and the task that the agent adds count as
// acknowledged once they were seen in the stream.
func (a *acks) chat(ctx context.Context, c *apitest.Client, name string) {
	st, err := c.TryStream(ctx, "POST", "/api/v1/chatkit", map[string]any{
		"type": "threads.create", "params": map[string]any{"input": input("add task " + name)},
	})
	if err != nil {
		return
	}
	defer st.Close()
	if st.Status != http.StatusOK {
		return
	}
	for {
		e, err := st.Next()
		if err != nil {
			return
		}
		var ev struct {
			Type string
			Item struct {
				ID       string
				ThreadID string `json:"thread_id"`
			}
		}
		if json.Unmarshal([]byte(e.Data), &ev) != nil || ev.Type != "thread.item.done" {
			continue
		}
		a.mu.Lock()
		a.messages[ev.Item.ID] = ev.Item.ThreadID
		a.threads[ev.Item.ThreadID] = true
		a.mu.Unlock()
	}
}

// check starts the program on what the kill left, and looks at everything.
func (a *acks) check(t *testing.T, dir string) {
	t.Helper()
	checkLog(t, dir)
	addr, kill := spawn(t, dir)
	defer kill()
	c := apitest.New(t, "http://"+addr, "test-token-alice")

	titles := map[string]int{}
	for after := ""; ; {
		var page struct {
			Data    []struct{ ID, Title string }
			HasMore bool `json:"has_more"`
			After   string
		}
		c.Do(t, "GET", "/api/v1/tasks?limit=100&after="+after, nil).Decode(t, &page)
		for _, task := range page.Data {
			titles[task.Title]++
		}
		if after = page.After; !page.HasMore {
			break
		}
	}
	for title, n := range titles {
		if n != 1 {
			t.Errorf("task %q is there %d times", title, n)
		}
	}
	for title := range a.tasks {
		if titles[title] != 1 {
			t.Errorf("task %q was acknowledged and is there %d times", title, titles[title])
		}
	}
	found := map[string]int{}
	for thread := range a.threads {
		var page struct{ Data []struct{ ID string } }
		c.ChatKit(t, "items.list", map[string]any{"thread_id": thread, "limit": 100}).Decode(t, &page)
		for _, it := range page.Data {
			found[it.ID]++
		}
		if resp := c.Do(t, "GET", "/api/v1/chatkit/threads/"+thread+"/stream", nil); resp.Status != http.StatusNoContent {
			t.Errorf("thread %s: something runs after the restart: %d", thread, resp.Status)
		}
	}
	for id, thread := range a.messages {
		if found[id] != 1 {
			t.Errorf("item %s of %s was acknowledged and is there %d times", id, thread, found[id])
		}
	}
	n := 0
	for thread := range a.threads { // any few of them: none may be stuck
		if n++; n > 5 {
			break
		}
		say(t, c, thread, "hello")
	}
}

// checkLog reads the whole log: revisions and positions without gap, and every
// turn that a later one follows has ended.
func checkLog(t *testing.T, dir string) {
	t.Helper()
	store, err := embedded.OpenReadOnly(t.Context(), embedded.Options{Dir: dir, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	position := uint64(0)
	for _, rec := range checkEvents(t, store) {
		if position++; rec.Position.Commit != position {
			t.Fatalf("position %s after %d", rec.Position, position-1)
		}
	}
}

// checkEvents reads a whole log and returns it: revisions have no gap, no event is
// there twice, and every turn that a later one follows has ended.
func checkEvents(t *testing.T, store events.Store) (all []events.Recorded) {
	t.Helper()
	next := map[string]uint64{}
	ids := map[string]bool{}
	open := map[string]bool{}
	for rec, err := range store.ReadAll(t.Context(), events.AllRead{}) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, rec)
		if rec.Revision != next[rec.Stream] {
			t.Fatalf("%s has revision %d, want %d", rec.Stream, rec.Revision, next[rec.Stream])
		}
		next[rec.Stream]++
		if ids[rec.ID.String()] {
			t.Fatalf("event %s is there twice", rec.ID)
		}
		ids[rec.ID.String()] = true
		ev, err := events.Decode(rec.Type, rec.Data)
		if err != nil {
			t.Fatal(err)
		}
		switch ev.(type) {
		case events.TurnStarted:
			if open[rec.Stream] {
				t.Fatalf("%s: a turn began before the last had ended", rec.Stream)
			}
			open[rec.Stream] = true
		case events.TurnCompleted, events.TurnFailed, events.TurnCancelled, events.TurnInterrupted:
			if !open[rec.Stream] {
				t.Fatalf("%s: a turn ended that was not open", rec.Stream)
			}
			open[rec.Stream] = false
		}
	}
	return all
}
