package chatkit

import "encoding/json"

// OutputText is a part of an assistant's message.
type OutputText struct {
	Text        string       `json:"text"`
	Annotations []Annotation `json:"annotations"`
}

// MarshalJSON writes the type and an empty list of annotations.
func (o OutputText) MarshalJSON() ([]byte, error) {
	type plain OutputText
	o.Annotations = orEmpty(o.Annotations)
	return typed("output_text", plain(o))
}

// UnmarshalJSON reads a missing list of annotations as an empty one.
func (o *OutputText) UnmarshalJSON(raw []byte) error {
	type plain OutputText
	var v plain
	if err := json.Unmarshal(raw, &v); err != nil {
		return err
	}
	v.Annotations = orEmpty(v.Annotations)
	*o = OutputText(v)
	return nil
}

// Annotation ties a source to a place in a text; Index is in characters.
type Annotation struct {
	Source Source `json:"source"`
	Index  *int   `json:"index,omitempty"`
}

// MarshalJSON writes the type, which is always "annotation".
func (a Annotation) MarshalJSON() ([]byte, error) {
	type plain Annotation
	return typed("annotation", plain(a))
}
