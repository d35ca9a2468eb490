package logcopy

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/chatkitd/chatkitd/events"
)

// fate is what deletions have made of a stream. The log keeps the events of a
// deleted stream; a read of the stream does not show them.
type fate struct {
	first   uint64 // the first revision that a read shows; behind a deletion it is above 0
	deleted bool   // it reads as missing
	ended   bool   // it was deleted for good
}

func (f fate) begins(revision uint64) bool { return f.first > 0 && f.first == revision }

func (f fate) String() string {
	switch {
	case f.ended:
		return "deleted for good"
	case f.deleted:
		return "deleted"
	case f.first > 0:
		return fmt.Sprintf("deleted before revision %d", f.first)
	}
	return "not deleted"
}

func look(ctx context.Context, s events.Store, stream string) (f fate, err error) {
	for rec, err := range s.ReadStream(ctx, stream, events.StreamRead{Limit: 1}) {
		switch {
		case errors.Is(err, events.ErrStreamNotFound):
			f.deleted = true
		case errors.Is(err, events.ErrStreamDeleted):
			f.ended = true
		case err != nil:
			return f, fmt.Errorf("read %s: %w", stream, err)
		default:
			f.first = rec.Revision
		}
		return f, nil
	}
	return f, nil
}

// fateOf returns the fate of a stream of the source.
func (c *copier) fateOf(ctx context.Context, stream string) (fate, error) {
	if f, ok := c.fates[stream]; ok {
		return f, nil
	}
	f, err := look(ctx, c.from, stream)
	if err == nil {
		c.fates[stream] = f
	}
	return f, err
}

// delete deletes a stream of the target, unless it is.
func (c *copier) delete(ctx context.Context, stream string) error {
	f, err := look(ctx, c.to, stream)
	if err != nil || f.deleted {
		return err
	}
	if err := c.to.Delete(ctx, stream, events.Any); err != nil {
		return fmt.Errorf("delete %s in the target: %w", stream, err)
	}
	return nil
}

// remove deletes in the target what is deleted in the source at the end of the log,
// and returns how many streams that are.
func (c *copier) remove(ctx context.Context) (n int, err error) {
	streams := make([]string, 0, len(c.next))
	for stream := range c.next {
		streams = append(streams, stream)
	}
	var mu sync.Mutex
	err = each(ctx, streams, func(ctx context.Context, stream string) error {
		mu.Lock()
		f, ok := c.fates[stream]
		mu.Unlock()
		if !ok {
			var err error
			if f, err = look(ctx, c.from, stream); err != nil {
				return err
			}
		}
		if !f.deleted && !f.ended {
			return nil
		}
		mu.Lock()
		n++
		mu.Unlock()
		if f.deleted {
			return c.delete(ctx, stream)
		}
		there, err := look(ctx, c.to, stream)
		if err != nil || there.ended {
			return err
		}
		if err := c.to.Tombstone(ctx, stream, events.Any); err != nil {
			return fmt.Errorf("delete %s for good in the target: %w", stream, err)
		}
		return nil
	})
	return n, err
}

// lookers is how many streams are looked at at a time.
const lookers = 16

// each calls do with every stream, and returns the first error.
func each(ctx context.Context, streams []string, do func(ctx context.Context, stream string) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work := make(chan string)
	var wg sync.WaitGroup
	for range min(lookers, len(streams)) {
		wg.Go(func() {
			for stream := range work {
				if err := do(ctx, stream); err != nil {
					cancel(err)
				}
			}
		})
	}
	for _, stream := range streams {
		if ctx.Err() != nil {
			break
		}
		work <- stream
	}
	close(work)
	wg.Wait()
	return context.Cause(ctx)
}
