package chatkitd

import "encoding/json"

// Change is an optional new value of a field: not there (unchanged), null
// (cleared), or a value. Tag such a field `omitzero`.
type Change[T any] struct {
	Set   bool // the field is mentioned
	Null  bool // it is to be cleared; Value is the zero value
	Value T
}

// To returns the change to v.
func To[T any](v T) Change[T] { return Change[T]{Set: true, Value: v} }

// Cleared returns the change to nothing.
func Cleared[T any]() Change[T] { return Change[T]{Set: true, Null: true} }

// IsZero reports whether the field is unchanged.
func (c Change[T]) IsZero() bool { return !c.Set }

// MarshalJSON writes the value or null.
func (c Change[T]) MarshalJSON() ([]byte, error) {
	if c.Null || !c.Set {
		return []byte("null"), nil
	}
	return json.Marshal(c.Value)
}

// UnmarshalJSON is called for a field that is mentioned.
func (c *Change[T]) UnmarshalJSON(b []byte) error {
	*c = Change[T]{Set: true}
	if string(b) == "null" {
		c.Null = true
		return nil
	}
	return json.Unmarshal(b, &c.Value)
}
