package chatkit

import (
	"encoding/json"
	"fmt"
	"strings"
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
		return typed(c.Type, struct {
			ID          string                     `json:"id"`
			Text        string                     `json:"text"`
			Data        map[string]json.RawMessage `json:"data"`
			Group       string                     `json:"group,omitempty"`
			Interactive bool                       `json:"interactive"`
		}{c.ID, c.Text, strictValues(c.Data), c.Group, c.Interactive})
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
	switch v.Type {
	case TypeInputText:
		*c = UserContent{Type: v.Type, Text: v.Text}
	case TypeInputTag:
		v.Data = orEmptyMap(v.Data)
		*c = UserContent(v)
	default:
		return fmt.Errorf("chatkit: unknown user content type %q", v.Type)
	}
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

// Text returns the plain text of all parts in their order, a tag as "@" and its
// text. It is what an empty or too long message is told by.
func (m UserMessageInput) Text() string { return plainText(m.Content) }

// Text returns the plain text of all parts; see [UserMessageInput.Text].
func (m UserMessage) Text() string { return plainText(m.Content) }

// plainText joins parts as the person saw them: a client splits one line of
// text at its tags, so nothing stands between two parts.
func plainText(parts []UserContent) string {
	var b strings.Builder
	for _, part := range parts {
		if part.Type == TypeInputTag {
			b.WriteByte('@')
		}
		b.WriteString(part.Text)
	}
	return b.String()
}
