package http_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chatkitd/chatkitd"
)

func TestListTasks(t *testing.T) {
	var got chatkitd.TaskFilter
	due := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	page := chatkitd.TaskPage{
		Data:    []chatkitd.Task{{ID: "tsk_1", Title: "milk & <eggs>", Status: "pending", Priority: "high", Tags: []string{"home"}, DueAt: &due, CreatedAt: due, UpdatedAt: due}},
		HasMore: true, After: "tsk_1", Total: 7, Pending: 5, Completed: 4,
	}
	s := start(t, &fake{tasks: func(u chatkitd.UserID, f chatkitd.TaskFilter) (chatkitd.TaskPage, error) {
		if u != "alice" {
			return chatkitd.TaskPage{}, nil
		}
		got = f
		return page, nil
	}})
	c := s.client(t, "alice")

	resp := c.Do(t, "GET", "/api/v1/tasks", nil)
	const want = `{"data":[{"id":"tsk_1","title":"milk & <eggs>","status":"pending","completed":false,"priority":"high","tags":["home"],"due_at":"2026-11-24T09:00:00Z",` +
		`"created_at":"2026-11-24T09:00:00Z","updated_at":"2026-11-24T09:00:00Z"}],"has_more":true,"after":"tsk_1","total":7,"pending":5,"completed":4}`
	if resp.Status != 200 || string(resp.Body) != want {
		t.Errorf("got %d %s", resp.Status, resp.Body)
	}
	if diff := cmp.Diff(chatkitd.TaskFilter{}, got); diff != "" {
		t.Error(diff)
	}
	if resp := c.As("test-token-bob").Do(t, "GET", "/api/v1/tasks", nil); string(resp.Body) != `{"data":[],"has_more":false,"total":0,"pending":0,"completed":0}` {
		t.Errorf("empty: %s", resp.Body)
	}

	c.Do(t, "GET", "/api/v1/tasks?status=completed&q="+url.QueryEscape("buy ü")+"&tag=home&priority=low&sort=-due_at&limit=7&after=tsk_9&unknown=1", nil)
	if diff := cmp.Diff(chatkitd.TaskFilter{Status: "completed", Query: "buy ü", Tag: "home", Priority: "low", Sort: "-due_at", Limit: 7, After: "tsk_9"}, got); diff != "" {
		t.Error(diff)
	}
	c.Do(t, "GET", "/api/v1/tasks?status=all&limit=9999", nil)
	if diff := cmp.Diff(chatkitd.TaskFilter{Limit: 100}, got); diff != "" {
		t.Error(diff)
	}
	for query, field := range map[string]string{
		"status=done": "status", "priority=urgent": "priority", "sort=id": "sort", "limit=0": "limit", "limit=-1": "limit", "limit=x": "limit",
		"after=a/b": "after", "after=" + strings.Repeat("x", 65): "after", "q=" + strings.Repeat("x", 201): "q", "q=%ff": "q", "tag=%ff": "tag",
	} {
		resp := c.Do(t, "GET", "/api/v1/tasks?"+query, nil)
		if resp.Status != 400 || resp.Code() != "invalid_request" || !strings.Contains(string(resp.Body), field+" must be") {
			t.Errorf("%s: got %d %s", query, resp.Status, resp.Body)
		}
	}
}

func TestAddTask(t *testing.T) {
	var meta chatkitd.Meta
	var got chatkitd.TaskCommand
	s := start(t, &fake{doTask: func(m chatkitd.Meta, c chatkitd.TaskCommand) (chatkitd.TaskResult, error) {
		meta, got = m, c
		return chatkitd.TaskResult{Task: chatkitd.Task{ID: "tsk_1", Title: "x"}, Receipt: chatkitd.Receipt{Position: chatkitd.Position{Commit: 42, Prepare: 42}}}, nil
	}})
	c := s.client(t, "alice")
	due := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)

	resp := c.Do(t, "POST", "/api/v1/tasks", `{"title":"milk","description":"two","priority":"high","tags":["a","b"],"due_at":"2026-11-24T10:00:00+01:00","user_id":"bob","id":"tsk_9"}`,
		"Idempotency-Key", "key-1", "Content-Type", "application/json; charset=UTF-8")
	if resp.Status != 201 || resp.Header.Get("Location") != "/api/v1/tasks/tsk_1" || resp.Header.Get("X-Chatkitd-Position") != "42" {
		t.Errorf("got %d %v %s", resp.Status, resp.Header, resp.Body)
	}
	add, ok := got.(chatkitd.AddTask)
	if !ok || add.DueAt == nil || !add.DueAt.Equal(due) {
		t.Fatalf("got %+v", got)
	}
	add.DueAt = nil
	if diff := cmp.Diff(chatkitd.AddTask{Title: "milk", Description: "two", Priority: "high", Tags: []string{"a", "b"}}, add); diff != "" {
		t.Error(diff)
	}
	if meta.User != "alice" || meta.Key != "key-1" || meta.Request != resp.Header.Get("X-Request-Id") {
		t.Errorf("meta %+v", meta)
	}
	c.Do(t, "POST", "/api/v1/tasks", `{"title":"milk","description":null,"priority":null,"tags":null,"due_at":null,"completed":null}`)
	if diff := cmp.Diff(chatkitd.TaskCommand(chatkitd.AddTask{Title: "milk"}), got); diff != "" {
		t.Error(diff)
	}
	for i, key := range []string{strings.Repeat("k", 256), "kü"} {
		if resp := c.Do(t, "POST", "/api/v1/tasks", `{"title":"milk"}`, "Idempotency-Key", key); resp.Status != 400 {
			t.Errorf("key %d: got %d %s", i, resp.Status, resp.Body)
		}
	}
	for _, body := range []string{
		`{"title":"milk","completed":true}`, `{"title":"milk","status":"completed"}`, `{"title":"milk","status":"done"}`,
		`{"title":"milk","x":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`,
	} {
		if resp := c.Do(t, "POST", "/api/v1/tasks", body); resp.Status != 400 {
			t.Errorf("%s: got %d %s", body, resp.Status, resp.Body)
		}
	}
	if resp := c.Do(t, "POST", "/api/v1/tasks", `{"title":"milk","completed":false,"status":"pending"}`); resp.Status != 201 {
		t.Errorf("said to be pending: got %d %s", resp.Status, resp.Body)
	}
}

func TestUpdateTask(t *testing.T) {
	var got chatkitd.TaskCommand
	s := start(t, &fake{doTask: func(_ chatkitd.Meta, c chatkitd.TaskCommand) (chatkitd.TaskResult, error) {
		got = c
		return chatkitd.TaskResult{Task: chatkitd.Task{ID: "tsk_1", Title: "new"}, Receipt: chatkitd.Receipt{Position: chatkitd.Position{Commit: 7, Prepare: 6}}}, nil
	}})
	c := s.client(t, "alice")
	due := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	tests := []struct {
		body string
		want chatkitd.UpdateTask
	}{
		{`{}`, chatkitd.UpdateTask{}},
		{`{"unknown":1}`, chatkitd.UpdateTask{}},
		{`{"title":"new"}`, chatkitd.UpdateTask{Title: chatkitd.To("new")}},
		{
			`{"description":null,"priority":null,"tags":null,"due_at":null}`,
			chatkitd.UpdateTask{Description: chatkitd.Cleared[string](), Priority: chatkitd.Cleared[chatkitd.Priority](), Tags: chatkitd.Cleared[[]string](), DueAt: chatkitd.Cleared[time.Time]()},
		},
		{
			`{"description":"","priority":"low","tags":[],"due_at":"2026-11-24T09:00:00Z"}`,
			chatkitd.UpdateTask{Description: chatkitd.To(""), Priority: chatkitd.To(chatkitd.PriorityLow), Tags: chatkitd.To([]string{}), DueAt: chatkitd.To(due)},
		},
		{`{"completed":true}`, chatkitd.UpdateTask{Completed: chatkitd.To(true)}},
		{`{"status":"completed"}`, chatkitd.UpdateTask{Completed: chatkitd.To(true)}},
		{`{"status":"pending","completed":false}`, chatkitd.UpdateTask{Completed: chatkitd.To(false)}},
	}
	for _, tt := range tests {
		t.Run(tt.body, func(t *testing.T) {
			resp := c.Do(t, "PATCH", "/api/v1/tasks/tsk_1", tt.body)
			if resp.Status != 200 || resp.Header.Get("X-Chatkitd-Position") != "7/6" {
				t.Errorf("got %d %s", resp.Status, resp.Body)
			}
			tt.want.Task = "tsk_1"
			if diff := cmp.Diff(chatkitd.TaskCommand(tt.want), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDeleteAndGetTask(t *testing.T) {
	var got chatkitd.TaskCommand
	s := start(t, &fake{
		doTask: func(m chatkitd.Meta, c chatkitd.TaskCommand) (chatkitd.TaskResult, error) {
			got = c
			if m.User != "alice" {
				return chatkitd.TaskResult{}, chatkitd.Errorf(chatkitd.CodeNotFound, "%s has no task", m.User)
			}
			return chatkitd.TaskResult{Receipt: chatkitd.Receipt{Position: chatkitd.Position{Commit: 3, Prepare: 3}}}, nil
		},
		task: func(u chatkitd.UserID, id chatkitd.TaskID) (chatkitd.Task, error) {
			if u != "alice" || id != "tsk_1" {
				return chatkitd.Task{}, chatkitd.Errorf(chatkitd.CodeNotFound, "%s has no task %s", u, id)
			}
			return chatkitd.Task{ID: id}, nil
		},
	})
	alice := s.client(t, "alice")
	resp := alice.Do(t, "DELETE", "/api/v1/tasks/tsk_1", nil)
	if resp.Status != 204 || len(resp.Body) != 0 || resp.Header.Get("X-Chatkitd-Position") != "3" || got != chatkitd.TaskCommand(chatkitd.DeleteTask{Task: "tsk_1"}) {
		t.Errorf("delete: got %d %s, %+v", resp.Status, resp.Body, got)
	}
	if resp := alice.Do(t, "GET", "/api/v1/tasks/tsk_1", nil); resp.Status != 200 {
		t.Errorf("get: got %d %s", resp.Status, resp.Body)
	}

	// Unknown, foreign and impossible look alike but for the request's id.
	bob := alice.As("test-token-bob")
	var first string
	for i, resp := range []string{
		string(alice.Do(t, "GET", "/api/v1/tasks/tsk_2", nil, "X-Request-ID", "r").Body),
		string(bob.Do(t, "GET", "/api/v1/tasks/tsk_1", nil, "X-Request-ID", "r").Body),
		string(bob.Do(t, "DELETE", "/api/v1/tasks/tsk_1", nil, "X-Request-ID", "r").Body),
		string(bob.Do(t, "PATCH", "/api/v1/tasks/tsk_1", `{}`, "X-Request-ID", "r").Body),
		string(alice.Do(t, "GET", "/api/v1/tasks/a%2Fb", nil, "X-Request-ID", "r").Body),
		string(alice.Do(t, "GET", "/api/v1/tasks/"+strings.Repeat("x", 10_000), nil, "X-Request-ID", "r").Body),
		string(alice.Do(t, "DELETE", "/api/v1/tasks/%00", nil, "X-Request-ID", "r").Body),
	} {
		if i == 0 {
			first = resp
		}
		if resp != first || !strings.Contains(resp, `"not_found"`) {
			t.Errorf("%d: got %s, want %s", i, resp, first)
		}
	}
}

func TestBadTaskBodies(t *testing.T) {
	s := start(t, &fake{doTask: func(_ chatkitd.Meta, c chatkitd.TaskCommand) (chatkitd.TaskResult, error) {
		return chatkitd.TaskResult{}, fmt.Errorf("reached with %+v", c)
	}})
	c := s.client(t, "alice")
	tests := []struct {
		method, body, contentType string
		status                    int
		says                      string
	}{
		{"POST", ``, "", 400, "JSON object"},
		{"POST", `null`, "", 400, "JSON object"},
		{"POST", `[]`, "", 400, "JSON object"},
		{"POST", `{`, "", 400, "not JSON"},
		{"POST", `{"title":"a"}{}`, "", 400, "nothing behind"},
		{"POST", `{"title":"a"} x`, "", 400, "nothing behind"},
		{"POST", "{\"title\":\"\xff\"}", "", 400, "UTF-8"},
		{"POST", `{}`, "", 400, "title is required"},
		{"POST", `{"title":null}`, "", 400, "title is required"},
		{"POST", `{"title":1}`, "", 400, "title must be a string, not number"},
		{"POST", `{"title":"a","tags":"b"}`, "", 400, "tags must be a list"},
		{"POST", `{"title":"a","tags":[1]}`, "", 400, "tags"},
		{"POST", `{"title":"a","priority":1}`, "", 400, "priority must be a string"},
		{"POST", `{"title":"a","due_at":"tomorrow"}`, "", 400, "due_at must be a time"},
		{"POST", `{"title":"a","due_at":"2026-11-24"}`, "", 400, "due_at must be a time"},
		{"POST", `{"title":"a","due_at":1}`, "", 400, "due_at must be a string"},
		{"POST", strings.Repeat("[", 10_000), "", 400, "JSON object"},
		{"POST", `{"title":` + strings.Repeat("[", 10_000), "", 400, ""},
		{"POST", `{"x":` + strings.Repeat(`{"x":`, 20_000), "", 400, ""},
		{"PATCH", `{"title":null}`, "", 400, "title must be a string"},
		{"PATCH", `{"completed":null}`, "", 400, "completed must be true or false"},
		{"PATCH", `{"completed":"yes"}`, "", 400, "completed must be true or false"},
		{"PATCH", `{"status":"done"}`, "", 400, "status must be pending or completed"},
		{"PATCH", `{"status":null}`, "", 400, "status must be pending or completed"},
		{"PATCH", `{"status":"pending","completed":true}`, "", 400, "contradict"},
		{"POST", `{"title":"a"}`, "text/plain", 415, "application/json"},
		{"POST", `title=a`, "application/x-www-form-urlencoded", 415, "application/json"},
		{"PATCH", `{}`, "application/json; charset=latin1", 415, "utf-8"},
		{"PATCH", `{}`, "nonsense;;", 415, "application/json"},
	}
	for _, tt := range tests {
		name := tt.method + " " + tt.body[:min(len(tt.body), 40)] + " " + tt.contentType
		t.Run(name, func(t *testing.T) {
			path := "/api/v1/tasks"
			if tt.method == "PATCH" {
				path += "/tsk_1"
			}
			var headers []string
			if tt.contentType != "" {
				headers = []string{"Content-Type", tt.contentType}
			}
			resp := c.Do(t, tt.method, path, tt.body, headers...)
			var body struct{ Error struct{ Message string } }
			resp.Decode(t, &body)
			if resp.Status != tt.status || !strings.Contains(body.Error.Message, tt.says) {
				t.Errorf("got %d %s, want %d and %q", resp.Status, resp.Body, tt.status, tt.says)
			}
		})
	}
	if resp := c.Do(t, "POST", "/api/v1/tasks", "\x1f\x8b", "Content-Encoding", "gzip"); resp.Status != 415 {
		t.Errorf("compressed: got %d %s", resp.Status, resp.Body)
	}
	if resp := c.Do(t, "POST", "/api/v1/tasks", `{"title":"a"}`, "Content-Type", ""); resp.Status != 500 {
		t.Errorf("without a content type: got %d %s, want it to reach the port", resp.Status, resp.Body)
	}
}

func FuzzTaskBody(f *testing.F) {
	for _, seed := range []string{`{"title":"a"}`, `{"title":null,"tags":[null],"due_at":""}`, `{"completed":true,"status":"pending"}`, "\x00", `{"TITLE":"a","title":1}`} {
		f.Add([]byte(seed))
	}
	s := start(f, &fake{doTask: func(chatkitd.Meta, chatkitd.TaskCommand) (chatkitd.TaskResult, error) {
		return chatkitd.TaskResult{}, nil
	}})
	c := s.client(f, "alice")
	f.Fuzz(func(t *testing.T, raw []byte) {
		resp := c.Do(t, "PATCH", "/api/v1/tasks/tsk_1", raw)
		if resp.Status != 200 && resp.Status != 400 {
			t.Fatalf("got %d %s for %q", resp.Status, resp.Body, raw)
		}
		if resp.Status == 200 && !json.Valid(raw) {
			t.Fatalf("%q was taken", raw)
		}
	})
}
