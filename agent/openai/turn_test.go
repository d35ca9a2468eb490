package openai_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/agent/agenttest"
	"github.com/chatkitd/chatkitd/agent/openai"
	"github.com/chatkitd/chatkitd/chatkit"
)

// TestWholeTurn: thoughts, two interleaved calls, an answer of 50 deltas.
func TestWholeTurn(t *testing.T) {
	t.Parallel()
	replies := agenttest.Turn(50)
	first := agenttest.NewScript("a").Reasoning("First I think. It takes a while.", "Then I act.").Calls(
		agenttest.Call{ID: "call_1", Name: "add_task", Arguments: `{"title":"buy milk","due_at":"2026-11-24"}`},
		agenttest.Call{ID: "call_2", Name: "add_task", Arguments: `{"title":"call Anna"}`},
	).Completed()
	r := newRig(t, openai.Options{Reasoning: openai.On, Strict: openai.On}, first, replies[1])
	res := r.run(t)

	want := []string{
		"added workflow", "workflow.task.added", "workflow.task.updated", "workflow.task.updated", "workflow.task.added",
		"called 2",
		"done workflow",
		"added workflow", "workflow.task.added", "workflow.task.added", "workflow.task.updated", "workflow.task.updated",
		"returned 2",
		"done workflow",
		"added assistant_message", "assistant_message.content_part.added", "assistant_message.content_part.done", "done assistant_message",
	}
	if !slices.Equal(r.sink.Log, want) {
		t.Errorf("order:\n%s\nwant:\n%s", strings.Join(r.sink.Log, "\n"), strings.Join(want, "\n"))
	}
	if res.Usage != (chatkitd.Usage{Input: 200, Cached: 40, Output: 100, Reasoning: 20}) || res.Model != "scripted-1" ||
		!slices.Equal(res.Responses, []string{"resp_a", "resp_b"}) {
		t.Errorf("result %+v", res)
	}
	items := r.sink.Items()
	thoughts := items[0].(chatkit.WorkflowItem).Workflow
	if thoughts.Type != chatkit.WorkflowReasoning || thoughts.Expanded || thoughts.Summary == nil || thoughts.Summary.Title != "" ||
		len(thoughts.Tasks) != 2 || thoughts.Tasks[0].Content != "First I think. It takes a while." || thoughts.Tasks[0].StatusIndicator != chatkit.IndicatorNone {
		t.Errorf("thoughts %+v", thoughts)
	}
	steps := items[1].(chatkit.WorkflowItem).Workflow
	if steps.Type != chatkit.WorkflowCustom || steps.Expanded || steps.Summary.Title != "Added 2 tasks" ||
		steps.Tasks[0].Title != "Added “buy milk”, due Tue 24 Nov" || steps.Tasks[1].StatusIndicator != chatkit.IndicatorComplete {
		t.Errorf("steps %+v", steps)
	}
	for _, it := range items {
		if b := it.Base(); b.ThreadID != "thr_1" || !b.CreatedAt.Equal(now) || strings.Contains(b.ID, "_a_") {
			t.Errorf("item %+v", b)
		}
	}
	for i, c := range r.sink.Calls {
		if c.ID != "call_"+string(rune('1'+i)) {
			t.Errorf("call %d is %s: calls must come in the order of the answer", i, c.ID)
		}
	}
	for _, m := range r.tasks.Metas() {
		if m.User != "alice" || m.Key != chatkitd.EffectKey("trn_1", m.Cause) || m.Request != "req_1" {
			t.Errorf("meta %+v", m)
		}
	}
}

// TestRequests looks at what the provider is sent.
func TestRequests(t *testing.T) {
	t.Parallel()
	replies := agenttest.Turn(1)
	first := agenttest.NewScript("a").Reasoning("Hm.").Calls(agenttest.Call{ID: "call_1", Name: "add_task", Arguments: `{"title":"buy milk"}`}).Completed()
	r := newRig(t, openai.Options{Reasoning: openai.On, Strict: openai.On}, first, replies[1])
	r.run(t)
	reqs := r.server.Requests()
	if len(reqs) != 2 {
		t.Fatalf("%d requests", len(reqs))
	}
	one, two := reqs[0], reqs[1]
	if one.Path != "/v1/responses" || one.Header.Get("Authorization") != "Bearer "+apiKey || one.Header.Get("Accept") != "text/event-stream" ||
		one.Header.Get("Accept-Encoding") != "" {
		t.Errorf("path %s, header %v", one.Path, one.Header)
	}
	if one.JSON["store"] != false || one.JSON["stream"] != true || one.JSON["parallel_tool_calls"] != true || one.JSON["model"] != "gpt-test" {
		t.Errorf("request %v", one.JSON)
	}
	if inc, _ := json.Marshal(one.JSON["include"]); string(inc) != `["reasoning.encrypted_content"]` {
		t.Errorf("include %s", inc)
	}
	input := two.JSON["input"].([]any)
	kinds := make([]string, len(input))
	for i, in := range input {
		m := in.(map[string]any)
		kinds[i], _ = m["type"].(string)
		if m["type"] == "function_call_output" && m["call_id"] != "call_1" {
			t.Errorf("output for %v", m["call_id"])
		}
	}
	if want := []string{"", "reasoning", "function_call", "function_call_output"}; !slices.Equal(kinds, want) {
		t.Errorf("second input %q, want %q", kinds, want)
	}
	for _, verbatim := range []string{`"encrypted_content":"gAAAA-rs_a_0"`, `"id":"fc_a_1"`} {
		if !bytes.Contains(two.Body, []byte(verbatim)) {
			t.Errorf("%s is not in the second request", verbatim)
		}
	}
	if bytes.Contains(two.Body, []byte(`"part"`)) {
		t.Error("the partial encrypted content was sent back")
	}
}

// TestReasoningThatCannotGoBack: a thought without its encrypted form is left
// out, and the ids that point to it with it.
func TestReasoningThatCannotGoBack(t *testing.T) {
	t.Parallel()
	s := agenttest.NewScript("a").
		Event("response.output_item.added", map[string]any{"output_index": 0, "item": map[string]any{"id": "rs_1", "type": "reasoning"}}).
		Event("response.output_item.done", map[string]any{"output_index": 0, "item": map[string]any{"id": "rs_1", "type": "reasoning", "summary": []any{}}}).
		Event("response.output_item.done", map[string]any{"output_index": 1, "item": map[string]any{"id": "fc_1", "type": "function_call", "call_id": "c1", "name": "list_tasks", "arguments": "{}"}})
	s.Event("response.completed", map[string]any{"response": map[string]any{"id": "r", "status": "completed"}})
	r := newRig(t, openai.Options{}, s.End(), ok())
	r.run(t)
	body := r.server.Requests()[1].Body
	if bytes.Contains(body, []byte("rs_1")) || bytes.Contains(body, []byte("fc_1")) || !bytes.Contains(body, []byte(`"c1"`)) {
		t.Errorf("second request %s", body)
	}
}

// TestOtherProviders: what not every server knows is not sent to an unknown one.
func TestOtherProviders(t *testing.T) {
	t.Parallel()
	r := newRig(t, openai.Options{Model: "o3"}, ok())
	r.run(t)
	req := r.server.Requests()[0].JSON
	if req["include"] != nil || req["reasoning"] != nil {
		t.Errorf("request %v", req)
	}
	for _, tool := range req["tools"].([]any) {
		if tool.(map[string]any)["strict"] != false {
			t.Errorf("tool %v", tool)
		}
	}
}

// TestEnvironmentIsNotRead: the SDK's own variables have no effect.
func TestEnvironmentIsNotRead(t *testing.T) {
	for k, v := range map[string]string{
		"OPENAI_API_KEY": "sk-env", "OPENAI_BASE_URL": "http://127.0.0.1:1", "OPENAI_ORG_ID": "org-env",
		"OPENAI_PROJECT_ID": "proj-env", "OPENAI_CUSTOM_HEADERS": "X-Env: yes", "OPENAI_ADMIN_KEY": "sk-admin",
	} {
		t.Setenv(k, v)
	}
	r := newRig(t, openai.Options{}, ok())
	r.run(t)
	h := r.server.Requests()[0].Header
	for k, vs := range h {
		if strings.Contains(strings.Join(vs, ","), "env") || k == "X-Env" {
			t.Errorf("%s: %q", k, vs)
		}
	}
	if h.Get("Authorization") != "Bearer "+apiKey {
		t.Errorf("Authorization %q", h.Get("Authorization"))
	}
}

func TestModelOverride(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ ask, sent, notice string }{
		{"gpt-other", "gpt-other", ""},
		{"gpt-secret", "gpt-test", "not available"},
		{"", "gpt-test", ""},
	} {
		r := newRig(t, openai.Options{Models: []string{"gpt-other"}}, ok())
		in := input("hello")
		in.Options.Model = tt.ask
		if _, err := r.agent.Run(t.Context(), in, r.sink); err != nil {
			t.Fatal(err)
		}
		if got := r.server.Requests()[0].JSON["model"]; got != tt.sent {
			t.Errorf("asked for %q, sent %v", tt.ask, got)
		}
		if told := strings.Contains(strings.Join(r.sink.Log, ","), "notice"); told != (tt.notice != "") {
			t.Errorf("asked for %q, told %v", tt.ask, told)
		}
	}
}

func TestToolChoice(t *testing.T) {
	t.Parallel()
	r := newRig(t, openai.Options{}, agenttest.Turn(1)...)
	in := input("hello")
	in.Options.ToolChoice = &chatkit.ToolChoice{ID: "add_task"}
	if _, err := r.agent.Run(t.Context(), in, r.sink); err != nil {
		t.Fatal(err)
	}
	reqs := r.server.Requests()
	if got, _ := json.Marshal(reqs[0].JSON["tool_choice"]); string(got) != `{"name":"add_task","type":"function"}` {
		t.Errorf("tool choice %s", got)
	}
	if reqs[1].JSON["tool_choice"] != nil {
		t.Error("the tool is forced in every round: the turn could never end")
	}
}

func TestAnnotations(t *testing.T) {
	t.Parallel()
	r := newRig(t, openai.Options{}, agenttest.NewScript("a").Message("output_text", []map[string]any{
		{"type": "url_citation", "url": "https://example.org/a", "title": "", "start_index": 1, "end_index": 4},
		{"type": "file_citation", "file_id": "f", "index": 2},
		{"type": "file_citation", "file_id": "f", "filename": "a.pdf", "index": 3},
		{"type": "container_file_citation", "filename": "b.csv", "start_index": 1, "end_index": 5},
		{"type": "something_new"},
	}, "Some text.").Completed())
	r.run(t)
	got, err := json.Marshal(r.sink.Items()[0].(chatkit.AssistantMessage).Content[0].Annotations)
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"type":"annotation","source":{"type":"url","title":"https://example.org/a","url":"https://example.org/a"},"index":4},` +
		`{"type":"annotation","source":{"type":"file","title":"a.pdf","filename":"a.pdf"},"index":3},` +
		`{"type":"annotation","source":{"type":"file","title":"b.csv","filename":"b.csv"},"index":5}]`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	next := 0
	for _, ev := range r.sink.Events {
		if u, ok := ev.(chatkit.ItemUpdated); ok {
			if a, ok := u.Update.(chatkit.AnnotationAdded); ok {
				if a.AnnotationIndex != next {
					t.Errorf("annotation index %d, want %d", a.AnnotationIndex, next)
				}
				next++
			}
		}
	}
}

func TestImage(t *testing.T) {
	t.Parallel()
	s := agenttest.NewScript("i").
		Event("response.output_item.added", map[string]any{"output_index": 0, "item": map[string]any{"id": "ig_1", "type": "image_generation_call"}}).
		Event("response.image_generation_call.partial_image", map[string]any{"output_index": 0, "partial_image_b64": "AAAA", "partial_image_index": 0}).
		Event("response.output_item.done", map[string]any{"output_index": 0, "item": map[string]any{"id": "ig_1", "type": "image_generation_call", "result": "BBBB", "output_format": "webp"}})
	r := newRig(t, openai.Options{}, s.Completed())
	r.run(t)
	if want := []string{"added generated_image", "generated_image.updated", "done generated_image"}; !slices.Equal(r.sink.Log, want) {
		t.Errorf("order %q", r.sink.Log)
	}
	if got := r.sink.Items()[0].(chatkit.GeneratedImage).Image; got == nil || got.URL != "data:image/webp;base64,BBBB" {
		t.Errorf("image %+v", got)
	}
}

// TestUnknownEvents: what a later version of the API sends does no harm.
func TestUnknownEvents(t *testing.T) {
	t.Parallel()
	s := agenttest.NewScript("u").
		Event("response.something.new", map[string]any{"output_index": 0, "error": nil}).
		Event("response.output_item.added", map[string]any{"output_index": 0, "item": map[string]any{"type": "hologram"}}).
		Event("response.output_item.done", map[string]any{"output_index": 0, "item": map[string]any{"type": "hologram"}}).
		Raw(": ping\n\nid: 7\nretry: 10\n\n")
	r := newRig(t, openai.Options{}, s.Raw("").
		Event("response.output_text.delta", map[string]any{"output_index": 1, "content_index": 0, "delta": "fine"}).Completed())
	r.run(t)
	if r.sink.Text() != "fine" {
		t.Errorf("got %q", r.sink.Text())
	}
}

// TestSameIDsEverywhere: some providers give every item and call the same id, or
// none.
func TestSameIDsEverywhere(t *testing.T) {
	t.Parallel()
	call := func(id string) agenttest.Reply {
		s := agenttest.NewScript("s")
		for i, title := range []string{"a", "b"} {
			item := map[string]any{"id": "__fake_id__", "type": "function_call", "call_id": id, "name": "add_task", "arguments": `{"title":"` + title + `"}`}
			s.Event("response.output_item.added", map[string]any{"output_index": i, "item": item})
			s.Event("response.output_item.done", map[string]any{"output_index": i, "item": item})
		}
		return s.Event("response.completed", map[string]any{"response": map[string]any{"id": "r", "status": "completed"}}).End()
	}
	r := newRig(t, openai.Options{}, call("call_0"), call(""), ok())
	r.run(t)
	if got := len(r.tasks.All("alice")); got != 4 {
		t.Errorf("%d tasks, want 4", got)
	}
}
