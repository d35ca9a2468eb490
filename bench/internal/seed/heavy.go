package seed

import (
	"context"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

// Much says how much a user has.
type Much struct {
	Tasks   int // pending
	Threads int // of one turn each, without those of Long
	Long    int // threads with Items items
	Items   int
}

// User appends the history of one user who has this much, and returns the ids of
// the long threads.
func User(ctx context.Context, store events.Store, user chatkitd.UserID, much Much) (long []chatkitd.ThreadID, err error) {
	w := newWriter(ctx, store, 1)
	list := &piece{stream: events.UserStream(user)}
	meta := events.Metadata{Correlation: "req_seed", Causation: "req_seed", User: user}
	for range much.Tasks {
		w.pass(time.Second)
		if err := w.add(list, meta, w.task()); err != nil {
			return nil, err
		}
	}
	if err := w.flush(list); err != nil {
		return nil, err
	}
	for i := range much.Threads + much.Long {
		items := 2
		if i >= much.Threads {
			items = much.Items
		}
		id, err := w.conversation(user, items)
		if err != nil {
			return nil, err
		}
		if i >= much.Threads {
			long = append(long, id)
		}
	}
	return long, nil
}

// conversation appends a thread of that many items, two a turn.
func (w *writer) conversation(user chatkitd.UserID, items int) (chatkitd.ThreadID, error) {
	id := chatkitd.ThreadID(w.id(chatkitd.PrefixThread))
	talk := &piece{stream: events.ThreadStream(id)}
	meta := events.Metadata{Correlation: "req_seed", Causation: "req_seed", User: user}
	if err := w.add(talk, meta, events.ThreadCreated{ThreadID: id, UserID: user, Title: title(w.rand)}); err != nil {
		return "", err
	}
	for range items / 2 {
		w.pass(time.Second)
		turn := chatkitd.TurnID(w.id(chatkitd.PrefixTurn))
		said, err := w.message(id, title(w.rand))
		if err != nil {
			return "", err
		}
		answer, _, err := w.answer(id, text(w.rand, 30))
		if err != nil {
			return "", err
		}
		err = w.add(talk, meta, said, events.TurnStarted{TurnID: turn, Trigger: events.TriggerMessage, Model: "gpt-5-mini"},
			answer, events.TurnCompleted{TurnID: turn, Model: "gpt-5-mini", DurationMS: 1000})
		if err != nil {
			return "", err
		}
	}
	return id, w.flush(talk)
}
