package chatkit

import (
	"encoding/json"
	"fmt"
)

// The types of a part of a user's message.
const (
	TypeInputText = "input_text"
	TypeInputTag  = "input_tag"
)

// UserContent is a part of a user's message: a text, or a tag (an @mention).
// For a text only Text is set.
type UserContent struct {
	Type        string
	Text        string
	ID          string                     // of a tag
	Data        map[string]json.RawMessage // of a tag
	Group       string                     // of a tag
	Interactive bool                       // of a tag
}

// MarshalJSON writes the fields that the part's type has.
func (c UserContent) MarshalJSON() ([]byte, error) {
	switch c.Type {
	case TypeInputText:
		return typed(c.Type, struct {
			Text string `json:"text"`
		}{c.Text})
	case TypeInputTag:
		data := c.Data
		if data == nil {
			data = map[string]json.RawMessage{}
		}
		return typed(c.Type, struct {
			ID          string                     `json:"id"`
			Text        string                     `json:"text"`
			Data        map[string]json.RawMessage `json:"data"`
			Group       string                     `json:"group,omitempty"`
			Interactive bool                       `json:"interactive"`
		}{c.ID, c.Text, data, c.Group, c.Interactive})
	}
	return nil, fmt.Errorf("chatkit: unknown user content type %q", c.Type)
}

// UnmarshalJSON reads a text or a tag.
func (c *UserContent) UnmarshalJSON(raw []byte) error {
	var v struct {
		Type        string                     `json:"type"`
		Text        string                     `json:"text"`
		ID          string                     `json:"id"`
		Data        map[string]json.RawMessage `json:"data"`
		Group       string                     `json:"group"`
		Interactive bool                       `json:"interactive"`
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return err
	}
	if v.Type != TypeInputText && v.Type != TypeInputTag {
		return fmt.Errorf("chatkit: unknown user content type %q", v.Type)
	}
	*c = UserContent(v)
	return nil
}

// InferenceOptions are the person's choices for one message.
type InferenceOptions struct {
	Model      string      `json:"model,omitempty"`
	ToolChoice *ToolChoice `json:"tool_choice,omitempty"`
}

// ToolChoice names the tool that must be used.
type ToolChoice struct {
	ID string `json:"id"`
}

// UserMessageInput is a message as a client sends it. Attachments are ids.
type UserMessageInput struct {
	Content          []UserContent    `json:"content"`
	Attachments      []string         `json:"attachments"`
	QuotedText       string           `json:"quoted_text,omitempty"`
	InferenceOptions InferenceOptions `json:"inference_options"`
}

// Attachment is a file (type "file") or an image (type "image", with a
// PreviewURL). Its metadata is never sent.
type Attachment struct {
	Type             string            `json:"type"`
	ID               string            `json:"id"`
	Name             string            `json:"name"`
	MimeType         string            `json:"mime_type"`
	PreviewURL       string            `json:"preview_url,omitempty"`
	UploadDescriptor *UploadDescriptor `json:"upload_descriptor,omitempty"`
	ThreadID         string            `json:"thread_id,omitempty"`
}

// UploadDescriptor says where and how to upload an attachment's bytes.
type UploadDescriptor struct {
	URL     string            `json:"url"`
	Method  string            `json:"method"`
	Headers map[string]string `json:"headers"`
}

// OutputText is a part of an assistant's message.
type OutputText struct {
	Text        string       `json:"text"`
	Annotations []Annotation `json:"annotations"`
}

// MarshalJSON writes the type and an empty list of annotations.
func (o OutputText) MarshalJSON() ([]byte, error) {
	type plain OutputText
	if o.Annotations == nil {
		o.Annotations = []Annotation{}
	}
	return typed("output_text", plain(o))
}

// Annotation ties a source to a place in a text; Index is in characters.
type Annotation struct {
	Source Source `json:"source"`
	Index  *int   `json:"index,omitempty"`
}

// Source is a url, a file or an entity, told apart by Type. The reference
// requires url and title of a url, filename and title of a file, id, title,
// interactive and data of an entity.
type Source struct {
	Type        string                     `json:"type"`
	Title       string                     `json:"title"`
	Description string                     `json:"description,omitempty"`
	Timestamp   string                     `json:"timestamp,omitempty"`
	Group       string                     `json:"group,omitempty"`
	URL         string                     `json:"url,omitempty"`
	Attribution string                     `json:"attribution,omitempty"`
	Filename    string                     `json:"filename,omitempty"`
	ID          string                     `json:"id,omitempty"`
	Icon        string                     `json:"icon,omitempty"`
	Label       string                     `json:"label,omitempty"`
	InlineLabel string                     `json:"inline_label,omitempty"`
	Interactive *bool                      `json:"interactive,omitempty"`
	Data        map[string]json.RawMessage `json:"data,omitempty"`
}

// MarshalJSON writes the type, which is always "annotation".
func (a Annotation) MarshalJSON() ([]byte, error) {
	type plain Annotation
	return typed("annotation", plain(a))
}
