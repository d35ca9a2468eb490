package eventstoredb

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

const (
	// pendingBytes bounds what waits for Next, beside [events.MaxBatch].
	pendingBytes = 8 << 20
	// While it catches up, a batch of fewer events than this waits that long for
	// more: handing them over one by one would take more time than receiving them.
	fewEvents = 100
	gather    = 2 * time.Millisecond
	// maxResubscribe is about the longest pause between two subscriptions. A process
	// has a few, so a server that comes back is not run over.
	maxResubscribe = time.Second
	// The pauses between two looks at the head, see [subscription.advance].
	minLook = 200 * time.Millisecond
	maxLook = 30 * time.Second
)

// subscription follows the log: a goroutine (follow.go) takes what the server
// sends and puts it here, Next takes it away.
type subscription struct {
	s      *Store
	filter events.Filter
	cancel context.CancelFunc
	ctx    context.Context // ends the goroutine
	ended  chan struct{}   // closed by it

	filled chan struct{} // capacity 1: there may be something for Next
	room   chan struct{} // capacity 1: there may be room again

	mu       sync.Mutex
	pending  []events.Recorded
	bytes    int                // of pending
	position chatkitd.Position  // of the last that came, pending or not
	live     bool               // the server has said that there is no more
	told     *chatkitd.Position // where Next last said that it is caught up
	err      error              // why it ended by itself
}

// Subscribe implements [events.Store]. It does not wait for the server: an outage
// is waited for in Next. Next returns ErrAhead for a position past the end, and
// ErrDenied when the server does not let the user read the log.
func (s *Store) Subscribe(ctx context.Context, after chatkitd.Position, f events.Filter) (events.Subscription, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shut {
		return nil, events.ErrClosed
	}
	b := &subscription{
		s: s, filter: f, position: after,
		ended: make(chan struct{}), filled: make(chan struct{}, 1), room: make(chan struct{}, 1),
	}
	b.ctx, b.cancel = context.WithCancel(s.life)
	s.subs[b] = struct{}{}
	go b.run() //nolint:contextcheck // it lives until Close, longer than the call
	return b, nil
}

// Close implements [events.Subscription].
func (b *subscription) Close() error {
	b.cancel()
	<-b.ended
	b.s.mu.Lock()
	defer b.s.mu.Unlock()
	delete(b.s.subs, b)
	return nil
}

// Next implements [events.Subscription].
func (b *subscription) Next(ctx context.Context) (events.Batch, error) {
	look := minLook
	for gathered := false; ; {
		if err := ctx.Err(); err != nil {
			return events.Batch{}, err
		}
		if !gathered && b.few() {
			gathered = true
			pauseOr(ctx, b.ctx.Done(), gather)
		}
		batch, ok, err := b.take()
		if ok || err != nil {
			return batch, err
		}
		if !b.hides() {
			look = maxLook
		}
		timer := time.NewTimer(look)
		select {
		case <-b.filled:
			timer.Stop()
		case <-b.ctx.Done():
			timer.Stop()
		case <-ctx.Done():
			timer.Stop()
		case <-timer.C:
			b.advance(ctx)
			look = min(2*look, maxLook)
		}
	}
}

// few reports whether there is something, and most likely soon more.
func (b *subscription) few() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.live && 0 < len(b.pending) && len(b.pending) < fewEvents
}

// take returns what there is, and false when there is nothing new to say.
func (b *subscription) take() (events.Batch, bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.err != nil:
		return events.Batch{}, false, b.err
	case b.ctx.Err() != nil:
		return events.Batch{}, false, events.ErrClosed
	case len(b.pending) == 0 && (!b.live || b.told != nil && *b.told == b.position):
		return events.Batch{}, false, nil
	}
	batch := events.Batch{Events: b.pending, Position: b.position, CaughtUp: b.live}
	if batch.CaughtUp {
		at := b.position
		b.told = &at
	}
	b.pending, b.bytes = nil, 0
	signal(b.room)
	return batch, true, nil
}

// hides reports whether the reader's filter may hide the end of the log.
func (b *subscription) hides() bool {
	return len(b.filter.StreamPrefixes) > 0 || len(b.filter.Types) > 0
}

// advance moves the position past events that the filter hides: of these the
// server tells only now and then, and nothing at all while it is quiet.
func (b *subscription) advance(ctx context.Context) {
	b.mu.Lock()
	at, quiet := b.position, b.live && len(b.pending) == 0
	b.mu.Unlock()
	if !quiet || !b.hides() {
		return
	}
	head, err := b.s.Head(ctx)
	if err != nil || head.Compare(at) <= 0 {
		return // what fails here is told by the subscription itself
	}
	for rec, err := range b.s.ReadAll(ctx, events.AllRead{After: at, Limit: 1, Filter: b.filter}) {
		if err != nil || rec.Position.Compare(head) <= 0 {
			return // an event on its way to us
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.live && len(b.pending) == 0 && b.position == at {
		b.position = head
	}
}

// put adds an event and waits while there are too many.
func (b *subscription) put(rec events.Recorded) error {
	for {
		b.mu.Lock()
		if len(b.pending) < events.MaxBatch && b.bytes < pendingBytes {
			if rec.Position.Compare(b.position) > 0 {
				b.position = rec.Position
				if b.s.shows(b.filter, &rec) {
					b.pending = append(b.pending, rec)
					b.bytes += size(&rec)
				}
			}
			b.mu.Unlock()
			signal(b.filled)
			return nil
		}
		b.mu.Unlock()
		select {
		case <-b.room:
		case <-b.ctx.Done():
			return b.ctx.Err()
		}
	}
}

// set changes the state under the lock and wakes Next.
func (b *subscription) set(change func()) {
	b.mu.Lock()
	change()
	b.mu.Unlock()
	signal(b.filled)
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// run subscribes again and again.
func (b *subscription) run() {
	defer close(b.ended)
	wait, told := minPause, false
	for {
		came, err := b.follow()
		b.set(func() { b.live = false })
		if b.ctx.Err() != nil {
			return
		}
		if !temporary(err) {
			b.set(func() { b.err = err })
			return
		}
		if came {
			wait, told = minPause, false
		}
		b.s.metrics.resubscriptions.Inc()
		if !told { // once in an outage
			b.s.log.Warn("a subscription to EventStoreDB has ended, it subscribes again", "position", b.at().String(), "error", err)
			told = true
		}
		pause(b.ctx, wait/2+rand.N(wait))
		wait = min(2*wait, maxResubscribe)
	}
}

func (b *subscription) at() chatkitd.Position {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.position
}

// follow is one subscription of the server's, until it ends. came is whether it
// began.
func (b *subscription) follow() (came bool, err error) {
	if err := b.check(); err != nil {
		return false, err
	}
	n, err := b.s.cluster.node(b.ctx, roleFollow)
	if err != nil {
		return false, unreachable(err)
	}
	defer func() {
		if err != nil && b.ctx.Err() == nil {
			b.s.cluster.suspect(n)
		}
	}()
	trusted, err := n.checkpoints(b.ctx, b.s.set.gossipTimeout)
	if err != nil {
		return false, err
	}
	conn, err := n.forSubscription()
	if err != nil {
		return false, unreachable(err)
	}
	defer n.release(conn)
	ctx, cancel := context.WithCancel(b.ctx)
	defer cancel()
	silence := time.AfterFunc(b.s.set.defaultDeadline, cancel) // until it is confirmed
	defer silence.Stop()
	call, err := streams.NewStreamsClient(conn).Read(ctx, b.request())
	if err != nil {
		return false, explain("$all", events.Any, err, nil)
	}
	for {
		resp, err := call.Recv()
		if err != nil {
			return came, explain("$all", events.Any, err, call.Trailer())
		}
		if !came {
			came = true
			silence.Stop()
		}
		if err := b.receive(resp, trusted); err != nil {
			return came, err
		}
	}
}

// hiddenTail is how many bytes of the server's own records, which no read shows,
// may lie between the last event of the log and a checkpoint.
const hiddenTail = 64 << 10

// check refuses a position that the log has not come to.
func (b *subscription) check() error {
	at := b.at()
	if at.IsZero() {
		return nil
	}
	var head chatkitd.Position
	err := b.s.page(b.ctx, func(ctx context.Context, n *node) (err error) {
		head, err = rawHead(ctx, n)
		return err
	})
	if errors.Is(err, events.ErrClosed) {
		return unreachable(err)
	}
	if err == nil && at.Commit > head.Commit+hiddenTail {
		return fmt.Errorf("%w: position %s, the last event is at %s", ErrAhead, at, head)
	}
	return err
}

// request asks for the log after the position.
func (b *subscription) request() *streams.ReadReq {
	of := &streams.ReadReq_Options_AllOptions{AllOption: &streams.ReadReq_Options_AllOptions_Start{Start: &shared.Empty{}}}
	if at := b.at(); !at.IsZero() {
		of.AllOption = position(at)
	}
	return &streams.ReadReq{Options: &streams.ReadReq_Options{
		StreamOption: &streams.ReadReq_Options_All{All: of},
		CountOption:  &streams.ReadReq_Options_Subscription{Subscription: &streams.ReadReq_Options_SubscriptionOptions{}},
		FilterOption: b.s.wireFilter(b.filter),
		UuidOption:   structured(),
	}}
}

// receive takes a message of the server's.
func (b *subscription) receive(resp *streams.ReadResp, trusted bool) error {
	switch m := resp.GetContent().(type) {
	case *streams.ReadResp_Event:
		if m.Event.GetEvent() == nil {
			return nil // a link whose target is gone
		}
		rec, err := recordedFromWire(m.Event)
		if err != nil {
			return err
		}
		return b.put(rec)
	case *streams.ReadResp_Checkpoint_:
		p := chatkitd.Position{Commit: m.Checkpoint.GetCommitPosition(), Prepare: m.Checkpoint.GetPreparePosition()}
		b.set(func() {
			// A log that has only system events is empty, and its position zero.
			empty := b.position.IsZero() && !b.hides()
			if trusted && !empty && p.Compare(b.position) > 0 {
				b.position = p
			}
		})
	case *streams.ReadResp_CaughtUp_:
		b.set(func() { b.live = true })
	case *streams.ReadResp_FellBehind_:
		b.set(func() { b.live = false })
	}
	return nil
}
