package actors

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/chatkit"
	"github.com/chatkitd/chatkitd/events"
)

// UserReplay folds a user's stream as the actor does: it is the actor's fold. The
// zero value is the state before the first event.
type UserReplay struct{ state userState }

// Apply folds one event of the stream. It fails for an event that does not decode
// or has no place there.
func (r *UserReplay) Apply(rec events.Recorded) error {
	f, err := decodeFact[events.User](rec)
	if err != nil {
		return fmt.Errorf("%s revision %d: %w", rec.Stream, rec.Revision, err)
	}
	r.state.fold(f)
	return nil
}

// Task returns a task as it is now.
func (r *UserReplay) Task(id chatkitd.TaskID) (chatkitd.Task, bool) {
	t, ok := r.state.tasks[id]
	if !ok {
		return chatkitd.Task{}, false
	}
	return *t, true
}

// Tasks returns all tasks, oldest first.
func (r *UserReplay) Tasks() []chatkitd.Task {
	out := make([]chatkitd.Task, 0, len(r.state.tasks))
	for _, t := range r.state.tasks {
		out = append(out, *t)
	}
	slices.SortFunc(out, func(a, b chatkitd.Task) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// ThreadReplay folds a thread's stream as the actor does. The zero value is the
// state before the first event.
type ThreadReplay struct{ state threadState }

// Apply folds one event of the stream; see [UserReplay.Apply].
func (r *ThreadReplay) Apply(rec events.Recorded) error {
	f, err := decodeFact[events.Thread](rec)
	if err != nil {
		return fmt.Errorf("%s revision %d: %w", rec.Stream, rec.Revision, err)
	}
	r.state.fold(f)
	return nil
}

// Exists reports whether there is a thread: it was created and not deleted.
func (r *ThreadReplay) Exists() bool { return r.state.exists() }

// Owner returns whose thread it is or was.
func (r *ThreadReplay) Owner() chatkitd.UserID { return r.state.owner }

// OpenTurn returns the turn that has started and not ended, or "".
func (r *ThreadReplay) OpenTurn() chatkitd.TurnID {
	if r.state.turn == nil {
		return ""
	}
	return r.state.turn.id
}

// Thread returns the thread as a client sees it, without items.
func (r *ThreadReplay) Thread() chatkit.Thread { return r.state.thread() }

// Item returns an item as it is stored, hidden or not.
func (r *ThreadReplay) Item(id chatkitd.ItemID) (json.RawMessage, bool) {
	for _, e := range slices.Backward(r.state.entries) { // an item changed lately is asked for most
		if e.id == id {
			return e.raw, true
		}
	}
	return nil, false
}

// Items returns the items oldest first, hidden ones too, as they are stored.
func (r *ThreadReplay) Items() []json.RawMessage {
	out := make([]json.RawMessage, 0, len(r.state.entries))
	for _, e := range r.state.entries {
		if e.id != "" {
			out = append(out, e.raw)
		}
	}
	return out
}
