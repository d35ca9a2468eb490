package seed

import (
	"context"
	"fmt"
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
	for range much.Tasks {
		w.pass(time.Second)
		if err := w.add(list, metaOf(user), w.task()); err != nil {
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
	id, talk, err := w.open(user)
	if err != nil {
		return "", err
	}
	for range items / 2 {
		if err := w.exchange(user, id, talk); err != nil {
			return "", err
		}
	}
	return id, w.flush(talk)
}

// open begins a thread.
func (w *writer) open(user chatkitd.UserID) (chatkitd.ThreadID, *piece, error) {
	id := chatkitd.ThreadID(w.id(chatkitd.PrefixThread))
	talk := &piece{stream: events.ThreadStream(id)}
	return id, talk, w.add(talk, metaOf(user), events.ThreadCreated{ThreadID: id, UserID: user, Title: title(w.rand)})
}

func metaOf(user chatkitd.UserID) events.Metadata {
	return events.Metadata{Correlation: "req_seed", Causation: "req_seed", User: user}
}

// exchange adds a turn without tools: a message and its answer, four events.
func (w *writer) exchange(user chatkitd.UserID, id chatkitd.ThreadID, talk *piece) error {
	w.pass(time.Second)
	turn := chatkitd.TurnID(w.id(chatkitd.PrefixTurn))
	said, err := w.message(id, title(w.rand))
	if err != nil {
		return err
	}
	answer, _, err := w.answer(id, text(w.rand, 30))
	if err != nil {
		return err
	}
	return w.add(talk, metaOf(user), said, events.TurnStarted{TurnID: turn, Trigger: events.TriggerMessage, Model: "gpt-5-mini"},
		answer, events.TurnCompleted{TurnID: turn, Model: "gpt-5-mini", DurationMS: 1000})
}

// Stream is a user with one thread.
type Stream struct {
	User   chatkitd.UserID
	Thread chatkitd.ThreadID
}

// Streams appends the histories of n users with a thread each, all of whose
// streams have that many events and one more for the thread. They lie in between
// each other, ten events at a time.
func Streams(ctx context.Context, store events.Store, n, count int) ([]Stream, error) {
	w := newWriter(ctx, store, 1)
	all := make([]Stream, n)
	talks, lists := make([]*piece, n), make([]*piece, n)
	var err error
	for i := range all {
		all[i].User = chatkitd.UserID(fmt.Sprintf("user%05d@example.com", i))
		lists[i] = &piece{stream: events.UserStream(all[i].User)}
		if all[i].Thread, talks[i], err = w.open(all[i].User); err != nil {
			return nil, err
		}
	}
	const exchanges, tasks = 3, 10
	for done := 0; done < count; done += tasks {
		for i := range all {
			for range min(tasks, count-done) {
				w.pass(time.Second)
				if err := w.add(lists[i], metaOf(all[i].User), w.task()); err != nil {
					return nil, err
				}
			}
			if err := w.flush(lists[i]); err != nil {
				return nil, err
			}
		}
	}
	for done := 0; done < count/4; done += exchanges {
		for i := range all {
			for range min(exchanges, count/4-done) {
				if err := w.exchange(all[i].User, all[i].Thread, talks[i]); err != nil {
					return nil, err
				}
			}
			if err := w.flush(talks[i]); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}
