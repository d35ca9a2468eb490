package http_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/chatkit"
)

func message(text string) chatkit.UserMessageInput {
	return chatkit.UserMessageInput{Content: []chatkit.UserContent{{Type: "input_text", Text: text}}, Attachments: []string{}}
}

func TestTurnRequests(t *testing.T) {
	var got chatkitd.TurnCommand
	var meta chatkitd.Meta
	s := start(t, &fake{startTurn: func(_ context.Context, m chatkitd.Meta, c chatkitd.TurnCommand) (chatkitd.TurnStream, error) {
		meta, got = m, c
		return ended(`{"type":"thread.created"}`, `{"type":"stream_options"}`), nil
	}})
	c := s.client(t, "alice")
	zone := map[string]json.RawMessage{"timezone": json.RawMessage(`"Europe/Berlin"`)}
	tests := []struct {
		body string
		want chatkitd.TurnCommand
	}{
		{
			`{"type":"threads.create","params":{"input":{"content":[{"type":"input_text","text":"hi"}]}}}`,
			chatkitd.CreateThread{Input: message("hi")},
		},
		{
			`{"type":"threads.create","params":{"input":{"content":[{"type":"input_text","text":"hi"}],"attachments":[],"quoted_text":null,"inference_options":{}}},"metadata":{"timezone":"Europe/Berlin"},"extra":1}`,
			chatkitd.CreateThread{Input: message("hi"), Metadata: zone, Timezone: "Europe/Berlin"},
		},
		{
			`{"type":"threads.add_user_message","params":{"thread_id":"thr_1","input":{"content":[{"type":"input_text","text":"hi"}]}},"metadata":{"timezone":"Europe/Berlin"}}`,
			chatkitd.AddUserMessage{Thread: "thr_1", Input: message("hi"), Timezone: "Europe/Berlin"},
		},
		{
			`{"type":"threads.retry_after_item","params":{"thread_id":"thr_1","item_id":"msg_1"},"metadata":{"timezone":"Mars/Olympus"}}`,
			chatkitd.RetryAfterItem{Thread: "thr_1", Item: "msg_1"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.body, func(t *testing.T) {
			// The kind of answer follows from the type, whatever Accept says.
			st := c.Stream(t, "POST", "/api/v1/chatkit", tt.body, "Accept", "application/json")
			for header, want := range map[string]string{"Content-Type": "text/event-stream", "Cache-Control": "no-cache", "X-Accel-Buffering": "no"} {
				if st.Header.Get(header) != want {
					t.Errorf("%s is %q, want %q", header, st.Header.Get(header), want)
				}
			}
			evs := st.All(t)
			if len(evs) != 2 || evs[0].ID != "trn_1:1" || evs[0].Data != `{"type":"thread.created"}` || evs[1].ID != "trn_1:2" {
				t.Errorf("got %+v", evs)
			}
			if diff := cmp.Diff(tt.want, got, ignoreEmpty); diff != "" {
				t.Error(diff)
			}
			if meta.User != "alice" || meta.Request != st.Header.Get("X-Request-Id") {
				t.Errorf("meta %+v", meta)
			}
		})
	}
}

// ignoreEmpty takes an empty list or map for none.
var ignoreEmpty = cmp.FilterPath(func(p cmp.Path) bool { return true }, cmp.FilterValues(func(a, b any) bool {
	return emptyish(a) && emptyish(b)
}, cmp.Ignore()))

func emptyish(v any) bool {
	switch x := v.(type) {
	case []string:
		return len(x) == 0
	case map[string]json.RawMessage:
		return len(x) == 0
	}
	return false
}

func TestTimezones(t *testing.T) {
	var got string
	s := start(t, &fake{startTurn: func(_ context.Context, _ chatkitd.Meta, c chatkitd.TurnCommand) (chatkitd.TurnStream, error) {
		if c, ok := c.(chatkitd.CreateThread); ok {
			got = c.Timezone
		}
		return ended("{}"), nil
	}})
	c := s.client(t, "alice")
	for zone, want := range map[string]string{
		`"America/New_York"`: "America/New_York", `"UTC"`: "UTC", `""`: "", `null`: "", `1`: "", `"Local"`: "", `"local"`: "",
		`"Europe/./Berlin"`: "", `"Europe//Berlin"`: "", `"../../etc/passwd"`: "", `"/etc/localtime"`: "", `"` + strings.Repeat("x", 1000) + `"`: "",
	} {
		for range 2 { // the second time from memory
			got = "not called"
			body := create("hi")
			body["metadata"] = map[string]json.RawMessage{"timezone": json.RawMessage(zone)}
			c.Stream(t, "POST", "/api/v1/chatkit", body).All(t)
			if got != want {
				t.Errorf("%s: got %q, want %q", zone, got, want)
			}
		}
	}
}

func TestThreadRequests(t *testing.T) {
	var called []any
	created := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	thread := chatkit.Thread{ID: "thr_1", Title: "Milk", CreatedAt: created, Status: chatkit.Status{Type: "active"}}
	s := start(t, &fake{
		threads: func(u chatkitd.UserID, q chatkitd.PageQuery) (chatkit.Page[chatkit.Thread], error) {
			called = append(called, u, q)
			return chatkit.Page[chatkit.Thread]{Data: []chatkit.Thread{thread}, After: "thr_1"}, nil
		},
		thread: func(u chatkitd.UserID, id chatkitd.ThreadID) (chatkit.Thread, error) {
			called = append(called, u, id)
			return thread, nil
		},
		items: func(u chatkitd.UserID, id chatkitd.ThreadID, q chatkitd.PageQuery) (chatkit.Page[json.RawMessage], error) {
			called = append(called, u, id, q)
			return chatkit.Page[json.RawMessage]{Data: []json.RawMessage{json.RawMessage(`{"id":"msg_1"}`)}, HasMore: true, After: "msg_1"}, nil
		},
		doThread: func(m chatkitd.Meta, c chatkitd.ThreadCommand) (chatkitd.Receipt, error) {
			called = append(called, m.User, c)
			return chatkitd.Receipt{}, nil
		},
	})
	c := s.client(t, "alice")
	const threadJSON = `{"id":"thr_1","title":"Milk","created_at":"2026-11-23T00:00:00Z","status":{"type":"active"},"metadata":{},"items":{"data":[],"has_more":false}}`
	tests := []struct {
		kind, params string
		answer       string
		calls        []any
	}{
		{
			"threads.list", `{"limit":9999,"order":"desc","after":null,"all_workflows":true}`, `{"data":[` + threadJSON + `],"has_more":false,"after":"thr_1"}`,
			[]any{chatkitd.UserID("alice"), chatkitd.PageQuery{Limit: 9999, Order: "desc"}},
		},
		{"threads.get_by_id", `{"thread_id":"thr_1"}`, threadJSON, []any{chatkitd.UserID("alice"), chatkitd.ThreadID("thr_1")}},
		{
			"items.list", `{"thread_id":"thr_1","limit":50,"order":"asc","after":"msg_0"}`, `{"data":[{"id":"msg_1"}],"has_more":true,"after":"msg_1"}`,
			[]any{chatkitd.UserID("alice"), chatkitd.ThreadID("thr_1"), chatkitd.PageQuery{Limit: 50, Order: "asc", After: "msg_0"}},
		},
		{
			"threads.update", `{"thread_id":"thr_1","title":"Milk","metadata":{}}`, threadJSON,
			[]any{chatkitd.UserID("alice"), chatkitd.RenameThread{Thread: "thr_1", Title: "Milk"}, chatkitd.UserID("alice"), chatkitd.ThreadID("thr_1")},
		},
		{"threads.delete", `{"thread_id":"thr_1"}`, `{}`, []any{chatkitd.UserID("alice"), chatkitd.DeleteThread{Thread: "thr_1"}}},
		{
			"items.feedback", `{"thread_id":"thr_1","item_ids":["msg_1"],"kind":"positive"}`, `{}`,
			[]any{chatkitd.UserID("alice"), chatkitd.GiveFeedback{Thread: "thr_1", Items: []chatkitd.ItemID{"msg_1"}, Kind: "positive"}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.kind, func(t *testing.T) {
			called = nil
			resp := c.Do(t, "POST", "/api/v1/chatkit", `{"type":"`+tt.kind+`","params":`+tt.params+`}`, "Accept", "text/event-stream")
			if resp.Status != 200 || string(resp.Body) != tt.answer || resp.Header.Get("Content-Type") != "application/json" {
				t.Errorf("got %d %s\nwant %s", resp.Status, resp.Body, tt.answer)
			}
			if diff := cmp.Diff(tt.calls, called); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestBadChatKitRequests has the list of bad input. No port is set: a
// request that got through to one would be a 500.
func TestBadChatKitRequests(t *testing.T) {
	s := start(t, &fake{})
	c := s.client(t, "alice")
	long := strings.Repeat("x", 10_000)
	tests := []struct {
		name, body string
		status     int
		code       string
	}{
		{"empty", ``, 400, "invalid_request"},
		{"not JSON", `{"type":`, 400, "invalid_request"},
		{"a list", `[]`, 400, "invalid_request"},
		{"no type", `{}`, 400, "invalid_request"},
		{"type is a number", `{"type":1}`, 400, "invalid_request"},
		{"10,000 brackets", strings.Repeat("[", 10_000), 400, "invalid_request"},
		{"10,000 brackets inside", `{"type":"threads.list","metadata":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `}`, 400, "invalid_request"},
		{"not UTF-8", "{\"type\":\"\xff\"}", 400, "invalid_request"},
		{"unknown type", `{"type":"threads.resume","params":{}}`, 400, "unsupported_request"},
		{"not served", `{"type":"input.transcribe","params":{"audio_base64":"","mime_type":"audio/webm"}}`, 400, "unsupported_request"},
		{"no input", `{"type":"threads.create","params":{}}`, 400, "invalid_request"},
		{"input is a number", `{"type":"threads.create","params":{"input":1}}`, 400, "invalid_request"},
		{"no thread", `{"type":"threads.get_by_id","params":{"thread_id":null}}`, 400, "invalid_request"},
		{"thread with a slash", `{"type":"threads.get_by_id","params":{"thread_id":"a/b"}}`, 404, "not_found"},
		{"thread of 10 kB", `{"type":"threads.get_by_id","params":{"thread_id":"` + long + `"}}`, 404, "not_found"},
		{"message to one", `{"type":"threads.add_user_message","params":{"thread_id":"` + long + `","input":{"content":[{"type":"input_text","text":"hi"}]}}}`, 404, "not_found"},
		{"items of one", `{"type":"items.list","params":{"thread_id":"a/b"}}`, 404, "not_found"},
		{"after with a slash", `{"type":"threads.list","params":{"after":"a/b"}}`, 400, "invalid_request"},
		{"after of 10 kB", `{"type":"items.list","params":{"thread_id":"thr_1","after":"` + long + `"}}`, 400, "invalid_request"},
		{"delete one", `{"type":"threads.delete","params":{"thread_id":"a/b"}}`, 404, "not_found"},
		{"rename one", `{"type":"threads.update","params":{"thread_id":"\u0000","title":"x"}}`, 404, "not_found"},
		{"retry of a bad item", `{"type":"threads.retry_after_item","params":{"thread_id":"thr_1","item_id":"a/b"}}`, 404, "not_found"},
		{"feedback on a bad item", `{"type":"items.feedback","params":{"thread_id":"thr_1","item_ids":["` + long + `"],"kind":"positive"}}`, 404, "not_found"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			resp := c.Do(t, "POST", "/api/v1/chatkit", tt.body)
			if resp.Status != tt.status || resp.Code() != tt.code {
				t.Errorf("got %d %s, want %d %s", resp.Status, resp.Body, tt.status, tt.code)
			}
			if len(resp.Body) > 1000 {
				t.Errorf("the answer has %d bytes", len(resp.Body))
			}
		})
	}
	for _, path := range []string{"a%2Fb", long, "%00", "thr_1%0a"} {
		if resp := c.Do(t, "GET", "/api/v1/chatkit/threads/"+path+"/stream", nil); resp.Status != 404 {
			t.Errorf("stream of %.20s: got %d %s", path, resp.Status, resp.Body)
		}
		if resp := c.Do(t, "POST", "/api/v1/chatkit/threads/"+path+"/cancel", nil); resp.Status != 404 {
			t.Errorf("cancel of %.20s: got %d %s", path, resp.Status, resp.Body)
		}
	}
	if resp := c.Do(t, "POST", "/api/v1/chatkit", `{"type":"threads.list"}`, "Content-Type", "text/plain"); resp.Status != 415 {
		t.Errorf("text/plain: got %d", resp.Status)
	}
}

func TestCancelTurn(t *testing.T) {
	var got []chatkitd.ThreadCommand
	s := start(t, &fake{doThread: func(m chatkitd.Meta, c chatkitd.ThreadCommand) (chatkitd.Receipt, error) {
		if m.User != "alice" {
			return chatkitd.Receipt{}, chatkitd.Errorf(chatkitd.CodeNotFound, "not yours")
		}
		got = append(got, c)
		return chatkitd.Receipt{}, nil
	}})
	c := s.client(t, "alice")
	for range 2 {
		if resp := c.Do(t, "POST", "/api/v1/chatkit/threads/thr_1/cancel", nil); resp.Status != 200 || string(resp.Body) != "{}" {
			t.Errorf("got %d %s", resp.Status, resp.Body)
		}
	}
	if diff := cmp.Diff([]chatkitd.ThreadCommand{chatkitd.CancelTurn{Thread: "thr_1"}, chatkitd.CancelTurn{Thread: "thr_1"}}, got); diff != "" {
		t.Error(diff)
	}
	if resp := c.As("test-token-bob").Do(t, "POST", "/api/v1/chatkit/threads/thr_1/cancel", nil); resp.Status != 404 {
		t.Errorf("another user got %d", resp.Status)
	}
}
