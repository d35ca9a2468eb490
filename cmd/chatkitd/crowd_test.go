package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/http/apitest"
)

// crowdOf is people who use both servers as they come, and what they were told.
type crowdOf struct {
	t       *testing.T
	clients [2][]*apitest.Client // by server and user

	mu      sync.Mutex
	tasks   map[string]string   // idempotency key -> the task that it made
	changes map[string]string   // idempotency key -> the title that it gave
	ids     []string            // of tasks, with their user: "2/tsk_…"
	threads map[int][]string    // by user
	items   map[string]string   // id -> thread
	byChat  map[string]struct{} // titles of tasks that an answer said it added

	added, changed, messages, busy, resent, attached, cancelled, readBack, refused atomic.Int64

	slowest  atomic.Int64 // of all answers, in ns
	statuses map[int]int  // of answers that are not 2xx
	silent   atomic.Int64 // requests without an answer
}

func newCrowd(t *testing.T, p *pair, users int) *crowdOf {
	t.Helper()
	c := &crowdOf{
		t: t, tasks: map[string]string{}, changes: map[string]string{}, threads: map[int][]string{},
		items: map[string]string{}, byChat: map[string]struct{}{}, statuses: map[int]int{},
	}
	for i := range p.nodes {
		for u := range users {
			c.clients[i] = append(c.clients[i], p.client(t, i, fmt.Sprint("user", u)))
		}
	}
	return c
}

// run lets n people act until ctx ends.
func (c *crowdOf) run(ctx context.Context, n int) {
	var wg sync.WaitGroup
	for w := range n {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				user, here := w%len(c.clients[0]), rand.IntN(2)
				name := fmt.Sprintf("w%d-%d", w, i)
				switch rand.IntN(10) {
				case 0, 1, 2:
					c.add(ctx, user, here, name)
				case 3, 4, 5:
					c.change(ctx, user, here, name)
				case 6, 7, 8:
					c.chat(ctx, user, here, name)
				default:
					c.attachOrCancel(ctx, user, here)
				}
			}
		})
	}
	wg.Wait()
}

// answered notes an answer, or none, to a request that was sent at began. What can
// pass by itself says when to come back.
func (c *crowdOf) answered(ctx context.Context, began time.Time, status int, h http.Header, err error) {
	if err != nil {
		if ctx.Err() == nil {
			c.silent.Add(1)
		}
		return
	}
	for took := int64(time.Since(began)); ; {
		old := c.slowest.Load()
		if took <= old || c.slowest.CompareAndSwap(old, took) {
			break
		}
	}
	if status/100 == 2 {
		return
	}
	if (status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout) && h.Get("Retry-After") == "" {
		c.t.Errorf("%d without Retry-After", status)
	}
	c.mu.Lock()
	c.statuses[status]++
	c.mu.Unlock()
}

// twice sends a request, and often the same again to the other server, as a client
// does whose answer was lost. Both answers must be of the same effect.
func (c *crowdOf) twice(ctx context.Context, user, here int, method, path string, body any, key string) (resp *apitest.Response, ok bool) {
	for try := range 2 {
		began := time.Now()
		again, err := c.clients[(here+try)%2][user].Try(ctx, method, path, body, "Idempotency-Key", key)
		if err != nil {
			again = &apitest.Response{}
		}
		c.answered(ctx, began, again.Status, again.Header, err)
		switch {
		case err != nil || again.Status/100 != 2:
			if err == nil {
				c.refused.Add(1)
			}
			return resp, resp != nil
		case resp != nil && string(again.Body) != string(resp.Body):
			c.t.Errorf("%s %s with one key: %s from one server, %s from the other", method, path, resp.Body, again.Body)
		case resp != nil:
			c.resent.Add(1)
		}
		resp = again
		if rand.IntN(3) > 0 {
			break
		}
	}
	return resp, true
}

func (c *crowdOf) add(ctx context.Context, user, here int, name string) {
	resp, ok := c.twice(ctx, user, here, "POST", "/api/v1/tasks", map[string]any{"title": "task " + name}, name)
	var task struct{ ID string }
	if !ok || json.Unmarshal(resp.Body, &task) != nil {
		return
	}
	c.added.Add(1)
	c.mu.Lock()
	c.tasks[name] = task.ID
	c.ids = append(c.ids, fmt.Sprint(user, "/", task.ID))
	c.mu.Unlock()
	// Whoever hands the position on sees it at the other server.
	read, err := c.clients[1-here][user].Try(ctx, "GET", "/api/v1/tasks/"+task.ID, nil, apitest.PositionHeader, resp.Header.Get(apitest.PositionHeader))
	if err != nil {
		return
	}
	switch read.Status {
	case http.StatusOK:
		c.readBack.Add(1)
	case http.StatusNotFound:
		c.t.Errorf("task %s was added at one server, and at the other, given position %s: %d %s", task.ID, resp.Header.Get(apitest.PositionHeader), read.Status, read.Body)
	}
}

func (c *crowdOf) change(ctx context.Context, user, here int, name string) {
	c.mu.Lock()
	id := ""
	if len(c.ids) > 0 {
		id = c.ids[rand.IntN(len(c.ids))]
	}
	c.mu.Unlock()
	owner, task, ok := strings.Cut(id, "/")
	if !ok || owner != fmt.Sprint(user) {
		return
	}
	body := map[string]any{"title": "renamed " + name}
	if rand.IntN(2) == 0 {
		body["completed"] = rand.IntN(2) == 0
	}
	if _, ok := c.twice(ctx, user, here, "PATCH", "/api/v1/tasks/"+task, body, name); ok {
		c.changed.Add(1)
		c.mu.Lock()
		c.changes[name] = "renamed " + name
		c.mu.Unlock()
	}
}

// someThread returns one of a user's threads, "" when there are few yet.
func (c *crowdOf) someThread(user int) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if all := c.threads[user]; len(all) >= 2 {
		return all[rand.IntN(len(all))]
	}
	return ""
}

// chat sends a message and reads the answer to its end.
func (c *crowdOf) chat(ctx context.Context, user, here int, name string) {
	thread := c.someThread(user)
	kind, params := "threads.create", map[string]any{"input": input("add task chat-" + name)}
	if thread != "" {
		kind, params["thread_id"] = "threads.add_user_message", thread
	}
	began := time.Now()
	st, err := c.clients[here][user].TryStream(ctx, "POST", "/api/v1/chatkit", map[string]any{"type": kind, "params": params})
	if err != nil {
		c.answered(ctx, began, 0, nil, err)
		return
	}
	c.answered(ctx, began, st.Status, st.Header, nil)
	defer st.Close()
	switch st.Status {
	case http.StatusOK:
	case http.StatusConflict:
		c.busy.Add(1)
		return
	default:
		c.refused.Add(1)
		return
	}
	c.messages.Add(1)
	for {
		e, err := st.Next()
		if err != nil {
			return
		}
		var ev struct {
			Type   string
			Thread struct{ ID string }
			Item   struct {
				ID, Type string
				ThreadID string `json:"thread_id"`
			}
		}
		if json.Unmarshal([]byte(e.Data), &ev) != nil {
			continue
		}
		switch ev.Type {
		case "thread.created":
			c.mu.Lock()
			c.threads[user] = append(c.threads[user], ev.Thread.ID)
			c.mu.Unlock()
		case "thread.item.done":
			c.mu.Lock()
			c.items[ev.Item.ID] = ev.Item.ThreadID
			if ev.Item.Type == "assistant_message" && strings.Contains(e.Data, "Added **chat-"+name+"**") {
				c.byChat["chat-"+name] = struct{}{}
			}
			c.mu.Unlock()
		}
	}
}

// attachOrCancel reads what runs in a thread through a server that may not be the
// one that runs it, or cancels it there.
func (c *crowdOf) attachOrCancel(ctx context.Context, user, here int) {
	thread := c.someThread(user)
	if thread == "" {
		return
	}
	path := "/api/v1/chatkit/threads/" + thread
	if rand.IntN(2) == 0 {
		if resp, err := c.clients[here][user].Try(ctx, "POST", path+"/cancel", nil); err == nil && resp.Status/100 == 2 {
			c.cancelled.Add(1)
		}
		return
	}
	st, err := c.clients[here][user].TryStream(ctx, "GET", path+"/stream", nil)
	if err != nil {
		return
	}
	defer st.Close()
	if st.Status != http.StatusOK {
		return
	}
	c.attached.Add(1)
	for {
		if _, err := st.Next(); err != nil {
			if !errors.Is(err, io.EOF) && ctx.Err() == nil {
				c.t.Logf("a stream through the other server broke off: %v", err)
			}
			return
		}
	}
}

// check compares what people were told with the log: each effect is there once.
func (c *crowdOf) check(all []events.Recorded) {
	c.t.Helper()
	made := map[string][]string{}          // idempotency key -> tasks
	changed := map[string]map[string]int{} // idempotency key -> title -> times
	items, titles := map[string]int{}, map[string]int{}
	for _, rec := range all {
		ev, err := events.Decode(rec.Type, rec.Data)
		if err != nil {
			c.t.Fatal(err)
		}
		meta, err := events.DecodeMetadata(rec.Meta)
		if err != nil {
			c.t.Fatal(err)
		}
		switch ev := ev.(type) {
		case events.TaskAdded:
			made[meta.Key] = append(made[meta.Key], string(ev.TaskID))
			titles[ev.Title]++
		case events.TaskUpdated:
			if changed[meta.Key] == nil {
				changed[meta.Key] = map[string]int{}
			}
			if ev.Title.Set {
				changed[meta.Key][ev.Title.Value]++
			}
		case events.ItemAdded:
			var item struct{ ID string }
			if err := json.Unmarshal(ev.Item, &item); err != nil {
				c.t.Fatal(err)
			}
			items[item.ID]++
		}
	}
	lost, doubled := 0, 0
	count := func(what, key string, n int) {
		switch {
		case n == 0:
			lost++
			c.t.Errorf("%s %s was acknowledged and is not in the log", what, key)
		case n > 1:
			doubled++
			c.t.Errorf("%s %s is in the log %d times", what, key, n)
		}
	}
	for key, id := range c.tasks {
		count("task", key, len(made[key]))
		if len(made[key]) == 1 && made[key][0] != id {
			c.t.Errorf("task %s was told to be %s, the log has %s", key, id, made[key][0])
		}
	}
	for key, title := range c.changes {
		count("change", key, changed[key][title])
	}
	for id := range c.items {
		count("item", id, items[id])
	}
	for title := range c.byChat {
		count("task by chat", title, titles[title])
	}
	for key, ids := range made { // also of what was not acknowledged
		if key != "" && len(ids) > 1 && !strings.Contains(key, ":") {
			doubled++
			c.t.Errorf("key %s made the tasks %v", key, ids)
		}
	}
	for title, n := range titles {
		if n > 1 {
			doubled++
			c.t.Errorf("the task %q is there %d times", title, n)
		}
	}
	c.t.Logf("acknowledged: %d tasks added, %d changed, %d tasks by chat, %d items in %d messages; %d lost, %d doubled. "+
		"Requests sent again to the other server: %d; read at the other by position: %d; second messages refused with 409: %d; "+
		"turns read: %d, cancelled: %d; other refusals: %d",
		c.added.Load(), c.changed.Load(), len(c.byChat), len(c.items), c.messages.Load(), lost, doubled,
		c.resent.Load(), c.readBack.Load(), c.busy.Load(), c.attached.Load(), c.cancelled.Load(), c.refused.Load())
	if missing := c.missing(); missing != "" {
		c.t.Errorf("there was not one: %s", missing)
	}
}

// missing names something that has not happened yet, or "".
func (c *crowdOf) missing() string {
	c.mu.Lock()
	byChat := int64(len(c.byChat))
	c.mu.Unlock()
	for what, n := range map[string]int64{
		"a task added": c.added.Load(), "a task changed": c.changed.Load(), "a task added by chat": byChat,
		"a request sent again": c.resent.Load(), "a second message refused": c.busy.Load(), "a turn cancelled": c.cancelled.Load(),
		"a task read at the other server": c.readBack.Load(),
	} {
		if n == 0 {
			return what
		}
	}
	return ""
}

// runFor runs for a time, and on a machine that is slow until everything has
// happened at least once.
func (c *crowdOf) runFor(n int, d time.Duration) {
	ctx, cancel := context.WithCancel(c.t.Context())
	defer cancel()
	go func() {
		const atMost = time.Minute
		for began := time.Now(); time.Since(began) < d || c.missing() != "" && time.Since(began) < d+atMost; {
			time.Sleep(20 * time.Millisecond) // as long as it takes is the test's input
		}
		cancel()
	}()
	c.run(ctx, n)
}

// begin starts n clients, who go on until they are told to stop.
func (c *crowdOf) begin(n int) (stop func()) {
	ctx, cancel := context.WithCancel(c.t.Context())
	over := make(chan struct{})
	go func() {
		defer close(over)
		c.run(ctx, n)
	}()
	stop = func() {
		cancel()
		<-over
	}
	c.t.Cleanup(stop)
	return stop
}
