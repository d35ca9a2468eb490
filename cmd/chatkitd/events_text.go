package main

import (
	"strings"
	"unicode"
)

// printable makes a text that somebody else wrote safe for a terminal: nothing
// in it moves the cursor, changes colours, or turns the direction of writing.
// Line breaks and tabs become spaces; see [paragraph].
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r) && r != '\u200d', r == unicode.ReplacementChar:
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

// paragraph makes a text of several lines printable, each line indented.
func paragraph(s, indent string) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	for i, l := range lines {
		lines[i] = strings.TrimRight(indent+printable(l), " ")
	}
	return strings.Join(lines, "\n")
}
