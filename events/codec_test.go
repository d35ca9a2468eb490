package events_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

var update = flag.Bool("update", false, "write the golden files of new wire names; never of old ones")

// samples has one event for every wire name, all of its fields filled.
var samples = map[string]events.Event{
	"task.added.v1": events.TaskAdded{
		TaskID: "tsk_1", Title: "Buy <milk> & \"eggs\" \U0001F95B", Description: "two\nlines", Priority: "high",
		Tags: []string{"home", "food"}, DueAt: new(time.Date(2026, 3, 1, 12, 30, 0, 0, time.UTC)), Recurrence: "FREQ=DAILY",
	},
	"task.updated.v1": events.TaskUpdated{
		TaskID: "tsk_1", Title: chatkitd.To("New"), Description: chatkitd.Cleared[string](), Priority: chatkitd.To[chatkitd.Priority]("low"),
		Tags: chatkitd.To([]string{"work"}), DueAt: chatkitd.To(time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)),
	},
	"task.completed.v1": events.TaskCompleted{TaskID: "tsk_1"},
	"task.reopened.v1":  events.TaskReopened{TaskID: "tsk_1"},
	"task.deleted.v1":   events.TaskDeleted{TaskID: "tsk_1"},
	"thread.created.v1": events.ThreadCreated{
		ThreadID: "thr_1", UserID: "auth0|5f", Title: "Plans", Metadata: map[string]json.RawMessage{"a": json.RawMessage(`1`), "b": json.RawMessage(`{"c":null}`)},
	},
	"thread.renamed.v1":        events.ThreadRenamed{Title: "Other plans", By: "user"},
	"thread.status_changed.v1": events.ThreadStatusChanged{Status: "locked", Reason: "abuse"},
	"thread.deleted.v1":        events.ThreadDeleted{},
	"item.added.v1":            events.ItemAdded{Item: json.RawMessage(`{"id":"msg_1","type":"user_message"}`)},
	"item.replaced.v1":         events.ItemReplaced{Item: json.RawMessage(`{"id":"msg_1","type":"user_message"}`)},
	"item.removed.v1":          events.ItemRemoved{ItemID: "msg_1", Reason: "retried"},
	"feedback.given.v1":        events.FeedbackGiven{ItemIDs: []chatkitd.ItemID{"msg_1", "msg_2"}, Kind: "positive"},
	"turn.started.v1":          events.TurnStarted{TurnID: "trn_1", Trigger: events.TriggerMessage, Model: "gpt", Instance: "host-1", Timezone: "Europe/Zurich"},
	"model.called.v1": events.ModelCalled{
		TurnID: "trn_1", N: 2, Model: "gpt", ResponseID: "resp_1", Usage: chatkitd.Usage{Input: 100, Cached: 20, Output: 30, Reasoning: 10},
		StartedAt: time.Date(2026, 3, 1, 12, 30, 0, 5000, time.UTC), DurationMS: 1234, CallIDs: []string{"call_1", "call_2"}, Error: "the model failed",
	},
	"tool.called.v1":   events.ToolCalled{TurnID: "trn_1", CallID: "call_1", Name: "add_task", Arguments: json.RawMessage(`{"title":"Buy milk"}`)},
	"tool.returned.v1": events.ToolReturned{TurnID: "trn_1", CallID: "call_1", Output: json.RawMessage(`{"success":true}`), Error: "late"},
	"turn.completed.v1": events.TurnCompleted{
		TurnID: "trn_1", Usage: chatkitd.Usage{Input: 100, Cached: 20, Output: 30, Reasoning: 10}, Model: "gpt", DurationMS: 1234, ResponseIDs: []string{"resp_1"},
	},
	"turn.failed.v1":           events.TurnFailed{TurnID: "trn_1", Reason: "the model failed"},
	"turn.cancelled.v1":        events.TurnCancelled{TurnID: "trn_1", Reason: "user"},
	"turn.interrupted.v1":      events.TurnInterrupted{TurnID: "trn_1", Reason: "restart"},
	"turn.cancel_requested.v1": events.TurnCancelRequested{TurnID: "trn_1"},
	"effect.voided.v1":         events.EffectVoided{Key: "call:trn_1:tc_1"},
	"node.started.v1":          events.NodeStarted{Instance: "srv_1", Boot: "boot_1"},
	"node.alive.v1":            events.NodeAlive{Instance: "srv_1", Boot: "boot_1"},
	"audit.read.v1":            events.AuditRead{What: "replay", Query: json.RawMessage(`{"user":"alice"}`)},
	"projection.changed.v1":    events.ProjectionChanged{Name: "tasks", Action: "skip", Position: chatkitd.Position{Commit: 7, Prepare: 7}},
}

// Old bytes decode for ever: a golden file is what some log holds.
func TestGolden(t *testing.T) {
	for _, name := range events.Names() {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join("testdata", "golden", name+".json")
			want, ok := samples[name]
			if !ok {
				t.Fatalf("no sample: every wire name needs one, and %s", path)
			}
			gotName, data, err := events.Encode(want)
			if err != nil || gotName != name {
				t.Fatalf("Encode = %q, %v; want %q", gotName, err, name)
			}
			if _, err := os.Stat(path); *update && errors.Is(err, os.ErrNotExist) {
				if err := os.WriteFile(path, append(data, '\n'), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			golden, err := os.ReadFile(path)
			if err != nil {
				t.Fatalf("%v (go test ./events -update writes it for a new wire name)", err)
			}
			golden = bytes.TrimSuffix(golden, []byte("\n"))
			if !bytes.Equal(data, golden) {
				t.Errorf("the stored form changed; that needs a new version and an upcaster\n got %s\nwant %s", data, golden)
			}
			got, err := events.Decode(name, golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("decoded (-want +got):\n%s", diff)
			}
		})
	}
	files, err := os.ReadDir(filepath.Join("testdata", "golden"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if name := strings.TrimSuffix(f.Name(), ".json"); name != "metadata" && !slices.Contains(events.Names(), name) {
			t.Errorf("%s has a golden file and does not decode any more: a wire name is for ever", name)
		}
	}
}

// Every field of a sample is filled, so that the golden files pin every field.
func TestSamplesAreFull(t *testing.T) {
	for name, ev := range samples {
		v := reflect.ValueOf(ev)
		for i := range v.NumField() {
			if v.Field(i).IsZero() {
				t.Errorf("%s: field %s is not set", name, v.Type().Field(i).Name)
			}
		}
	}
}

func TestEveryEventDecodesFromAnEmptyObject(t *testing.T) {
	for _, name := range events.Names() {
		ev, err := events.Decode(name, []byte(`{"a_field_of_the_future":1}`))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got, err := events.NameOf(ev); err != nil || !strings.HasPrefix(got, name[:strings.LastIndex(name, ".")]) {
			t.Errorf("%s became %s, %v", name, got, err)
		}
	}
}

func TestDecodeUnknown(t *testing.T) {
	_, err := events.Decode("task.teleported.v7", []byte(`{}`))
	unknown, ok := errors.AsType[*events.UnknownError](err)
	if !ok || unknown.Name != "task.teleported.v7" || !strings.Contains(err.Error(), "task.teleported.v7") {
		t.Errorf("got %v, want an UnknownError", err)
	}
	if _, err := events.Decode("task.added.v1", []byte(`{"title":5}`)); err == nil || !strings.Contains(err.Error(), "task.added.v1") {
		t.Errorf("a number for a title: %v", err)
	}
}

func TestPrepare(t *testing.T) {
	meta := events.Metadata{Correlation: "req_1", RecordedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	evs, err := events.Prepare("user-a", meta, "key", events.TaskAdded{TaskID: "tsk_1", Title: "<x>"}, events.TaskCompleted{TaskID: "tsk_1"})
	if err != nil || len(evs) != 2 {
		t.Fatalf("got %d events, %v", len(evs), err)
	}
	if string(evs[0].Data) != `{"task_id":"tsk_1","title":"<x>"}` {
		t.Errorf("data %s", evs[0].Data)
	}
	if evs[0].ID == evs[1].ID || evs[0].ID != events.ID("user-a", "key", 0) || evs[1].ID != events.ID("user-a", "key", 1) {
		t.Errorf("ids %s and %s", evs[0].ID, evs[1].ID)
	}
	if !bytes.Equal(evs[0].Meta, evs[1].Meta) {
		t.Errorf("metadata %s and %s", evs[0].Meta, evs[1].Meta)
	}
}

func FuzzDecode(f *testing.F) {
	for name, ev := range samples {
		_, data, err := events.Encode(ev)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(name, data)
	}
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		ev, err := events.Decode(name, data)
		if err != nil {
			return
		}
		again, stored, err := events.Encode(ev)
		if err != nil {
			t.Fatalf("%s %q decodes and does not encode: %v", name, data, err)
		}
		ev2, err := events.Decode(again, stored)
		if err != nil {
			t.Fatalf("%s %q: the second decoding: %v", name, data, err)
		}
		_, stored2, err := events.Encode(ev2)
		if err != nil || !bytes.Equal(stored, stored2) {
			t.Errorf("%s %q: encoded as %s and then as %s, %v", name, data, stored, stored2, err)
		}
	})
}

// unnamed is an event that nobody has given a name.
type unnamed struct{ events.Event }

func TestMustName(t *testing.T) {
	if got := events.MustName(events.TaskDeleted{}); got != "task.deleted.v1" {
		t.Errorf("MustName = %q", got)
	}
	defer func() {
		if recover() == nil {
			t.Error("an event without a name has one")
		}
	}()
	events.MustName(unnamed{})
}
