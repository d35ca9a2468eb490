package projections

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// foldCase maps s so that foldCase(s) == foldCase(t) exactly when
// strings.EqualFold(s, t). SQLite folds ASCII only, so folded text is stored.
func foldCase(s string) string {
	ascii, changed := true, false
	for i := range len(s) {
		c := s[i]
		ascii = ascii && c < utf8.RuneSelf
		changed = changed || 'A' <= c && c <= 'Z'
	}
	switch {
	case ascii && !changed:
		return s
	case ascii:
		return strings.ToLower(s)
	}
	return strings.Map(foldRune, s)
}

// foldRune returns one rune for all that differ by case only: the first lower
// case one of its orbit, else the first one.
func foldRune(r rune) rune {
	if r < utf8.RuneSelf {
		// The orbits of k and s reach beyond ASCII; their lower case is still
		// the smallest one.
		return unicode.ToLower(r)
	}
	first, lower := r, rune(-1)
	for o := r; ; {
		first = min(first, o)
		if unicode.IsLower(o) && (lower < 0 || o < lower) {
			lower = o
		}
		if o = unicode.SimpleFold(o); o == r {
			break
		}
	}
	if lower >= 0 {
		return lower
	}
	return first
}
