package chatkit

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
)

// reader collects the first mistake of a request while its fields are read, so
// that reading code has no error checks of its own.
type reader struct {
	err *RequestError
}

func (r *reader) invalid(param, message string) {
	if r.err == nil {
		r.err = invalid(param, message)
	}
}

// fields is a JSON object of a request. Its names are matched exactly; what
// nobody asks for is ignored. path leads to it, such as "params.input".
type fields struct {
	*reader
	path string
	raw  map[string]json.RawMessage
}

func (f fields) at(name string) string {
	if f.path == "" {
		return name
	}
	return f.path + "." + name
}

// value returns a field; null is the same as not there.
func (f fields) value(name string, required bool) (json.RawMessage, bool) {
	raw, ok := f.raw[name]
	if ok && string(raw) != "null" {
		return raw, true
	}
	if required {
		f.invalid(f.at(name), "is required")
	}
	return nil, false
}

// text returns a string field, "" when it is not there.
func (f fields) text(name string, required bool) string {
	raw, ok := f.value(name, required)
	if !ok {
		return ""
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		f.invalid(f.at(name), "must be a string")
	}
	return s
}

// choice returns a string field that has one of a few values.
func (f fields) choice(name string, required bool, allowed ...string) string {
	s := f.text(name, required)
	if _, ok := f.value(name, false); ok && !slices.Contains(allowed, s) {
		f.invalid(f.at(name), `must be "`+strings.Join(allowed, `" or "`)+`"`)
	}
	return s
}

// flag returns a field that is true or false, false when it is not there.
func (f fields) flag(name string) bool {
	raw, ok := f.value(name, false)
	if !ok {
		return false
	}
	var b bool
	if json.Unmarshal(raw, &b) != nil {
		f.invalid(f.at(name), "must be true or false")
	}
	return b
}

// count returns a whole number that is not negative, 0 when it is not there. A
// number too large for an int32 is cut to it: the server caps it anyway.
func (f fields) count(name string) int {
	raw, ok := f.value(name, false)
	if !ok {
		return 0
	}
	n, err := strconv.ParseFloat(string(raw), 64) // raw is JSON, so only a number parses
	tooLarge := math.IsInf(n, 1)
	if (err != nil && !tooLarge) || n < 0 || (n != math.Trunc(n)) {
		f.invalid(f.at(name), "must be a whole number that is not negative")
		return 0
	}
	return int(min(n, math.MaxInt32))
}

// object returns an object field; when it is not there, one without fields.
func (f fields) object(name string, required bool) fields {
	sub := fields{reader: f.reader, path: f.at(name)}
	if raw, ok := f.value(name, required); ok {
		sub.raw = f.members(sub.path, raw)
	}
	return sub
}

// members returns the fields of the object raw, which stands at path.
func (r *reader) members(path string, raw json.RawMessage) map[string]json.RawMessage {
	var m map[string]json.RawMessage
	if json.Unmarshal(raw, &m) != nil {
		r.invalid(path, "must be an object")
	}
	return m
}

// data returns an object field whose values are kept as JSON, an empty one when
// it is not there.
func (f fields) data(name string) map[string]json.RawMessage {
	m := f.object(name, false).raw
	for key, raw := range m {
		m[key] = strictJSON(raw)
	}
	return m
}

// list returns the elements of an array field, none when it is not there.
func (f fields) list(name string, required bool) []json.RawMessage {
	raw, ok := f.value(name, required)
	if !ok {
		return nil
	}
	var elems []json.RawMessage
	if json.Unmarshal(raw, &elems) != nil {
		f.invalid(f.at(name), "must be a list")
	}
	return elems
}

// texts returns a field that is a list of strings, an empty one when it is not
// there.
func (f fields) texts(name string, required bool) []string {
	elems := f.list(name, required)
	out := make([]string, len(elems))
	for i, raw := range elems {
		if string(raw) == "null" || json.Unmarshal(raw, &out[i]) != nil {
			f.invalid(f.at(name)+"["+strconv.Itoa(i)+"]", "must be a string")
			return out
		}
	}
	return out
}
