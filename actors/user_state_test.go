package actors

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func foldUser(given []events.User) *userState {
	var s userState
	for i, ev := range given {
		s.fold(fact[events.User]{Event: ev, Revision: uint64(i), Meta: events.Metadata{RecordedAt: noon}})
	}
	return &s
}

func TestUserDecide(t *testing.T) {
	due := noon.Add(24 * time.Hour)
	milk := events.TaskAdded{TaskID: "t1", Title: "buy milk", Tags: []string{"home"}, Priority: chatkitd.PriorityLow}
	done := events.TaskCompleted{TaskID: "t1"}
	full := make([]events.User, chatkitd.MaxTasks)
	for i := range full {
		full[i] = events.TaskAdded{TaskID: chatkitd.TaskID(chatkitd.NewID(chatkitd.PrefixTask)), Title: "x"}
	}
	tests := []struct {
		name     string
		given    []events.User
		when     chatkitd.TaskCommand
		then     []events.User
		wantCode chatkitd.Code
	}{
		{"add", nil, chatkitd.AddTask{Title: " buy\n milk\x00 "}, []events.User{events.TaskAdded{TaskID: "new", Title: "buy milk"}}, ""},
		{
			"add with everything", nil,
			chatkitd.AddTask{Title: "a", Description: " b\r\nc ", Priority: "high", Tags: []string{"#Home", "home", " ", "work"}, DueAt: &due},
			[]events.User{events.TaskAdded{TaskID: "new", Title: "a", Description: "b\nc", Priority: "high", Tags: []string{"Home", "work"}, DueAt: &due}},
			"",
		},
		{"add without a title", nil, chatkitd.AddTask{Title: " \t\n"}, nil, chatkitd.CodeInvalid},
		{
			"add the longest title, in characters and not bytes", nil,
			chatkitd.AddTask{Title: strings.Repeat("é", 200)},
			[]events.User{events.TaskAdded{TaskID: "new", Title: strings.Repeat("é", 200)}},
			"",
		},
		{"add too long a title", nil, chatkitd.AddTask{Title: strings.Repeat("é", 201)}, nil, chatkitd.CodeInvalid},
		{"add too long a description", nil, chatkitd.AddTask{Title: "a", Description: strings.Repeat("é", 1001)}, nil, chatkitd.CodeInvalid},
		{"add with an unknown priority", nil, chatkitd.AddTask{Title: "a", Priority: "urgent"}, nil, chatkitd.CodeInvalid},
		{"add with too long a tag", nil, chatkitd.AddTask{Title: "a", Tags: []string{strings.Repeat("x", 51)}}, nil, chatkitd.CodeInvalid},
		{"add due in the year 12000", nil, chatkitd.AddTask{Title: "a", DueAt: ptr(time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC))}, nil, chatkitd.CodeInvalid},
		{"add one too many", full, chatkitd.AddTask{Title: "a"}, nil, chatkitd.CodeConflict},
		{"complete", []events.User{milk}, chatkitd.CompleteTask{Task: "t1"}, []events.User{done}, ""},
		{"complete again is done already", []events.User{milk, done}, chatkitd.CompleteTask{Task: "t1"}, nil, ""},
		{"reopen", []events.User{milk, done}, chatkitd.CompleteTask{Task: "t1", Reopen: true}, []events.User{events.TaskReopened{TaskID: "t1"}}, ""},
		{"reopen what is open is done already", []events.User{milk}, chatkitd.CompleteTask{Task: "t1", Reopen: true}, nil, ""},
		{"complete an unknown task", nil, chatkitd.CompleteTask{Task: "t1"}, nil, chatkitd.CodeNotFound},
		{"complete a deleted task", []events.User{milk, events.TaskDeleted{TaskID: "t1"}}, chatkitd.CompleteTask{Task: "t1"}, nil, chatkitd.CodeNotFound},
		{"delete", []events.User{milk}, chatkitd.DeleteTask{Task: "t1"}, []events.User{events.TaskDeleted{TaskID: "t1"}}, ""},
		{
			"update changes only what differs",
			[]events.User{milk},
			chatkitd.UpdateTask{Task: "t1", Title: chatkitd.To("buy milk"), Priority: chatkitd.To(chatkitd.PriorityHigh), DueAt: chatkitd.To(due)},
			[]events.User{events.TaskUpdated{TaskID: "t1", Priority: chatkitd.To(chatkitd.PriorityHigh), DueAt: chatkitd.To(due)}},
			"",
		},
		{"update to the same is done already", []events.User{milk}, chatkitd.UpdateTask{Task: "t1", Title: chatkitd.To("buy milk"), Tags: chatkitd.To([]string{"#home"})}, nil, ""},
		{
			"update clears",
			[]events.User{milk},
			chatkitd.UpdateTask{Task: "t1", Priority: chatkitd.Cleared[chatkitd.Priority](), Tags: chatkitd.Cleared[[]string](), DueAt: chatkitd.Cleared[time.Time]()},
			[]events.User{events.TaskUpdated{TaskID: "t1", Priority: chatkitd.Cleared[chatkitd.Priority](), Tags: chatkitd.Cleared[[]string]()}},
			"",
		},
		{
			"update completes too",
			[]events.User{milk},
			chatkitd.UpdateTask{Task: "t1", Title: chatkitd.To("buy oat milk"), Completed: chatkitd.To(true)},
			[]events.User{events.TaskUpdated{TaskID: "t1", Title: chatkitd.To("buy oat milk")}, done},
			"",
		},
		{"update cannot clear the title", []events.User{milk}, chatkitd.UpdateTask{Task: "t1", Title: chatkitd.Cleared[string]()}, nil, chatkitd.CodeInvalid},
		{"update an unknown task", nil, chatkitd.UpdateTask{Task: "t1"}, nil, chatkitd.CodeNotFound},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := foldUser(tt.given).decide(taskOrder{cmd: tt.when, newID: "new", now: noon})
			if code := chatkitd.CodeOf(err); code != tt.wantCode {
				t.Fatalf("decide error = %v, want code %q", err, tt.wantCode)
			}
			if diff := cmp.Diff(tt.then, got.events); diff != "" {
				t.Errorf("decide (-want +got):\n%s", diff)
			}
		})
	}
}

func ptr[T any](v T) *T { return &v }

func TestUserFold(t *testing.T) {
	due := noon.Add(time.Hour)
	s := foldUser([]events.User{
		events.TaskAdded{TaskID: "t1", Title: "a", Tags: []string{"x"}, DueAt: &due},
		events.TaskUpdated{TaskID: "t1", Title: chatkitd.To("b"), DueAt: chatkitd.Cleared[time.Time](), Tags: chatkitd.Cleared[[]string]()},
		events.TaskCompleted{TaskID: "t1"},
		events.TaskAdded{TaskID: "t2", Title: "c"},
		events.TaskDeleted{TaskID: "t2"},
	})
	want := map[chatkitd.TaskID]*chatkitd.Task{"t1": {
		ID: "t1", Title: "b", Status: chatkitd.TaskCompleted, Completed: true, CreatedAt: noon, UpdatedAt: noon, CompletedAt: &noon,
	}}
	if diff := cmp.Diff(want, s.tasks); diff != "" {
		t.Errorf("tasks (-want +got):\n%s", diff)
	}
}

// TestKeys: the same key and command answers from the first result, also after
// the task has changed; another command under the key is refused; a day later
// the key is new.
func TestKeys(t *testing.T) {
	var s userState
	keyed := func(i uint64, at time.Time, key, print string, ev events.User) {
		s.fold(fact[events.User]{Event: ev, Revision: i, Meta: events.Metadata{RecordedAt: at, Key: key, Fingerprint: print}})
	}
	keyed(0, noon, "k1", "p1", events.TaskAdded{TaskID: "t1", Title: "a"})
	keyed(1, noon.Add(time.Hour), "k2", "p2", events.TaskUpdated{TaskID: "t1", Title: chatkitd.To("b")})

	again := taskOrder{meta: chatkitd.Meta{Key: "k1"}, fingerprint: "p1", cmd: chatkitd.AddTask{Title: "a"}, newID: "t2", now: noon.Add(2 * time.Hour)}
	d, err := s.decide(again)
	if err != nil || len(d.events) != 0 || d.result.Task.ID != "t1" || d.result.Task.Title != "a" || d.result.Changed {
		t.Errorf("repeat = %+v, %v, want the first result", d, err)
	}
	other := again
	other.fingerprint = "p9"
	if _, err := s.decide(other); chatkitd.CodeOf(err) != chatkitd.CodeKeyReused {
		t.Errorf("another command under the key: %v, want CodeKeyReused", err)
	}
	later := again
	later.now = noon.Add(keyLifetime)
	if d, err := s.decide(later); err != nil || len(d.events) != 1 {
		t.Errorf("a day later = %+v, %v, want a new task", d, err)
	}
	keyed(2, noon.Add(keyLifetime), "k3", "p3", events.TaskCompleted{TaskID: "t1"})
	if len(s.keys.byKey) != 2 || len(s.keys.order) != 2 {
		t.Errorf("%d keys are kept, want k2 and k3", len(s.keys.byKey))
	}
}
