package events

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/chatkitd/chatkitd"
)

// taskAddedV0 is a made-up older shape of TaskAdded: one text instead of title and
// description, and before it one with another name for the id.
type taskAddedV0 struct {
	TaskID string `json:"task_id"`
	Text   string `json:"text"`
}

type taskAddedV00 struct {
	ID   string `json:"id"`
	Text string `json:"text"`
}

func upcastV0(old taskAddedV0) (Event, error) {
	title, description, _ := strings.Cut(old.Text, ": ")
	if title == "" {
		return nil, errors.New("no title")
	}
	return TaskAdded{TaskID: chatkitd.TaskID(old.TaskID), Title: title, Description: description}, nil
}

func upcastV00(old taskAddedV00) (Event, error) {
	return upcastV0(taskAddedV0{TaskID: old.ID, Text: old.Text})
}

// withOld adds old versions to the registry for one test.
func withOld(t *testing.T) {
	t.Helper()
	saved := maps.Clone(coders)
	t.Cleanup(func() { coders = saved })
	coders = maps.Clone(coders)
	coders["task.added.v0"] = upcast(upcastV0)
	coders["task.added.v00"] = upcast(upcastV00)
}

func TestUpcast(t *testing.T) {
	withOld(t)
	want := TaskAdded{TaskID: "tsk_1", Title: "Buy milk", Description: "two litres"}
	for name, data := range map[string]string{
		"task.added.v00": `{"id":"tsk_1","text":"Buy milk: two litres"}`,
		"task.added.v0":  `{"task_id":"tsk_1","text":"Buy milk: two litres"}`,
		"task.added.v1":  `{"task_id":"tsk_1","title":"Buy milk","description":"two litres"}`,
	} {
		ev, err := Decode(name, []byte(data))
		got, ok := ev.(TaskAdded)
		if err != nil || !ok || got.TaskID != want.TaskID || got.Title != want.Title || got.Description != want.Description {
			t.Errorf("%s: got %+v, %v; want %+v", name, ev, err, want)
		}
		if current, err := NameOf(ev); err != nil || current != "task.added.v1" {
			t.Errorf("%s is stored again as %q, %v; want the current version", name, current, err)
		}
	}
	for name, data := range map[string]string{
		"an upcaster that refuses": `{"task_id":"tsk_1"}`,
		"bad JSON":                 `{"task_id":`,
	} {
		if _, err := Decode("task.added.v0", []byte(data)); err == nil || !strings.Contains(err.Error(), "task.added.v0") {
			t.Errorf("%s: %v, want an error that names the event", name, err)
		}
	}
}

func TestOneCurrentNameForAType(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("two names of one type were taken")
		}
	}()
	invert(map[string]coder{"task.added.v1": of[TaskAdded](), "task.added.v2": of[TaskAdded]()})
}
