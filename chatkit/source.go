package chatkit

import (
	"encoding/json"
	"fmt"
)

// The types of a source.
const (
	SourceURL    = "url"
	SourceFile   = "file"
	SourceEntity = "entity"
)

// Source is a url, a file or an entity, told apart by Type. Title is written of
// every source, and with it URL of a url, Filename of a file, and ID,
// Interactive (false when nil) and Data (empty when nil) of an entity; the rest
// is optional.
type Source struct {
	Type        string
	Title       string
	Description string
	Timestamp   string
	Group       string
	URL         string                     // of a url
	Attribution string                     // of a url
	Filename    string                     // of a file
	ID          string                     // of an entity
	Icon        string                     // of an entity
	Label       string                     // of an entity
	InlineLabel string                     // of an entity
	Interactive *bool                      // of an entity
	Data        map[string]json.RawMessage // of an entity
}

// sourceBase is what every source has on the wire.
type sourceBase struct {
	Title       string `json:"title"`
	Description string `json:"description,omitempty"`
	Timestamp   string `json:"timestamp,omitempty"`
	Group       string `json:"group,omitempty"`
}

// MarshalJSON writes the fields that the source's type has.
func (s Source) MarshalJSON() ([]byte, error) {
	base := sourceBase{s.Title, s.Description, s.Timestamp, s.Group}
	switch s.Type {
	case SourceURL:
		return typed(s.Type, struct {
			sourceBase
			URL         string `json:"url"`
			Attribution string `json:"attribution,omitempty"`
		}{base, s.URL, s.Attribution})
	case SourceFile:
		return typed(s.Type, struct {
			sourceBase
			Filename string `json:"filename"`
		}{base, s.Filename})
	case SourceEntity:
		if err := checkIcon(s.Icon); err != nil {
			return nil, err
		}
		return typed(s.Type, struct {
			sourceBase
			ID          string                     `json:"id"`
			Icon        string                     `json:"icon,omitempty"`
			Label       string                     `json:"label,omitempty"`
			InlineLabel string                     `json:"inline_label,omitempty"`
			Interactive bool                       `json:"interactive"`
			Data        map[string]json.RawMessage `json:"data"`
		}{base, s.ID, s.Icon, s.Label, s.InlineLabel, s.Interactive != nil && *s.Interactive, strictValues(s.Data)})
	}
	return nil, fmt.Errorf("chatkit: unknown source type %q", s.Type)
}

// UnmarshalJSON reads a source of any type.
func (s *Source) UnmarshalJSON(raw []byte) error {
	var v struct {
		Type string `json:"type"`
		sourceBase
		URL         string                     `json:"url"`
		Attribution string                     `json:"attribution"`
		Filename    string                     `json:"filename"`
		ID          string                     `json:"id"`
		Icon        string                     `json:"icon"`
		Label       string                     `json:"label"`
		InlineLabel string                     `json:"inline_label"`
		Interactive *bool                      `json:"interactive"`
		Data        map[string]json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return err
	}
	out := Source{
		Type: v.Type, Title: v.Title, Description: v.Description, Timestamp: v.Timestamp, Group: v.Group,
	}
	switch v.Type {
	case SourceURL:
		out.URL, out.Attribution = v.URL, v.Attribution
	case SourceFile:
		out.Filename = v.Filename
	case SourceEntity:
		out.ID, out.Icon, out.Label, out.InlineLabel = v.ID, v.Icon, v.Label, v.InlineLabel
		out.Interactive, out.Data = v.Interactive, orEmptyMap(v.Data)
		if out.Interactive == nil {
			out.Interactive = new(bool)
		}
	default:
		return fmt.Errorf("chatkit: unknown source type %q", v.Type)
	}
	*s = out
	return nil
}

// orEmptyMap returns m, or an empty map in the place of nil.
func orEmptyMap(m map[string]json.RawMessage) map[string]json.RawMessage {
	if m == nil {
		return map[string]json.RawMessage{}
	}
	return m
}
