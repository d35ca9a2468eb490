package chatkit_test

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/chatkitd/chatkitd/chatkit"
)

var hello = chatkit.UserMessageInput{
	Content: []chatkit.UserContent{{Type: chatkit.TypeInputText, Text: "Hello"}}, Attachments: []string{},
}

const helloJSON = `{"content":[{"type":"input_text","text":"Hello"}],"attachments":[],"inference_options":{}}`

var goodRequests = []struct {
	name      string
	body      string
	want      chatkit.Params
	streaming bool
}{
	{
		"create", `{"type":"threads.create","params":{"input":` + helloJSON + `}}`,
		chatkit.ThreadsCreate{Input: hello},
		true,
	},
	{
		"create with all there is", `{"type":"threads.create","metadata":{"a":1},"params":{"input":{"content":[
			{"type":"input_text","text":"\u0000 tell "},
			{"type":"input_tag","id":"u1","text":"Anna","data":{"age": 41},"group":"people","interactive":true}],
			"attachments":["atc_1"],"quoted_text":"so",
			"inference_options":{"model":"gpt-x","tool_choice":{"id":"search"}}}}}`,
		chatkit.ThreadsCreate{Input: chatkit.UserMessageInput{
			Content: []chatkit.UserContent{
				{Type: chatkit.TypeInputText, Text: "\x00 tell "},
				{
					Type: chatkit.TypeInputTag, ID: "u1", Text: "Anna", Group: "people", Interactive: true,
					Data: map[string]json.RawMessage{"age": raw("41")},
				},
			},
			Attachments: []string{"atc_1"}, QuotedText: "so",
			InferenceOptions: chatkit.InferenceOptions{Model: "gpt-x", ToolChoice: &chatkit.ToolChoice{ID: "search"}},
		}},
		true,
	},
	{
		"null is absent", `{"type":"threads.create","metadata":null,"params":{"input":{"content":[
			{"type":"input_text","text":"Hello","group":null}],"attachments":null,"quoted_text":null,
			"inference_options":{"model":null,"tool_choice":null}}}}`,
		chatkit.ThreadsCreate{Input: hello},
		true,
	},
	{
		"a tag's data may be missing", `{"type":"threads.create","params":{"input":{"content":[{"type":"input_tag","id":"u1","text":"Anna"}]}}}`,
		chatkit.ThreadsCreate{Input: chatkit.UserMessageInput{
			Content:     []chatkit.UserContent{{Type: chatkit.TypeInputTag, ID: "u1", Text: "Anna", Data: map[string]json.RawMessage{}}},
			Attachments: []string{},
		}},
		true,
	},
	{
		"half a surrogate pair becomes U+FFFD, also in data", `{"type":"threads.create","params":{"input":{"content":[
			{"type":"input_tag","id":"u1","text":"\ud83d!","data":{"a":"\ud83d"}}]}}}`,
		chatkit.ThreadsCreate{Input: chatkit.UserMessageInput{
			Content: []chatkit.UserContent{{
				Type: chatkit.TypeInputTag, ID: "u1", Text: "\ufffd!", Data: map[string]json.RawMessage{"a": raw(`"` + "\ufffd" + `"`)},
			}},
			Attachments: []string{},
		}},
		true,
	},
	{
		"no content is for the server to refuse", `{"type":"threads.create","params":{"input":{"content":[]}}}`,
		chatkit.ThreadsCreate{Input: chatkit.UserMessageInput{Content: []chatkit.UserContent{}, Attachments: []string{}}},
		true,
	},
	{
		"add", `{"type":"threads.add_user_message","params":{"thread_id":"thr_1","input":` + helloJSON + `}}`,
		chatkit.ThreadsAddUserMessage{ThreadID: "thr_1", Input: hello},
		true,
	},
	{
		"retry", `{"type":"threads.retry_after_item","params":{"thread_id":"thr_1","item_id":"msg_1"}}`,
		chatkit.ThreadsRetryAfterItem{ThreadID: "thr_1", ItemID: "msg_1"},
		true,
	},
	{
		"get", `{"type":"threads.get_by_id","params":{"thread_id":"thr_1"}}`,
		chatkit.ThreadsGetByID{ThreadID: "thr_1"},
		false,
	},
	{"list without params", `{"type":"threads.list"}`, chatkit.ThreadsList{Order: "desc"}, false},
	{"list with null", `{"type":"threads.list","params":null}`, chatkit.ThreadsList{Order: "desc"}, false},
	{
		"list with nulls", `{"type":"threads.list","params":{"limit":null,"order":null,"after":null,"all_workflows":true}}`,
		chatkit.ThreadsList{Order: "desc"},
		false,
	},
	{
		"list with all there is", `{"type":"threads.list","params":{"limit":9999,"order":"asc","after":"thr_1"}}`,
		chatkit.ThreadsList{Limit: 9999, Order: "asc", After: "thr_1"},
		false,
	},
	{
		"a number may be written as a float", `{"type":"threads.list","params":{"limit":2e1}}`,
		chatkit.ThreadsList{Limit: 20, Order: "desc"},
		false,
	},
	{
		"a limit beyond all numbers is capped", `{"type":"threads.list","params":{"limit":1e400}}`,
		chatkit.ThreadsList{Limit: math.MaxInt32, Order: "desc"},
		false,
	},
	{
		"items", `{"type":"items.list","params":{"thread_id":"thr_1","limit":5}}`,
		chatkit.ItemsList{ThreadID: "thr_1", Limit: 5, Order: "desc"},
		false,
	},
	{
		"the last duplicate counts", `{"type":"x","type":"threads.update","params":{"thread_id":"thr_0","title":"a","thread_id":"thr_1"},"metadata":{}}`,
		chatkit.ThreadsUpdate{ThreadID: "thr_1", Title: "a"},
		false,
	},
	{
		"unknown fields are ignored", `{"type":"threads.delete","params":{"thread_id":"thr_1","Thread_ID":5,"x":{}},"y":[]}`,
		chatkit.ThreadsDelete{ThreadID: "thr_1"},
		false,
	},
	{
		"feedback", `{"type":"items.feedback","params":{"thread_id":"thr_1","item_ids":["msg_1","msg_2"],"kind":"negative"}}`,
		chatkit.ItemsFeedback{ThreadID: "thr_1", ItemIDs: []string{"msg_1", "msg_2"}, Kind: "negative"},
		false,
	},
	{
		"space around", " \r\n\t{\"type\":\"threads.delete\",\"params\":{\"thread_id\":\"\"}} \n",
		chatkit.ThreadsDelete{},
		false,
	},
	{
		"as deep as may be", `{"type":"threads.list","x":` + strings.Repeat("[", 99) + `"]}]"` + strings.Repeat("]", 99) + `}`,
		chatkit.ThreadsList{Order: "desc"},
		false,
	},
}

func TestDecodeRequest(t *testing.T) {
	t.Parallel()
	for _, tt := range goodRequests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := chatkit.DecodeRequest([]byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got.Params, tt.want) {
				t.Errorf("got %#v, want %#v", got.Params, tt.want)
			}
			if got.Streaming() != tt.streaming {
				t.Errorf("Streaming() = %v, want %v", got.Streaming(), tt.streaming)
			}
		})
	}
}

func TestDecodeRequestKeepsMetadata(t *testing.T) {
	t.Parallel()
	got, err := chatkit.DecodeRequest([]byte(`{"type":"threads.list","metadata":{"idempotency_key":"k", "n":{"a":1}}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]json.RawMessage{"idempotency_key": raw(`"k"`), "n": raw(`{"a":1}`)}
	if !reflect.DeepEqual(got.Metadata, want) {
		t.Errorf("got %s, want %s", got.Metadata, want)
	}
}

func TestDecodeRequestRefuses(t *testing.T) {
	t.Parallel()
	create := func(input string) string { return `{"type":"threads.create","params":{"input":` + input + `}}` }
	list := func(params string) string { return `{"type":"threads.list","params":` + params + `}` }
	tests := []struct {
		name    string
		body    string
		param   string
		message string // a part of it
	}{
		{"nothing", ``, "", "not JSON"},
		{"not JSON", `{"type":`, "", "not JSON"},
		{"trailing garbage", `{"type":"threads.list"} x`, "", "at byte 25"},
		{"two objects", `{"type":"threads.list"}{}`, "", "not JSON"},
		{"NaN", list(`{"limit":NaN}`), "", "not JSON"},
		{"a list", `[]`, "", "must be a JSON object"},
		{"null", `null`, "", "must be a JSON object"},
		{"a byte order mark", "\ufeff{}", "", "not JSON"},
		{"not UTF-8", "{\"type\":\"threads.list\",\"x\":\"\xff\"}", "", "UTF-8"},
		{"10,000 brackets", strings.Repeat("[", 10_000), "", "nested too deep"},
		{"10,000 objects", strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_000), "", "nested too deep"},
		{"one bracket too many", `{"x":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`, "", "at most 100"},
		{"no type", `{}`, "type", "type is required"},
		{"null type", `{"type":null}`, "type", "type is required"},
		{"type of another case", `{"Type":"threads.list"}`, "type", "type is required"},
		{"type not a string", `{"type":7}`, "type", "type must be a string"},
		{"params not an object", list(`[]`), "params", "params must be an object"},
		{"params a string", list(`"x"`), "params", "params must be an object"},
		{"metadata not an object", `{"type":"threads.list","metadata":[]}`, "metadata", "must be an object"},
		{"limit a string", list(`{"limit":"5"}`), "params.limit", "whole number"},
		{"limit a fraction", list(`{"limit":5.5}`), "params.limit", "whole number"},
		{"limit negative", list(`{"limit":-1}`), "params.limit", "not negative"},
		{"limit very negative", list(`{"limit":-1e400}`), "params.limit", "not negative"},
		{"limit true", list(`{"limit":true}`), "params.limit", "whole number"},
		{"order unknown", list(`{"order":"up"}`), "params.order", `"asc" or "desc"`},
		{"order empty", list(`{"order":""}`), "params.order", `"asc" or "desc"`},
		{"order a number", list(`{"order":1}`), "params.order", "must be a string"},
		{"after a number", list(`{"after":1}`), "params.after", "must be a string"},
		{"no params", `{"type":"threads.create"}`, "params.input", "is required"},
		{"null params", `{"type":"threads.get_by_id","params":null}`, "params.thread_id", "is required"},
		{"no input", `{"type":"threads.create","params":{}}`, "params.input", "is required"},
		{"input a string", create(`"hi"`), "params.input", "must be an object"},
		{"no content", create(`{}`), "params.input.content", "is required"},
		{"content null", create(`{"content":null}`), "params.input.content", "is required"},
		{"content a string", create(`{"content":"hi"}`), "params.input.content", "must be a list"},
		{"a part is a string", create(`{"content":["hi"]}`), "params.input.content[0]", "must be an object"},
		{"a part is null", create(`{"content":[null]}`), "params.input.content[0].type", "is required"},
		{
			"a part of unknown type", create(`{"content":[{"type":"input_text","text":""},{"type":"output_text","text":""}]}`),
			"params.input.content[1].type", `"input_text" or "input_tag"`,
		},
		{"text missing", create(`{"content":[{"type":"input_text"}]}`), "params.input.content[0].text", "is required"},
		{"text a number", create(`{"content":[{"type":"input_text","text":3}]}`), "params.input.content[0].text", "must be a string"},
		{"tag without id", create(`{"content":[{"type":"input_tag","text":"a"}]}`), "params.input.content[0].id", "is required"},
		{
			"tag with a list of data", create(`{"content":[{"type":"input_tag","id":"1","text":"a","data":[]}]}`),
			"params.input.content[0].data", "must be an object",
		},
		{
			"interactive a string", create(`{"content":[{"type":"input_tag","id":"1","text":"a","interactive":"yes"}]}`),
			"params.input.content[0].interactive", "true or false",
		},
		{"attachments a string", create(`{"content":[],"attachments":"a"}`), "params.input.attachments", "must be a list"},
		{"an attachment is null", create(`{"content":[],"attachments":["a",null]}`), "params.input.attachments[1]", "must be a string"},
		{"an attachment is an object", create(`{"content":[],"attachments":[{}]}`), "params.input.attachments[0]", "must be a string"},
		{"quoted text a list", create(`{"content":[],"quoted_text":[]}`), "params.input.quoted_text", "must be a string"},
		{"options a list", create(`{"content":[],"inference_options":[]}`), "params.input.inference_options", "must be an object"},
		{"model a number", create(`{"content":[],"inference_options":{"model":1}}`), "params.input.inference_options.model", "must be a string"},
		{
			"tool choice a string", create(`{"content":[],"inference_options":{"tool_choice":"x"}}`),
			"params.input.inference_options.tool_choice", "must be an object",
		},
		{
			"tool choice without id", create(`{"content":[],"inference_options":{"tool_choice":{}}}`),
			"params.input.inference_options.tool_choice.id", "is required",
		},
		{
			"no thread to add to", `{"type":"threads.add_user_message","params":{"input":` + helloJSON + `}}`,
			"params.thread_id", "is required",
		},
		{"thread id a number", `{"type":"threads.delete","params":{"thread_id":1}}`, "params.thread_id", "must be a string"},
		{"retry after nothing", `{"type":"threads.retry_after_item","params":{"thread_id":"t"}}`, "params.item_id", "is required"},
		{"items of nothing", `{"type":"items.list"}`, "params.thread_id", "is required"},
		{"no title", `{"type":"threads.update","params":{"thread_id":"t","title":null}}`, "params.title", "is required"},
		{"no item ids", `{"type":"items.feedback","params":{"thread_id":"t","kind":"positive"}}`, "params.item_ids", "is required"},
		{
			"an item id is a number", `{"type":"items.feedback","params":{"thread_id":"t","item_ids":[1],"kind":"positive"}}`,
			"params.item_ids[0]", "must be a string",
		},
		{"no kind", `{"type":"items.feedback","params":{"thread_id":"t","item_ids":[]}}`, "params.kind", "is required"},
		{
			"kind unknown", `{"type":"items.feedback","params":{"thread_id":"t","item_ids":[],"kind":"good"}}`,
			"params.kind", `"positive" or "negative"`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := refusal(t, tt.body)
			if got.Code != chatkit.CodeInvalidRequest || got.Param != tt.param || !strings.Contains(got.Message, tt.message) {
				t.Errorf("got %#v, want param %q and a message with %q", got, tt.param, tt.message)
			}
		})
	}
}

func TestDecodeRequestUnsupported(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{
		"threads.add_client_tool_output", "threads.add_structured_input", "threads.custom_action",
		"threads.sync_custom_action", "attachments.create", "attachments.delete", "input.transcribe",
		"threads.resume", "", "THREADS.LIST", strings.Repeat("é", 10_000),
	} {
		body, err := json.Marshal(map[string]any{"type": kind, "params": []int{1}})
		if err != nil {
			t.Fatal(err)
		}
		got := refusal(t, string(body))
		if got.Code != chatkit.CodeUnsupportedRequest || got.Param != "type" || len(got.Message) > 250 {
			t.Errorf("%.40q: got %#v", kind, got)
		}
	}
}

// refusal decodes a body that must be refused.
func refusal(t *testing.T, body string) *chatkit.RequestError {
	t.Helper()
	req, err := chatkit.DecodeRequest([]byte(body))
	refused, ok := errors.AsType[*chatkit.RequestError](err)
	if !ok {
		t.Fatalf("got %#v and error %v, want a *RequestError", req, err)
	}
	if req.Params != nil {
		t.Errorf("params %#v beside an error", req.Params)
	}
	return refused
}

func TestTextOfAMessage(t *testing.T) {
	t.Parallel()
	in := chatkit.UserMessageInput{Content: []chatkit.UserContent{
		{Type: chatkit.TypeInputText, Text: "ask "},
		{Type: chatkit.TypeInputTag, ID: "u1", Text: "Anna"},
		{Type: chatkit.TypeInputText, Text: " about milk"},
	}}
	const want = "ask @Anna about milk"
	if got := in.Text(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := (chatkit.UserMessage{Content: in.Content}).Text(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
