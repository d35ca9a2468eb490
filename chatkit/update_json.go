package chatkit

import (
	"errors"
	"fmt"
)

// MarshalJSON writes the type.
func (u ContentPartAdded) MarshalJSON() ([]byte, error) {
	type plain ContentPartAdded
	return typed(u.UpdateType(), plain(u))
}

// MarshalJSON writes the type.
func (u TextDelta) MarshalJSON() ([]byte, error) {
	type plain TextDelta
	return typed(u.UpdateType(), plain(u))
}

// MarshalJSON writes the type.
func (u AnnotationAdded) MarshalJSON() ([]byte, error) {
	type plain AnnotationAdded
	return typed(u.UpdateType(), plain(u))
}

// MarshalJSON writes the type.
func (u ContentPartDone) MarshalJSON() ([]byte, error) {
	type plain ContentPartDone
	return typed(u.UpdateType(), plain(u))
}

// MarshalJSON writes the type.
func (u WidgetTextDelta) MarshalJSON() ([]byte, error) {
	type plain WidgetTextDelta
	return typed(u.UpdateType(), plain(u))
}

// MarshalJSON writes the type; the component must be there.
func (u WidgetComponentUpdated) MarshalJSON() ([]byte, error) {
	type plain WidgetComponentUpdated
	if _, err := kindOf("widget component", u.Component); err != nil {
		return nil, err
	}
	u.Component = strictJSON(u.Component)
	return typed(u.UpdateType(), plain(u))
}

// MarshalJSON writes the type; the widget must be there.
func (u WidgetRootUpdated) MarshalJSON() ([]byte, error) {
	type plain WidgetRootUpdated
	var err error
	if u.Widget, err = widget(u.Widget); err != nil {
		return nil, err
	}
	return typed(u.UpdateType(), plain(u))
}

// MarshalJSON writes the type.
func (u WorkflowTaskAdded) MarshalJSON() ([]byte, error) {
	type plain WorkflowTaskAdded
	return typed(u.UpdateType(), plain(u))
}

// MarshalJSON writes the type.
func (u WorkflowTaskUpdated) MarshalJSON() ([]byte, error) {
	type plain WorkflowTaskUpdated
	return typed(u.UpdateType(), plain(u))
}

// MarshalJSON writes the type.
func (u GeneratedImageUpdated) MarshalJSON() ([]byte, error) {
	type plain GeneratedImageUpdated
	return typed(u.UpdateType(), plain(u))
}

// decodeUpdate reads an update of any type.
func decodeUpdate(raw []byte) (Update, error) {
	if len(raw) == 0 {
		return nil, errors.New("chatkit: an item is updated without an update")
	}
	kind, err := kindOf("update", raw)
	if err != nil {
		return nil, err
	}
	var up Update
	switch kind {
	case ContentPartAdded{}.UpdateType():
		up, err = decode[ContentPartAdded](raw)
	case TextDelta{}.UpdateType():
		up, err = decode[TextDelta](raw)
	case AnnotationAdded{}.UpdateType():
		up, err = decode[AnnotationAdded](raw)
	case ContentPartDone{}.UpdateType():
		up, err = decode[ContentPartDone](raw)
	case WidgetTextDelta{}.UpdateType():
		up, err = decode[WidgetTextDelta](raw)
	case WidgetComponentUpdated{}.UpdateType():
		up, err = decode[WidgetComponentUpdated](raw)
	case WidgetRootUpdated{}.UpdateType():
		up, err = decode[WidgetRootUpdated](raw)
	case WorkflowTaskAdded{}.UpdateType():
		up, err = decode[WorkflowTaskAdded](raw)
	case WorkflowTaskUpdated{}.UpdateType():
		up, err = decode[WorkflowTaskUpdated](raw)
	case GeneratedImageUpdated{}.UpdateType():
		up, err = decode[GeneratedImageUpdated](raw)
	default:
		return nil, fmt.Errorf("chatkit: unknown update type %q", kind)
	}
	if err != nil {
		return nil, fmt.Errorf("chatkit: update %s: %w", kind, err)
	}
	return up, nil
}
