package events

import (
	"encoding/json"
	"testing"
	"time"
)

// FuzzScanMetadata holds the quick reader to encoding/json: what it reads, it
// must read alike.
func FuzzScanMetadata(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"user_id":"alice"}`, `{"recorded_at":"2026-11-23T10:00:00.5Z","user_id":"a","fingerprint":"f","idempotency_key":"k"}`,
		`{"$correlationId":"req_1","$causationId":"trn_1","user_id":"alice","traceparent":"00-x","recorded_at":"2026-11-23T10:00:00Z"}`,
		`{"user_id":"a\"b"}`, `{"user_id":"é"}`, `{"user_id":"a",}`, `{"user_id":1}`, `{"x":{"user_id":"a"}}`, `{"user_id":"a" }`, `{,}`, `{"a":"b""c":"d"}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := scanMetadata(s)
		if !ok {
			return
		}
		var want Metadata
		if err := json.Unmarshal([]byte(s), &want); err != nil {
			t.Fatalf("%q was read, and is not JSON: %v", s, err)
		}
		if !got.RecordedAt.Equal(want.RecordedAt) {
			t.Fatalf("%q: %v, want %v", s, got.RecordedAt, want.RecordedAt)
		}
		got.RecordedAt, want.RecordedAt = time.Time{}, time.Time{}
		if got != want {
			t.Fatalf("%q: %+v, want %+v", s, got, want)
		}
	})
}

func TestScanMetadataReadsOurs(t *testing.T) {
	m := Metadata{Correlation: "req_1", Causation: "x", User: "alice", TraceParent: "00-1", RecordedAt: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC), Key: "k", Fingerprint: "f"}
	raw, err := marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := scanMetadata(string(raw)); !ok || got != m {
		t.Errorf("scanMetadata(%s) = %+v, %v", raw, got, ok)
	}
}
