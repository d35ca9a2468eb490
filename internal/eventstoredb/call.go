package eventstoredb

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc/metadata"

	"github.com/chatkitd/chatkitd/events"
)

// call is one operation of a caller: attempts until one has an answer.
type call struct {
	s      *Store
	ctx    context.Context // ends with the caller's, at the deadline, or at the end of Close
	outer  context.Context // the caller's
	cancel func()
}

// begin registers a call, so that Close waits for it. End it with cancel.
func (s *Store) begin(ctx context.Context) (*call, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shut {
		return nil, events.ErrClosed
	}
	s.calls.Add(1)
	c := &call{s: s, outer: ctx}
	inner, cancel := context.WithTimeout(ctx, s.set.defaultDeadline)
	stop := context.AfterFunc(s.life, cancel)
	c.ctx = inner
	c.cancel = func() {
		stop()
		cancel()
		s.calls.Done()
	}
	return c, nil
}

// try makes attempts at the leader until one succeeds or fails for good, or the
// call is over. again is true when an earlier attempt may have taken effect.
func (c *call) try(timeout time.Duration, attempt func(ctx context.Context, n *node, again bool) error) error {
	again := false
	wait := minPause
	for n := 0; ; n++ {
		err := c.once(timeout, func(ctx context.Context, n *node) error { return attempt(ctx, n, again) })
		if err == nil || !temporary(err) {
			return err
		}
		lead, moved := errors.AsType[*notLeaderError](err)
		again = again || !moved
		if c.over() {
			return c.end(err)
		}
		c.s.metrics.retried(err)
		if moved && lead.addr != "" && n < 3 {
			continue
		}
		pauseOr(c.ctx, c.s.closing, rand.N(wait)+wait/2)
		if c.over() {
			return c.end(err)
		}
		wait = min(2*wait, maxPause)
	}
}

// once makes one attempt.
func (c *call) once(timeout time.Duration, attempt func(ctx context.Context, n *node) error) error {
	n, err := c.s.cluster.node(c.ctx, roleLead)
	if err != nil {
		return fmt.Errorf("%w: no leader: %w", events.ErrUnavailable, err)
	}
	ctx, cancel := context.WithTimeout(c.ctx, timeout)
	defer cancel()
	err = attempt(ctx, n)
	switch lead, ok := errors.AsType[*notLeaderError](err); {
	case ok && lead.addr != "":
		c.s.cluster.redirect(n, lead.addr)
	case temporary(err) && !errors.Is(c.ctx.Err(), context.Canceled):
		c.s.cluster.suspect(n) // also when it let the caller's deadline pass
	}
	return err
}

// over reports whether there is to be no further attempt.
func (c *call) over() bool {
	select {
	case <-c.s.closing:
		return true
	default:
		return c.ctx.Err() != nil
	}
}

// end returns the error of a call whose attempts all failed.
func (c *call) end(err error) error {
	if outer := c.outer.Err(); outer != nil {
		return outer
	}
	select {
	case <-c.s.closing:
		return fmt.Errorf("%w: %w", events.ErrClosed, err)
	default:
		return err
	}
}

// pauseOr waits for d, until ctx ends or until done is closed.
func pauseOr(ctx context.Context, done <-chan struct{}, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	case <-done:
	}
}

// requireLeader makes a follower refuse a call and name the leader.
func requireLeader(ctx context.Context) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "requires-leader", "true")
}
