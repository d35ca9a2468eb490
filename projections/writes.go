package projections

import (
	"sync"

	"github.com/chatkitd/chatkitd"
)

// maxWrites bounds the writes that are remembered one by one.
const maxWrites = 65_536

// writes remembers the latest write of each user that a read model has not seen
// yet. Over the bound it forgets whose the writes were and holds everybody to the
// latest of them: later than needed, never too early.
type writes struct {
	mu    sync.RWMutex
	last  map[chatkitd.UserID]chatkitd.Position
	queue []write // by arrival, and so nearly by position
	floor chatkitd.Position
}

type write struct {
	user chatkitd.UserID
	pos  chatkitd.Position
}

func newWrites() *writes { return &writes{last: map[chatkitd.UserID]chatkitd.Position{}} }

func (w *writes) of(user chatkitd.UserID) chatkitd.Position {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if pos := w.last[user]; pos.Compare(w.floor) > 0 {
		return pos
	}
	return w.floor
}

// holdAll holds everybody to a position.
func (w *writes) holdAll(pos chatkitd.Position) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.floor.Compare(pos) < 0 {
		w.floor = pos
	}
}

// note remembers a write unless all models have passed it already.
func (w *writes) note(user chatkitd.UserID, pos, passed chatkitd.Position) {
	if pos.Compare(passed) <= 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.last[user].Compare(pos) >= 0 {
		return
	}
	if len(w.queue) >= maxWrites {
		for _, wr := range w.queue {
			if wr.pos.Compare(w.floor) > 0 {
				w.floor = wr.pos
			}
		}
		clear(w.last)
		w.queue = nil
	}
	w.last[user] = pos
	w.queue = append(w.queue, write{user, pos})
}

// passed forgets the writes up to a position that all models have reached.
func (w *writes) passed(pos chatkitd.Position) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for n < len(w.queue) && w.queue[n].pos.Compare(pos) <= 0 {
		if wr := w.queue[n]; w.last[wr.user] == wr.pos {
			delete(w.last, wr.user)
		}
		n++
	}
	w.queue = w.queue[n:]
	if len(w.queue) == 0 {
		w.queue = nil
	}
	if w.floor.Compare(pos) <= 0 {
		w.floor = chatkitd.Position{}
	}
}
