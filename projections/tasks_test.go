package projections

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

func at(seconds int) time.Time { return epoch.Add(time.Duration(seconds) * time.Second) }

func ptr[T any](v T) *T { return &v }

func TestTasksFold(t *testing.T) {
	t.Parallel()
	due := time.Date(2026, 4, 1, 9, 0, 0, 123456789, time.FixedZone("", 7200))
	milk := events.TaskAdded{TaskID: "tsk_1", Title: "Milk", Tags: []string{"home"}}
	added := chatkitd.Task{ID: "tsk_1", Title: "Milk", Status: "pending", Tags: []string{"home"}, CreatedAt: at(1), UpdatedAt: at(1)}
	tests := []struct {
		name               string
		given              []events.Event
		then               []chatkitd.Task
		pending, completed int
	}{
		{"added", []events.Event{milk}, []chatkitd.Task{added}, 1, 0},
		{
			"added with everything",
			[]events.Event{events.TaskAdded{TaskID: "tsk_1", Title: "a", Description: "b", Priority: "high", Tags: []string{"x", "y"}, DueAt: &due}},
			[]chatkitd.Task{{
				ID: "tsk_1", Title: "a", Description: "b", Status: "pending", Priority: "high", Tags: []string{"x", "y"},
				DueAt: &due, CreatedAt: at(1), UpdatedAt: at(1),
			}},
			1, 0,
		},
		{
			"completed",
			[]events.Event{milk, events.TaskCompleted{TaskID: "tsk_1"}},
			[]chatkitd.Task{{
				ID: "tsk_1", Title: "Milk", Status: "completed", Completed: true, Tags: []string{"home"},
				CreatedAt: at(1), UpdatedAt: at(2), CompletedAt: ptr(at(2)),
			}},
			0, 1,
		},
		{
			"completed and reopened",
			[]events.Event{milk, events.TaskCompleted{TaskID: "tsk_1"}, events.TaskReopened{TaskID: "tsk_1"}},
			[]chatkitd.Task{{ID: "tsk_1", Title: "Milk", Status: "pending", Tags: []string{"home"}, CreatedAt: at(1), UpdatedAt: at(3)}},
			1, 0,
		},
		{
			"deleted",
			[]events.Event{milk, events.TaskCompleted{TaskID: "tsk_1"}, events.TaskDeleted{TaskID: "tsk_1"}},
			[]chatkitd.Task{},
			0, 0,
		},
		{
			"every field changed",
			[]events.Event{milk, events.TaskUpdated{
				TaskID: "tsk_1", Title: chatkitd.To("Bread"), Description: chatkitd.To("dark"),
				Priority: chatkitd.To(chatkitd.PriorityLow), Tags: chatkitd.To([]string{"shop"}), DueAt: chatkitd.To(due),
			}},
			[]chatkitd.Task{{
				ID: "tsk_1", Title: "Bread", Description: "dark", Status: "pending", Priority: "low", Tags: []string{"shop"},
				DueAt: &due, CreatedAt: at(1), UpdatedAt: at(2),
			}},
			1, 0,
		},
		{
			"fields cleared, others kept",
			[]events.Event{
				events.TaskAdded{TaskID: "tsk_1", Title: "a", Description: "b", Priority: "high", Tags: []string{"x"}, DueAt: &due},
				events.TaskUpdated{
					TaskID: "tsk_1", Description: chatkitd.Cleared[string](), Priority: chatkitd.Cleared[chatkitd.Priority](),
					Tags: chatkitd.Cleared[[]string](), DueAt: chatkitd.Cleared[time.Time](),
				},
			},
			[]chatkitd.Task{{ID: "tsk_1", Title: "a", Status: "pending", CreatedAt: at(1), UpdatedAt: at(2)}},
			1, 0,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.run()
			w.user("ann", tt.given...)
			got, err := w.caughtUp().Tasks(t.Context(), "ann", chatkitd.TaskFilter{})
			if err != nil {
				t.Fatal(err)
			}
			want := chatkitd.TaskPage{Data: tt.then, Total: len(tt.then), Pending: tt.pending, Completed: tt.completed}
			if n := len(tt.then); n > 0 {
				want.After = string(tt.then[n-1].ID)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("page (-want +got):\n%s", diff)
			}
			for _, task := range tt.then {
				one, err := w.s.Task(t.Context(), "ann", task.ID)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(task, one); diff != "" {
					t.Errorf("task (-want +got):\n%s", diff)
				}
			}
		})
	}
}

func TestFindTasks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run()
	for id, title := range []string{"Buy milk", "buy MILK and eggs", "Straße", "ΣΊΣΥΦΟΣ", "call Anna", "Call anna", "100% _done_"} {
		w.user("ann", events.TaskAdded{TaskID: chatkitd.TaskID("tsk_" + string(rune('a'+id))), Title: title})
	}
	w.user("ann", events.TaskCompleted{TaskID: "tsk_f"})
	w.user("bob", events.TaskAdded{TaskID: "tsk_z", Title: "secret plan"})
	s := w.caughtUp()
	tests := []struct {
		name  string
		limit int
		want  []chatkitd.TaskID
	}{
		{"buy milk", 9, []chatkitd.TaskID{"tsk_a"}},
		{"  BUY MILK ", 9, []chatkitd.TaskID{"tsk_a"}},
		{"milk", 9, []chatkitd.TaskID{"tsk_b", "tsk_a"}},
		{"milk", 1, []chatkitd.TaskID{"tsk_b"}},
		{"CALL ANNA", 9, []chatkitd.TaskID{"tsk_e", "tsk_f"}},
		{"σίσυφος", 9, []chatkitd.TaskID{"tsk_d"}},
		{"STRAẞE", 9, []chatkitd.TaskID{"tsk_c"}},
		{"0% _d", 9, []chatkitd.TaskID{"tsk_g"}},
		{"secret", 9, nil},
		{"", 9, nil},
	}
	for _, tt := range tests {
		found, err := s.FindTasks(t.Context(), "ann", tt.name, tt.limit)
		if err != nil {
			t.Fatal(err)
		}
		var got []chatkitd.TaskID
		for _, task := range found {
			got = append(got, task.ID)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestTasksRefuse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run()
	w.user("ann", events.TaskAdded{TaskID: "tsk_1", Title: "mine"})
	w.user("bob", events.TaskAdded{TaskID: "tsk_2", Title: "his"})
	s := w.caughtUp()
	for name, f := range map[string]chatkitd.TaskFilter{
		"sort": {Sort: "id"}, "status": {Status: "done"}, "after": {After: "tsk_9"}, "foreign after": {After: "tsk_2"},
	} {
		if _, err := s.Tasks(t.Context(), "ann", f); chatkitd.CodeOf(err) != chatkitd.CodeInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, id := range []chatkitd.TaskID{"tsk_2", "tsk_9", "", "../../etc"} {
		if _, err := s.Task(t.Context(), "ann", id); chatkitd.CodeOf(err) != chatkitd.CodeNotFound {
			t.Errorf("task %q: %v", id, err)
		}
	}
}
