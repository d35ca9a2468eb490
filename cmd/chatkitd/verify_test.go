package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chatkitd/chatkitd/audit"
	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/internal/embedded"
	"github.com/chatkitd/chatkitd/internal/sqlite"
)

// TestVerifyCommand plants faults one after the other: in the read models, in the
// log, and in its file.
func TestVerifyCommand(t *testing.T) {
	s := newStory(t)
	verify := func(args ...string) (int, string) {
		status, out, stderr := command(t, append(args, "verify", "--data="+s.dir)...)
		return status, out + stderr
	}
	status, out := verify()
	if status != exitOK {
		t.Errorf("beside the server: %d %s", status, out)
	}
	s.stop()
	status, out = verify()
	contains(t, out, "✓ store", "✓ order", "✓ turns", "✓ models", "Nothing was found.")
	if status != exitOK {
		t.Errorf("alone: %d %s", status, out)
	}

	file := filepath.Join(s.dir, readModelsFile)
	db, err := sqlite.Open(t.Context(), tablesFile(t, s.dir, "tasks"), sqlite.Options{MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), "UPDATE tasks SET title = 'call Eve', title_folded = 'call eve' WHERE title = 'call Anna'"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	status, out = verify()
	contains(t, out, "✗ models", "- task.title: call Anna", "+ task.title: call Eve", "1 finding")
	if status != exitFault {
		t.Errorf("exit status %d", status)
	}
	status, out, _ = command(t, "verify", "--json", "--data="+s.dir)
	var report audit.Report
	if err := json.Unmarshal([]byte(out), &report); err != nil || status != exitFault || report.OK || len(report.Findings) != 1 || len(report.Models) != 3 {
		t.Errorf("%d %v %s", status, err, out)
	}

	if err := os.WriteFile(file, bytes.Repeat([]byte("nonsense"), 2000), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, out = verify(); status != exitFault || !strings.Contains(out, "they cannot be read") {
		t.Errorf("read models that are none: %d %s", status, out)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"-wal", "-shm"} {
		_ = os.Remove(file + suffix) // may not be there
	}
	if status, out = verify(); status != exitOK || !strings.Contains(out, "none yet") {
		t.Errorf("no read models: %d %s", status, out)
	}

	store, err := embedded.Open(t.Context(), embedded.Options{Dir: s.dir})
	if err != nil {
		t.Fatal(err)
	}
	_, err = store.Append(t.Context(), "user-alice", events.Any, events.New{
		ID: events.ID("user-alice", "planted", 0), Type: "task.eaten.v1", Data: []byte(`{}`), Meta: []byte(`{}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	status, out = verify()
	contains(t, out, "✗ decode", "task.eaten.v1", "user-alice revision 3")
	if status != exitFault {
		t.Errorf("exit status %d", status)
	}

	log := filepath.Join(s.dir, embedded.FileName)
	whole, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	overwrite(t, log, bytes.LastIndex(whole, []byte("buy milk")), []byte("B"))
	status, out = verify()
	contains(t, out, "✗ store", "checksum")
	if status != exitFault {
		t.Errorf("exit status %d", status)
	}
}
