package embedded

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestReadOnlyFileIsRefused: a file that may only be read is told at the start.
func TestReadOnlyFileIsRefused(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may write any file")
	}
	dir := t.TempDir()
	s, err := Open(t.Context(), Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, FileName)
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("Open = %v, want a refusal that names %s", err, path)
	}
}
