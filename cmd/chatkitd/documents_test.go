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

// TestHelpHasExamples wants examples in the help of every command, and that what
// they name exists.
func TestHelpHasExamples(t *testing.T) {
	var c cli
	parser, err := kong.New(&c, c.Options()...)
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range parser.Model.Leaves(true) {
		if command.Name == "version" {
			continue // has nothing to be asked
		}
		_, examples, ok := strings.Cut(command.Detail, "Examples:\n")
		if !ok {
			_, examples, ok = strings.Cut(command.Detail, "Example:\n")
		}
		if !ok {
			t.Errorf("%s has no examples", command.Path())
		}
		found := 0
		for line := range strings.Lines(examples) {
			if _, rest, ok := strings.Cut(line, "chatkitd "); ok {
				found++
				rest, _, _ = strings.Cut(rest, " | ")
				check(t, command.Path(), parser.Model, strings.TrimSpace(rest))
			}
		}
		if found == 0 {
			t.Errorf("the examples of %s do not run it", command.Path())
		}
	}
}

// TestParseErrorsNameTheHelp wants a command line that is wrong to end with the
// help of the command in question.
func TestParseErrorsNameTheHelp(t *testing.T) {
	for args, want := range map[string]string{
		"replay":               `Run "chatkitd replay --help" for examples`,
		"projections skip":     `Run "chatkitd projections skip --help" for examples`,
		"projections":          `Run "chatkitd projections --help" for examples`,
		"events --nope":        `Run "chatkitd events --help" for examples`,
		"nothing":              `Run "chatkitd --help" for the commands`,
		"serve --log-level=x":  `"chatkitd serve --help" for the settings`,
		"copy --from=embedded": `Run "chatkitd copy --help" for examples`,
	} {
		if status, _, stderr := command(t, strings.Fields(args)...); status != exitUsage || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit status %d, want %d and %s: %s", args, status, exitUsage, want, stderr)
		}
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
