package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// prefix begins the names that are ours alone, so that an unknown one is a
// mistake and not another program's.
const prefix = "CHATKITD_"

// Names returns the names of all settings in the environment, in the order of
// the struct.
func Names() []string {
	var names []string
	for f := range reflect.TypeFor[Config]().Fields() {
		if name, ok := f.Tag.Lookup("env"); ok {
			names = append(names, name)
		}
	}
	return names
}

// unknownNames returns the names out of environ, as [os.Environ] gives it, that
// look like settings and are none, sorted.
func unknownNames(environ []string) []string {
	known := Names()
	var unknown []string
	for _, kv := range environ {
		name, _, _ := strings.Cut(kv, "=")
		if strings.HasPrefix(name, prefix) && !slices.Contains(known, name) && !isForeign(name) {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	return unknown
}

// isForeign reports whether name begins like ours and is set by others:
// Kubernetes sets CHATKITD_SERVICE_HOST, CHATKITD_PORT_8000_TCP and their like
// in every pod beside a service that is named chatkitd; our test scripts say
// with CHATKITD_BIN which program to drive.
func isForeign(name string) bool {
	rest := strings.TrimPrefix(name, prefix)
	return rest == "BIN" || rest == "PORT" || strings.HasPrefix(rest, "PORT_") ||
		strings.HasPrefix(rest, "SERVICE_") || strings.HasPrefix(rest, "TEST_")
}

// unknown says what to do about a name that is no setting.
func unknown(name string) string {
	best, distance := "", 4 // further than three letters away is another word
	for _, known := range Names() {
		if d := editDistance(name, known); d < distance {
			best, distance = known, d
		}
	}
	if best == "" {
		return "is not a setting; unset it (chatkitd serve --help lists them all)"
	}
	return fmt.Sprintf("is not a setting; did you mean %s?", best)
}

// editDistance counts the bytes to add, drop or change to make b out of a
// (Levenshtein).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0]++
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(row[j]+1, row[j+1]+1, change)
		}
	}
	return row[len(b)]
}
