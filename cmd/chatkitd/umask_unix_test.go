//go:build unix

package main

import (
	"os"
	"testing"
)

// TestPrivateFiles has a data folder that others may look into: not so what the
// program puts there.
func TestPrivateFiles(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // the point of the test
		t.Fatal(err)
	}
	s := start(t, dir)
	say(t, s.client(t, "alice"), "", "add buy milk")
	files, err := os.ReadDir(dir)
	if err != nil || len(files) < 4 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v %v", f.Name(), info.Mode(), err)
		}
	}
	s.wait(t)
}
