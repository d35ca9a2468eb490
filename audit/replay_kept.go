package audit

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/chatkitd/chatkitd/events"
)

const (
	foldsKeptFor  = time.Minute
	foldsKept     = 8
	foldsKeptSize = 64 << 20 // bytes of the events that went into all of them
)

// folds keeps for a moment how far streams were folded: who asks for page after
// page of a long stream, or follows it, goes on from there and not from its begin.
// A fold belongs to one question at a time. The zero value is empty.
type folds struct {
	mu     sync.Mutex
	kept   []*fold // the last one was kept last
	forget *time.Timer
}

// fold is a stream folded up to one of its events.
type fold struct {
	folder folder
	events uint64 // how many, which is the revision behind the last
	size   int    // bytes of them
	last   events.Recorded
}

// take returns the fold of a stream that is the furthest of those of at most so
// many events, and takes it away; nil if there is none.
func (f *folds) take(stream string, most uint64) *fold {
	f.mu.Lock()
	defer f.mu.Unlock()
	best := -1
	for i, k := range f.kept {
		if k.last.Stream == stream && k.events <= most && (best < 0 || k.events > f.kept[best].events) {
			best = i
		}
	}
	if best < 0 {
		return nil
	}
	k := f.kept[best]
	f.kept = slices.Delete(f.kept, best, best+1)
	return k
}

// put keeps a fold, unless it is too large. Those that were kept first make room.
func (f *folds) put(k *fold) {
	if k.size > foldsKeptSize {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kept = append(f.kept, k)
	size := 0
	for i, k := range slices.Backward(f.kept) {
		if size += k.size; size > foldsKeptSize || len(f.kept)-i > foldsKept {
			f.kept = slices.Delete(f.kept, 0, i+1)
			break
		}
	}
	if f.forget == nil {
		f.forget = time.AfterFunc(foldsKeptFor, f.clear)
	} else {
		f.forget.Reset(foldsKeptFor)
	}
}

func (f *folds) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kept = nil
}

// resume returns the fold of a stream to go on with, of at most so many events: one
// that was kept if the stream still holds what went into it, else an empty one.
func (p *past) resume(ctx context.Context, most uint64) (*fold, error) {
	k := p.a.folds.take(p.r.Stream, most)
	if k != nil {
		again, ok, err := one(p.a.store.ReadStream(ctx, p.r.Stream, events.StreamRead{From: k.events - 1, Limit: 1}))
		if err != nil {
			return nil, p.about.missing(err)
		}
		if ok && again.Revision == k.last.Revision && again.ID == k.last.ID {
			return k, nil
		}
	}
	if p.about.thread != "" {
		return &fold{folder: &threadFold{a: p.a, thread: p.about.thread}}, nil
	}
	return &fold{folder: newUserFold(p.a)}, nil
}
