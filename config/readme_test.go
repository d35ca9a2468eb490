package config_test

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/chatkitd/chatkitd/config"
)

var update = flag.Bool("update", false, "rewrite the table of settings in README.md")

const (
	readme     = "../README.md"
	tableBegin = "<!-- settings: made from config.Config by `go test ./config -update` -->\n"
	tableEnd   = "<!-- /settings -->\n"
)

// TestReadmeListsTheSettings compares the table in README with the struct.
func TestReadmeListsTheSettings(t *testing.T) {
	b, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(b), tableBegin)
	got, after, ok2 := strings.Cut(rest, tableEnd)
	if !ok || !ok2 {
		t.Fatalf("README.md does not hold %q and %q", tableBegin, tableEnd)
	}
	want := table()
	if got == want {
		return
	}
	if *update {
		if err := os.WriteFile(readme, []byte(before+tableBegin+want+tableEnd+after), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("README's table of settings is not what config.Config says; run go test ./config -update\n got:\n%s\nwant:\n%s", got, want)
}

func table() string {
	var b strings.Builder
	group := ""
	for f := range reflect.TypeFor[config.Config]().Fields() {
		if !f.IsExported() {
			continue
		}
		if g := f.Tag.Get("group"); g != group {
			group = g
			fmt.Fprintf(&b, "\n**%s**\n\n| variable | flag | default | meaning |\n|---|---|---|---|\n", group)
		}
		def := f.Tag.Get("default")
		if def != "" {
			def = "`" + def + "`"
		}
		fmt.Fprintf(&b, "| `%s` | `--%s` | %s | %s |\n", f.Tag.Get("env"), f.Tag.Get("name"), def, strings.ReplaceAll(f.Tag.Get("help"), "|", `\|`))
	}
	return b.String() + "\n"
}

// TestEverySettingIsComplete holds the struct to its own rules.
func TestEverySettingIsComplete(t *testing.T) {
	seen := map[string]string{}
	for f := range reflect.TypeFor[config.Config]().Fields() {
		if !f.IsExported() {
			continue
		}
		for _, tag := range []string{"name", "env", "help", "group"} {
			if f.Tag.Get(tag) == "" {
				t.Errorf("%s has no %s", f.Name, tag)
			}
		}
		if f.Tag.Get("type") != "setting" {
			t.Errorf("%s is not read by our reader: a bad value of it would hide other mistakes", f.Name)
		}
		for _, tag := range []string{"name", "env"} {
			key := tag + " " + f.Tag.Get(tag)
			if other, ok := seen[key]; ok {
				t.Errorf("%s and %s have the same %s", f.Name, other, key)
			}
			seen[key] = f.Name
		}
		if f.Type == reflect.TypeFor[config.Secret]() && f.Tag.Get("env") != "CHATKITD_EVENTSTORE" && f.Tag.Get("default") != "" {
			t.Errorf("%s is a secret with a default", f.Name)
		}
	}
}
