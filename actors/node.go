package actors

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

// ErrInstanceTaken is returned by [System.Run] when another process works on the
// same log under the same instance: a data folder was copied while it lived.
var ErrInstanceTaken = errors.New("actors: another process works under this instance")

// node is this process among others on the same log. It owns the stream that
// says so, follows the log, and looks after turns whose process is gone.
type node struct {
	sys    *System
	boot   string // this start, and no other
	stream string

	// say is held while an event is appended to the stream; what is up to seq
	// belongs to who holds it.
	say      chan struct{}
	exists   bool
	revision uint64
	begun    bool // node.started of this boot is stored
	seq      int

	contested chan struct{} // cap 1: another process has started under this instance

	mu    sync.Mutex
	ready bool          // it follows the log, and has heard itself
	heard uint64        // the last revision of the stream that came back, plus 1
	more  chan struct{} // closed, and replaced, when heard grows
	renew func()        // ends the subscription, so that a new one takes its place
}

func newNode(s *System) *node {
	return &node{
		sys: s, boot: chatkitd.NewID("boot_"), stream: events.NodeStream(s.opts.Instance),
		say: make(chan struct{}, 1), contested: make(chan struct{}, 1), more: make(chan struct{}), renew: func() {},
	}
}

// errNotFollowing is what [System.Ready] returns before the follower has heard
// this very process.
var errNotFollowing = errors.New("actors: the log is not followed yet")

// Ready returns nil when this process hears the others on its log, or has the log
// for itself; else what is the matter.
func (s *System) Ready() error {
	if s.node == nil {
		return nil
	}
	s.node.mu.Lock()
	defer s.node.mu.Unlock()
	if !s.node.ready {
		return errNotFollowing
	}
	return nil
}

// Run takes part in the work of several processes on one log until ctx ends: it
// says that this one is there, hears the others, and closes turns whose process is
// gone. It does nothing but wait when the log is not shared. Call it once. It returns
// [ErrInstanceTaken], [events.ErrClosed], or nil when ctx has ended. Outages of the
// store it outlasts.
func (s *System) Run(ctx context.Context) error {
	if s.node == nil {
		<-ctx.Done()
		return nil
	}
	return s.node.run(ctx)
}

func (n *node) run(ctx context.Context) error {
	defer n.setReady(false)
	var head chatkitd.Position
	err := n.persist(ctx, func(ctx context.Context) (err error) {
		head, err = n.sys.opts.Store.Head(ctx)
		return err
	})
	if err != nil {
		return ended(ctx, err)
	}
	ctx, stop := context.WithCancelCause(ctx)
	var parts sync.WaitGroup
	for _, part := range []func(context.Context) error{
		func(ctx context.Context) error { return n.follow(ctx, head) },
		n.pulse,
		n.lookAfter,
	} {
		parts.Go(func() {
			if err := part(ctx); err != nil {
				stop(err)
			}
		})
	}
	parts.Wait()
	err = context.Cause(ctx)
	stop(nil)
	return ended(ctx, err)
}

// ended returns nil for an error that is only the end of ctx.
func ended(ctx context.Context, err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil {
		return nil
	}
	return err
}

// persist tries again until it works, the store is closed, or ctx ends.
func (n *node) persist(ctx context.Context, try func(context.Context) error) error {
	for wait := 20 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		limit, cancel := context.WithTimeout(ctx, n.sys.opts.RenewEvery)
		err := try(limit)
		cancel()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, events.ErrClosed), errors.Is(err, ErrInstanceTaken):
			return err
		}
		select {
		case <-time.After(wait/2 + rand.N(wait)): //nolint:gosec // nothing secret
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// append adds an event to the node's own stream and returns its revision. A
// revision that is not as expected is somebody else's event, or one of its own
// whose answer was lost.
func (n *node) append(ctx context.Context, ev events.Node) (revision uint64, err error) {
	select {
	case n.say <- struct{}{}:
		defer func() { <-n.say }()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	defer func() { n.sys.metrics.said(err) }()
	if !n.begun {
		if err := n.last(ctx); err != nil {
			return 0, err
		}
	}
	n.seq++
	key := fmt.Sprintf("%s:%d", n.boot, n.seq)
	recs, err := events.Prepare(n.stream, events.Metadata{RecordedAt: n.sys.now()}, key, ev)
	if err != nil {
		return 0, err
	}
	for {
		expected := events.NoStream
		if n.exists {
			expected = events.At(n.revision)
		}
		at, err := n.sys.opts.Store.Append(ctx, n.stream, expected, recs...)
		if err == nil {
			n.exists, n.revision = true, at.Revision
			if _, started := ev.(events.NodeStarted); started {
				n.begun = true
			}
			return at.Revision, nil
		}
		if !errors.Is(err, events.ErrWrongRevision) {
			return 0, fmt.Errorf("append to %s: %w", n.stream, err)
		}
		if err := n.judge(ctx); err != nil {
			return 0, err
		}
	}
}

// judge reads what is new in the node's own stream. Whoever appends first after a
// node.started keeps the instance: the expected revision lets only one of the two
// do so, and the other finds that event here.
func (n *node) judge(ctx context.Context) error {
	var from uint64
	if n.exists {
		from = n.revision + 1
	}
	for rec, err := range n.sys.opts.Store.ReadStream(ctx, n.stream, events.StreamRead{From: from}) {
		if errors.Is(err, events.ErrStreamNotFound) {
			n.exists = false
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", n.stream, err)
		}
		f, err := decodeFact[events.Node](rec)
		if err != nil {
			return fmt.Errorf("read %s: revision %d: %w", n.stream, rec.Revision, err)
		}
		n.exists, n.revision = true, rec.Revision
		if alive, ok := f.Event.(events.NodeAlive); ok && n.begun && alive.Boot != n.boot {
			return n.taken(alive.Boot)
		}
	}
	return nil
}

func (n *node) taken(by string) error {
	return fmt.Errorf("%w: %s is also %s: two programs use copies of one data folder; stop one of them, and give it a folder that is not a copy", ErrInstanceTaken, n.sys.opts.Instance, by)
}

// start says that this process begins to work. What another start has said
// before does not matter: its process is gone, or it answers.
func (n *node) start(ctx context.Context) error {
	return n.persist(ctx, func(ctx context.Context) error {
		_, err := n.append(ctx, events.NodeStarted{Instance: n.sys.opts.Instance, Boot: n.boot})
		return err
	})
}

// last looks where the node's own stream ends.
func (n *node) last(ctx context.Context) error {
	for rec, err := range n.sys.opts.Store.ReadStream(ctx, n.stream, events.StreamRead{FromEnd: true, Backwards: true, Limit: 1}) {
		if errors.Is(err, events.ErrStreamNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		n.exists, n.revision = true, rec.Revision
	}
	return nil
}

// alive says that this process is there.
func (n *node) alive(ctx context.Context) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, n.sys.opts.RenewEvery)
	defer cancel()
	return n.append(ctx, events.NodeAlive{Instance: n.sys.opts.Instance, Boot: n.boot})
}

// pulse says that this process is there: while it runs a turn that others could
// take for abandoned, and when another one has started under its instance.
func (n *node) pulse(ctx context.Context) error {
	if err := n.start(ctx); err != nil {
		return ended(ctx, err)
	}
	every := n.sys.opts.RenewEvery
	tick := time.NewTicker(max(every/2, time.Millisecond))
	defer tick.Stop()
	last := time.Now()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-n.contested:
		case <-tick.C:
			if time.Since(last) < every || time.Since(n.sys.oldest()) < every {
				continue
			}
		}
		_, err := n.alive(ctx)
		switch {
		case errors.Is(err, ErrInstanceTaken), errors.Is(err, events.ErrClosed):
			return err
		case err == nil:
			last, failing = time.Now(), false
		case ctx.Err() == nil && !failing:
			n.sys.opts.Log.Warn("others on this log cannot be told that this process is there", "error", err)
			failing = true
		}
	}
}

// oldest returns when the oldest running turn began; now when none runs.
func (s *System) oldest() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	oldest := time.Now()
	for _, t := range s.turns {
		if t.began.Before(oldest) {
			oldest = t.began
		}
	}
	return oldest
}
