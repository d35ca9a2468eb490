package chatkit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"unicode/utf8"
)

// marshal encodes v on one line and without the escapes that only HTML needs.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // the wire is never embedded in HTML
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// typed encodes v, a struct, with "type": kind as its first member. v must not
// have a MarshalJSON of its own (use an alias type).
func typed(kind string, v any) ([]byte, error) {
	body, err := marshal(v)
	if err != nil {
		return nil, err
	}
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

// orEmpty returns s, or an empty slice in the place of nil: a list is always
// written, and read, as a list.
func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// oneOf returns an error unless value is one of those that the reference's
// types accept. Encoding is strict so that no client is sent what it must
// refuse; decoding takes what was stored.
func oneOf(what, value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return fmt.Errorf("chatkit: %s is %q, which is none of %q", what, value, allowed)
}

// object returns raw as [strictJSON] does, {} when it is empty or null, or an
// error when it is not a JSON object.
func object(what string, raw json.RawMessage) (json.RawMessage, error) {
	trimmed := bytes.TrimLeft(raw, " \t\r\n")
	switch {
	case len(trimmed) == 0 || string(trimmed) == "null":
		return json.RawMessage("{}"), nil
	case trimmed[0] != '{':
		return nil, fmt.Errorf("chatkit: %s is not a JSON object", what)
	}
	return strictJSON(raw), nil
}

// strictJSON returns raw, JSON that was kept as it came, so that strict readers
// take it too: pydantic, for one, refuses bytes that are not UTF-8 and an escaped
// half of a surrogate pair. Both become U+FFFD, as in all strings that are
// decoded; only then are the members of objects put in order.
func strictJSON(raw json.RawMessage) json.RawMessage {
	if utf8.Valid(raw) && !bytes.Contains(raw, []byte(`\u`)) {
		return raw
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber() // keeps every digit
	var v any
	if dec.Decode(&v) != nil {
		return raw // not JSON: whoever encodes it says so
	}
	out, err := marshal(v)
	if err != nil {
		return raw
	}
	return out
}

// strictValues applies [strictJSON] to every value of a copy of m; nil becomes
// an empty map.
func strictValues(m map[string]json.RawMessage) map[string]json.RawMessage {
	out := make(map[string]json.RawMessage, len(m))
	for key, raw := range m {
		out[key] = strictJSON(raw)
	}
	return out
}
