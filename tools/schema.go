package tools

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/chatkitd/chatkitd"
)

// kind is the type of a parameter.
type kind int

const (
	text kind = iota
	flag
	list // of texts
)

// param is one parameter of a tool. Both schemas and the check of the arguments
// are derived from it, so that they cannot drift apart.
type param struct {
	name     string
	kind     kind
	about    string
	required bool
	clears   bool // null is a value of its own: it clears the field
	min, max int  // characters of a text, of each entry of a list; 0 is no limit
	maxItems int
	enum     []string
}

// schema returns the JSON schema of the parameters. The strict one follows the
// rules of OpenAI's structured outputs: every property is required, an optional
// one may be null, nothing else is allowed; keywords about lengths are left out,
// for not every provider takes them there, and are checked by us anyway.
func schema(params []param, strict bool) json.RawMessage {
	type property struct {
		Type        any       `json:"type"`
		Description string    `json:"description,omitempty"`
		Enum        []any     `json:"enum,omitempty"`
		MinLength   int       `json:"minLength,omitempty"`
		MaxLength   int       `json:"maxLength,omitempty"`
		Items       *property `json:"items,omitempty"`
		MaxItems    int       `json:"maxItems,omitempty"`
	}
	props := make(map[string]property, len(params))
	required := []string{}
	for _, p := range params {
		name := map[kind]string{text: "string", flag: "boolean", list: "array"}[p.kind]
		prop := property{Type: name, Description: p.about}
		nullable := p.clears || strict && !p.required
		if nullable {
			prop.Type = []string{name, "null"}
		}
		for _, e := range p.enum {
			prop.Enum = append(prop.Enum, e)
		}
		if nullable && len(p.enum) > 0 {
			prop.Enum = append(prop.Enum, nil)
		}
		if p.kind == list {
			prop.Items = &property{Type: "string"}
			if !strict {
				prop.Items.MaxLength, prop.MaxItems = p.max, p.maxItems
			}
		} else if !strict {
			prop.MinLength, prop.MaxLength = p.min, p.max
		}
		props[p.name] = prop
		if strict || p.required {
			required = append(required, p.name)
		}
	}
	b, err := json.Marshal(map[string]any{
		"type": "object", "properties": props, "required": required, "additionalProperties": false,
	})
	if err != nil {
		panic(err) // strings and ints only
	}
	return b
}

// args are checked arguments: a text, a bool, a list, or nil for a null that
// clears. A name that is not there was not given.
type args map[string]any

func (a args) text(name string) string   { s, _ := a[name].(string); return s }
func (a args) list(name string) []string { l, _ := a[name].([]string); return l }
func (a args) has(name string) bool      { _, ok := a[name]; return ok }

// change returns what is to become of a text field.
func (a args) change(name string) chatkitd.Change[string] {
	v, ok := a[name]
	switch {
	case !ok:
		return chatkitd.Change[string]{}
	case v == nil:
		return chatkitd.Cleared[string]()
	}
	return chatkitd.To(v.(string))
}

// maxArguments bounds the arguments of one call, in bytes.
const maxArguments = 64 << 10

// parse checks raw against params. The error names the argument and what is
// expected of it, in words that a model can act on.
func parse(tool string, params []param, raw json.RawMessage) (args, *chatkitd.Error) {
	if len(raw) > maxArguments {
		return nil, chatkitd.Errorf(chatkitd.CodeTooLarge, "the arguments are longer than %d bytes", maxArguments)
	}
	if len(raw) == 0 {
		raw = json.RawMessage("{}") // some models send nothing for no arguments
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, invalid("the arguments of %s must be a JSON object", tool)
	}
	out := make(args, len(fields))
	for _, p := range params {
		v, there := fields[p.name]
		delete(fields, p.name)
		null := string(v) == "null"
		switch {
		case there && !null:
		case p.required:
			return nil, invalid("%s needs %q: %s", tool, p.name, p.about)
		case there && p.clears:
			out[p.name] = nil
			continue
		default:
			continue // null means: not given
		}
		got, err := p.read(v)
		if err != nil {
			return nil, err
		}
		out[p.name] = got
	}
	for name := range fields {
		known := make([]string, len(params))
		for i, p := range params {
			known[i] = p.name
		}
		return nil, invalid("%s has no argument %q; its arguments are %s", tool, clip(name, 40), strings.Join(known, ", "))
	}
	return out, nil
}

// read decodes one value.
func (p param) read(raw json.RawMessage) (any, *chatkitd.Error) {
	switch p.kind {
	case flag:
		var b bool
		if json.Unmarshal(raw, &b) != nil {
			return nil, invalid("%q must be true or false", p.name)
		}
		return b, nil
	case list:
		var l []string
		if json.Unmarshal(raw, &l) != nil {
			return nil, invalid("%q must be a list of texts", p.name)
		}
		if len(l) > p.maxItems {
			return nil, invalid("%q has more than %d entries", p.name, p.maxItems)
		}
		for _, s := range l {
			if err := p.length(s); err != nil {
				return nil, err
			}
		}
		return l, nil
	case text:
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return nil, invalid("%q must be a text", p.name)
	}
	if len(p.enum) > 0 {
		low := strings.ToLower(strings.TrimSpace(s))
		for _, e := range p.enum {
			if low == e {
				return e, nil
			}
		}
		return nil, invalid("%q must be one of %s", p.name, strings.Join(p.enum, ", "))
	}
	s = strings.TrimSpace(s)
	if err := p.length(s); err != nil {
		return nil, err
	}
	return s, nil
}

func (p param) length(s string) *chatkitd.Error {
	n := utf8.RuneCountInString(s)
	switch {
	case n < p.min:
		return invalid("%q must not be empty", p.name)
	case p.max > 0 && n > p.max:
		return invalid("%q has %d characters; at most %d are allowed", p.name, n, p.max)
	}
	return nil
}

func invalid(format string, a ...any) *chatkitd.Error {
	return chatkitd.Errorf(chatkitd.CodeInvalid, format, a...)
}

// clip cuts s to n characters.
func clip(s string, n int) string {
	i := 0
	for at := range s {
		if i == n {
			return s[:at] + "…"
		}
		i++
	}
	return s
}
