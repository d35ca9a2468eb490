package chatkit

import (
	"encoding/json"
	"errors"
)

// utc returns b with its time in UTC, so that it is written with the zone "Z".
// The reference writes its times without a zone, which a browser takes as local.
func utc(b ItemBase) ItemBase {
	b.CreatedAt = b.CreatedAt.UTC()
	return b
}

// MarshalJSON writes the type, and lists as lists.
func (m UserMessage) MarshalJSON() ([]byte, error) {
	type plain UserMessage
	m.ItemBase = utc(m.ItemBase)
	m.Content, m.Attachments = orEmpty(m.Content), orEmpty(m.Attachments)
	return typed(m.Kind(), plain(m))
}

// UnmarshalJSON reads missing lists as empty ones.
func (m *UserMessage) UnmarshalJSON(raw []byte) error {
	type plain UserMessage
	v, err := decode[plain](raw)
	if err != nil {
		return err
	}
	v.ItemBase = utc(v.ItemBase)
	v.Content, v.Attachments = orEmpty(v.Content), orEmpty(v.Attachments)
	*m = UserMessage(v)
	return nil
}

// MarshalJSON writes the type, and lists as lists.
func (m AssistantMessage) MarshalJSON() ([]byte, error) {
	type plain AssistantMessage
	m.ItemBase, m.Content = utc(m.ItemBase), orEmpty(m.Content)
	return typed(m.Kind(), plain(m))
}

// UnmarshalJSON reads a missing list as an empty one.
func (m *AssistantMessage) UnmarshalJSON(raw []byte) error {
	type plain AssistantMessage
	v, err := decode[plain](raw)
	if err != nil {
		return err
	}
	v.ItemBase, v.Content = utc(v.ItemBase), orEmpty(v.Content)
	*m = AssistantMessage(v)
	return nil
}

// MarshalJSON writes the type, and no arguments as {}.
func (c ClientToolCall) MarshalJSON() ([]byte, error) {
	type plain ClientToolCall
	c.ItemBase = utc(c.ItemBase)
	err := oneOf("a client tool call's status", c.Status, "pending", "completed")
	if err != nil {
		return nil, err
	}
	if c.Arguments, err = object("a client tool call's arguments", c.Arguments); err != nil {
		return nil, err
	}
	c.Output = strictJSON(c.Output)
	return typed(c.Kind(), plain(c))
}

// UnmarshalJSON reads missing arguments as {}.
func (c *ClientToolCall) UnmarshalJSON(raw []byte) error {
	type plain ClientToolCall
	v, err := decode[plain](raw)
	if err != nil {
		return err
	}
	v.ItemBase = utc(v.ItemBase)
	v.Arguments = present(v.Arguments, "{}")
	v.Output = present(v.Output, "")
	*c = ClientToolCall(v)
	return nil
}

// MarshalJSON writes the type; the widget must be there.
func (w WidgetItem) MarshalJSON() ([]byte, error) {
	type plain WidgetItem
	w.ItemBase = utc(w.ItemBase)
	var err error
	if w.Widget, err = widget(w.Widget); err != nil {
		return nil, err
	}
	return typed(w.Kind(), plain(w))
}

// UnmarshalJSON reads a widget.
func (w *WidgetItem) UnmarshalJSON(raw []byte) error {
	type plain WidgetItem
	v, err := decode[plain](raw)
	if err != nil {
		return err
	}
	v.ItemBase = utc(v.ItemBase)
	*w = WidgetItem(v)
	return nil
}

// MarshalJSON writes the type.
func (g GeneratedImage) MarshalJSON() ([]byte, error) {
	type plain GeneratedImage
	g.ItemBase = utc(g.ItemBase)
	return typed(g.Kind(), plain(g))
}

// UnmarshalJSON reads an image.
func (g *GeneratedImage) UnmarshalJSON(raw []byte) error {
	type plain GeneratedImage
	v, err := decode[plain](raw)
	if err != nil {
		return err
	}
	v.ItemBase = utc(v.ItemBase)
	*g = GeneratedImage(v)
	return nil
}

// MarshalJSON writes the type, and no inputs as [].
func (s StructuredInput) MarshalJSON() ([]byte, error) {
	type plain StructuredInput
	if err := oneOf("a structured input's status", s.Status, "pending", "answered", "skipped"); err != nil {
		return nil, err
	}
	inputs := make([]json.RawMessage, len(s.Inputs))
	for i, raw := range s.Inputs {
		kind, err := kindOf("input", raw)
		if err != nil {
			return nil, err
		}
		if err := oneOf("a structured input", kind, "multiple_choice", "freeform"); err != nil {
			return nil, err
		}
		inputs[i] = strictJSON(raw)
	}
	s.ItemBase, s.Inputs = utc(s.ItemBase), inputs
	return typed(s.Kind(), plain(s))
}

// UnmarshalJSON reads a missing list as an empty one.
func (s *StructuredInput) UnmarshalJSON(raw []byte) error {
	type plain StructuredInput
	v, err := decode[plain](raw)
	if err != nil {
		return err
	}
	v.ItemBase, v.Inputs = utc(v.ItemBase), orEmpty(v.Inputs)
	*s = StructuredInput(v)
	return nil
}

// MarshalJSON writes the type.
func (t TaskItem) MarshalJSON() ([]byte, error) {
	type plain TaskItem
	t.ItemBase = utc(t.ItemBase)
	return typed(t.Kind(), plain(t))
}

// UnmarshalJSON reads a task; it must be there.
func (t *TaskItem) UnmarshalJSON(raw []byte) error {
	type plain TaskItem
	v, err := decode[plain](raw)
	if err != nil {
		return err
	}
	if v.Task.Type == "" {
		return errors.New("chatkit: a task item without a task")
	}
	v.ItemBase = utc(v.ItemBase)
	*t = TaskItem(v)
	return nil
}

// MarshalJSON writes the type.
func (w WorkflowItem) MarshalJSON() ([]byte, error) {
	type plain WorkflowItem
	w.ItemBase = utc(w.ItemBase)
	return typed(w.Kind(), plain(w))
}

// UnmarshalJSON reads a workflow; a missing list of tasks is an empty one.
func (w *WorkflowItem) UnmarshalJSON(raw []byte) error {
	type plain WorkflowItem
	v, err := decode[plain](raw)
	if err != nil {
		return err
	}
	v.ItemBase, v.Workflow.Tasks = utc(v.ItemBase), orEmpty(v.Workflow.Tasks)
	*w = WorkflowItem(v)
	return nil
}

// MarshalJSON writes the type.
func (e EndOfTurn) MarshalJSON() ([]byte, error) {
	return typed(e.Kind(), utc(e.ItemBase))
}

// UnmarshalJSON reads what every item has.
func (e *EndOfTurn) UnmarshalJSON(raw []byte) error {
	b, err := decode[ItemBase](raw)
	if err != nil {
		return err
	}
	e.ItemBase = utc(b)
	return nil
}

// MarshalJSON writes the type.
func (h HiddenContext) MarshalJSON() ([]byte, error) {
	type plain HiddenContext
	h.ItemBase, h.Content = utc(h.ItemBase), strictJSON(present(h.Content, "null"))
	return typed(h.Kind(), plain(h))
}

// UnmarshalJSON reads a hidden note.
func (h *HiddenContext) UnmarshalJSON(raw []byte) error {
	type plain HiddenContext
	v, err := decode[plain](raw)
	if err != nil {
		return err
	}
	v.ItemBase, v.Content = utc(v.ItemBase), present(v.Content, "null")
	*h = HiddenContext(v)
	return nil
}

// MarshalJSON writes the type.
func (h SDKHiddenContext) MarshalJSON() ([]byte, error) {
	type plain SDKHiddenContext
	h.ItemBase = utc(h.ItemBase)
	return typed(h.Kind(), plain(h))
}

// UnmarshalJSON reads a hidden note of the server.
func (h *SDKHiddenContext) UnmarshalJSON(raw []byte) error {
	type plain SDKHiddenContext
	v, err := decode[plain](raw)
	if err != nil {
		return err
	}
	v.ItemBase = utc(v.ItemBase)
	*h = SDKHiddenContext(v)
	return nil
}

// present returns raw, or otherwise when raw is missing or null.
func present(raw json.RawMessage, otherwise string) json.RawMessage {
	if len(raw) > 0 && string(raw) != "null" {
		return raw
	}
	if otherwise == "" {
		return nil
	}
	return json.RawMessage(otherwise)
}

// widget returns raw as [strictJSON] does, or an error unless it is an object
// with the type of a widget's root.
func widget(raw json.RawMessage) (json.RawMessage, error) {
	kind, err := kindOf("widget", raw)
	if err != nil {
		return nil, err
	}
	if err := oneOf("a widget's root", kind, "Card", "ListView", "Basic"); err != nil {
		return nil, err
	}
	return strictJSON(raw), nil
}
