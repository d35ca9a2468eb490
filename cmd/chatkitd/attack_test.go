package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/http/apitest"
	"github.com/chatkitd/chatkitd/internal/embedded"
)

// TestBadInput sends what no client of good will sends. Each is refused in the
// one form of an error, and the thread that it was about takes a message
// afterwards.
func TestBadInput(t *testing.T) {
	s := start(t, t.TempDir(), "--rate-limit=0")
	c := s.client(t, "alice")
	thread, _ := say(t, c, "", "add buy milk")
	ck := func(kind, params string) string { return `{"type":"` + kind + `","params":` + params + `}` }
	message := func(input string) string {
		return ck("threads.add_user_message", `{"thread_id":"`+thread+`","input":`+input+`}`)
	}
	text := func(s string) string {
		b, _ := json.Marshal(s) // a string is always JSON
		return message(`{"content":[{"type":"input_text","text":` + string(b) + `}]}`)
	}
	nested := func(open, inner, shut string) string {
		return strings.Repeat(open, 10_000) + inner + strings.Repeat(shut, 10_000)
	}
	tests := []struct {
		name, body string
		status     int
	}{
		{"nothing", "", 400},
		{"no JSON", "hello", 400},
		{"cut off", `{"type":`, 400},
		{"a list", "[]", 400},
		{"two objects", "{}{}", 400},
		{"no type", "{}", 400},
		{"a type that is none", `{"type":["threads.list"]}`, 400},
		{"a type of another server", ck("threads.resume", "{}"), 400},
		{"invalid UTF-8", text("a")[:40] + "\xff\xfe" + text("a")[40:], 400},
		{"10,000 brackets", ck("threads.list", nested("[", "", "]")), 400},
		{"10,000 objects", `{"type":"threads.list","metadata":` + nested(`{"a":`, "1", "}") + `}`, 400},
		{"100,000 brackets without end", strings.Repeat("[", 100_000), 400},
		{"10 MB", text(strings.Repeat("x", 10<<20)), 413},
		{"10 MB of nothing", strings.Repeat(" ", 10<<20), 413},
		{"a message of 100 kB", text(strings.Repeat("x", 100_000)), 400},
		{"20,000 parts", message(`{"content":[` + strings.Repeat(`{"type":"input_text","text":"a"},`, 20_000) + `{"type":"input_text","text":"a"}]}`), 400},
		{"a quote of 100 kB", message(`{"content":[{"type":"input_text","text":"a"}],"quoted_text":"` + strings.Repeat("x", 100_000) + `"}`), 400},
		{"an empty message", text(""), 400},
		{"a message of nothing to see", text(" \n\t\x00\u00a0 "), 400},
		{"no content", message(`{"content":[]}`), 400},
		{"null for content", message(`{"content":null}`), 400},
		{"a null part", message(`{"content":[null]}`), 400},
		{"a number for text", message(`{"content":[{"type":"input_text","text":5}]}`), 400},
		{"an attachment", message(`{"content":[{"type":"input_text","text":"a"}],"attachments":["atc_1"]}`), 400},
		{"a limit below nothing", ck("threads.list", `{"limit":-1}`), 400},
		{"an order that is none", ck("threads.list", `{"order":"nonsense"}`), 400},
		{"a page behind nothing", ck("threads.list", `{"after":"thr_none"}`), 400},
		{"an id with a slash", ck("threads.get_by_id", `{"thread_id":"a/b"}`), 404},
		{"an id of 10 kB", ck("threads.get_by_id", `{"thread_id":"`+strings.Repeat("a", 10_000)+`"}`), 404},
		{"an id with a NUL", ck("threads.delete", `{"thread_id":"\u0000"}`), 404},
		{"a stream of the store", ck("threads.get_by_id", `{"thread_id":"thread-`+thread+`"}`), 404},
		{"all streams", ck("items.list", `{"thread_id":"$all"}`), 404},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			checkRefused(t, c.Do(t, "POST", "/api/v1/chatkit", tt.body), tt.status)
		})
	}
	for _, path := range []string{"/api/v1/tasks/a%2Fb", "/api/v1/tasks/%00", "/api/v1/tasks/" + strings.Repeat("a", 10_000), "/api/v1/tasks/%2e%2e", "/api/v1/chatkit/threads/" + thread + "/branches", "/api/v1/chatkit/live-updates/poll"} {
		checkRefused(t, c.Do(t, "GET", path, nil), http.StatusNotFound)
	}

	accepted := []string{
		ck("threads.list", `{"limit":9999,"order":null,"after":null,"all_workflows":true}`),
		ck("threads.update", `{"thread_id":"`+thread+`","title":"\u0000\u202e👩‍👩‍👧 x","metadata":{"a":1}}`),
		message(`{"content":[{"type":"input_text","text":"hi","extra":[{}]}],"attachments":null,"quoted_text":null,"inference_options":{"model":null,"tool_choice":null},"more":1}`),
		message(`{"content":[{"type":"input_tag","id":"t1","text":"Bob","data":null,"group":null,"interactive":null}]}`),
		message(`{"content":[{"type":"input_text","text":"lone \ud800 half"}]}`),
		text("add \x00\x01\x1b[31m 👩‍👩‍👧‍👦 \u202eevil\u202c العربية \ufeff task"),
		text(strings.Repeat("😀 ", 16_000)),
	}
	for _, body := range accepted {
		if resp := c.Do(t, "POST", "/api/v1/chatkit", body); resp.Status != http.StatusOK || strings.Contains(string(resp.Body), `"type":"error"`) {
			t.Errorf("%.200s: %d %.300s", body, resp.Status, resp.Body)
		}
	}
	say(t, c, thread, "what is left?")
	s.wait(t)
}

// checkRefused checks the form that every error has.
func checkRefused(t *testing.T, resp *apitest.Response, status int) {
	t.Helper()
	var body struct {
		Error struct {
			Code, Message string
			RequestID     string `json:"request_id"`
		}
	}
	if err := json.Unmarshal(resp.Body, &body); err != nil || resp.Status != status || body.Error.Code == "" || body.Error.Message == "" ||
		body.Error.RequestID != resp.Header.Get("X-Request-Id") {
		t.Errorf("got %d %.300s, want %d: %v", resp.Status, resp.Body, status, err)
	}
}

// awaitReady waits until the program says that it is.
func awaitReady(t *testing.T, c *apitest.Client) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); c.Do(t, "GET", "/health/ready", nil).Status != http.StatusOK; {
		if time.Now().After(deadline) {
			t.Fatal("the program does not become ready")
		}
	}
}

// crowd runs do in n goroutines at once and counts what they return.
func crowd[K comparable](n int, do func(i int) K) map[K]int {
	var mu sync.Mutex
	var wg sync.WaitGroup
	counts := map[K]int{}
	for i := range n {
		wg.Go(func() {
			k := do(i)
			mu.Lock()
			defer mu.Unlock()
			counts[k]++
		})
	}
	wg.Wait()
	return counts
}

// status is that of a request, or 0 when there was no whole answer.
func status(t *testing.T, c *apitest.Client, method, path string, body any, headers ...string) int {
	t.Helper()
	resp, err := c.Try(t.Context(), method, path, body, headers...)
	if err != nil {
		t.Errorf("%s %s: %v", method, path, err)
		return 0
	}
	return resp.Status
}

// TestSameKey has twenty clients send one request at once, as a client does that
// gave up waiting: one task, twenty times the same answer.
func TestSameKey(t *testing.T) {
	s := start(t, t.TempDir(), "--rate-limit=0")
	c := s.client(t, "alice")
	for round := range 3 {
		answers := crowd(20, func(int) string {
			resp, err := c.Try(t.Context(), "POST", "/api/v1/tasks", map[string]any{"title": fmt.Sprint("once ", round)}, "Idempotency-Key", fmt.Sprint("key-", round))
			if err != nil {
				return err.Error()
			}
			return fmt.Sprint(resp.Status, string(resp.Body))
		})
		if len(answers) != 1 {
			t.Errorf("round %d: %v", round, answers)
		}
	}
	if l := tasks(t, c); l.Total != 3 {
		t.Errorf("there are %d tasks, want 3", l.Total)
	}
	s.wait(t)
}

// TestThreadRaces has twenty clients cancel, retry, rename, delete and write in
// one thread at once. Nothing but the refusals that are meant may come of it,
// and at the end the thread takes a message, unless it is deleted.
func TestThreadRaces(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir, "--rate-limit=0", "--offline-delay=1ms")
	c := s.client(t, "alice")
	for round := range 2 {
		thread, _ := say(t, c, "", "hello")
		var page struct{ Data []struct{ ID string } }
		c.ChatKit(t, "items.list", map[string]any{"thread_id": thread, "order": "asc"}).Decode(t, &page)
		about := func(more map[string]any) map[string]any { more["thread_id"] = thread; return more }
		end := time.Now().Add(300 * time.Millisecond)
		counts := crowd(20, func(i int) string {
			rng := rand.New(rand.NewPCG(uint64(round), uint64(i))) //nolint:gosec // a test
			for time.Now().Before(end) {
				kinds := []struct {
					kind   string
					params map[string]any
				}{
					{"threads.add_user_message", about(map[string]any{"input": input("add milk, and add tea")})},
					{"threads.retry_after_item", about(map[string]any{"item_id": page.Data[0].ID})},
					{"threads.update", about(map[string]any{"title": fmt.Sprint(i)})},
					{"items.feedback", about(map[string]any{"item_ids": []string{page.Data[0].ID}, "kind": "positive"})},
					{"threads.get_by_id", about(map[string]any{})},
					{"cancel", nil},
					{"stream", nil},
					{"threads.delete", about(map[string]any{})},
				}
				k := kinds[rng.IntN(len(kinds))]
				var got int
				switch {
				case k.kind == "cancel":
					got = status(t, c, "POST", "/api/v1/chatkit/threads/"+thread+"/cancel", nil)
				case k.kind == "stream":
					got = status(t, c, "GET", "/api/v1/chatkit/threads/"+thread+"/stream", nil)
				case k.kind == "threads.delete" && (round > 0 || rng.IntN(50) > 0):
					continue
				default:
					got = status(t, c, "POST", "/api/v1/chatkit", map[string]any{"type": k.kind, "params": k.params})
				}
				switch got {
				case http.StatusOK, http.StatusNoContent, http.StatusNotFound, http.StatusConflict:
				default:
					return fmt.Sprint(k.kind, " ", got)
				}
			}
			return "good"
		})
		if counts["good"] != 20 {
			t.Errorf("round %d: %v", round, counts)
		}
		if resp := c.ChatKit(t, "threads.get_by_id", map[string]any{"thread_id": thread}); resp.Status == http.StatusOK {
			say(t, c, thread, "what is left?")
		} else if round > 0 {
			t.Errorf("the thread is lost: %d %s", resp.Status, resp.Body)
		}
	}
	s.wait(t)
	checkLog(t, dir)
	checkOnce(t, dir)
}

// TestStopUnderLoad stops the program while many turns run. Each ends as it
// should, and nothing of it is in the log twice.
func TestStopUnderLoad(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir, "--rate-limit=0")
	ended := make(chan map[string]int, 1)
	stopping := make(chan struct{})
	go func() {
		ended <- crowd(16, func(i int) string {
			c := s.client(t, fmt.Sprint("u", i))
			for {
				select {
				case <-stopping:
					return "good"
				default:
				}
				st, err := c.TryStream(t.Context(), "POST", "/api/v1/chatkit", map[string]any{
					"type": "threads.create", "params": map[string]any{"input": input("add a, and add b, and add c")},
				})
				if err != nil {
					return "good" // nobody listens any more
				}
				for err == nil && st.Status == http.StatusOK {
					_, err = st.Next()
				}
				st.Close()
				if err != nil && !errors.Is(err, io.EOF) {
					return err.Error()
				}
			}
		})
	}()
	c := s.client(t, "u0")
	for deadline := time.Now().Add(10 * time.Second); tasks(t, c).Total < 9 && time.Now().Before(deadline); {
	}
	if status := s.wait(t); status != exitOK {
		t.Errorf("exit status %d", status)
	}
	close(stopping)
	if counts := <-ended; counts["good"] != 16 {
		t.Errorf("streams ended with %v", counts)
	}
	checkLog(t, dir)
	checkOnce(t, dir)
}

// checkOnce checks that no item and no tool call is in the log twice, and that
// each call has an answer.
func checkOnce(t *testing.T, dir string) {
	t.Helper()
	store, err := embedded.OpenReadOnly(t.Context(), embedded.Options{Dir: dir, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	times := map[string]int{}
	for rec, err := range store.ReadAll(t.Context(), events.AllRead{}) {
		if err != nil {
			t.Fatal(err)
		}
		ev, err := events.Decode(rec.Type, rec.Data)
		if err != nil {
			t.Fatal(err)
		}
		switch ev := ev.(type) {
		case events.ItemAdded:
			var item struct{ ID string }
			if err := json.Unmarshal(ev.Item, &item); err != nil {
				t.Fatal(err)
			}
			times["item "+item.ID]++
		case events.ToolCalled:
			times["call "+ev.CallID]++
		case events.ToolReturned:
			times["answer "+ev.CallID]++
		}
	}
	for what, n := range times {
		if n != 1 {
			t.Errorf("%s is in the log %d times", what, n)
		}
		if call, ok := strings.CutPrefix(what, "call "); ok && times["answer "+call] == 0 {
			t.Errorf("call %s has no answer", call)
		}
	}
	if len(times) == 0 {
		t.Error("the log is empty: this proves nothing")
	}
}

// TestTurnsAreBounded has more clients than turns may run: they are refused with
// the word when to come back, and served once the others are done.
func TestTurnsAreBounded(t *testing.T) {
	const places, clients = 4, 30
	s := start(t, t.TempDir(), "--rate-limit=0", "--max-turns=4", "--offline-delay=5ms")
	counts := crowd(clients, func(i int) string {
		resp, err := s.client(t, fmt.Sprint("u", i)).Try(t.Context(), "POST", "/api/v1/chatkit",
			map[string]any{"type": "threads.create", "params": map[string]any{"input": input("hello")}})
		if err != nil {
			return err.Error()
		}
		return fmt.Sprint(resp.Status, " ", resp.Header.Get("Retry-After"))
	})
	if counts["200 "] < places || counts["200 "]+counts["503 1"] != clients || counts["503 1"] == 0 {
		t.Errorf("%v", counts)
	}
	for i := range places { // as many clients that go away at once
		st := s.client(t, fmt.Sprint("gone", i)).ChatKitStream(t, "threads.create", map[string]any{"input": input("add milk")})
		if _, err := st.Next(); err != nil {
			t.Error(err)
		}
		st.Close()
	}
	served := 0
	for deadline := time.Now().Add(20 * time.Second); served < 2*places && time.Now().Before(deadline); {
		resp := s.client(t, "late").Do(t, "POST", "/api/v1/chatkit", map[string]any{"type": "threads.create", "params": map[string]any{"input": input("add tea")}})
		if resp.Status == http.StatusOK {
			served++
		}
	}
	if served < 2*places {
		t.Errorf("%d of %d were served afterwards", served, 2*places)
	}
	s.wait(t)
}

// TestManyUsersFewActors has many more users than may be in memory at once. One
// after the other they are all served.
func TestManyUsersFewActors(t *testing.T) {
	s := start(t, t.TempDir(), "--rate-limit=0", "--max-actors=5")
	for i := range 15 {
		c := s.client(t, fmt.Sprint("u", i))
		say(t, c, "", "add milk")
		if l := tasks(t, c); l.Total != 1 {
			t.Errorf("user %d has %d tasks", i, l.Total)
		}
	}
	s.wait(t)
}

// TestKilledInTheMiddleOfAnAnswer kills the program while it answers, after
// several numbers of events. The thread is usable at once, a retry repeats no
// effect of a tool, and answers as if nothing had been.
func TestKilledInTheMiddleOfAnAnswer(t *testing.T) {
	dir := t.TempDir()
	addr, kill := spawn(t, dir)
	for _, seen := range []int{1, 7, 8, 13} {
		user := fmt.Sprint("u", seen)
		c := apitest.New(t, "http://"+addr, "test-token-"+user)
		st := c.ChatKitStream(t, "threads.create", map[string]any{"input": input("add milk, and add tea")})
		var first struct{ Thread struct{ ID string } }
		for i := range seen {
			e := st.Event(t)
			if i == 0 {
				if err := json.Unmarshal([]byte(e.Data), &first); err != nil {
					t.Fatal(err)
				}
			}
		}
		kill()
		st.Close()

		addr, kill = spawn(t, dir)
		c = apitest.New(t, "http://"+addr, "test-token-"+user)
		awaitReady(t, c)
		var page struct{ Data []struct{ ID, Type string } }
		c.ChatKit(t, "items.list", map[string]any{"thread_id": first.Thread.ID, "order": "asc"}).Decode(t, &page)
		if len(page.Data) == 0 || page.Data[0].Type != "user_message" {
			t.Fatalf("after %d events: items %+v", seen, page.Data)
		}
		var answer strings.Builder
		for _, e := range c.ChatKitStream(t, "threads.retry_after_item", map[string]any{"thread_id": first.Thread.ID, "item_id": page.Data[0].ID}).All(t) {
			if strings.Contains(e.Data, `"thread.item.done"`) && strings.Contains(e.Data, `"assistant_message"`) {
				answer.WriteString(e.Data)
			}
		}
		if !strings.Contains(answer.String(), "milk") || !strings.Contains(answer.String(), "tea") {
			t.Errorf("after %d events the retry answered %s", seen, answer.String())
		}
		if l := tasks(t, c); l.Total != 2 {
			t.Errorf("after %d events and a retry there are %d tasks, want 2: %+v", seen, l.Total, l.Data)
		}
		say(t, c, first.Thread.ID, "what is left?")
	}
	kill()
}
