package actors

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/chatkitd/chatkitd"
)

// takeoversAtOnce bounds how many threads are closed at the same time.
const takeoversAtOnce = 8

// lookAfter closes turns whose process is gone: those of other processes after a
// lease of silence, and those of this one that nobody runs any more.
func (n *node) lookAfter(ctx context.Context) error {
	tick := time.NewTicker(max(n.sys.opts.RenewEvery/2, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		n.closeStrays(ctx)
		if open, _ := n.sys.peers.count(); open == 0 {
			n.sys.peers.listening(time.Now(), false, 0)
			continue
		}
		n.listen(ctx)
		n.takeOver(ctx)
	}
}

// listen finds out whether this process hears. While it does not, silence means
// nothing. As long as nobody is missed it is enough that the store answers. When
// somebody is, an event is sent through the log: when it comes back, the store
// takes appends, the other's too, and all that was appended before was heard.
func (n *node) listen(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, n.sys.opts.RenewEvery)
	defer cancel()
	at := time.Now()
	var err error
	if n.sys.peers.missed(at, n.sys.opts.Lease/2) {
		var revision uint64
		if revision, err = n.alive(ctx); err == nil {
			if err = n.hears(ctx, revision); err != nil {
				n.deaf()
			}
		}
	} else {
		_, err = n.sys.opts.Store.Head(ctx)
	}
	n.sys.peers.listening(at, err == nil, 3*n.sys.opts.RenewEvery)
}

// takeOver closes the turns of processes that have been silent for a lease, all
// of which this one has heard, and those that were to be cancelled and were not.
func (n *node) takeOver(ctx context.Context) {
	turns := n.sys.peers.giveUp(time.Now(), n.sys.opts.Lease)
	if slices.ContainsFunc(turns, func(a away) bool { return a.orphan }) {
		n.sys.opts.Log.Warn("nothing is heard of other processes; their turns are closed", "turns", len(turns))
	}
	threads := make(map[chatkitd.TurnID]chatkitd.ThreadID, len(turns))
	for _, a := range turns {
		threads[a.turn] = a.thread
	}
	n.recover(ctx, threads, func(chatkitd.TurnID) {})
}

// closeStrays closes turns of this process that are open in the log and run
// nowhere: their start or their end was stored without anybody knowing.
func (n *node) closeStrays(ctx context.Context) {
	threads := map[chatkitd.TurnID]chatkitd.ThreadID{}
	for turn, s := range n.sys.peers.strays() {
		if n.sys.running(turn) != nil && !s.sure {
			n.sys.peers.calm(turn)
		} else {
			threads[turn] = s.thread
		}
	}
	n.recover(ctx, threads, n.sys.peers.calm)
}

// recover has threads close their turn if nobody runs it. What fails is tried
// again at the next look.
func (n *node) recover(ctx context.Context, threads map[chatkitd.TurnID]chatkitd.ThreadID, done func(chatkitd.TurnID)) {
	var all sync.WaitGroup
	places := make(chan struct{}, takeoversAtOnce)
	for turn, thread := range threads {
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			limit, cancel := context.WithTimeout(ctx, n.sys.opts.CommandTimeout)
			defer cancel()
			_, err := n.sys.threads.Ask(limit, string(thread), recoverTurn{})
			switch {
			case err == nil:
				done(turn)
			case ctx.Err() == nil && !errors.Is(err, ErrClosed):
				n.sys.opts.Log.Warn("turn could not be closed yet", logTurn(turn, thread), slog.Any("error", err))
			}
		})
	}
	all.Wait()
}
