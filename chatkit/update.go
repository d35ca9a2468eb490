package chatkit

import "encoding/json"

// Update is a change of an item in an [ItemUpdated].
//
//sumtype:decl
type Update interface {
	// UpdateType returns the update's type on the wire.
	UpdateType() string
	update()
}

// ContentPartAdded opens a part of an assistant's message.
type ContentPartAdded struct {
	ContentIndex int        `json:"content_index"`
	Content      OutputText `json:"content"`
}

// TextDelta appends to the text of a part.
type TextDelta struct {
	ContentIndex int    `json:"content_index"`
	Delta        string `json:"delta"`
}

// AnnotationAdded adds an annotation to a part.
type AnnotationAdded struct {
	ContentIndex    int        `json:"content_index"`
	AnnotationIndex int        `json:"annotation_index"`
	Annotation      Annotation `json:"annotation"`
}

// ContentPartDone closes a part with its whole content.
type ContentPartDone struct {
	ContentIndex int        `json:"content_index"`
	Content      OutputText `json:"content"`
}

// WidgetTextDelta appends to a text component of a widget.
type WidgetTextDelta struct {
	ComponentID string `json:"component_id"`
	Delta       string `json:"delta"`
	Done        bool   `json:"done"`
}

// WidgetComponentUpdated replaces a component of a widget.
type WidgetComponentUpdated struct {
	ComponentID string          `json:"component_id"`
	Component   json.RawMessage `json:"component"`
}

// WidgetRootUpdated replaces the whole widget.
type WidgetRootUpdated struct {
	Widget json.RawMessage `json:"widget"`
}

// WorkflowTaskAdded adds a task to a workflow.
type WorkflowTaskAdded struct {
	TaskIndex int  `json:"task_index"`
	Task      Task `json:"task"`
}

// WorkflowTaskUpdated replaces a task of a workflow.
type WorkflowTaskUpdated struct {
	TaskIndex int  `json:"task_index"`
	Task      Task `json:"task"`
}

// GeneratedImageUpdated shows how far an image is; Progress is 0 to 1.
type GeneratedImageUpdated struct {
	Image    Image    `json:"image"`
	Progress *float64 `json:"progress,omitempty"`
}

// UpdateType implements [Update].
func (ContentPartAdded) UpdateType() string { return "assistant_message.content_part.added" }

// UpdateType implements [Update].
func (TextDelta) UpdateType() string { return "assistant_message.content_part.text_delta" }

// UpdateType implements [Update].
func (AnnotationAdded) UpdateType() string { return "assistant_message.content_part.annotation_added" }

// UpdateType implements [Update].
func (ContentPartDone) UpdateType() string { return "assistant_message.content_part.done" }

// UpdateType implements [Update].
func (WidgetTextDelta) UpdateType() string { return "widget.streaming_text.value_delta" }

// UpdateType implements [Update].
func (WidgetComponentUpdated) UpdateType() string { return "widget.component.updated" }

// UpdateType implements [Update].
func (WidgetRootUpdated) UpdateType() string { return "widget.root.updated" }

// UpdateType implements [Update].
func (WorkflowTaskAdded) UpdateType() string { return "workflow.task.added" }

// UpdateType implements [Update].
func (WorkflowTaskUpdated) UpdateType() string { return "workflow.task.updated" }

// UpdateType implements [Update].
func (GeneratedImageUpdated) UpdateType() string { return "generated_image.updated" }

func (ContentPartAdded) update()       {}
func (TextDelta) update()              {}
func (AnnotationAdded) update()        {}
func (ContentPartDone) update()        {}
func (WidgetTextDelta) update()        {}
func (WidgetComponentUpdated) update() {}
func (WidgetRootUpdated) update()      {}
func (WorkflowTaskAdded) update()      {}
func (WorkflowTaskUpdated) update()    {}
func (GeneratedImageUpdated) update()  {}
