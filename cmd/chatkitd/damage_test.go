package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chatkitd/chatkitd/internal/embedded"
	"github.com/chatkitd/chatkitd/internal/snapshots"
	"github.com/chatkitd/chatkitd/internal/sqlite"
)

// usedFolder returns a data folder in which alice has a thread and a task.
func usedFolder(t *testing.T) (dir, thread string) {
	t.Helper()
	dir = t.TempDir()
	s := start(t, dir)
	thread, _ = say(t, s.client(t, "alice"), "", "add buy milk")
	if status := s.wait(t); status != exitOK {
		t.Fatalf("exit status %d", status)
	}
	return dir, thread
}

func overwrite(t *testing.T, file string, at int, with []byte) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	copy(b[at:], with)
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestLostLog has a log that is gone, cut off or damaged: the program must say
// so and leave alone what there is.
func TestLostLog(t *testing.T) {
	dir, _ := usedFolder(t)
	log := filepath.Join(dir, embedded.FileName)
	whole, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	views, err := os.ReadFile(filepath.Join(dir, readModelsFile))
	if err != nil {
		t.Fatal(err)
	}
	title := bytes.LastIndex(whole, []byte("buy milk"))
	tests := []struct {
		name   string
		damage func() error
		want   string
	}{
		{"missing", func() error { return os.Remove(log) }, "missing"},
		{"empty", func() error { return os.WriteFile(log, nil, 0o600) }, "missing or empty"},
		{"half", func() error { return os.WriteFile(log, whole[:len(whole)/2], 0o600) }, "damaged"},
		{"no database", func() error { return os.WriteFile(log, []byte(strings.Repeat("nonsense", 1000)), 0o600) }, "damaged"},
		{"one letter", func() error { overwrite(t, log, title, []byte("B")); return nil }, "checksum"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := os.WriteFile(log, whole, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := tt.damage(); err != nil {
				t.Fatal(err)
			}
			status, _, stderr := command(t, "serve", "--listen=127.0.0.1:0", "--data="+dir, "--agent=offline")
			if status != exitFault || !strings.Contains(stderr, tt.want) || !strings.Contains(stderr, log) || !strings.Contains(stderr, "restore") {
				t.Errorf("exit status %d, want %d and %q with %s:\n%s", status, exitFault, tt.want, log, stderr)
			}
			if now, err := os.ReadFile(filepath.Join(dir, readModelsFile)); err != nil || !bytes.Equal(now, views) {
				t.Errorf("the read models were touched: %v", err)
			}
		})
	}
}

// tablesFile returns the file of the tables that serve a read model.
func tablesFile(t *testing.T, dir, model string) string {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(dir, readModelsFile), sqlite.Options{ReadOnly: true, MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	var generation int
	if err := db.QueryRowContext(t.Context(), "SELECT generation FROM projections WHERE name = ?", model).Scan(&generation); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, fmt.Sprintf("readmodels-%s-%d.db", model, generation))
}

// removeReadModels deletes the read models of a folder.
func removeReadModels(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "readmodels*.db*"))
	for _, file := range files {
		err = errors.Join(err, os.Remove(file))
	}
	return err
}

// TestLostReadModels has read models that are gone or damaged: they are made
// from the log, so nobody may notice.
func TestLostReadModels(t *testing.T) {
	dir, thread := usedFolder(t)
	file := filepath.Join(dir, readModelsFile)
	tests := map[string]func() error{
		"missing":            func() error { return os.Remove(file) },
		"half":               func() error { return os.Truncate(file, 5<<10) },
		"no database":        func() error { return os.WriteFile(file, []byte("nonsense"), 0o600) },
		"tables missing":     func() error { return os.Remove(tablesFile(t, dir, "tasks")) },
		"half of the tables": func() error { return os.Truncate(tablesFile(t, dir, "tasks"), 20<<10) },
		"no tables":          func() error { return os.WriteFile(tablesFile(t, dir, "thread_items"), []byte("nonsense"), 0o600) },
	}
	for name, damage := range tests {
		t.Run(name, func(t *testing.T) {
			if err := damage(); err != nil {
				t.Fatal(err)
			}
			s := start(t, dir)
			alice := s.client(t, "alice")
			if l := tasks(t, alice); l.Total != 1 || l.Data[0].Title != "buy milk" {
				t.Errorf("tasks = %+v", l)
			}
			if got := items(t, alice, thread); len(got) < 2 {
				t.Errorf("items = %v", got)
			}
			if status := s.wait(t); status != exitOK {
				t.Errorf("exit status %d", status)
			}
		})
	}
}

// TestReadOnlyFiles has files of read models and snapshots that cannot be written
// to: the program says so instead of serving what it cannot keep.
func TestReadOnlyFiles(t *testing.T) {
	for _, name := range []string{"readmodels-tasks-1.db", snapshots.FileName, snapshots.FileName + "-wal"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, name)
			if err := os.Mkdir(file, 0o700); err != nil { // root may write to any file, but not to a folder
				t.Fatal(err)
			}
			status, _, stderr := command(t, "serve", "--listen=127.0.0.1:0", "--data="+dir)
			if status != exitFault || !strings.Contains(stderr, "cannot write to a file of its own") || !strings.Contains(stderr, file) {
				t.Errorf("exit status %d: %s", status, stderr)
			}
		})
	}
}
