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

// seen is how far the log goes, as far as the runner has learned by following it:
// metrics need not ask the log.
type seen struct {
	mu   sync.Mutex
	head chatkitd.Position // of the last event that is known to exist
}

func (s *seen) batch(evs []events.Recorded) {
	if n := len(evs); n > 0 {
		s.at(evs[n-1].Position)
	}
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

// lag returns how many events of a dense log are behind a position.
func (s *seen) lag(pos chatkitd.Position) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.head.Compare(pos) <= 0 {
		return 0
	}
	return s.head.Commit - pos.Commit
}
