package deploy_test

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/chatkitd/chatkitd"

// imported returns the packages of ours that the program is made of, as folders
// below the root, which itself is left out.
func imported(t *testing.T) []string {
	t.Helper()
	todo, seen := []string{"cmd/chatkitd"}, map[string]bool{"cmd/chatkitd": true}
	for len(todo) > 0 {
		dir := todo[0]
		todo = todo[1:]
		sources, err := filepath.Glob(filepath.Join("..", filepath.FromSlash(dir), "*.go"))
		if err != nil || len(sources) == 0 {
			t.Fatalf("no sources in %q, %v", dir, err)
		}
		for _, source := range sources {
			if strings.HasSuffix(source, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(token.NewFileSet(), source, nil, parser.ImportsOnly)
			if err != nil {
				t.Fatal(err)
			}
			for _, spec := range f.Imports {
				path, err := strconv.Unquote(spec.Path.Value)
				if err != nil {
					t.Fatal(err)
				}
				pkg, ours := strings.CutPrefix(path, module)
				pkg = strings.TrimPrefix(pkg, "/")
				if ours && !seen[pkg] {
					seen[pkg] = true
					todo = append(todo, pkg)
				}
			}
		}
	}
	var all []string
	for pkg := range seen {
		if pkg != "" {
			all = append(all, pkg)
		}
	}
	slices.Sort(all)
	if len(all) < 10 {
		t.Fatalf("found only %q", all)
	}
	return all
}
