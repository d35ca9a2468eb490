package actors

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/chatkitd/chatkitd"
)

// peers is what this process knows of the others on the same log: their open
// turns, and when each of them was last heard of. Its times are this process's
// own: clocks are never compared.
type peers struct {
	mu sync.Mutex
	// since is when this process began to hear without a gap: silence before it
	// means nothing. Zero: it does not hear.
	since     time.Time
	proven    time.Time                     // the last time that it was seen to hear
	heard     map[string]time.Time          // by instance; of those with open turns
	open      map[chatkitd.TurnID]*away     // turns of others
	remote    map[chatkitd.ThreadID]*remote // of those, what is read here
	stray     map[chatkitd.TurnID]stray     // own turns whose thread must have a look
	following int                           // remotes that have not ended
}

// away is an open turn of another process.
type away struct {
	turn     chatkitd.TurnID
	thread   chatkitd.ThreadID
	instance string
	orphan   bool          // its process is taken for dead
	unheeded bool          // it was to be cancelled, and was not in time; closed here whether its process lives or not
	done     chan struct{} // closed when it has ended
	remote   *remote       // nil until somebody reads it here
}

// stray is a turn of this process that is open in the log, and perhaps runs
// nowhere.
type stray struct {
	thread chatkitd.ThreadID
	sure   bool // a look is needed also if it runs: it was asked to end
}

func newPeers() *peers {
	return &peers{
		heard: map[string]time.Time{}, open: map[chatkitd.TurnID]*away{},
		remote: map[chatkitd.ThreadID]*remote{}, stray: map[chatkitd.TurnID]stray{},
	}
}

// watch notes an open turn of another process, and reports whether it is to be
// closed here and whether it is new here. To be heard of for the first time is a
// sign of life.
func (p *peers) watch(turn chatkitd.TurnID, thread chatkitd.ThreadID, instance string) (givenUp, added bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if a, ok := p.open[turn]; ok {
		return a.orphan || a.unheeded, false
	}
	p.open[turn] = &away{turn: turn, thread: thread, instance: instance, done: make(chan struct{})}
	if _, ok := p.heard[instance]; !ok {
		p.heard[instance] = time.Now()
	}
	return false, true
}

// hear notes a sign of life of another process. Turns of it that were given up
// and not yet closed are its own again.
func (p *peers) hear(instance string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.heard[instance]; !ok {
		return // it has no open turn here, so nobody waits for it
	}
	p.heard[instance] = time.Now()
	for _, a := range p.open {
		if a.instance == instance {
			a.orphan = false
		}
	}
}

// over notes that a turn has ended.
func (p *peers) over(turn chatkitd.TurnID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.stray, turn)
	a, ok := p.open[turn]
	if !ok {
		return
	}
	delete(p.open, turn)
	close(a.done)
	for _, other := range p.open {
		if other.instance == a.instance {
			return
		}
	}
	delete(p.heard, a.instance)
}

// await waits until a turn of another process has ended.
func (p *peers) await(ctx context.Context, turn chatkitd.TurnID) error {
	p.mu.Lock()
	a, ok := p.open[turn]
	p.mu.Unlock()
	if !ok {
		return nil
	}
	select {
	case <-a.done:
		return nil
	case <-ctx.Done():
		return chatkitd.Errorf(chatkitd.CodeTimeout,
			"another server writes the answer; it was asked to stop and has not done so yet: try again in a moment").Because(ctx.Err())
	}
}

// unheeded notes that a turn of another process was to be cancelled, and that its
// process has not done so in time. Unlike a silence no sign of life takes it back.
func (p *peers) unheeded(turn chatkitd.TurnID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if a, ok := p.open[turn]; ok {
		a.unheeded = true
	}
}

// knows reports whether a turn is one of another process.
func (p *peers) knows(turn chatkitd.TurnID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.open[turn]
	return ok
}

// suspect notes that a turn of this process is open in the log and perhaps runs
// nowhere. Who looks after the turns sees to it soon.
func (p *peers) suspect(turn chatkitd.TurnID, thread chatkitd.ThreadID, sure bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stray[turn] = stray{thread, sure || p.stray[turn].sure}
}

// strays returns the turns that suspect noted.
func (p *peers) strays() map[chatkitd.TurnID]stray {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.stray)
}

// calm forgets a turn that suspect noted.
func (p *peers) calm(turn chatkitd.TurnID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.stray, turn)
}

// listening notes that this process was seen to hear at a moment, or that it was
// not. A gap of more than patience since the last time is as good as a no.
func (p *peers) listening(at time.Time, ok bool, patience time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case !ok:
		p.since = time.Time{}
	case p.since.IsZero() || at.Sub(p.proven) > patience:
		p.since = at
	}
	p.proven = at
}

// missed reports whether a process has not been heard of for a time.
func (p *peers) missed(now time.Time, limit time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, at := range p.heard {
		if now.Sub(at) >= limit {
			return true
		}
	}
	return false
}

// giveUp takes for dead the processes that have not been heard of for a lease in
// which this one heard all the time. It returns all turns that are to be closed
// here.
func (p *peers) giveUp(now time.Time, lease time.Duration) []away {
	p.mu.Lock()
	defer p.mu.Unlock()
	hears := !p.since.IsZero() && now.Sub(p.since) >= lease
	var out []away
	for _, a := range p.open {
		if hears && now.Sub(p.heard[a.instance]) >= lease {
			a.orphan = true
		}
		if a.orphan || a.unheeded {
			out = append(out, *a)
		}
	}
	return out
}

func (p *peers) count() (open, watched int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.open), p.following
}
