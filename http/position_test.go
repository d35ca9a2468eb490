package http_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/chatkit"
	"github.com/chatkitd/chatkitd/http/apitest"
)

// reader answers every query and notes what it was to wait for. A position over
// 100 is past the end of its log.
type reader struct {
	mu     sync.Mutex
	waited []string
}

func (r *reader) fake() *fake {
	past := func() error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if pos, _ := chatkitd.ParsePosition(r.waited[len(r.waited)-1]); pos.Commit > 100 {
			return chatkitd.Errorf(chatkitd.CodeUnknownPosition, "position %s lies past the end of the log", pos)
		}
		return nil
	}
	return &fake{
		waits: func(pos chatkitd.Position) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.waited = append(r.waited, pos.String())
		},
		tasks: func(chatkitd.UserID, chatkitd.TaskFilter) (chatkitd.TaskPage, error) {
			return chatkitd.TaskPage{}, past()
		},
		task: func(chatkitd.UserID, chatkitd.TaskID) (chatkitd.Task, error) { return chatkitd.Task{}, past() },
		threads: func(chatkitd.UserID, chatkitd.PageQuery) (chatkit.Page[chatkit.Thread], error) {
			return chatkit.Page[chatkit.Thread]{}, past()
		},
		thread: func(chatkitd.UserID, chatkitd.ThreadID) (chatkit.Thread, error) { return chatkit.Thread{}, past() },
		items: func(chatkitd.UserID, chatkitd.ThreadID, chatkitd.PageQuery) (chatkit.Page[json.RawMessage], error) {
			return chatkit.Page[json.RawMessage]{}, past()
		},
		watchTasks: func(chatkitd.UserID, chatkitd.Position) (chatkitd.TaskWatch, error) {
			changes := make(chan chatkitd.TaskChange)
			close(changes)
			return chatkitd.TaskWatch{At: pos(1), Changes: changes, Stop: func() {}}, past()
		},
		doThread: func(chatkitd.Meta, chatkitd.ThreadCommand) (chatkitd.Receipt, error) {
			return chatkitd.Receipt{Position: chatkitd.Position{Commit: 12, Prepare: 11}}, nil
		},
	}
}

func (r *reader) all() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer func() { r.waited = nil }()
	return strings.Join(r.waited, " ")
}

func TestQueriesWaitForThePositionOfTheCaller(t *testing.T) {
	chatkitCall := func(kind string, params any) func(*apitest.Client, ...string) *apitest.Response {
		return func(c *apitest.Client, headers ...string) *apitest.Response {
			return c.Do(t, "POST", "/api/v1/chatkit", map[string]any{"type": kind, "params": params}, headers...)
		}
	}
	get := func(path string, more ...string) func(*apitest.Client, ...string) *apitest.Response {
		return func(c *apitest.Client, headers ...string) *apitest.Response {
			return c.Do(t, "GET", path, nil, append(headers, more...)...)
		}
	}
	thread := map[string]any{"thread_id": "thr_1"}
	queries := map[string]struct {
		ask  func(c *apitest.Client, headers ...string) *apitest.Response
		asks int // queries of the reader
	}{
		"tasks":             {get("/api/v1/tasks"), 1},
		"task":              {get("/api/v1/tasks/tsk_1"), 1},
		"the live list":     {get("/api/v1/tasks", "Accept", eventStream), 2}, // the watch, and what it begins with
		"threads.list":      {chatkitCall("threads.list", nil), 1},
		"threads.get_by_id": {chatkitCall("threads.get_by_id", thread), 1},
		"items.list":        {chatkitCall("items.list", thread), 1},
		"threads.update":    {chatkitCall("threads.update", map[string]any{"thread_id": "thr_1", "title": "x"}), 1},
	}
	for name, q := range queries {
		t.Run(name, func(t *testing.T) {
			r := &reader{}
			c := start(t, r.fake()).client(t, "alice")
			for given, want := range map[string]string{"": "0", "42": "42", "42/41": "42/41", " 7 ": "7", "0": "0"} {
				resp := q.ask(c, apitest.PositionHeader, given)
				if want := strings.TrimSpace(strings.Repeat(want+" ", q.asks)); resp.Status != http.StatusOK || r.all() != want {
					t.Errorf("position %q: got %d %s, want the queries to wait for %s", given, resp.Status, resp.Body, want)
				}
			}
			for _, bad := range []string{"x", "-1", "1.5", "7/", "/7", "7/8/9", "99999999999999999999", strings.Repeat("1", 5000)} {
				resp := q.ask(c, apitest.PositionHeader, bad)
				if resp.Status != http.StatusBadRequest || resp.Code() != "invalid_request" || !strings.Contains(messageOf(t, resp.Body), "X-Chatkitd-Position") || r.all() != "" {
					t.Errorf("position %.30q: got %d %s", bad, resp.Status, resp.Body)
				}
			}
			resp := q.ask(c, apitest.PositionHeader, "101")
			if resp.Status != http.StatusBadRequest || resp.Code() != "unknown_position" || !strings.Contains(messageOf(t, resp.Body), "past the end") {
				t.Errorf("past the end: got %d %s", resp.Status, resp.Body)
			}
		})
	}
}

func TestCommandsTellTheirPosition(t *testing.T) {
	r := &reader{}
	c := start(t, r.fake()).client(t, "alice")
	for kind, params := range map[string]any{
		"threads.update": map[string]any{"thread_id": "thr_1", "title": "x"},
		"threads.delete": map[string]any{"thread_id": "thr_1"},
		"items.feedback": map[string]any{"thread_id": "thr_1", "item_ids": []string{"msg_1"}, "kind": "positive"},
	} {
		resp := c.ChatKit(t, kind, params)
		if got := resp.Header.Get(apitest.PositionHeader); resp.Status != 200 || got != "12/11" {
			t.Errorf("%s: got %d at position %q", kind, resp.Status, got)
		}
	}
	if resp := c.Do(t, "POST", "/api/v1/chatkit/threads/thr_1/cancel", nil); resp.Status != 200 || resp.Header.Get(apitest.PositionHeader) != "12/11" {
		t.Errorf("cancel: got %d at %q", resp.Status, resp.Header.Get(apitest.PositionHeader))
	}
}

// TestATurnTellsItsPosition reads comments too: a position comes once, behind the
// events that it covers, and before the end.
func TestATurnTellsItsPosition(t *testing.T) {
	tn := newTurn("trn_1")
	tn.reach(5)
	tn.emit("1")
	s := start(t, attachTo(tn))
	st := s.client(t, "alice").Stream(t, "GET", streamPath, nil)
	next := func(data, comment string) {
		t.Helper()
		if ev, err := st.Next(); err != nil || ev.Data != data || ev.Comment != comment {
			t.Fatalf("got %+v, %v; want data %q, comment %q", ev, err, data, comment)
		}
	}
	if got := st.Header.Get(apitest.PositionHeader); got != "5" || st.Position != "5" {
		t.Errorf("the answer begins at %q", got)
	}
	next("1", "")
	next("", "position 5")
	tn.emit("a delta", "another")
	next("a delta", "")
	next("another", "")
	tn.reach(9)
	long := strings.Repeat("x", 4096-len("id: trn_1:4\ndata: \n\n")) // fills what is sent at once
	tn.emit(long)
	tn.end()
	next(long, "")
	next("", "position 9")
	if rest := st.All(t); len(rest) != 0 || st.Position != "9" {
		t.Errorf("behind the end: %+v, at %q", rest, st.Position)
	}
}

// TestResumeInAnotherEpoch: the numbers of a stream that another server made, or
// that was made anew, mean other events.
func TestResumeInAnotherEpoch(t *testing.T) {
	for _, tt := range []struct {
		epoch string
		seen  map[string]string
	}{
		{"", map[string]string{"trn_1:2": "3", "trn_1:k3:2": "1 2 3", "trn_1::2": "1 2 3", "k3:2": "1 2 3"}},
		{"k3", map[string]string{"trn_1:k3:2": "3", "trn_1:k3:3": "", "trn_1:2": "1 2 3", "trn_1:k4:2": "1 2 3", "trn_2:k3:2": "1 2 3", "trn_1:k3:4": "1 2 3", "trn_1:k3": "1 2 3", ":2": "1 2 3"}},
	} {
		tn := newTurn("trn_1", "1", "2", "3")
		tn.epoch = tt.epoch
		tn.end()
		c := start(t, attachTo(tn)).client(t, "alice")
		prefix := "trn_1:"
		if tt.epoch != "" {
			prefix += tt.epoch + ":"
		}
		for last, want := range tt.seen {
			var got []string
			for _, ev := range c.Stream(t, "GET", streamPath, nil, "Last-Event-ID", last).All(t) {
				if ev.ID != prefix+ev.Data {
					t.Errorf("event %s has id %s", ev.Data, ev.ID)
				}
				got = append(got, ev.Data)
			}
			if fmt.Sprint(strings.Join(got, " ")) != want {
				t.Errorf("epoch %q, after %s: got %q, want %q", tt.epoch, last, got, want)
			}
		}
	}
}
