package actors

import (
	"context"
	"fmt"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

// user is the only writer of one user's stream: the tasks.
type user struct {
	now     func() time.Time
	journal journal[events.User]
	state   userState
}

var _ Entity = (*user)(nil)

// taskOrder is a task command with what the caller put in.
type taskOrder struct {
	meta        chatkitd.Meta
	cmd         chatkitd.TaskCommand
	newID       chatkitd.TaskID // of a task that is added
	fingerprint string
	now         time.Time
}

// effectQuery asks what became of the command with this key.
type effectQuery struct{ key string }

type effect struct {
	result chatkitd.TaskResult
	known  bool
}

// Idle implements [Entity].
func (u *user) Idle() bool { return !u.journal.exists }

// Handle implements [Entity].
func (u *user) Handle(ctx context.Context, msg any) (any, error) {
	if err := ctx.Err(); err != nil {
		return nil, err // nobody waits any more, and nothing was done
	}
	u.journal.fresh = false
	switch msg := msg.(type) {
	case taskOrder:
		return u.do(ctx, msg)
	case effectQuery:
		return u.effect(ctx, msg)
	case voidOrder:
		return u.void(ctx, msg)
	}
	return nil, fmt.Errorf("actors: user got a %T", msg)
}

func (u *user) load(ctx context.Context) error {
	if u.journal.current() {
		return nil
	}
	return u.journal.load(ctx, func() { u.state = userState{} }, u.fold)
}

func (u *user) fold(f fact[events.User]) { u.state.fold(f) }

func (u *user) effect(ctx context.Context, q effectQuery) (effect, error) {
	for {
		if err := u.load(ctx); err != nil {
			return effect{}, err
		}
		use, ok := u.state.keys.find(q.key, u.now())
		if !ok {
			if grew, err := u.journal.confirm(ctx, u.fold); err != nil {
				return effect{}, err
			} else if grew {
				continue
			}
		}
		return effect{use.result, ok}, nil
	}
}

func (u *user) do(ctx context.Context, o taskOrder) (chatkitd.TaskResult, error) {
	for try := 1; ; try++ {
		if err := u.load(ctx); err != nil {
			return chatkitd.TaskResult{}, err
		}
		d, err := u.state.decide(o)
		if len(d.events) == 0 && !d.known && !certain(err) {
			if grew, cerr := u.journal.confirm(ctx, u.fold); cerr != nil {
				return chatkitd.TaskResult{}, cerr
			} else if grew {
				continue
			}
		}
		if err != nil {
			return chatkitd.TaskResult{}, err
		}
		if len(d.events) == 0 {
			d.result.Receipt = u.journal.receipt()
			return d.result, nil
		}
		meta := metadataOf(o.meta, o.now)
		if o.meta.Key != "" {
			meta.Key, meta.Fingerprint = o.meta.Key, o.fingerprint
		}
		// The ids of the events are those of this attempt, not of its key: a store
		// takes the same ids for the same append, and another process that carries
		// out the same command would be told that it did.
		err = u.journal.append(ctx, meta, string(o.newID), u.fold, d.events...)
		if again(ctx, err, try) {
			continue // another process was faster: load what it did and decide again
		}
		if err != nil {
			return chatkitd.TaskResult{}, err
		}
		res := chatkitd.TaskResult{Task: d.result.Task, Changed: true, Receipt: u.journal.receipt()}
		if t, ok := u.state.tasks[d.result.Task.ID]; ok {
			res.Task = *t
		}
		return res, nil
	}
}
