package chatkit_test

import (
	"encoding/json"
	"time"

	"github.com/chatkitd/chatkitd/chatkit"
)

// A sample is a value and the golden file that holds its JSON. Lists are not nil
// and times are UTC, so that what is decoded is equal to it.
type sample[T any] struct {
	name  string
	value T
}

func at(seconds int) time.Time {
	return time.Date(2026, 3, 1, 9, 30, seconds, 120_000_000, time.UTC)
}

func base(id string) chatkit.ItemBase {
	return chatkit.ItemBase{ID: id, ThreadID: "thr_1", CreatedAt: at(1)}
}

func raw(s string) json.RawMessage { return json.RawMessage(s) }

const (
	card      = `{"type":"Card","children":[{"type":"Text","value":"Hello","id":"t1"}]}`
	awkward   = "tab\tquote\" back\\slash <b>&amp;</b> \x01 line\u2028 end\né 日本 👩‍👩‍👧"
	component = `{"type":"Text","value":"Hello","id":"t1"}`
)

var (
	urlSource = chatkit.Source{
		Type: chatkit.SourceURL, Title: "Milk", Description: "All about it", Timestamp: "2026-03-01",
		Group: "food", URL: "https://example.com/milk", Attribution: "example.com",
	}
	fileSource   = chatkit.Source{Type: chatkit.SourceFile, Title: "List", Filename: "list.pdf"}
	entitySource = chatkit.Source{
		Type: chatkit.SourceEntity, Title: "Buy milk", ID: "tsk_1", Icon: "check", Label: "Task",
		InlineLabel: "milk", Interactive: new(true), Data: map[string]json.RawMessage{"n": raw("12345678901234567890")},
	}
	answer = chatkit.OutputText{
		Text: "See here.", Annotations: []chatkit.Annotation{
			{Source: urlSource, Index: new(9)},
			{Source: fileSource},
			{Source: entitySource, Index: new(0)},
		},
	}
	emptyText = chatkit.OutputText{Text: "", Annotations: []chatkit.Annotation{}}
)

var taskSamples = []sample[chatkit.Task]{
	{"custom", chatkit.Task{
		Type: chatkit.TaskCustom, StatusIndicator: chatkit.IndicatorLoading, Title: "Adding a task",
		Icon: "lucide:list-plus", Content: "**Buy milk**",
	}},
	{"custom.bare", chatkit.Task{Type: chatkit.TaskCustom, StatusIndicator: chatkit.IndicatorNone}},
	{"web_search", chatkit.Task{
		Type: chatkit.TaskWebSearch, StatusIndicator: chatkit.IndicatorComplete, Title: "Searched", TitleQuery: "milk",
		Queries: []string{"milk", "oat milk"}, Sources: []chatkit.Source{urlSource},
	}},
	{"web_search.bare", chatkit.Task{
		Type: chatkit.TaskWebSearch, StatusIndicator: chatkit.IndicatorNone, Queries: []string{}, Sources: []chatkit.Source{},
	}},
	{"thought", chatkit.Task{
		Type: chatkit.TaskThought, StatusIndicator: chatkit.IndicatorNone, Title: "Thinking", Content: "First the milk.",
	}},
	{"thought.bare", chatkit.Task{Type: chatkit.TaskThought, StatusIndicator: chatkit.IndicatorNone}},
	{"file", chatkit.Task{
		Type: chatkit.TaskFile, StatusIndicator: chatkit.IndicatorNone, Title: "Read", Sources: []chatkit.Source{fileSource},
	}},
	{"file.bare", chatkit.Task{Type: chatkit.TaskFile, StatusIndicator: chatkit.IndicatorNone, Sources: []chatkit.Source{}}},
	{"image", chatkit.Task{Type: chatkit.TaskImage, StatusIndicator: chatkit.IndicatorNone, Title: "Drawn"}},
	{"image.bare", chatkit.Task{Type: chatkit.TaskImage, StatusIndicator: chatkit.IndicatorNone}},
}

var workflow = chatkit.Workflow{
	Type:    chatkit.WorkflowReasoning,
	Tasks:   []chatkit.Task{taskSamples[0].value, taskSamples[4].value},
	Summary: &chatkit.Summary{Duration: 4}, Expanded: true,
}

var itemSamples = []sample[chatkit.Item]{
	{"user_message", chatkit.UserMessage{
		ItemBase: base("msg_1"),
		Content: []chatkit.UserContent{
			{Type: chatkit.TypeInputText, Text: awkward},
			{
				Type: chatkit.TypeInputTag, ID: "u1", Text: "Anna", Group: "people", Interactive: true,
				Data: map[string]json.RawMessage{"age": raw("41"), "deep": raw(`{"a":[null,true]}`)},
			},
		},
		Attachments: []chatkit.Attachment{
			{Type: chatkit.AttachmentFile, ID: "atc_1", Name: "list.pdf", MimeType: "application/pdf", ThreadID: "thr_1"},
			{
				Type: chatkit.AttachmentImage, ID: "atc_2", Name: "cat.jpg", MimeType: "image/jpeg",
				PreviewURL: "https://example.com/cat.jpg",
				UploadDescriptor: &chatkit.UploadDescriptor{
					URL: "https://example.com/up", Method: "PUT", Headers: map[string]string{"X-Key": "1"},
				},
			},
		},
		QuotedText:       "as you said",
		InferenceOptions: chatkit.InferenceOptions{Model: "gpt-x", ToolChoice: &chatkit.ToolChoice{ID: "search"}},
	}},
	{"user_message.bare", chatkit.UserMessage{
		ItemBase: base("msg_1"), Content: []chatkit.UserContent{}, Attachments: []chatkit.Attachment{},
	}},
	{"assistant_message", chatkit.AssistantMessage{
		ItemBase: base("msg_2"), Content: []chatkit.OutputText{answer, {Text: awkward, Annotations: []chatkit.Annotation{}}},
	}},
	{"assistant_message.bare", chatkit.AssistantMessage{ItemBase: base("msg_2"), Content: []chatkit.OutputText{}}},
	{"client_tool_call", chatkit.ClientToolCall{
		ItemBase: base("tc_1"), Status: "completed", CallID: "call_1", Name: "navigate",
		Arguments: raw(`{"to":"/tasks"}`), Output: raw(`[1,"two"]`),
	}},
	{"client_tool_call.bare", chatkit.ClientToolCall{
		ItemBase: base("tc_1"), Status: "pending", CallID: "call_1", Name: "navigate", Arguments: raw(`{}`),
	}},
	{"widget", chatkit.WidgetItem{ItemBase: base("msg_3"), Widget: raw(card), CopyText: "Hello"}},
	{"generated_image", chatkit.GeneratedImage{
		ItemBase: base("msg_4"), Image: &chatkit.Image{ID: "img_1", URL: "data:image/png;base64,AAAA"},
	}},
	{"generated_image.bare", chatkit.GeneratedImage{ItemBase: base("msg_4")}},
	{"structured_input", chatkit.StructuredInput{ItemBase: base("msg_5"), Status: "pending", Inputs: []json.RawMessage{
		raw(`{"type":"multiple_choice","id":"q1","question":"Which?","options":[{"value":"a"}],"multiple":false}`),
		raw(`{"type":"freeform","id":"q2","question":"Why?","answer":{"values":["so"],"skipped":false}}`),
	}}},
	{"structured_input.bare", chatkit.StructuredInput{ItemBase: base("msg_5"), Status: "skipped", Inputs: []json.RawMessage{}}},
	{"task", chatkit.TaskItem{ItemBase: base("tsk_1"), Task: taskSamples[2].value}},
	{"workflow", chatkit.WorkflowItem{ItemBase: base("wf_1"), Workflow: workflow}},
	{"workflow.custom", chatkit.WorkflowItem{ItemBase: base("wf_2"), Workflow: chatkit.Workflow{
		Type: chatkit.WorkflowCustom, Tasks: []chatkit.Task{}, Summary: &chatkit.Summary{Title: "Done", Icon: "check"},
	}}},
	{"end_of_turn", chatkit.EndOfTurn{ItemBase: base("msg_6")}},
	{"hidden_context_item", chatkit.HiddenContext{ItemBase: base("shcx_1"), Content: raw(`{"why":"told so"}`)}},
	{"hidden_context_item.bare", chatkit.HiddenContext{ItemBase: base("shcx_1"), Content: raw(`null`)}},
	{"sdk_hidden_context", chatkit.SDKHiddenContext{ItemBase: base("shcx_2"), Content: "The user cancelled."}},
}

var threadSamples = []sample[chatkit.Thread]{
	{"active", chatkit.Thread{
		ID: "thr_1", Title: "Milk & Anna", CreatedAt: at(0), Status: chatkit.Status{Type: chatkit.StatusActive},
		AllowedImageDomains: []string{"example.com"},
		Items: chatkit.Page[json.RawMessage]{
			Data:    []json.RawMessage{raw(`{"type":"end_of_turn","id":"msg_6","thread_id":"thr_1","created_at":"2026-03-01T09:30:01.12Z"}`)},
			HasMore: true, After: "msg_6",
		},
	}},
	{"bare", chatkit.Thread{
		ID: "thr_1", CreatedAt: at(0), Status: chatkit.Status{Type: chatkit.StatusActive},
		Items: chatkit.Page[json.RawMessage]{Data: []json.RawMessage{}},
	}},
	{"locked", chatkit.Thread{
		ID: "thr_1", CreatedAt: at(0), Status: chatkit.Status{Type: chatkit.StatusLocked, Reason: "too long"},
		AllowedImageDomains: []string{}, Items: chatkit.Page[json.RawMessage]{Data: []json.RawMessage{}},
	}},
	{"closed", chatkit.Thread{
		ID: "thr_1", CreatedAt: at(0), Status: chatkit.Status{Type: chatkit.StatusClosed},
		Items: chatkit.Page[json.RawMessage]{Data: []json.RawMessage{}},
	}},
}

var updateSamples = []sample[chatkit.Update]{
	{"content_part.added", chatkit.ContentPartAdded{Content: emptyText}},
	{"content_part.text_delta", chatkit.TextDelta{ContentIndex: 1, Delta: awkward}},
	{"content_part.annotation_added", chatkit.AnnotationAdded{
		AnnotationIndex: 2, Annotation: chatkit.Annotation{Source: urlSource, Index: new(9)},
	}},
	{"content_part.done", chatkit.ContentPartDone{Content: answer}},
	{"widget.text_delta", chatkit.WidgetTextDelta{ComponentID: "t1", Delta: " you", Done: true}},
	{"widget.component", chatkit.WidgetComponentUpdated{ComponentID: "t1", Component: raw(component)}},
	{"widget.root", chatkit.WidgetRootUpdated{Widget: raw(card)}},
	{"workflow.task.added", chatkit.WorkflowTaskAdded{Task: taskSamples[0].value}},
	{"workflow.task.updated", chatkit.WorkflowTaskUpdated{TaskIndex: 1, Task: taskSamples[5].value}},
	{"generated_image", chatkit.GeneratedImageUpdated{
		Image: chatkit.Image{ID: "img_1", URL: "data:image/png;base64,AAAA"}, Progress: new(0.5),
	}},
	{"generated_image.bare", chatkit.GeneratedImageUpdated{Image: chatkit.Image{ID: "img_1"}}},
}

// eventSamples has every event, each item in an item.done, and each update in an
// item.updated.
func eventSamples() []sample[chatkit.Event] {
	out := []sample[chatkit.Event]{
		{"thread.created", chatkit.ThreadCreated{Thread: threadSamples[1].value}},
		{"thread.updated", chatkit.ThreadUpdated{Thread: threadSamples[2].value}},
		{"thread.item.added", chatkit.ItemAdded{Item: itemSamples[3].value}},
		{"thread.item.removed", chatkit.ItemRemoved{ItemID: "msg_1"}},
		{"thread.item.replaced", chatkit.ItemReplaced{Item: itemSamples[12].value}},
		{"stream_options", chatkit.StreamOptions{AllowCancel: true}},
		{"progress_update", chatkit.ProgressUpdate{Icon: "search", Text: "Looking…"}},
		{"progress_update.bare", chatkit.ProgressUpdate{}},
		{"client_effect", chatkit.ClientEffect{Name: "confetti", Data: raw(`{"n":3}`)}},
		{"client_effect.bare", chatkit.ClientEffect{Name: "confetti", Data: raw(`{}`)}},
		{"error", chatkit.ErrorEvent{Code: chatkit.ErrorStream, AllowRetry: true}},
		{"error.custom", chatkit.ErrorEvent{Code: chatkit.ErrorCustom, Message: "Not today."}},
		{"notice", chatkit.Notice{Level: chatkit.LevelWarning, Message: "Cut *short*.", Title: "Note"}},
		{"notice.bare", chatkit.Notice{Level: chatkit.LevelInfo}},
	}
	for _, s := range itemSamples {
		out = append(out, sample[chatkit.Event]{"thread.item.done." + s.name, chatkit.ItemDone{Item: s.value}})
	}
	for _, s := range updateSamples {
		out = append(out, sample[chatkit.Event]{
			"thread.item.updated." + s.name, chatkit.ItemUpdated{ItemID: "msg_2", Update: s.value},
		})
	}
	return out
}
