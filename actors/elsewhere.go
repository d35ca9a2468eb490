package actors

import (
	"context"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/chatkit"
	"github.com/chatkitd/chatkitd/events"
)

// runs says where the turn of a thread runs; the zero value when none does.
type runs struct {
	here      *turn
	elsewhere *distant
}

// distant is a turn that another process runs.
type distant struct {
	turn    chatkitd.TurnID
	thread  chatkit.Thread // as it was when the turn started
	started uint64         // the revision of turn.started
}

// cancelOrder asks a thread to have its turn cancelled. The answer is a runs: a
// turn that runs here is left to the caller; the process of one that runs
// elsewhere has been asked, through the log.
type cancelOrder struct {
	meta chatkitd.Meta
	now  time.Time
}

func (t *thread) runs() runs {
	open := t.state.turn
	if open == nil {
		return runs{}
	}
	if here := t.sys.running(open.id); here != nil || t.sys.node == nil || open.instance == t.sys.opts.Instance {
		return runs{here: here}
	}
	thread := t.state.thread()
	thread.Title, thread.Status = open.title, open.status
	return runs{elsewhere: &distant{turn: open.id, thread: thread, started: open.revision}}
}

// runsElsewhere reports whether the open turn, which does not run here, is to be
// left to another process: one that is not taken for dead, and obeys.
func (t *thread) runsElsewhere() bool {
	open := t.state.turn
	if t.sys.node == nil || open.instance == t.sys.opts.Instance {
		return false
	}
	givenUp, added := t.sys.peers.watch(open.id, t.id, open.instance)
	if added {
		// The turn may have ended before the follower was told to look for it: what
		// is read from now on is read after.
		t.journal.fresh, t.unsure = false, true
	}
	return !givenUp
}

func (t *thread) cancel(ctx context.Context, o cancelOrder) (runs, error) {
	if err := t.state.checkOwner(o.meta.User); err != nil {
		return runs{}, err
	}
	r := t.runs()
	facts := t.state.decideCancel(r)
	if len(facts) == 0 {
		return r, nil
	}
	if err := t.journal.append(ctx, metadataOf(o.meta, o.now), chatkitd.NewID(chatkitd.PrefixRequest), t.fold, facts...); err != nil {
		return runs{}, err
	}
	return r, nil
}

// decideCancel returns the request to the process that runs the turn, once for
// each turn. It is pure.
func (s *threadState) decideCancel(r runs) []events.Thread {
	if r.elsewhere == nil || s.turn.cancel {
		return nil
	}
	return []events.Thread{events.TurnCancelRequested{TurnID: s.turn.id}}
}

// awaitCancel waits for the end of a turn that another process was asked to cancel.
// One that takes longer than half of what the command may take has it closed here:
// its process is gone, or hangs, and nobody wants the answer any more.
func (s *System) awaitCancel(ctx context.Context, id chatkitd.ThreadID, turn chatkitd.TurnID) error {
	patient, stop := context.WithTimeout(ctx, s.opts.CommandTimeout/2)
	defer stop()
	err := s.peers.await(patient, turn)
	if err == nil || ctx.Err() != nil {
		return err
	}
	s.peers.unheeded(turn)
	if _, err := s.threads.Ask(ctx, string(id), recoverTurn{}); err != nil {
		return err // it is tried again by who looks after the turns
	}
	return s.peers.await(ctx, turn)
}

// obeyCancel cancels the turn that runs here when the log says that somebody
// asked another process for it.
func (t *thread) obeyCancel() {
	if open := t.state.turn; open != nil && open.cancel {
		if here := t.sys.running(open.id); here != nil {
			here.cancel(errCancelled)
		}
	}
}

// effectOf returns the effect of a call of the open turn. Where other processes
// append, one that has had none will have none: the log says so.
func (t *thread) effectOf(ctx context.Context, key string) (chatkitd.TaskResult, bool, error) {
	if t.sys.node == nil {
		return t.sys.TaskEffect(ctx, t.state.owner, key)
	}
	return t.sys.voidEffect(ctx, chatkitd.Meta{
		User: t.state.owner, Request: t.state.turn.request, Cause: string(t.state.turn.id),
	}, key)
}

// takenOver is what the readers of a turn are told that another process ended.
const takenOver = "The server that wrote this answer was not heard of for a while, so the answer was given up."

// disown returns what the readers of a turn are to see that another process has
// ended: nothing that was not stored is left to stand. Who wanted it stopped needs
// no reason.
func (s *sink) disown(kind outcomeKind) []visible {
	var evs []visible
	for _, v := range s.unseen {
		if v.item != nil {
			evs = append(evs, visible{event: chatkit.ItemRemoved{ItemID: string(itemEntry(v.item).id)}})
		}
	}
	for _, o := range s.open {
		evs = append(evs, visible{event: chatkit.ItemRemoved{ItemID: o.item.Base().ID}})
	}
	if kind == turnCancelled {
		return evs
	}
	return append(evs, failure(takenOver)...)
}
