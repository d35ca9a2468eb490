package actors

import (
	"context"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

// errVoid refuses a command whose key was voided: the turn behind it was ended
// without it.
var errVoid = chatkitd.Errorf(chatkitd.CodeConflict, "the answer that asked for this was ended before; it was not carried out")

// voidOrder asks for the effect of the command with this key, and sees to it that
// it never comes if there is none yet.
type voidOrder struct {
	meta chatkitd.Meta
	key  string
	now  time.Time
}

// void makes the answer final: either the effect is in the log, or the log says
// that it will not be. The expected revision decides which of the two came first.
func (u *user) void(ctx context.Context, o voidOrder) (effect, error) {
	for try := 1; ; try++ {
		if err := u.load(ctx); err != nil {
			return effect{}, err
		}
		if use, ok := u.state.keys.find(o.key, o.now); ok {
			return effect{use.result, true}, nil
		}
		if _, ok := u.state.voids.find(o.key, o.now); ok {
			return effect{}, nil
		}
		// The id is this attempt's own: another process that voids the same key is
		// told to look again.
		id := chatkitd.NewID("void_")
		err := u.journal.append(ctx, metadataOf(o.meta, o.now), id, u.fold, events.EffectVoided{Key: o.key})
		if again(ctx, err, try) {
			continue
		}
		if err == nil {
			u.journal.metrics.void()
		}
		return effect{}, err
	}
}

// voidEffect returns the result of the command that a user gave with this key. If
// there was none, there never will be.
func (s *System) voidEffect(ctx context.Context, m chatkitd.Meta, key string) (chatkitd.TaskResult, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.CommandTimeout)
	defer cancel()
	e, err := ask[effect](ctx, s.users, string(m.User), voidOrder{meta: m, key: key, now: s.now()})
	return e.result, e.known, err
}
