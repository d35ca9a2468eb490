package snapshots_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/internal/snapshots"
)

func open(t *testing.T, dir string) *snapshots.Store {
	t.Helper()
	s, err := snapshots.Open(t.Context(), dir, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestStore(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if _, ok, err := s.Load(t.Context(), "thread-1"); ok || err != nil {
		t.Fatal("an empty store has a snapshot:", ok, err)
	}
	old := events.Snapshot{Schema: "a", Revision: 1, Data: []byte("x"), EventID: uuid.New()}
	want := events.Snapshot{Schema: "b", Revision: 500, Position: chatkitd.Position{Commit: 7, Prepare: 6}, Data: []byte{0, 1, 2}, EventID: uuid.New()}
	s.Save("thread-1", old)
	s.Save("thread-1", want)
	s.Save("user-1", old)
	if err := s.Close(); err != nil { // writes what waits
		t.Fatal(err)
	}
	s.Save("thread-1", old) // too late: no panic, no effect

	s = open(t, dir)
	got, ok, err := s.Load(t.Context(), "thread-1")
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("snapshot (-want +got):\n%s", diff)
	}
}

func TestDamagedFileIsBegunAnew(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, snapshots.FileName), []byte("this is not a database, it only looks like a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir)
	if _, ok, err := s.Load(t.Context(), "thread-1"); ok || err != nil {
		t.Error(ok, err)
	}
}
