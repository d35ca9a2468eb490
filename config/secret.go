package config

import (
	"fmt"
	"io"
	"log/slog"
)

// redacted stands for every secret, whatever its length; an empty one shows as
// such, because that says only that it is not set.
const redacted = "[secret]"

// Secret is text that must not be shown: not in logs, not in errors, not in
// JSON, not with any verb of fmt. [Secret.Reveal] is the only way to it.
type Secret string

// Reveal returns the secret itself.
func (s Secret) Reveal() string { return string(s) }

// String implements [fmt.Stringer].
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// Format implements [fmt.Formatter], for every verb: %#v and %x would go round
// String.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue implements [slog.LogValuer].
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText implements [encoding.TextMarshaler], and with it JSON.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
