package openai_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/agent/agenttest"
	"github.com/chatkitd/chatkitd/agent/openai"
	"github.com/chatkitd/chatkitd/chatkit"
)

func ok() agenttest.Reply { return agenttest.NewScript("ok").Text("fine").Completed() }

func refusal(status int, body string, header ...string) agenttest.Reply {
	h := map[string]string{"Content-Type": "application/json", "Retry-After-Ms": "1"}
	for i := 0; i+1 < len(header); i += 2 {
		h[header[i]] = header[i+1]
	}
	return agenttest.Reply{Status: status, Body: body, Header: h}
}

const begun = "The answer beg"

// TestFailures has a row for each way in which a provider is known to fail.
func TestFailures(t *testing.T) {
	t.Parallel()
	partial := func() *agenttest.Script {
		return agenttest.NewScript("p").
			Event("response.output_item.added", map[string]any{"output_index": 0, "item": map[string]any{"id": "m", "type": "message"}}).
			Event("response.output_text.delta", map[string]any{"output_index": 0, "content_index": 0, "delta": begun})
	}
	cut := partial().End()
	cut.Cut = true
	tests := []struct {
		name     string
		script   []agenttest.Reply
		requests int
		code     chatkitd.Code
		message  string // part of what a person reads
		cause    string // part of what the log has
		open     int    // items that the sink is to settle
	}{
		{"429 with Retry-After, then ok", []agenttest.Reply{refusal(429, `{"error":{"message":"slow down","code":"rate_limit_exceeded"}}`), ok()}, 2, "", "", "", 0},
		{"500, then ok", []agenttest.Reply{refusal(500, `{"error":{"message":"oops"}}`), ok()}, 2, "", "", "", 0},
		{"connection closed before an answer, then ok", []agenttest.Reply{{Cut: true}, ok()}, 1, chatkitd.CodeUnavailable, "lost before the answer was complete", "", 0},
		{"429 for ever", []agenttest.Reply{refusal(429, `{"error":{"message":"slow down","code":"rate_limit_exceeded"}}`)}, 3, chatkitd.CodeRateLimited, "wait a moment", "rate_limit_exceeded", 0},
		{"quota used up", []agenttest.Reply{refusal(429, `{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}`)}, 3, chatkitd.CodeUnavailable, "quota", "insufficient_quota", 0},
		{"429 with a Retry-After beyond patience", []agenttest.Reply{refusal(429, `{"error":{"message":"later"}}`, "Retry-After", "300", "Retry-After-Ms", "300000")}, 1, chatkitd.CodeRateLimited, "wait a moment", "later", 0},
		{"500", []agenttest.Reply{refusal(500, `{"error":{"message":"The server had an error","type":"server_error"}}`)}, 3, chatkitd.CodeUnavailable, "overloaded or down", "The server had an error", 0},
		{"502 in HTML", []agenttest.Reply{refusal(502, `<html><body>Bad Gateway</body></html>`, "Content-Type", "text/html")}, 3, chatkitd.CodeUnavailable, "overloaded or down", "Bad Gateway", 0},
		{"401", []agenttest.Reply{refusal(401, `{"error":{"message":"Incorrect API key provided: `+apiKey+`","code":"invalid_api_key"}}`)}, 1, chatkitd.CodeUnavailable, "refused this server's key", "[key]", 0},
		{"403", []agenttest.Reply{refusal(403, `{"error":{"message":"Country not supported"}}`)}, 1, chatkitd.CodeUnavailable, "does not permit", "Country", 0},
		{"400 content filter", []agenttest.Reply{refusal(400, `{"error":{"message":"filtered","code":"content_filter"}}`)}, 1, chatkitd.CodeInvalid, "content filter", "filtered", 0},
		{"404 unknown model", []agenttest.Reply{refusal(404, `{"error":{"message":"The model gpt-9 does not exist","code":"model_not_found"}}`)}, 1, chatkitd.CodeUnavailable, "does not know the model", "gpt-9", 0},
		{"404 no Responses API", []agenttest.Reply{refusal(404, `404 page not found`, "Content-Type", "text/plain")}, 1, chatkitd.CodeUnavailable, "does not offer the Responses API", "page not found", 0},
		{"400 with a detail", []agenttest.Reply{refusal(400, `{"detail":"unknown field include"}`)}, 1, chatkitd.CodeUnavailable, "did not accept", "unknown field include", 0},
		{"400 with an error that is a text", []agenttest.Reply{refusal(400, `{"error":"bad request, no can do"}`)}, 1, chatkitd.CodeUnavailable, "did not accept", "no can do", 0},
		{"400 too long", []agenttest.Reply{refusal(400, `{"error":{"message":"…","code":"context_length_exceeded"}}`)}, 1, chatkitd.CodeTooLarge, "too long", "context_length", 0},
		{"connection cut in mid-stream", []agenttest.Reply{cut}, 1, chatkitd.CodeUnavailable, "lost before the answer was complete", "EOF", 1},
		{"clean end without a terminal event", []agenttest.Reply{partial().End()}, 1, chatkitd.CodeUnavailable, "lost before the answer was complete", "without a terminal event", 1},
		{"[DONE] without a terminal event", []agenttest.Reply{partial().Raw("data: [DONE]\n\n").End()}, 1, chatkitd.CodeUnavailable, "lost before the answer was complete", "[DONE]", 1},
		{"no event at all", []agenttest.Reply{{}}, 1, chatkitd.CodeUnavailable, "lost before the answer was complete", "without a terminal event", 0},
		{"error event", []agenttest.Reply{partial().Event("error", map[string]any{"code": "server_error", "message": "it broke"}).End()}, 1, chatkitd.CodeUnavailable, "overloaded or down", "it broke", 1},
		{"error event, nested", []agenttest.Reply{partial().Event("error", map[string]any{"error": map[string]any{"code": "rate_limit_exceeded", "message": "it broke"}}).End()}, 1, chatkitd.CodeRateLimited, "wait a moment", "it broke", 1},
		{"an error object without a type", []agenttest.Reply{partial().Raw("data: {\"error\":{\"message\":\"it broke\"}}\n\n").End()}, 1, chatkitd.CodeUnavailable, "failed", "it broke", 1},
		{"response.failed", []agenttest.Reply{partial().Failed("server_error", "it broke")}, 1, chatkitd.CodeUnavailable, "overloaded or down", "it broke", 1},
		{"an event that is not JSON", []agenttest.Reply{partial().Raw("data: {\"type\":\n\n").End()}, 1, chatkitd.CodeUnavailable, "failed", "not JSON", 1},
		{"stream: true is ignored", []agenttest.Reply{{Header: map[string]string{"Content-Type": "application/json"}, Body: `{"id":"resp_1","status":"completed","output":[]}`}}, 1, chatkitd.CodeUnavailable, "does not stream", "application/json", 0},
		{"a line beyond the limit", []agenttest.Reply{partial().Raw("data: {\"type\":\"x\",\"y\":\"" + strings.Repeat("y", 17<<20) + "\"}\n\n").End()}, 1, chatkitd.CodeUnavailable, "too large", "longer than allowed", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, openai.Options{}, tt.script...)
			_, err := r.agent.Run(t.Context(), input("hello"), r.sink)
			if n := len(r.server.Requests()); n != tt.requests {
				t.Errorf("the provider saw %d requests, want %d", n, tt.requests)
			}
			if len(r.sink.Faults) > 0 || r.sink.Open() != tt.open {
				t.Errorf("%d items left open, want %d; faults %q", r.sink.Open(), tt.open, r.sink.Faults)
			}
			if tt.code == "" {
				if err != nil || r.sink.Text() != "fine" {
					t.Fatalf("got %q and error %v", r.sink.Text(), err)
				}
				return
			}
			if chatkitd.CodeOf(err) != tt.code || !strings.Contains(chatkitd.MessageOf(err), tt.message) {
				t.Errorf("got %s %q, want %s …%q…", chatkitd.CodeOf(err), chatkitd.MessageOf(err), tt.code, tt.message)
			}
			if err == nil {
				return
			}
			if !strings.Contains(err.Error(), tt.cause) {
				t.Errorf("the cause %q does not tell %q", err, tt.cause)
			}
			if strings.Contains(err.Error(), apiKey) {
				t.Error("the error shows the key")
			}
			if len(r.sink.Calls) > 0 {
				t.Error("tools were called")
			}
		})
	}
}

// TestCallsOfAFailedAnswer: what a provider asks for before it fails is not done.
func TestCallsOfAFailedAnswer(t *testing.T) {
	t.Parallel()
	r := newRig(t, openai.Options{}, agenttest.NewScript("a").Calls(agenttest.Call{ID: "c1", Name: "add_task", Arguments: `{"title":"x"}`}).Failed("server_error", "it broke"))
	if _, err := r.agent.Run(t.Context(), input("hello"), r.sink); err == nil {
		t.Error("the turn succeeded")
	}
	if len(r.sink.Calls) > 0 || len(r.tasks.All("alice")) > 0 {
		t.Errorf("calls %v, tasks %v", r.sink.Calls, r.tasks.All("alice"))
	}
}

func TestIncomplete(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ reason, notice string }{
		{"max_output_tokens", "maximum length"},
		{"content_filter", "content filter"},
		{"something new", "before its answer was complete"},
	} {
		t.Run(tt.reason, func(t *testing.T) {
			t.Parallel()
			s := agenttest.NewScript("i").
				Event("response.output_item.added", map[string]any{"output_index": 0, "item": map[string]any{"type": "message"}}).
				Event("response.output_text.delta", map[string]any{"output_index": 0, "content_index": 0, "delta": begun})
			r := newRig(t, openai.Options{}, s.Incomplete(tt.reason))
			res := r.run(t)
			if r.sink.Text() != begun {
				t.Errorf("kept %q, want %q", r.sink.Text(), begun)
			}
			if res.Usage.Output != 50 {
				t.Errorf("usage %+v", res.Usage)
			}
			notice := ""
			for _, ev := range r.sink.Events {
				if n, ok := ev.(chatkit.Notice); ok {
					notice = n.Message
				}
			}
			if !strings.Contains(notice, tt.notice) {
				t.Errorf("notice %q does not say %q", notice, tt.notice)
			}
		})
	}
}

func TestRefusalIsText(t *testing.T) {
	t.Parallel()
	r := newRig(t, openai.Options{}, agenttest.NewScript("r").Refusal("I can't ", "help with that.").Completed())
	r.run(t)
	if got := r.sink.Text(); got != "I can't help with that." {
		t.Errorf("got %q", got)
	}
}

// TestOutputNull: some providers repeat nothing in the terminal event.
func TestOutputNull(t *testing.T) {
	t.Parallel()
	s := agenttest.NewScript("n").Calls(agenttest.Call{ID: "c1", Name: "add_task", Arguments: `{"title":"buy milk"}`})
	s.Event("response.completed", map[string]any{"response": map[string]any{"id": "resp_n", "status": "completed", "output": nil}})
	r := newRig(t, openai.Options{}, s.End(), ok())
	r.run(t)
	if got := r.tasks.All("alice"); len(got) != 1 || got[0].Title != "buy milk" {
		t.Errorf("tasks %v", got)
	}
}

// TestOnlyTerminalEvent: some repeat all there and stream nothing.
func TestOnlyTerminalEvent(t *testing.T) {
	t.Parallel()
	done := func(items ...map[string]any) agenttest.Reply {
		s := &agenttest.Script{}
		return s.Event("response.completed", map[string]any{"response": map[string]any{"id": "r", "status": "completed", "output": items}}).End()
	}
	r := newRig(t, openai.Options{},
		done(map[string]any{"type": "function_call", "call_id": "c1", "name": "add_task", "arguments": `{"title":"buy milk"}`}),
		done(map[string]any{"type": "message", "content": []any{map[string]any{"type": "output_text", "text": "Added."}}}))
	r.run(t)
	if len(r.tasks.All("alice")) != 1 || r.sink.Text() != "Added." {
		t.Errorf("tasks %v, text %q", r.tasks.All("alice"), r.sink.Text())
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	reply := agenttest.NewScript("c").
		Event("response.output_item.added", map[string]any{"output_index": 0, "item": map[string]any{"type": "message"}}).
		Event("response.output_text.delta", map[string]any{"output_index": 0, "content_index": 0, "delta": begun}).End()
	reply.Hold = make(chan struct{})
	r := newRig(t, openai.Options{}, reply)
	ctx, cancel := context.WithCancel(t.Context())
	r.sink.OnEmit = func(ev chatkit.Event) {
		if u, ok := ev.(chatkit.ItemUpdated); ok && u.Update.UpdateType() == "assistant_message.content_part.text_delta" {
			cancel()
		}
	}
	began := time.Now()
	_, err := r.agent.Run(ctx, input("hello"), r.sink)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	select {
	case <-r.server.Gone:
	case <-time.After(5 * time.Second):
		t.Error("the provider was not told")
	}
	if d := time.Since(began); d > 3*time.Second {
		t.Errorf("it took %v", d)
	}
}

func TestServerThatNeverAnswers(t *testing.T) {
	t.Parallel()
	r := newRig(t, openai.Options{HeaderTimeout: 20 * time.Millisecond}, agenttest.Reply{Silent: make(chan struct{})})
	_, err := r.agent.Run(t.Context(), input("hello"), r.sink)
	if chatkitd.CodeOf(err) != chatkitd.CodeTimeout || !strings.Contains(chatkitd.MessageOf(err), "did not answer in time") {
		t.Errorf("got %v", err)
	}
	if n := len(r.server.Requests()); n != 3 {
		t.Errorf("%d requests, want 3", n)
	}
}

func TestStreamThatFallsSilent(t *testing.T) {
	t.Parallel()
	reply := agenttest.NewScript("s").End()
	reply.Hold = make(chan struct{})
	r := newRig(t, openai.Options{IdleTimeout: 30 * time.Millisecond}, reply)
	_, err := r.agent.Run(t.Context(), input("hello"), r.sink)
	if chatkitd.CodeOf(err) != chatkitd.CodeTimeout || !strings.Contains(chatkitd.MessageOf(err), "stopped answering") {
		t.Errorf("got %v", err)
	}
	select {
	case <-r.server.Gone:
	case <-time.After(5 * time.Second):
		t.Error("the provider was not told")
	}
}

// TestLongAnswer: neither timeout is one of the whole answer.
func TestLongAnswer(t *testing.T) {
	t.Parallel()
	s := agenttest.NewScript("l").Text("a ", "b ", "c ", "d ")
	s.Completed()
	reply := agenttest.Reply{Chunks: s.Stream(), Pause: 15 * time.Millisecond}
	r := newRig(t, openai.Options{HeaderTimeout: 100 * time.Millisecond, IdleTimeout: 100 * time.Millisecond}, reply)
	r.run(t)
	if got := r.sink.Text(); got != "a b c d " {
		t.Errorf("got %q", got)
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	r := newRig(t, openai.Options{MaxRetries: -1})
	r.server.Close()
	_, err := r.agent.Run(t.Context(), input("hello"), r.sink)
	if chatkitd.CodeOf(err) != chatkitd.CodeUnavailable || !strings.Contains(chatkitd.MessageOf(err), "cannot be reached") {
		t.Errorf("got %v", err)
	}
}
