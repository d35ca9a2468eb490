package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

var (
	fence  = regexp.MustCompile("(?ms)^```[a-z]*\n(.*?)^```")
	span   = regexp.MustCompile("`([^`\n]+)`")
	byName = regexp.MustCompile(`(?:^|[\s(/])chatkitd1? ([a-z]+(?: .*)?)$`) // also what a container of compose is told to run
	byPath = regexp.MustCompile(`/chatkitd ([a-z]+(?: .*)?)$`)
	array  = regexp.MustCompile(`(?m)(?:CMD|ENTRYPOINT) \[(.*)\]$`)

	word     = regexp.MustCompile(`^[a-z]+$`)
	flagName = regexp.MustCompile(`^--([a-z-]+)`)
)

// TestDocumentsNameCommandsThatExist looks up every command and flag that a
// document or the image gives the program.
func TestDocumentsNameCommandsThatExist(t *testing.T) {
	var c cli
	parser, err := kong.New(&c, c.Options()...)
	if err != nil {
		t.Fatal(err)
	}
	files := []string{"../../README.md", "../../CONTRIBUTING.md", "../../Dockerfile"}
	for _, pattern := range []string{"../../docs/*.md", "../../deploy/*.yml", "../../*.yml"} {
		more, err := filepath.Glob(pattern)
		if err != nil || len(more) == 0 {
			t.Fatalf("%s: %v, %v", pattern, more, err)
		}
		files = append(files, more...)
	}
	found := 0
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range invocations(file, string(b)) {
			found++
			check(t, filepath.Base(file), parser.Model, line)
		}
	}
	if found < 30 {
		t.Errorf("found %d command lines, which are too few to believe that they were read", found)
	}
}

// invocations returns the command lines of the program in a file, without its
// name.
func invocations(file, text string) []string {
	code, name := strings.Split(text, "\n"), byPath // comments are prose, in which chatkitd does things
	if strings.HasSuffix(file, ".md") {
		code, name = nil, byName
		for _, m := range fence.FindAllStringSubmatch(text, -1) {
			code = append(code, strings.Split(m[1], "\n")...)
		}
		for _, m := range span.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
			code = append(code, m[1])
		}
	}
	var lines []string
	for _, c := range code {
		if m := name.FindStringSubmatch(c); m != nil {
			line, _, _ := strings.Cut(m[1], " #")
			lines = append(lines, line)
		}
	}
	for _, m := range array.FindAllStringSubmatch(text, -1) { // ["/chatkitd", "health"], ["serve"]
		line := strings.NewReplacer(`"/chatkitd"`, "", `"`, "", ",", "").Replace(m[1])
		lines = append(lines, strings.TrimSpace(line))
	}
	return slices.DeleteFunc(lines, func(l string) bool { return l == "" })
}

// check walks down the words of a line as far as there are commands below, and
// wants its flags at one of them.
func check(t *testing.T, file string, app *kong.Application, line string) {
	t.Helper()
	node := app.Node
	flags := slices.Clone(node.Flags)
	for _, part := range strings.Fields(line) {
		part = strings.Trim(part, `[].,;:()|\`)
		if m := flagName.FindStringSubmatch(part); m != nil {
			if m[1] != "help" && !slices.ContainsFunc(flags, func(f *kong.Flag) bool { return f.Name == m[1] }) {
				t.Errorf("%s: %q: there is no flag --%s", file, "chatkitd "+line, m[1])
			}
			continue
		}
		next := slices.IndexFunc(node.Children, func(n *kong.Node) bool { return n.Type == kong.CommandNode && n.Name == part })
		switch {
		case next >= 0:
			node = node.Children[next]
			flags = append(flags, node.Flags...)
		case len(node.Children) > 0 && word.MatchString(part):
			t.Errorf("%s: %q: there is no command %s", file, "chatkitd "+line, part)
			return
		}
	}
}
