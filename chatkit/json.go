package chatkit

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// typed encodes v, a struct, with "type": kind as its first member. v must not
// have a MarshalJSON of its own (use an alias type).
func typed(kind string, v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // the wire is never embedded in HTML
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	body := bytes.TrimSpace(b.Bytes())
	out := make([]byte, 0, len(body)+len(kind)+12)
	out = append(out, `{"type":"`...)
	out = append(out, kind...)
	out = append(out, '"')
	if len(body) > 2 {
		out = append(out, ',')
	}
	return append(out, body[1:]...), nil
}

// kindOf reads the "type" member of a JSON object.
func kindOf(what string, raw []byte) (string, error) {
	var head struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		return "", fmt.Errorf("chatkit: %s: %w", what, err)
	}
	if head.Type == "" {
		return "", fmt.Errorf("chatkit: %s without a type", what)
	}
	return head.Type, nil
}

// decode reads raw into a new T.
func decode[T any](raw []byte) (T, error) {
	var v T
	err := json.Unmarshal(raw, &v)
	return v, err
}
