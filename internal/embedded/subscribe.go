package embedded

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

// The pause of a subscription that cannot read grows between these.
const (
	minRetry = 50 * time.Millisecond
	maxRetry = 5 * time.Second
)

// ErrAhead is returned by Subscribe for a position that the log has not come to:
// the reader remembers another log, and would wait for events that it would then
// take for known.
var ErrAhead = errors.New("embedded: the position is past the end of the log")

// Subscribe implements [events.Store]. In the process of the writer a commit wakes
// it; a read-only store looks every Options.Poll, since SQLite tells no other
// process of a commit.
func (s *Store) Subscribe(ctx context.Context, after chatkitd.Position, f events.Filter) (events.Subscription, error) {
	head, err := s.Head(ctx)
	if err != nil {
		return nil, err
	}
	if after.Compare(head) > 0 {
		return nil, fmt.Errorf("%w: position %s, the last event is at %s", ErrAhead, after, head)
	}
	s.tail.follow(1)
	return &subscription{s: s, filter: f, after: int64(after.Commit), done: make(chan struct{})}, nil
}

type subscription struct {
	s      *Store
	filter events.Filter
	once   sync.Once
	done   chan struct{} // closed by Close

	// Of Next alone.
	after    int64
	caughtUp bool // said so at after
}

// Next implements [events.Subscription].
func (b *subscription) Next(ctx context.Context) (events.Batch, error) {
	pause := minRetry
	for {
		if err := b.ended(ctx); err != nil {
			return events.Batch{}, err
		}
		batch, wait, err := b.look(ctx)
		switch {
		case err == nil && wait == nil:
			b.after, b.caughtUp = int64(batch.Position.Commit), batch.CaughtUp
			return batch, nil
		case err != nil && !errors.Is(err, events.ErrUnavailable):
			return events.Batch{}, err
		case err != nil:
			if pause == minRetry {
				b.s.log.Warn("subscription cannot read the log, it tries again", "error", err)
			}
			wait = b.sleep(ctx, pause)
			pause = min(2*pause, maxRetry)
		}
		select {
		case <-wait:
		case <-ctx.Done():
		case <-b.done:
		case <-b.s.done:
		}
	}
}

func (b *subscription) ended(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-b.done:
		return events.ErrClosed
	case <-b.s.done:
		return events.ErrClosed
	default:
		return nil
	}
}

// look returns what there is after b.after, or a channel to wait on before the
// next look.
func (b *subscription) look(ctx context.Context) (events.Batch, <-chan struct{}, error) {
	if b.s.writer == nil {
		return b.poll(ctx)
	}
	if b.caughtUp {
		if wait := b.s.tail.wait(b.after); wait != nil {
			return events.Batch{}, wait, nil
		}
	}
	if batch, ok := b.s.tail.take(b.after, b.filter); ok {
		return batch, nil, nil
	}
	batch, err := b.page(ctx)
	batch.CaughtUp = err == nil && batch.Position == position(b.s.tail.at())
	return batch, nil, err
}

// poll is look without a writer that would wake it.
func (b *subscription) poll(ctx context.Context) (events.Batch, <-chan struct{}, error) {
	batch, err := b.page(ctx)
	if err != nil {
		return batch, nil, err
	}
	if batch.Position == position(b.after) {
		if b.caughtUp {
			return events.Batch{}, b.sleep(ctx, b.s.o.Poll), nil
		}
		batch.CaughtUp = true
	}
	return batch, nil, nil
}

// page reads the file.
func (b *subscription) page(ctx context.Context) (events.Batch, error) {
	recs, last, more, err := b.s.logPage(ctx, b.after, false, pageRows, events.MaxBatch, b.filter)
	if !more {
		last = b.after
	}
	return events.Batch{Events: recs, Position: position(last)}, err
}

// sleep returns a channel that is closed after d, or when the wait is over.
func (b *subscription) sleep(ctx context.Context, d time.Duration) <-chan struct{} {
	ctx, cancel := context.WithTimeout(ctx, d)
	context.AfterFunc(ctx, cancel)
	return ctx.Done()
}

// Close implements [events.Subscription].
func (b *subscription) Close() error {
	b.once.Do(func() {
		close(b.done)
		b.s.tail.follow(-1)
	})
	return nil
}
