package chatkit_test

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/chatkitd/chatkitd/chatkit"
)

func TestEncodeEventRefusesWhatNoClientTakes(t *testing.T) {
	t.Parallel()
	done := func(it chatkit.Item) chatkit.Event { return chatkit.ItemDone{Item: it} }
	updated := func(up chatkit.Update) chatkit.Event { return chatkit.ItemUpdated{ItemID: "x", Update: up} }
	task := func(v chatkit.Task) chatkit.Event { return done(chatkit.TaskItem{Task: v}) }
	attached := func(a chatkit.Attachment) chatkit.Event {
		return done(chatkit.UserMessage{Attachments: []chatkit.Attachment{a}})
	}
	tests := []struct {
		name    string
		ev      chatkit.Event
		message string
	}{
		{"no event", nil, "no event"},
		{"added nothing", chatkit.ItemAdded{}, "without its item"},
		{"done nothing", chatkit.ItemDone{}, "without its item"},
		{"replaced by nothing", chatkit.ItemReplaced{}, "without its item"},
		{"updated by nothing", chatkit.ItemUpdated{}, "without an update"},
		{"notice of no level", chatkit.Notice{Message: "m"}, "level"},
		{"error of unknown code", chatkit.ErrorEvent{Code: "oops"}, "code"},
		{"unknown icon", chatkit.ProgressUpdate{Icon: "hammer"}, "icon"},
		{"data not an object", chatkit.ClientEffect{Data: raw("[]")}, "not a JSON object"},
		{"data not JSON", chatkit.ClientEffect{Data: raw("{")}, "JSON"},
		{"status of a thread", chatkit.ThreadCreated{Thread: chatkit.Thread{Status: chatkit.Status{Type: "open"}}}, "status"},
		{"status of a call", done(chatkit.ClientToolCall{}), "status"},
		{"arguments of a call", done(chatkit.ClientToolCall{Status: "pending", Arguments: raw(`"x"`)}), "arguments"},
		{"no widget", done(chatkit.WidgetItem{}), "widget"},
		{"widget of unknown root", done(chatkit.WidgetItem{Widget: raw(`{"type":"Text"}`)}), "root"},
		{"status of an input", done(chatkit.StructuredInput{}), "status"},
		{"input of unknown type", done(chatkit.StructuredInput{Status: "pending", Inputs: []json.RawMessage{raw(`{"type":"x"}`)}}), "structured input"},
		{"input not an object", done(chatkit.StructuredInput{Status: "pending", Inputs: []json.RawMessage{raw(`3`)}}), "input"},
		{"workflow of no type", done(chatkit.WorkflowItem{}), "workflow"},
		{"summary with unknown icon", done(chatkit.WorkflowItem{Workflow: chatkit.Workflow{
			Type: "custom", Summary: &chatkit.Summary{Title: "t", Icon: "hammer"},
		}}), "icon"},
		{"task of no type", task(chatkit.Task{}), "task type"},
		{"task of unknown status", task(chatkit.Task{Type: "image", StatusIndicator: "done"}), "status_indicator"},
		{"task of unknown icon", task(chatkit.Task{Type: "custom", Icon: "hammer"}), "icon"},
		{"search in a file", task(chatkit.Task{Type: "web_search", Sources: []chatkit.Source{fileSource}}), "source"},
		{"file in a url", task(chatkit.Task{Type: "file", Sources: []chatkit.Source{urlSource}}), "source"},
		{"source of no type", updated(chatkit.AnnotationAdded{}), "source type"},
		{"entity with unknown icon", updated(chatkit.AnnotationAdded{Annotation: chatkit.Annotation{
			Source: chatkit.Source{Type: "entity", Icon: "hammer"},
		}}), "icon"},
		{"no component", updated(chatkit.WidgetComponentUpdated{}), "component"},
		{"root of no type", updated(chatkit.WidgetRootUpdated{Widget: raw(`{}`)}), "without a type"},
		{"progress not a number", updated(chatkit.GeneratedImageUpdated{Progress: new(math.NaN())}), "NaN"},
		{"content of no type", done(chatkit.UserMessage{Content: []chatkit.UserContent{{Text: "t"}}}), "content type"},
		{"attachment of no type", attached(chatkit.Attachment{}), "attachment"},
		{"image without a preview", attached(chatkit.Attachment{Type: "image"}), "preview_url"},
		{"upload without a method", attached(chatkit.Attachment{
			Type: "file", UploadDescriptor: &chatkit.UploadDescriptor{URL: "https://example.com"},
		}), "method"},
		{"upload without a url", attached(chatkit.Attachment{
			Type: "file", UploadDescriptor: &chatkit.UploadDescriptor{Method: "PUT", URL: "/up"},
		}), "url"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := chatkit.AppendEvent([]byte("before"), tt.ev)
			if err == nil || !strings.Contains(err.Error(), tt.message) {
				t.Errorf("got %s and error %v, want an error about %q", got, err, tt.message)
			}
			if string(got) != "before" {
				t.Errorf("dst is %q after an error", got)
			}
		})
	}
}

// TestZeroValuesAreWrittenAsListsAndDefaults holds what a golden file of a full
// value cannot show: nil is never null.
func TestZeroValuesAreWrittenAsListsAndDefaults(t *testing.T) {
	t.Parallel()
	head := `"id":"i","thread_id":"t","created_at":"2026-03-01T08:30:01Z"`
	zoned := chatkit.ItemBase{
		ID: "i", ThreadID: "t", CreatedAt: time.Date(2026, 3, 1, 9, 30, 1, 0, time.FixedZone("CET", 3600)),
	}
	tests := []struct {
		item chatkit.Item
		want string
	}{
		{chatkit.UserMessage{ItemBase: zoned}, `{"type":"user_message",` + head + `,"content":[],"attachments":[],"inference_options":{}}`},
		{chatkit.AssistantMessage{ItemBase: zoned}, `{"type":"assistant_message",` + head + `,"content":[]}`},
		{&chatkit.AssistantMessage{ItemBase: zoned, Content: []chatkit.OutputText{{}}}, `{"type":"assistant_message",` + head + `,"content":[{"type":"output_text","text":"","annotations":[]}]}`},
		{chatkit.ClientToolCall{ItemBase: zoned, Status: "pending"}, `{"type":"client_tool_call",` + head + `,"status":"pending","call_id":"","name":"","arguments":{}}`},
		{chatkit.StructuredInput{ItemBase: zoned, Status: "pending"}, `{"type":"structured_input",` + head + `,"status":"pending","inputs":[]}`},
		{chatkit.WorkflowItem{ItemBase: zoned, Workflow: chatkit.Workflow{Type: "custom", Summary: &chatkit.Summary{}}}, `{"type":"workflow",` + head + `,"workflow":{"type":"custom","tasks":[],"summary":{"duration":0},"expanded":false}}`},
		{chatkit.TaskItem{ItemBase: zoned, Task: chatkit.Task{Type: "web_search"}}, `{"type":"task",` + head + `,"task":{"type":"web_search","status_indicator":"none","queries":[],"sources":[]}}`},
		{chatkit.HiddenContext{ItemBase: zoned}, `{"type":"hidden_context_item",` + head + `,"content":null}`},
		{chatkit.EndOfTurn{ItemBase: zoned}, `{"type":"end_of_turn",` + head + `}`},
	}
	for _, tt := range tests {
		got, err := chatkit.EncodeItem(tt.item)
		if err != nil || string(got) != tt.want {
			t.Errorf("\n got %s %v\nwant %s", got, err, tt.want)
		}
	}
	entity, err := chatkit.Source{Type: "entity", ID: "e", Title: "E"}.MarshalJSON()
	if want := `{"type":"entity","title":"E","id":"e","interactive":false,"data":{}}`; err != nil || string(entity) != want {
		t.Errorf("\n got %s %v\nwant %s", entity, err, want)
	}
	thread, err := chatkit.Thread{ID: "t", CreatedAt: zoned.CreatedAt, Status: chatkit.Status{Reason: "none"}}.MarshalJSON()
	if want := `{"id":"t","created_at":"2026-03-01T08:30:01Z","status":{"type":"active"},"metadata":{},"items":{"data":[],"has_more":false}}`; err != nil || string(thread) != want {
		t.Errorf("\n got %s %v\nwant %s", thread, err, want)
	}
}

func TestDecodeOfWhatOlderLogsHold(t *testing.T) {
	t.Parallel()
	const head = `"id":"i","thread_id":"t","created_at":"2026-03-01T09:30:01+01:00"`
	for name, tt := range map[string]struct{ stored, want string }{
		"a message without lists": {
			`{"type":"user_message",` + head + `,"content":null,"new_field":1}`,
			`{"type":"user_message","id":"i","thread_id":"t","created_at":"2026-03-01T08:30:01Z","content":[],"attachments":[],"inference_options":{}}`,
		},
		"a task without a status": {
			`{"type":"task",` + head + `,"task":{"type":"thought","title":null}}`,
			`{"type":"task","id":"i","thread_id":"t","created_at":"2026-03-01T08:30:01Z","task":{"type":"thought","status_indicator":"none","content":""}}`,
		},
		"a note that is not UTF-8": {
			`{"type":"hidden_context_item",` + head + `,"content":{"b":"` + "\xff" + `","a":12345678901234567890}}`,
			`{"type":"hidden_context_item","id":"i","thread_id":"t","created_at":"2026-03-01T08:30:01Z","content":{"a":12345678901234567890,"b":"` + "\ufffd" + `"}}`,
		},
	} {
		it, err := chatkit.DecodeItem([]byte(tt.stored))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got, err := chatkit.EncodeItem(it); err != nil || string(got) != tt.want {
			t.Errorf("%s\n got %s %v\nwant %s", name, got, err, tt.want)
		}
	}
}

func TestDecodeRefusesWhatIsNoEvent(t *testing.T) {
	t.Parallel()
	for _, stored := range []string{
		``, `null`, `[]`, `{}`, `{"type":"turn.started"}`, `{"type":"thread.item.done"}`,
		`{"type":"thread.item.done","item":null}`, `{"type":"thread.item.done","item":{"type":"poem"}}`,
		`{"type":"thread.item.added","item":{"type":"task"}}`, `{"type":"thread.item.updated","item_id":"x"}`,
		`{"type":"thread.item.updated","update":{"type":"poem"}}`, `{"type":"notice","level":7}`,
	} {
		if ev, err := chatkit.DecodeEvent([]byte(stored)); err == nil {
			t.Errorf("%s: got %#v, want an error", stored, ev)
		}
	}
}

// TestTextDeltaIsEncodedAsByTheStandardLibrary compares the fast path with the
// slow one, which a pointer takes, over all of the first characters and more.
func TestTextDeltaIsEncodedAsByTheStandardLibrary(t *testing.T) {
	t.Parallel()
	texts := []string{awkward, "", "\xff\xfe", "a\xe2\x80", "\u2027\u2028\u2029\u202a", "\U0010ffff", "\xed\xa0\x80"}
	for r := range rune(0x300) {
		texts = append(texts, "x"+string(r)+"y")
	}
	for _, text := range texts {
		delta := chatkit.TextDelta{ContentIndex: -3, Delta: text}
		fast, err := chatkit.EncodeEvent(chatkit.ItemUpdated{ItemID: text, Update: delta})
		if err != nil {
			t.Fatal(err)
		}
		slow, err := chatkit.EncodeEvent(chatkit.ItemUpdated{ItemID: text, Update: &delta})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(fast, slow) {
			t.Errorf("%q\n got %s\nwant %s", text, fast, slow)
		}
	}
}

func TestTextDeltaDoesNotAllocate(t *testing.T) {
	var ev chatkit.Event = chatkit.ItemUpdated{ItemID: "msg_1", Update: chatkit.TextDelta{Delta: awkward}}
	buf := make([]byte, 0, 1024)
	allocs := testing.AllocsPerRun(100, func() {
		if _, err := chatkit.AppendEvent(buf, ev); err != nil {
			t.Error(err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations, want 0", allocs)
	}
}
