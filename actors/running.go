package actors

import (
	"context"
	"sync"
	"time"

	"github.com/chatkitd/chatkitd"
)

// place is the right to run one turn. It is given back once: by the turn when it
// has ended, or by whoever holds it when no turn came of it.
type place struct {
	mu   sync.Mutex
	free func()
}

// takePlace reserves the right to run a turn, or refuses.
func (s *System) takePlace() (*place, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	select {
	case s.places <- struct{}{}:
	default:
		return nil, chatkitd.Errorf(chatkitd.CodeUnavailable, "as many answers are being written as can be at once; try again in a moment")
	}
	s.wg.Add(1)
	return &place{free: func() { <-s.places; s.wg.Done() }}, nil
}

// take hands the place over. It returns nil when it was given back already.
func (p *place) take() func() {
	p.mu.Lock()
	defer p.mu.Unlock()
	free := p.free
	p.free = nil
	return free
}

func (p *place) giveBack() {
	if free := p.take(); free != nil {
		free()
	}
}

// newTurn registers a turn that was made durable and takes over its place.
func (s *System) newTurn(o startOrder, id chatkitd.ThreadID) *turn {
	ctx, cancel := context.WithCancelCause(s.base)
	t := &turn{
		sys: s, id: o.turn, thread: id, user: o.meta.User, request: o.meta.Request, trace: o.meta.TraceParent,
		started: o.now, began: time.Now(), stream: &turnStream{turn: o.turn}, ctx: ctx, cancel: cancel, done: make(chan struct{}),
	}
	o.place.take() // release gives it back
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turns[t.id] = t
	if s.closed {
		cancel(errStopping)
	}
	return t
}

// running returns the turn of that id if it runs in this process.
func (s *System) running(id chatkitd.TurnID) *turn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.turns[id]
}

// release is the very end of a turn: it leaves the register and gives its place
// back in one step, so that whoever sees it gone may start another.
func (s *System) release(t *turn) {
	s.mu.Lock()
	delete(s.turns, t.id)
	<-s.places
	s.mu.Unlock()
	if t.endless && s.node != nil {
		s.peers.suspect(t.id, t.thread, false)
	}
	t.cancel(nil)
	close(t.done)
	s.wg.Done()
}

// Turns returns how many turns run.
func (s *System) Turns() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.turns)
}
