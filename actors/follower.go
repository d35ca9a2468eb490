package actors

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

// followed are the events that the follower asks for: turns and nodes for
// themselves, the rest for readers of turns that run elsewhere.
var followed = names(
	events.TurnStarted{}, events.TurnCompleted{}, events.TurnFailed{}, events.TurnCancelled{}, events.TurnInterrupted{},
	events.TurnCancelRequested{}, events.NodeStarted{}, events.NodeAlive{},
	events.ItemAdded{}, events.ItemReplaced{}, events.ItemRemoved{}, events.ThreadRenamed{}, events.ThreadStatusChanged{}, events.ThreadDeleted{},
)

// watched are those of them that only readers want: they are not decoded here.
var watched = set(names(
	events.ItemAdded{}, events.ItemReplaced{}, events.ItemRemoved{}, events.ThreadRenamed{}, events.ThreadStatusChanged{}, events.ThreadDeleted{},
))

func names(evs ...events.Event) []string {
	out := make([]string, len(evs))
	for i, ev := range evs {
		out[i] = events.MustName(ev)
	}
	return out
}

func set(names []string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, name := range names {
		m[name] = true
	}
	return m
}

// follow hears what happens on the log after a position, until ctx ends or the
// store is closed.
func (n *node) follow(ctx context.Context, after chatkitd.Position) error {
	for wait := 20 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		moved, err := n.subscribe(ctx, &after)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, events.ErrClosed), errors.Is(err, ErrInstanceTaken):
			return err
		}
		n.sys.opts.Log.Warn("the log is not followed for a moment", "error", err)
		if moved {
			wait = 20 * time.Millisecond
		}
		select {
		case <-time.After(wait/2 + rand.N(wait)): //nolint:gosec // nothing secret
		case <-ctx.Done():
			return nil
		}
	}
}

// errDeaf ends a subscription that does not give what was stored.
var errDeaf = errors.New("actors: an event of this process was stored and did not come back in time: subscribing anew")

// subscribe follows the log until something fails, and reports whether it came
// further.
func (n *node) subscribe(ctx context.Context, after *chatkitd.Position) (moved bool, err error) {
	// By stream too: that is what a server filters by.
	filter := events.Filter{StreamPrefixes: []string{events.ThreadPrefix, events.NodePrefix}, Types: followed}
	ctx, renew := context.WithCancelCause(ctx)
	defer renew(nil)
	n.mu.Lock()
	n.renew = func() { renew(errDeaf) }
	n.mu.Unlock()
	sub, err := n.sys.opts.Store.Subscribe(ctx, *after, filter)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, sub.Close()) }()
	for {
		batch, err := sub.Next(ctx)
		if err != nil {
			if errors.Is(context.Cause(ctx), errDeaf) {
				err = errDeaf
			}
			return moved, err
		}
		for i := range batch.Events {
			if err := n.hear(ctx, &batch.Events[i]); err != nil {
				return moved, err
			}
		}
		*after, moved = batch.Position, true
	}
}

// hear takes note of an event. It may come twice.
func (n *node) hear(ctx context.Context, rec *events.Recorded) error {
	p := n.sys.peers
	thread, ok := events.ThreadOf(rec.Stream)
	if ok && p.anyRemote() {
		defer p.wakeRemote(thread)
	}
	if watched[rec.Type] {
		return nil
	}
	ev, err := events.Decode(rec.Type, rec.Data)
	if err != nil {
		n.sys.opts.Log.Error("an event of another process cannot be read", "stream", rec.Stream, "revision", rec.Revision, "error", err)
		return nil
	}
	switch ev := ev.(type) {
	case events.TurnStarted:
		n.started(ev, thread)
	case events.TurnCompleted:
		p.over(ev.TurnID)
	case events.TurnFailed:
		p.over(ev.TurnID)
	case events.TurnCancelled:
		p.over(ev.TurnID)
	case events.TurnInterrupted:
		p.over(ev.TurnID)
		// A turn that runs here was ended by somebody else, or is ending for a
		// reason that it has already.
		if here := n.sys.running(ev.TurnID); here != nil {
			here.cancel(errTakenOver)
		}
	case events.TurnCancelRequested:
		n.cancelRequested(ctx, ev.TurnID, thread)
	case events.NodeStarted:
		return n.node(rec, ev.Instance, ev.Boot, false)
	case events.NodeAlive:
		return n.node(rec, ev.Instance, ev.Boot, true)
	}
	return nil
}

func (n *node) started(ev events.TurnStarted, thread chatkitd.ThreadID) {
	switch {
	case ev.Instance != n.sys.opts.Instance:
		n.sys.peers.hear(ev.Instance)
		n.sys.peers.watch(ev.TurnID, thread, ev.Instance)
	case n.sys.running(ev.TurnID) == nil:
		// It is about to run, or nobody here knows that its start was stored.
		n.sys.peers.suspect(ev.TurnID, thread, false)
	}
}

// cancelRequested cancels a turn that runs here. One that is just being started
// is found behind its start in the thread's mailbox.
func (n *node) cancelRequested(ctx context.Context, turn chatkitd.TurnID, thread chatkitd.ThreadID) {
	if here := n.sys.running(turn); here != nil {
		here.cancel(errCancelled)
		return
	}
	if n.sys.peers.knows(turn) {
		return
	}
	if err := n.sys.threads.Tell(ctx, string(thread), recoverTurn{}); err != nil {
		n.sys.peers.suspect(turn, thread, true)
	}
}

// node takes note of a process's own event.
func (n *node) node(rec *events.Recorded, instance, boot string, alive bool) error {
	if instance != n.sys.opts.Instance {
		n.sys.peers.hear(instance)
		return nil
	}
	if boot == n.boot {
		n.echo(rec.Revision)
		return nil
	}
	n.mu.Lock()
	first := rec.Revision >= n.heard
	ready := n.ready
	n.mu.Unlock()
	switch {
	case !ready || !first: // from before this start, or again
	case alive:
		return n.taken(boot)
	default:
		select {
		case n.contested <- struct{}{}:
		default:
		}
	}
	return nil
}

// echo notes that an event of this process came back through the log: whatever
// was stored before it has been heard.
func (n *node) echo(revision uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if revision < n.heard {
		return
	}
	n.heard, n.ready = revision+1, true
	close(n.more)
	n.more = make(chan struct{})
}

// hears waits until an event of this process has come back.
func (n *node) hears(ctx context.Context, revision uint64) error {
	for {
		n.mu.Lock()
		heard, more := n.heard, n.more
		n.mu.Unlock()
		if heard > revision {
			return nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// deaf is called when an event of this process was stored and did not come back in
// time. A new subscription begins where the old one stands.
func (n *node) deaf() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ready = false
	n.renew()
}

func (n *node) setReady(ready bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ready = ready
}
