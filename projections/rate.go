package projections

import (
	"math"
	"sync"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

// window is how far back a rate looks: older events count for less and less.
const window = 10 * time.Second

// rate is a number of events per second, lately.
type rate struct {
	perSecond float64
	last      time.Time
}

func (r *rate) add(n int, now time.Time) {
	r.perSecond = r.at(now) + float64(n)/window.Seconds()
	r.last = now
}

func (r *rate) at(now time.Time) float64 {
	if r.last.IsZero() {
		return 0
	}
	past := max(0, now.Sub(r.last).Seconds())
	now1 := r.perSecond * math.Exp(-past/window.Seconds())
	if now1 < 0.001 { // nobody reads more digits
		return 0
	}
	return now1
}

// seen is what the runner has learned of the log by following it, so that metrics
// need not ask the log.
type seen struct {
	mu    sync.Mutex
	head  chatkitd.Position // of the last event that is known to exist
	steps int               // events that came one position after another
	leaps bool              // some did not: positions do not count events
}

// batch learns from events that follow one another without a gap.
func (s *seen) batch(evs []events.Recorded) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range evs {
		pos := evs[i].Position
		if i > 0 {
			s.step(evs[i-1].Position, pos)
		}
		if s.head.Compare(pos) < 0 {
			s.head = pos
		}
	}
}

func (s *seen) step(a, b chatkitd.Position) {
	if b.Commit == a.Commit+1 && b.Prepare == b.Commit {
		s.steps++
		return
	}
	s.leaps = true
}

// reaches reports whether the log is known to have come to a position.
func (s *seen) reaches(pos chatkitd.Position) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.head.Compare(pos) >= 0
}

func (s *seen) at(head chatkitd.Position) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.head.Compare(head) < 0 {
		s.head = head
	}
}

// counts reports whether the positions of the log count its events.
func (s *seen) counts() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.steps > 0 && !s.leaps
}

// lag returns how many events are behind a position, and false when that takes
// reading the log.
func (s *seen) lag(pos chatkitd.Position) (int, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.head.Compare(pos) <= 0 {
		return 0, true
	}
	return int(s.head.Commit - pos.Commit), s.steps > 0 && !s.leaps //nolint:gosec // a number of events
}
