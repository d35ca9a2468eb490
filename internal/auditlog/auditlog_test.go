package auditlog_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/internal/auditlog"
	"github.com/chatkitd/chatkitd/internal/memstore"
)

func TestLog(t *testing.T) {
	store := memstore.New()
	defer func() { _ = store.Close() }()
	noon := time.Date(2026, 11, 23, 12, 0, 0, 123456789, time.UTC)
	l := auditlog.New(store, func() time.Time { return noon })
	m := chatkitd.Meta{User: "eve@x.org", Request: "req_1", TraceParent: "00-11111111111111111111111111111111-2222222222222222-01"}
	pos := chatkitd.Position{Commit: 7, Prepare: 7}

	for range 2 { // the same request again is a second read, and is seen as one
		if err := l.Record(t.Context(), m, "events", json.RawMessage(`{"user":"alice"}`)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Changed(t.Context(), m, "tasks", "skip", pos); err != nil {
		t.Fatal(err)
	}

	var got []events.Event
	for rec, err := range store.ReadStream(t.Context(), "audit-eve@x.org", events.StreamRead{}) {
		if err != nil {
			t.Fatal(err)
		}
		ev, err := events.Decode(rec.Type, rec.Data)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, ev)
		meta, err := events.DecodeMetadata(rec.Meta)
		want := events.Metadata{Correlation: "req_1", Causation: "req_1", User: "eve@x.org", TraceParent: m.TraceParent, RecordedAt: noon.Truncate(time.Microsecond)}
		if err != nil || meta != want {
			t.Errorf("metadata = %+v, %v, want %+v", meta, err, want)
		}
	}
	read := events.AuditRead{What: "events", Query: json.RawMessage(`{"user":"alice"}`)}
	if diff := cmp.Diff([]events.Event{read, read, events.ProjectionChanged{Name: "tasks", Action: "skip", Position: pos}}, got); diff != "" {
		t.Error(diff)
	}
}

// TestNothingWithoutRecord has a store that takes nothing.
func TestNothingWithoutRecord(t *testing.T) {
	store := memstore.New()
	_ = store.Close()
	l := auditlog.New(store, nil)
	if err := l.Record(t.Context(), chatkitd.Meta{User: "eve"}, "events", nil); chatkitd.CodeOf(err) != chatkitd.CodeUnavailable {
		t.Errorf("record: %v", err)
	}
	if err := l.Changed(t.Context(), chatkitd.Meta{User: "eve"}, "tasks", "pause", chatkitd.Position{}); chatkitd.CodeOf(err) != chatkitd.CodeUnavailable {
		t.Errorf("changed: %v", err)
	}
}
