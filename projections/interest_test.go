package projections

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/chatkitd/chatkitd/events"
)

// TestEventsThatNobodyFolds checks that what no projection folds is not even
// decoded, whichever stream it is in: its data is none.
func TestEventsThatNobodyFolds(t *testing.T) {
	t.Parallel()
	var folded []string
	for _, p := range all() {
		for _, ev := range p.Events() {
			folded = append(folded, events.MustName(ev))
		}
	}
	w := newWorld(t)
	w.run()
	w.thread("thr_1", events.ThreadCreated{ThreadID: "thr_1", UserID: "ann"})
	count := 0
	for _, name := range events.Names() {
		if slices.Contains(folded, name) {
			continue
		}
		for _, stream := range []string{"user-ann", "thread-thr_1", "audit-ann", "node-1", "whatever"} {
			raw := events.New{ID: events.ID(stream, name, 0), Type: name, Data: []byte(`[]`), Meta: []byte(`{}`)}
			if _, err := w.store.Append(t.Context(), stream, events.Any, raw); err != nil {
				t.Fatal(err)
			}
			count++
		}
	}
	if count < 20 {
		t.Fatalf("only %d events", count)
	}
	w.caughtUp()
	for _, st := range w.states() {
		if st.State != Running || st.Failure != nil {
			t.Errorf("%+v", st)
		}
	}
}

// TestOneProjectionFailsAlone checks that an event stops those that fold events of
// its type, and no other of its category.
func TestOneProjectionFailsAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run()
	w.thread("thr_1", events.ThreadCreated{ThreadID: "thr_1", UserID: "ann"}, events.ItemAdded{Item: json.RawMessage(`{"id":"x"}`)})
	eventually(t, "thread_items have failed", func() bool { return w.state("thread_items").State == Failed })
	w.thread("thr_1", events.ThreadRenamed{Title: "new"})
	eventually(t, "threads go on", func() bool { st := w.state("threads"); return st.State == Running && st.LagEvents == 0 })
}

func FuzzScanHead(f *testing.F) {
	for _, text := range []string{
		`{"id":"a","type":"b"}`, `{"type":"b","content":[{"id":"x","type":"y"}],"id":"a"}`, `{"id":"a","id":"b","type":"c"}`,
		`{"ID":"a","type":"b"}`, `{"id":"a","type":"b","tYpe":"c"}`, `{"id":7,"type":"b"}`, `{"id":"a","type":"b","id":7}`,
		`{"id":"ä","type":"b"}`, `{"i\u0064":"a","id":"x","type":"b"}`, `{"id":"a\"","type":"b"}`, `{"a":"\\","id":"a","type":"b"}`,
		`{"a":{},"id":"a","type":"b"}`, `{ "id": "a", "type": "b" }`, `["id","a","type","b"]`, `{"a":["id"],"id":"q","type":"b"}`,
		`{"id":"a","type":null}`, `{"id":null,"type":"b"}`, `{"a":"{","id":"a","type":"b"}`, `{}`, `null`, `"id"`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if !json.Valid(data) {
			return
		}
		got, ok := scanHead(data)
		if !ok {
			return
		}
		var want itemHead
		if err := json.Unmarshal(data, &want); err != nil || got != want {
			t.Errorf("%s: got %+v, want %+v, %v", data, got, want, err)
		}
	})
}

func BenchmarkScanHead(b *testing.B) {
	data := item("msg_06h0faqulcil4mcntafv550a7drs0", "assistant_message", "The list is as long as it was before. The list is as long as it was before.")
	for b.Loop() {
		if _, ok := scanHead(data); !ok {
			b.Fatal("given up")
		}
	}
}
