// Package docs_test holds the documents to what is there.
package docs_test

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// TestLinksLeadSomewhere follows every relative link of every document.
func TestLinksLeadSomewhere(t *testing.T) {
	root := os.DirFS("..")
	links := 0
	for _, doc := range documents(t, root) {
		for _, m := range link.FindAllStringSubmatch(withoutCode(read(t, root, doc)), -1) {
			target, _, _ := strings.Cut(m[1], "#")
			if target == "" || strings.Contains(target, "://") {
				continue
			}
			links++
			if _, err := fs.Stat(root, path.Join(path.Dir(doc), target)); err != nil {
				t.Errorf("%s: the link to %s leads nowhere", doc, m[1])
			}
		}
	}
	if links < 20 {
		t.Errorf("found %d links, which are too few to believe that they were read", links)
	}
}

// TestDecisionsAreListed wants each decision in the list, with its status and
// date, and numbers without gap.
func TestDecisionsAreListed(t *testing.T) {
	pages, err := filepath.Glob("adr/0*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("no decisions, %v", err)
	}
	root := os.DirFS(".")
	list := read(t, root, "adr/README.md")
	head := regexp.MustCompile(`^# ([0-9]+)\. (.+)\n\nStatus: [a-z0-9 ]+ · 20[0-9]{2}-[0-9]{2}-[0-9]{2}\n`)
	for i, page := range pages {
		m := head.FindStringSubmatch(read(t, root, filepath.ToSlash(page)))
		if m == nil {
			t.Errorf("%s does not begin with a numbered title, a status and a date", page)
			continue
		}
		want := "| " + m[1] + " | [" + m[2] + "](" + filepath.Base(page) + ") |"
		if !strings.Contains(list, want) {
			t.Errorf("adr/README.md does not list %s as %s", page, want)
		}
		if want := fmt.Sprintf("%04d-", i+1); !strings.HasPrefix(filepath.Base(page), want) || m[1] != strconv.Itoa(i+1) {
			t.Errorf("%s with number %s comes where %s should", page, m[1], want)
		}
		for _, part := range []string{"## Context", "## Decision", "## Consequences"} {
			if !strings.Contains(read(t, root, filepath.ToSlash(page)), "\n"+part+"\n") {
				t.Errorf("%s has no %s", page, part)
			}
		}
	}
}

func documents(t *testing.T, root fs.FS) []string {
	t.Helper()
	var docs []string
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() != "." && strings.HasPrefix(d.Name(), ".")) {
			return fs.SkipDir
		}
		if !d.IsDir() && strings.HasSuffix(name, ".md") {
			docs = append(docs, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return docs
}

func read(t *testing.T, root fs.FS, name string) string {
	t.Helper()
	b, err := fs.ReadFile(root, name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// withoutCode drops fenced blocks, in which brackets are not links.
func withoutCode(text string) string {
	parts := strings.Split(text, "\n```")
	var b strings.Builder
	for i := 0; i < len(parts); i += 2 {
		b.WriteString(parts[i])
	}
	return b.String()
}
