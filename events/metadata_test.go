package events_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chatkitd/chatkitd/events"
)

func TestMetadataGolden(t *testing.T) {
	want := events.Metadata{
		Correlation: "req_1", Causation: "tool:call_1", User: "auth0|5f<ü>",
		TraceParent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		RecordedAt:  time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC),
		Key:         "key-1", Fingerprint: "f00d",
	}
	evs, err := events.Prepare("thread-1", want, "key", events.ThreadDeleted{})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", "golden", "metadata.json")
	if _, err := os.Stat(path); *update && os.IsNotExist(err) {
		if err := os.WriteFile(path, append(evs[0].Meta, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(evs[0].Meta); got != strings.TrimSuffix(string(golden), "\n") {
		t.Errorf("the stored form changed\n got %s\nwant %s", got, golden)
	}
	got, err := events.DecodeMetadata(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("decoded (-want +got):\n%s", diff)
	}
	if _, err := events.DecodeMetadata([]byte(`[]`)); err == nil {
		t.Error("a list was taken for metadata")
	}
}

// The ids of events are in logs: the same command must have the same ids in every
// version, or a retry across an update would be applied twice.
func TestIDsAreStable(t *testing.T) {
	tests := []struct {
		stream, key string
		i           int
		want        string
	}{
		{"user-alice", "key-1", 0, "0a4aa0b6-0755-5108-a259-4fbc1b8fc09c"},
		{"user-alice", "key-1", 1, "3aba9288-43af-5069-aabc-3007d8fa5965"},
		{"thread-thr_1", "", 0, "0870f219-d0c6-52f0-8385-b809a6e70c34"},
	}
	seen := map[string]bool{}
	for _, tt := range tests {
		got := events.ID(tt.stream, tt.key, tt.i).String()
		if got != tt.want {
			t.Errorf("ID(%q, %q, %d) = %s, want %s", tt.stream, tt.key, tt.i, got, tt.want)
		}
		seen[got] = true
	}
	if len(seen) != len(tests) || events.ID("a", "b", 0) == events.ID("ab", "", 0) || events.ID("a", "b", 10) == events.ID("a", "b1", 0) {
		t.Error("two events have one id")
	}
}
