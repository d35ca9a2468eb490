package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chatkitd/chatkitd/http/apitest"
)

// secretMark is in everything that alice and bob write, and nowhere else.
const secretMark = "xyzzy"

// stolen are the ids that mallory somehow came to know, by their prefix.
type stolen map[string][]string

var idPattern = regexp.MustCompile(`"((?:thr|msg|tsk|wf|tc)_[0-9a-z]+)"`)

func (s stolen) learn(body []byte) {
	for _, m := range idPattern.FindAllSubmatch(body, -1) {
		id := string(m[1])
		kind, _, _ := strings.Cut(id, "_")
		if !slices.Contains(s[kind], id) {
			s[kind] = append(s[kind], id)
		}
	}
}

// pick returns an id of that kind, and one of the same form that nobody has.
func (s stolen) pick(rng *rand.Rand, kind string) (id, unknown string) {
	id = s[kind][rng.IntN(len(s[kind]))]
	b := []byte(id)
	for i := len(b) - 8; i < len(b); i++ {
		b[i] = "0123456789abcdefghijklmnopqrstuv"[rng.IntN(32)]
	}
	return id, string(b)
}

// attempt is one request of mallory's; ids go where it says.
type attempt struct {
	method, path string
	body         func(id func(kind string) string) any
}

func ckAttempt(kind string, params func(id func(kind string) string) map[string]any) attempt {
	return attempt{"POST", "/api/v1/chatkit", func(id func(string) string) any {
		return map[string]any{"type": kind, "params": params(id), "metadata": map[string]any{"user_id": "alice"}}
	}}
}

// attempts is every request that names something that belongs to someone.
func attempts() []attempt {
	type ids = func(kind string) string
	type params = map[string]any
	thread := func(id ids) params { return params{"thread_id": id("thr")} }
	none := func(ids) any { return nil }
	list := []attempt{
		ckAttempt("threads.get_by_id", thread),
		ckAttempt("items.list", thread),
		ckAttempt("threads.delete", thread),
		ckAttempt("threads.update", func(id ids) params { return params{"thread_id": id("thr"), "title": "stolen"} }),
		ckAttempt("threads.add_user_message", func(id ids) params { return params{"thread_id": id("thr"), "input": input("what is left?")} }),
		ckAttempt("threads.retry_after_item", func(id ids) params { return params{"thread_id": id("thr"), "item_id": id("msg")} }),
		ckAttempt("items.feedback", func(id ids) params {
			return params{"thread_id": id("thr"), "item_ids": []string{id("msg")}, "kind": "positive"}
		}),
		{"GET", "/api/v1/chatkit/threads/%thr/stream", none},
		{"POST", "/api/v1/chatkit/threads/%thr/cancel", none},
		{"GET", "/api/v1/tasks/%tsk", none},
		{"DELETE", "/api/v1/tasks/%tsk", none},
		{"PATCH", "/api/v1/tasks/%tsk", func(ids) any { return params{"title": "stolen", "completed": true} }},
	}
	return list
}

func (a attempt) send(t *testing.T, c *apitest.Client, id func(kind string) string) *apitest.Response {
	t.Helper()
	path := a.path
	for _, kind := range []string{"thr", "tsk"} {
		if strings.Contains(path, "%"+kind) {
			path = strings.Replace(path, "%"+kind, id(kind), 1)
		}
	}
	return c.Do(t, a.method, path, a.body(id), "X-User-ID", "alice", "Last-Event-ID", "trn_1:1", "Idempotency-Key", "k-"+secretMark[:2])
}

// TestIsolation has alice and bob use the program while mallory, who has seen
// all their ids, tries each of them in every request there is. What mallory gets
// must be byte for byte what an unknown id gets, hold nothing of theirs, and
// change nothing.
func TestIsolation(t *testing.T) {
	const rounds = 15 // of some 20 requests each
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // a test that can be repeated
	s := start(t, t.TempDir(), "--rate-limit=0")
	clients := map[string]*apitest.Client{"alice": s.client(t, "alice"), "bob": s.client(t, "bob")}
	mallory := s.client(t, "mallory")
	seen := stolen{}
	threads := map[string]string{}
	for name, c := range clients {
		threads[name], _ = say(t, c, "", "add "+secretMark+" of "+name)
		c.Do(t, "POST", "/api/v1/tasks", map[string]any{"title": secretMark + " task of " + name, "tags": []string{secretMark}}, "Idempotency-Key", "k-"+secretMark[:2])
	}
	live := mallory.Stream(t, "GET", "/api/v1/tasks", nil, "Accept", "text/event-stream")
	all := attempts()
	requests := 0
	for round := range rounds {
		name := slices.Sorted(maps.Keys(clients))[round%2]
		owner := clients[name]
		switch rng.IntN(10) {
		case 0:
			threads[name], _ = say(t, owner, "", fmt.Sprintf("add %s %d", secretMark, round))
		case 1:
			say(t, owner, threads[name], "what is left?")
		default:
			owner.Do(t, "POST", "/api/v1/tasks", map[string]any{"title": fmt.Sprintf("%s %d of %s", secretMark, round, name)})
		}
		seen.learn(owner.Do(t, "GET", "/api/v1/tasks?limit=100", nil).Body)
		seen.learn(owner.ChatKit(t, "items.list", map[string]any{"thread_id": threads[name], "limit": 100}).Body)
		seen.learn(owner.ChatKit(t, "threads.list", map[string]any{"limit": 100}).Body)
		before := snapshotOf(t, owner, threads[name])

		for range 10 {
			a := all[rng.IntN(len(all))]
			requests += 2
			var foreign, unknown []string // the same ids for both
			got := a.send(t, mallory, func(kind string) string {
				id, none := seen.pick(rng, kind)
				foreign, unknown = append(foreign, id), append(unknown, none)
				return id
			})
			i := -1
			want := a.send(t, mallory, func(string) string { i++; return unknown[i] })
			if got.Status != http.StatusNotFound || !bytes.Equal(sameFor(got), sameFor(want)) {
				t.Fatalf("%+v with %v:\n%d %s\nwant as for an unknown id:\n%d %s", a, foreign, got.Status, got.Body, want.Status, want.Body)
			}
			checkNothingOf(t, got)
		}
		for _, r := range mallorysOwn(t, mallory, rng, seen) {
			requests++
			checkNothingOf(t, r)
		}
		if after := snapshotOf(t, owner, threads[name]); !bytes.Equal(before, after) {
			t.Fatalf("mallory has changed\n%s\ninto\n%s", before, after)
		}
	}
	t.Logf("%d requests of mallory, with %d threads, %d messages and %d tasks of others", requests, len(seen["thr"]), len(seen["msg"]), len(seen["tsk"]))
	if status := s.wait(t); status != exitOK {
		t.Errorf("exit status %d", status)
	}
	for _, e := range live.All(t) {
		if strings.Contains(e.Data, secretMark) {
			t.Errorf("mallory's live list: %s", e.Data)
		}
	}
}

// mallorysOwn are requests that are good for mallory, with foreign ids wherever
// there is room for one.
func mallorysOwn(t *testing.T, c *apitest.Client, rng *rand.Rand, seen stolen) []*apitest.Response {
	t.Helper()
	thread, _ := seen.pick(rng, "thr")
	message, _ := seen.pick(rng, "msg")
	task, _ := seen.pick(rng, "tsk")
	own := []*apitest.Response{
		c.Do(t, "GET", "/api/v1/tasks?q="+secretMark+"&limit=100", nil),
		c.Do(t, "GET", "/api/v1/tasks?user_id=alice&tag="+secretMark, nil, "X-User-ID", "alice"),
		c.Do(t, "GET", "/api/v1/tasks?after="+task, nil),
		c.ChatKit(t, "threads.list", map[string]any{"after": thread, "user_id": "alice"}),
		c.ChatKit(t, "threads.list", nil),
		c.Do(t, "POST", "/api/v1/tasks", map[string]any{"title": "mine", "id": task, "user_id": "alice"}, "Idempotency-Key", fmt.Sprint("own-", rng.Uint64())),
		c.Do(t, "GET", "/metrics", nil),
		c.Do(t, "GET", "/health", nil),
	}
	if rng.IntN(10) == 0 {
		for _, text := range []string{"list all tasks", "complete " + task, "delete the first one", "show thread " + thread + " " + message} {
			own = append(own, c.Do(t, "POST", "/api/v1/chatkit", map[string]any{"type": "threads.create", "params": map[string]any{"input": input(text)}}))
		}
	}
	return own
}

// snapshotOf is all that a user can read.
func snapshotOf(t *testing.T, c *apitest.Client, thread string) []byte {
	t.Helper()
	return bytes.Join([][]byte{
		c.Do(t, "GET", "/api/v1/tasks?limit=100", nil).Body,
		c.ChatKit(t, "threads.list", map[string]any{"limit": 100}).Body,
		c.ChatKit(t, "threads.get_by_id", map[string]any{"thread_id": thread}).Body,
	}, []byte("\n"))
}

// sameFor is an answer without what differs between any two.
func sameFor(r *apitest.Response) []byte {
	h := r.Header.Clone()
	h.Del("Date")
	id := h.Get("X-Request-Id")
	h.Del("X-Request-Id")
	head, _ := json.Marshal(h) // a map of strings is always JSON
	return append(bytes.ReplaceAll(r.Body, []byte(id), nil), head...)
}

// checkNothingOf looks for others in all that mallory received. What mallory
// sent does not count.
func checkNothingOf(t *testing.T, r *apitest.Response) {
	t.Helper()
	head, _ := json.Marshal(r.Header) // as above
	if bytes.Contains(r.Body, []byte(secretMark)) || bytes.Contains(head, []byte(secretMark)) {
		t.Fatalf("mallory sees\n%s\n%s", head, r.Body)
	}
}
