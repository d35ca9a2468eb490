package tools_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/tools"
	"github.com/chatkitd/chatkitd/tools/toolstest"
)

var (
	now    = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	berlin = time.FixedZone("Europe/Berlin", 3600)
)

type rig struct {
	*toolstest.Tasks
	set   *tools.Set
	calls int
}

func newRig() *rig {
	s := toolstest.NewTasks(func() time.Time { return now })
	return &rig{Tasks: s, set: tools.New(s, s, nil)}
}

// call calls a tool for alice.
func (r *rig) call(ctx context.Context, name, arguments string) tools.Output {
	r.calls++
	return r.set.Bind("alice").Call(ctx, tools.Call{
		Turn: "trn_1", ID: fmt.Sprintf("call_%d", r.calls), Name: name, Arguments: json.RawMessage(arguments), Request: "req_1", Location: berlin,
	})
}

// TestTools calls each tool in turn; each row sees what the rows before it did.
func TestTools(t *testing.T) {
	t.Parallel()
	r := newRig()
	for _, tt := range []struct{ tool, args, want string }{
		{"list_tasks", `{}`, `{"success":true,"message":"there are no tasks yet","total":0}`},
		{"add_task", `{"title":" buy milk ","due_at":"2026-11-24","tags":["#home","home",""],"priority":"High","description":"2 l"}`, `{"success":true,"message":"added \"buy milk\"","changed":true,"task":{"id":"tsk_0001","title":"buy milk","description":"2 l","status":"pending","completed":false,"priority":"high","tags":["home"],"due_at":"2026-11-24T23:59:00+01:00",…}}`},
		{"add_task", `{"title":"call <Anna>","description":null,"priority":null,"tags":null,"due_at":null}`, `{"success":true,"message":"added \"call <Anna>\"","changed":true,"task":{"id":"tsk_0002","title":"call <Anna>","status":"pending","completed":false,…}}`},
		{"add_task", `{"title":"a","due_at":"2026-11-24T17:00"}`, `…"due_at":"2026-11-24T17:00:00+01:00"…`},
		{"add_task", `{"title":"b","due_at":"2026-11-24T17:00:00Z"}`, `…"due_at":"2026-11-24T18:00:00+01:00"…`},
		{"find_task_by_name", `{"name":"BUY MILK"}`, `{"success":true,"message":"found \"buy milk\"","task":{"id":"tsk_0001",…}}`},
		{"find_task_by_name", `{"name":"milk"}`, `…"message":"found \"buy milk\""…`},
		{"find_task_by_name", `{"name":"cheese"}`, `{"success":false,"error_code":"not_found","message":"no task is called \"cheese\""}`},
		{"find_task_by_name", `{"name":"l"}`, `{"success":false,"error_code":"ambiguous","message":"2 tasks match \"l\": \"buy milk\" (tsk_0001, pending), \"call <Anna>\" (tsk_0002, pending); ask the user which one is meant","tasks":[…]}`},
		{"complete_task", `{"task_id":"tsk_0001"}`, `{"success":true,"message":"completed \"buy milk\"","changed":true,"task":{…"completed":true…}}`},
		{"complete_task", `{"task_id":"tsk_0001"}`, `{"success":true,"message":"\"buy milk\" was completed already","changed":false,…}`},
		{"complete_task", `{"task_id":"tsk_0001","completed":false}`, `{"success":true,"message":"reopened \"buy milk\"",…}`},
		{"complete_task", `{"task_id":"tsk_9999"}`, `{"success":false,"error_code":"not_found",…}`},
		{"complete_task", `{"task_id":"../etc"}`, `{"success":false,"error_code":"not_found",…}`},
		{"update_task", `{"task_id":"tsk_0001","title":"buy oat milk","due_at":null,"tags":null,"description":null,"priority":null}`, `{"success":true,"message":"updated \"buy oat milk\"","changed":true,"task":{"id":"tsk_0001","title":"buy oat milk","status":"pending","completed":false,"created_at":…}}`},
		{"update_task", `{"task_id":"tsk_0001","completed":true,"priority":"low","due_at":"2026-12-01"}`, `…"completed":true,"priority":"low","due_at":"2026-12-01T23:59:00+01:00"…`},
		{"update_task", `{"task_id":"tsk_0001"}`, `{"success":false,"error_code":"invalid_request","message":"update_task was given nothing to change"}`},
		{"list_tasks", `{"status":"completed"}`, `{"success":true,"message":"1 task","tasks":[{"id":"tsk_0001",…}],"total":1}`},
		{"list_tasks", `{"status":"pending","query":"ANNA","tag":null,"priority":null}`, `…"tasks":[{"id":"tsk_0002",…}],"total":1}`},
		{"list_tasks", `{"tag":"#nothing"}`, `{"success":true,"message":"no task matches","total":0}`},
		{"delete_task", `{"task_id":"tsk_0001"}`, `{"success":true,"message":"deleted \"buy oat milk\"","changed":true,…}`},
		{"delete_task", `{"task_id":"tsk_0001"}`, `{"success":false,"error_code":"not_found",…}`},
	} {
		out := r.call(t.Context(), tt.tool, tt.args)
		if !like(string(out.JSON), tt.want) {
			t.Errorf("%s%s gives\n%s\nwant\n%s", tt.tool, tt.args, out.JSON, tt.want)
		}
		var check struct {
			Success bool   `json:"success"`
			Code    string `json:"error_code"`
		}
		if err := json.Unmarshal(out.JSON, &check); err != nil || check.Success != out.Success || check.Code != out.ErrorCode {
			t.Errorf("%s%s: the JSON says %+v, the output %v %q", tt.tool, tt.args, check, out.Success, out.ErrorCode)
		}
	}
}

// like reports whether s is want, in which "…" stands for anything.
func like(s, want string) bool {
	parts := strings.Split(want, "…")
	if !strings.HasPrefix(s, parts[0]) || !strings.HasSuffix(s, parts[len(parts)-1]) {
		return false
	}
	for _, p := range parts {
		i := strings.Index(s, p)
		if i < 0 {
			return false
		}
		s = s[i+len(p):]
	}
	return true
}

// TestBadArguments: each is refused with a message that says why, and changes
// nothing.
func TestBadArguments(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 201)
	for _, tt := range []struct{ tool, args, message string }{
		{"add_task", `{`, "must be a JSON object"},
		{"add_task", `[]`, "must be a JSON object"},
		{"add_task", `"{\"title\":\"x\"}"`, "must be a JSON object"},
		{"add_task", `null`, `needs "title"`},
		{"add_task", ``, `needs "title"`},
		{"add_task", `{}`, `needs "title"`},
		{"add_task", `{"title":null}`, `needs "title"`},
		{"add_task", `{"title":""}`, `"title" must not be empty`},
		{"add_task", `{"title":"   "}`, `"title" must not be empty`},
		{"add_task", `{"title":7}`, `"title" must be a text`},
		{"add_task", `{"title":"` + long + `"}`, "201 characters; at most 200"},
		{"add_task", `{"title":"x","description":"` + strings.Repeat("y", 1001) + `"}`, "at most 1000"},
		{"add_task", `{"title":"x","priority":"extreme"}`, "must be one of low, medium, high"},
		{"add_task", `{"title":"x","tags":"home"}`, "must be a list of texts"},
		{"add_task", `{"title":"x","tags":[1]}`, "must be a list of texts"},
		{"add_task", `{"title":"x","tags":["` + strings.Repeat("t", 51) + `"]}`, "at most 50"},
		{"add_task", `{"title":"x","tags":[` + strings.Repeat(`"t",`, 20) + `"t"]}`, "more than 20"},
		{"add_task", `{"title":"x","due_at":"soon"}`, "is not a date"},
		{"add_task", `{"title":"x","due_at":"2026-02-30"}`, "is not a date"},
		{"add_task", `{"title":"x","user_id":"bob"}`, `no argument "user_id"`},
		{"add_task", `{"title":"x","y":1}`, "its arguments are title, description, priority, tags, due_at"},
		{"add_task", `{"title":"` + strings.Repeat("x", 70_000) + `"}`, "longer than"},
		{"complete_task", `{"task_id":7}`, "must be a text"},
		{"complete_task", `{"task_id":"tsk_0001","completed":"yes"}`, "must be true or false"},
		{"update_task", `{"task_id":"tsk_0001","title":""}`, "must not be empty"},
		{"update_task", `{"task_id":"tsk_0001","due_at":""}`, "must not be empty"},
		{"list_tasks", `{"status":"open"}`, "must be one of all, pending, completed"},
		{"drop_database", `{}`, "the tools are add_task, list_tasks"},
		{"", ``, "there is no tool"},
	} {
		r := newRig()
		out := r.call(t.Context(), tt.tool, tt.args)
		if out.Success || out.ErrorCode == "" || !strings.Contains(out.Message, tt.message) {
			t.Errorf("%s%.60s: %+v, want a message with %q", tt.tool, tt.args, out, tt.message)
		}
		if !json.Valid(out.JSON) || len(r.Metas()) > 0 {
			t.Errorf("%s%.60s: %d commands, JSON %s", tt.tool, tt.args, len(r.Metas()), out.JSON)
		}
	}
}

// TestNoUserID: no schema has a parameter that could say who the user is, and a
// bound tool works for its user alone.
func TestNoUserID(t *testing.T) {
	t.Parallel()
	for _, d := range tools.Definitions() {
		for _, s := range []json.RawMessage{d.Parameters, d.Strict} {
			if strings.Contains(strings.ToLower(string(s)), "user_id") {
				t.Errorf("%s: %s", d.Name, s)
			}
		}
	}
	r := newRig()
	r.call(t.Context(), "add_task", `{"title":"secret"}`)
	bob := r.set.Bind("bob")
	for _, c := range []struct{ name, args string }{
		{"find_task_by_name", `{"name":"secret"}`},
		{"complete_task", `{"task_id":"tsk_0001"}`},
		{"delete_task", `{"task_id":"tsk_0001"}`},
		{"update_task", `{"task_id":"tsk_0001","title":"x"}`},
		{"complete_task", `{"task_id":"tsk_0001","user_id":"alice"}`},
	} {
		if out := bob.Call(t.Context(), tools.Call{Turn: "t", ID: c.name, Name: c.name, Arguments: []byte(c.args)}); out.Success || strings.Contains(string(out.JSON), `"title":"secret"`) {
			t.Errorf("bob: %s%s gives %s", c.name, c.args, out.JSON)
		}
	}
	if out := bob.Call(t.Context(), tools.Call{Name: "list_tasks"}); !strings.Contains(string(out.JSON), `"total":0`) {
		t.Errorf("bob sees %s", out.JSON)
	}
	if got := r.All("alice"); len(got) != 1 || got[0].Completed {
		t.Errorf("alice has %+v", got)
	}
}

func TestMeta(t *testing.T) {
	t.Parallel()
	r := newRig()
	r.call(t.Context(), "add_task", `{"title":"x"}`)
	want := chatkitd.Meta{User: "alice", Key: chatkitd.EffectKey("trn_1", "call_1"), Request: "req_1", Cause: "call_1"}
	if got := r.Metas(); len(got) != 1 || got[0] != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// TestRetry: a command whose outcome is unknown is repeated with the same key,
// and has its effect once.
func TestRetry(t *testing.T) {
	t.Parallel()
	unavailable := chatkitd.Errorf(chatkitd.CodeUnavailable, "store is down at 10.0.0.7")
	timeout := chatkitd.Errorf(chatkitd.CodeTimeout, "too late")
	for _, tt := range []struct {
		name     string
		fails    int
		err      error
		after    bool // the effect is there nevertheless
		success  bool
		attempts int
		took     time.Duration
	}{
		{"unavailable, then well", 2, unavailable, false, true, 3, 150 * time.Millisecond},
		{"timeout, but it was done", 1, timeout, true, true, 2, 50 * time.Millisecond},
		{"unavailable for ever", 9, unavailable, false, false, 4, 350 * time.Millisecond},
		{"refused", 9, chatkitd.Errorf(chatkitd.CodeConflict, "too many tasks"), false, false, 1, 0},
		{"broken", 9, errors.New("disk on fire"), false, false, 1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig()
				r.Fail = func(_ chatkitd.TaskCommand, attempt int) (error, bool) {
					if attempt <= tt.fails {
						return tt.err, tt.after
					}
					return nil, false
				}
				began := time.Now()
				out := r.call(t.Context(), "add_task", `{"title":"x"}`)
				if out.Success != tt.success || len(r.Metas()) != tt.attempts || time.Since(began) != tt.took {
					t.Errorf("%+v after %d attempts and %v", out, len(r.Metas()), time.Since(began))
				}
				if tt.success && (len(r.All("alice")) != 1 || !out.Changed || out.Message != `added "x"`) {
					t.Errorf("tasks %v, output %+v", r.All("alice"), out)
				}
				if strings.Contains(string(out.JSON), "10.0.0.7") || strings.Contains(string(out.JSON), "fire") {
					t.Errorf("the output shows the cause: %s", out.JSON)
				}
				for _, m := range r.Metas() {
					if m != r.Metas()[0] {
						t.Errorf("meta %+v", m)
					}
				}
			})
		})
	}
}

func TestRetryEndsWithContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.Fail = func(chatkitd.TaskCommand, int) (error, bool) {
			return chatkitd.Errorf(chatkitd.CodeUnavailable, "down"), false
		}
		ctx, cancel := context.WithTimeout(t.Context(), 70*time.Millisecond)
		defer cancel()
		began := time.Now()
		out := r.call(ctx, "add_task", `{"title":"x"}`)
		if out.Success || out.ErrorCode != "unavailable" || time.Since(began) != 70*time.Millisecond {
			t.Errorf("%+v after %v", out, time.Since(began))
		}
	})
}

func TestPanic(t *testing.T) {
	t.Parallel()
	r := newRig()
	r.Fail = func(chatkitd.TaskCommand, int) (error, bool) { panic("boom") }
	out := r.call(t.Context(), "add_task", `{"title":"x"}`)
	if out.Success || out.ErrorCode != "internal" || strings.Contains(string(out.JSON), "boom") {
		t.Errorf("%s", out.JSON)
	}
}

// TestManyTasks: a user with 10,000 long tasks gets 50 of them, in a bounded
// output, and the total.
func TestManyTasks(t *testing.T) {
	t.Parallel()
	r := newRig()
	tags := make([]string, 20)
	for i := range tags {
		tags[i] = fmt.Sprintf("%02d%s", i, strings.Repeat("ü", 40))
	}
	for range 10_000 {
		_, err := r.DoTask(t.Context(), chatkitd.Meta{User: "alice"}, chatkitd.AddTask{Title: strings.Repeat("ö", 200), Description: strings.Repeat("ä", 1000), Tags: tags})
		if err != nil {
			t.Fatal(err)
		}
	}
	out := r.call(t.Context(), "list_tasks", `{}`)
	var got struct {
		Tasks []chatkitd.Task `json:"tasks"`
		Total int             `json:"total"`
	}
	if err := json.Unmarshal(out.JSON, &got); err != nil {
		t.Fatal(err)
	}
	if len(out.JSON) > tools.MaxOutput || got.Total != 10_000 || len(got.Tasks) == 0 || len(got.Tasks) > tools.MaxListed {
		t.Errorf("%d bytes, %d tasks, total %d", len(out.JSON), len(got.Tasks), got.Total)
	}
	out = r.call(t.Context(), "find_task_by_name", `{"name":"ö"}`)
	if out.ErrorCode != tools.CodeAmbiguous || len(out.JSON) > tools.MaxOutput || !strings.Contains(out.Message, "10 or more") {
		t.Errorf("%d bytes: %.200s", len(out.JSON), out.JSON)
	}
}

// TestStrictSchemas holds the strict schemas to OpenAI's rules.
func TestStrictSchemas(t *testing.T) {
	t.Parallel()
	if n := len(tools.Definitions()); n != 6 {
		t.Errorf("%d tools, want 6", n)
	}
	for _, d := range tools.Definitions() {
		if d.Strict == nil {
			if d.Name != tools.UpdateTask {
				t.Errorf("%s has no strict schema", d.Name)
			}
			continue
		}
		var s struct {
			Properties map[string]struct {
				Type any   `json:"type"`
				Enum []any `json:"enum"`
			} `json:"properties"`
			Required   []string `json:"required"`
			Additional *bool    `json:"additionalProperties"`
		}
		if err := json.Unmarshal(d.Strict, &s); err != nil {
			t.Fatal(err)
		}
		if len(s.Required) != len(s.Properties) || s.Additional == nil || *s.Additional {
			t.Errorf("%s: %s", d.Name, d.Strict)
		}
		for _, word := range []string{"minLength", "maxLength", "maxItems", "format"} {
			if strings.Contains(string(d.Strict), word) {
				t.Errorf("%s: %s is not for every provider", d.Name, word)
			}
		}
		var loose struct {
			Required []string `json:"required"`
		}
		if err := json.Unmarshal(d.Parameters, &loose); err != nil {
			t.Fatal(err)
		}
		for name, p := range s.Properties {
			types, nullable := p.Type.([]any)
			optional := !strings.Contains(strings.Join(loose.Required, " "), name)
			if nullable != optional || nullable && types[1] != "null" {
				t.Errorf("%s.%s: type %v, optional %v", d.Name, name, p.Type, optional)
			}
		}
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, args, want string }{
		{"add_task", `{"title":"buy\nmilk"}`, "Add “buy milk”"},
		{"add_task", `{`, "Add a task"},
		{"add_task", `{"title":"` + strings.Repeat("x", 80) + `"}`, "Add “" + strings.Repeat("x", 60) + "…”"},
		{"find_task_by_name", `{"name":"milk"}`, "Look for “milk”"},
		{"list_tasks", `{"status":"pending","tag":"#home","priority":"high"}`, "List high priority pending tasks tagged #home"},
		{"list_tasks", `{"status":"all","query":"tax"}`, "List tasks about “tax”"},
		{"complete_task", `{"task_id":"t"}`, "Complete a task"},
		{"complete_task", `{"task_id":"t","completed":false}`, "Reopen a task"},
		{"update_task", `{}`, "Change a task"},
		{"delete_task", `{}`, "Delete a task"},
		{"what", `{}`, "Call what"},
	} {
		if got := tools.Title(tt.name, []byte(tt.args)); got != tt.want {
			t.Errorf("Title(%s, %s) = %q, want %q", tt.name, tt.args, got, tt.want)
		}
	}
	r := newRig()
	var done []tools.Done
	for _, tt := range []struct{ name, args, want, headline string }{
		{"add_task", `{"title":"buy milk","due_at":"2026-11-24"}`, "Added “buy milk”, due Tue 24 Nov", "Added 1 task"},
		{"add_task", `{"title":"call Anna","due_at":"2026-11-24T17:00"}`, "Added “call Anna”, due Tue 24 Nov, 17:00", "Added 2 tasks"},
		{"find_task_by_name", `{"name":"milk"}`, "Found “buy milk”", "Added 2 tasks"},
		{"complete_task", `{"task_id":"tsk_0001"}`, "Completed “buy milk”", "Added 2 tasks, completed 1 task"},
		{"complete_task", `{"task_id":"tsk_0001","completed":false}`, "Reopened “buy milk”, due Tue 24 Nov", "Added 2 tasks, completed 1 task, reopened 1 task"},
		{"delete_task", `{"task_id":"tsk_0009"}`, "Failed: no such task", "Added 2 tasks, completed 1 task, reopened 1 task, 1 step failed"},
	} {
		out := r.call(t.Context(), tt.name, tt.args)
		done = append(done, tools.Done{Name: tt.name, Arguments: []byte(tt.args), Output: out})
		if got := tools.Summary(tt.name, out, berlin); got != tt.want {
			t.Errorf("Summary(%s%s) = %q, want %q", tt.name, tt.args, got, tt.want)
		}
		if got := tools.Headline(done); got != tt.headline {
			t.Errorf("Headline = %q, want %q", got, tt.headline)
		}
	}
	if got := tools.Headline(done[2:3]); got != "Looked at your tasks" {
		t.Errorf("Headline of a look-up = %q", got)
	}
}

func FuzzCall(f *testing.F) {
	f.Add("add_task", `{"title":"x","due_at":"2026-11-24"}`)
	f.Add("update_task", `{"task_id":"tsk_0001","tags":null}`)
	f.Add("list_tasks", `{"status":"all"}`)
	f.Fuzz(func(t *testing.T, name, args string) {
		r := newRig()
		out := r.call(t.Context(), name, args)
		if !json.Valid(out.JSON) || len(out.JSON) > tools.MaxOutput || out.ErrorCode == "internal" {
			t.Errorf("%s%s gives %s", name, args, out.JSON)
		}
		_, _ = tools.Title(name, []byte(args)), tools.Summary(name, out, berlin)
	})
}

func BenchmarkAddTask(b *testing.B) {
	r := newRig()
	b.ReportAllocs()
	for b.Loop() {
		r.call(b.Context(), "add_task", `{"title":"buy milk","description":null,"priority":null,"tags":null,"due_at":"2026-11-24"}`)
	}
}
