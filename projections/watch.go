package projections

import (
	"context"
	"sync"

	"github.com/chatkitd/chatkitd"
)

// The bounds of the hub.
const (
	hubRing    = 4096 // changes that are remembered, over all users
	watchQueue = 64   // changes that a watcher may be behind
)

// hub hands committed changes to whoever watches. A watcher that does not keep up
// is cut off and not waited for.
type hub struct {
	max int

	mu       sync.Mutex
	watchers map[chatkitd.UserID]map[*watcher]struct{}
	count    int
	cut      int // watchers that were too slow
	closed   bool
	ring     []userChange // the last changes, oldest at next when full
	next     int
	from     chatkitd.Position // the ring holds every change after it
	at       chatkitd.Position // of the last event that was published
}

type watcher struct {
	after   chatkitd.Position
	changes chan chatkitd.TaskChange
}

func newHub(most int) *hub {
	return &hub{max: most, watchers: map[chatkitd.UserID]map[*watcher]struct{}{}}
}

// start begins to remember at a position: what was before is not known, and
// whoever watches must begin again.
func (h *hub) start(at chatkitd.Position) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.removeAll()
	h.ring, h.next, h.from, h.at = nil, 0, at, at
}

// publish hands out the changes of a batch that ended at a position.
func (h *hub) publish(changes []userChange, at chatkitd.Position) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if at.Compare(h.at) <= 0 {
		return
	}
	h.at = at
	for _, c := range changes {
		h.remember(c)
		for w := range h.watchers[c.user] {
			if c.Position.Compare(w.after) <= 0 {
				continue
			}
			select {
			case w.changes <- c.TaskChange:
			default:
				h.remove(c.user, w)
				h.cut++
			}
		}
	}
}

func (h *hub) remember(c userChange) {
	if len(h.ring) < hubRing {
		h.ring = append(h.ring, c)
		return
	}
	h.from = h.ring[h.next].Position
	h.ring[h.next] = c
	h.next = (h.next + 1) % hubRing
}

// watch begins after a position, if all that has happened since is known and fits
// the queue, else now.
func (h *hub) watch(user chatkitd.UserID, after chatkitd.Position, written chatkitd.Position) (chatkitd.TaskWatch, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.closed:
		return chatkitd.TaskWatch{}, chatkitd.Errorf(chatkitd.CodeUnavailable, "the server is stopping")
	case h.count >= h.max:
		return chatkitd.TaskWatch{}, chatkitd.Errorf(chatkitd.CodeUnavailable, "too many lists are being followed")
	}
	w := &watcher{after: after, changes: make(chan chatkitd.TaskChange, watchQueue)}
	// A position that neither the log nor this user's writes have reached is
	// of another log.
	resumed := after.Compare(h.from) >= 0 && (after.Compare(h.at) <= 0 || after.Compare(written) <= 0)
	if resumed {
		resumed = h.replay(user, w)
	}
	if !resumed {
		w = &watcher{after: h.at, changes: make(chan chatkitd.TaskChange, watchQueue)}
	}
	if h.watchers[user] == nil {
		h.watchers[user] = map[*watcher]struct{}{}
	}
	h.watchers[user][w] = struct{}{}
	h.count++
	stop := func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.remove(user, w)
	}
	return chatkitd.TaskWatch{At: w.after, Resumed: resumed, Changes: w.changes, Stop: stop}, nil
}

// replay queues what is remembered for a watcher, and reports whether it fits.
func (h *hub) replay(user chatkitd.UserID, w *watcher) bool {
	for i := range h.ring {
		c := h.ring[(h.next+i)%len(h.ring)]
		if c.user != user || c.Position.Compare(w.after) <= 0 {
			continue
		}
		select {
		case w.changes <- c.TaskChange:
		default:
			return false
		}
	}
	return true
}

// remove ends a watch once. The caller holds h.mu.
func (h *hub) remove(user chatkitd.UserID, w *watcher) {
	if _, ok := h.watchers[user][w]; !ok {
		return
	}
	delete(h.watchers[user], w)
	if len(h.watchers[user]) == 0 {
		delete(h.watchers, user)
	}
	h.count--
	close(w.changes)
}

func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	h.removeAll()
}

// removeAll ends every watch. The caller holds h.mu.
func (h *hub) removeAll() {
	for user, ws := range h.watchers {
		for w := range ws {
			h.remove(user, w)
		}
	}
}

func (h *hub) counts() (watching, cut int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.count, h.cut
}

// WatchTasks implements [chatkitd.TaskReader]. It returns CodeUnavailable over
// the bound of watchers, and what a query does.
func (s *Service) WatchTasks(ctx context.Context, user chatkitd.UserID, after chatkitd.Position) (chatkitd.TaskWatch, error) {
	written := s.writes.of(user)
	if after.Compare(written) > 0 && after.Compare(s.tasks.at()) > 0 {
		switch err := s.exists(ctx, after); {
		case err == nil: // it was seen at another server
			written = after
			if after.Compare(chatkitd.PositionOf(ctx)) > 0 {
				ctx = chatkitd.WithPosition(ctx, after)
			}
		case chatkitd.CodeOf(err) != chatkitd.CodeUnknownPosition: // that one is of another log: the list begins anew
			return chatkitd.TaskWatch{}, err
		}
	}
	if err := s.await(ctx, user, s.tasks); err != nil {
		return chatkitd.TaskWatch{}, err
	}
	return s.hub.watch(user, after, written)
}
