package logcopy

import (
	"context"
	"fmt"
	"iter"
	"sync"

	"github.com/chatkitd/chatkitd/events"
)

// Compare reads both logs from begin to end and compares every event, and what
// deletions have made of every stream. It returns the first difference as a
// [*DifferenceError]. progress may be nil.
func Compare(ctx context.Context, from, to events.Store, progress func(Progress)) (r Result, err error) {
	head, err := from.Head(ctx)
	if err != nil {
		return r, fmt.Errorf("read the source: %w", err)
	}
	c := &copier{progress: progress, at: Progress{Head: head}}
	streams := map[string]struct{}{}
	target, stop := iter.Pull2(to.ReadAll(ctx, events.AllRead{}))
	defer stop()
	for want, err := range from.ReadAll(ctx, events.AllRead{}) {
		if err != nil {
			return r, fmt.Errorf("read the source: %w", err)
		}
		have, err, ok := target()
		switch {
		case err != nil:
			return r, fmt.Errorf("read the target: %w", err)
		case !ok:
			return r, &DifferenceError{fmt.Sprintf("the target has %d events, and in the source comes %s; perhaps something still writes to it", r.Events, name(&want))}
		}
		if what := difference(&want, &have); what != "" {
			return r, &DifferenceError{fmt.Sprintf("event %d is %s in the target, in the source %s: %s", r.Events+1, name(&have), name(&want), what)}
		}
		streams[want.Stream] = struct{}{}
		r.Events++
		c.tell(PhaseVerify, want.Position)
	}
	have, err, more := target()
	switch {
	case err != nil:
		return r, fmt.Errorf("read the target: %w", err)
	case more:
		return r, &DifferenceError{fmt.Sprintf("the source has %d events, and in the target comes %s; perhaps something writes to it", r.Events, name(&have))}
	}
	r.Streams = len(streams)
	names := make([]string, 0, len(streams))
	for stream := range streams {
		names = append(names, stream)
	}
	var mu sync.Mutex
	err = each(ctx, names, func(ctx context.Context, stream string) error {
		want, err := look(ctx, from, stream)
		if err != nil {
			return err
		}
		have, err := look(ctx, to, stream)
		if err != nil {
			return err
		}
		if want != have {
			return &DifferenceError{fmt.Sprintf("stream %s is %s in the target, in the source %s", stream, have, want)}
		}
		if want.deleted || want.ended {
			mu.Lock()
			r.Deleted++
			mu.Unlock()
		}
		return nil
	})
	return r, err
}
