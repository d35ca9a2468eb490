package eventstoredb

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"google.golang.org/grpc/metadata"

	"github.com/chatkitd/chatkitd/events"
)

// call is one operation of a caller: attempts until one has an answer.
type call struct {
	s      *Store
	outer  context.Context // the caller's
	cancel func()
}

// begin registers a call, so that Close waits for it, and returns its context: it
// ends with the caller's, at the deadline of the connection string, or at the end
// of Close. End the call with cancel.
func (s *Store) begin(ctx context.Context) (context.Context, *call, error) {
	if err := ctx.Err(); err != nil {
		return ctx, nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shut {
		return ctx, nil, events.ErrClosed
	}
	s.calls.Add(1)
	inner, cancel := context.WithTimeout(ctx, s.set.defaultDeadline)
	stop := context.AfterFunc(s.life, cancel)
	return inner, &call{s: s, outer: ctx, cancel: func() {
		stop()
		cancel()
		s.calls.Done()
	}}, nil
}

// try makes attempts at the leader until one succeeds or fails for good, or the
// call is over. again is true when an earlier attempt may have taken effect.
func (c *call) try(ctx context.Context, timeout time.Duration, attempt func(ctx context.Context, n *node, again bool) error) error {
	again := false
	wait := minPause
	patient := !c.s.outage.long()
	for n := 0; ; n++ {
		err := c.once(ctx, timeout, func(ctx context.Context, n *node) error { return attempt(ctx, n, again) })
		if err == nil || !temporary(err) {
			return err
		}
		lead, moved := errors.AsType[*notLeaderError](err)
		again = again || !moved
		if c.over(ctx) {
			return c.end(err)
		}
		goesOn := moved && lead.addr != "" && n < 3
		if !patient && !goesOn {
			return c.end(err)
		}
		c.s.metrics.retried(err)
		if goesOn {
			continue
		}
		pauseOr(ctx, c.s.closing, rand.N(wait)+wait/2)
		if c.over(ctx) {
			return c.end(err)
		}
		wait = min(2*wait, maxPause)
	}
}

// once makes one attempt.
func (c *call) once(ctx context.Context, timeout time.Duration, attempt func(ctx context.Context, n *node) error) error {
	n, err := c.s.cluster.node(ctx, roleLead)
	if err != nil {
		c.s.outage.failed(ctx)
		return fmt.Errorf("%w: no leader: %w", events.ErrUnavailable, err)
	}
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err = attempt(limited, n)
	switch lead, ok := errors.AsType[*notLeaderError](err); {
	case ok && lead.addr != "":
		c.s.cluster.redirect(n, lead.addr)
	case temporary(err) && !errors.Is(ctx.Err(), context.Canceled):
		c.s.cluster.suspect(n) // also when it let the caller's deadline pass
		c.s.outage.failed(ctx)
	case !temporary(err):
		c.s.outage.over()
	}
	return err
}

// outage knows since when calls have had no answer. Once that is long, calls make
// one attempt and no second: waiting would help none of them, and those who ask are
// told at once. Nobody is kept from trying, so the end of it is noticed by whoever
// comes next.
type outage struct {
	mu          sync.Mutex
	first, last time.Time // of the attempts that failed one after the other
}

// patience is how long without an answer is a change of leader or a restart, which
// calls wait for.
const patience = 5 * time.Second

func (o *outage) failed(ctx context.Context) {
	if errors.Is(ctx.Err(), context.Canceled) {
		return // the caller left
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	if o.first.IsZero() || now.Sub(o.last) > patience { // nobody has tried for a while
		o.first = now
	}
	o.last = now
}

func (o *outage) over() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.first = time.Time{}
}

func (o *outage) long() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return !o.first.IsZero() && o.last.Sub(o.first) > patience && time.Since(o.last) <= patience
}

// over reports whether there is to be no further attempt.
func (c *call) over(ctx context.Context) bool {
	select {
	case <-c.s.closing:
		return true
	default:
		return ctx.Err() != nil
	}
}

// end returns the error of a call whose attempts all failed.
func (c *call) end(err error) error {
	if outer := c.outer.Err(); outer != nil {
		return fmt.Errorf("%w; the last attempt: %v", outer, err) //nolint:errorlint // the caller gave up, whatever the attempt would have become
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
