package http

import (
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"github.com/chatkitd/chatkitd"
)

// maxLimited is how many users' rates are remembered. One who is forgotten
// begins with a full burst.
const maxLimited = 10_000

// limiter holds each user to a rate. A nil limiter holds no one.
type limiter struct {
	rate  rate.Limit
	burst int
	users *lru.Cache[chatkitd.UserID, *rate.Limiter]
}

func newLimiter(perSecond float64, burst int) (*limiter, error) {
	if perSecond < 0 {
		return nil, nil //nolint:nilnil // no limit; wait takes nil
	}
	users, err := lru.New[chatkitd.UserID, *rate.Limiter](maxLimited)
	if err != nil {
		return nil, err
	}
	return &limiter{rate.Limit(perSecond), burst, users}, nil
}

// wait takes one request of a user's rate, or returns how long there is none.
func (l *limiter) wait(user chatkitd.UserID) time.Duration {
	if l == nil {
		return 0
	}
	lim, ok := l.users.Get(user)
	if !ok {
		fresh := rate.NewLimiter(l.rate, l.burst)
		if lim, ok, _ = l.users.PeekOrAdd(user, fresh); !ok {
			lim = fresh
		}
	}
	take := lim.Reserve()
	wait := take.Delay()
	if wait > 0 {
		take.Cancel()
	}
	return wait
}

// slots bounds the open streams, in all and of each user.
type slots struct {
	max, maxUser int

	mu    sync.Mutex
	open  int
	users map[chatkitd.UserID]int
}

func newSlots(maxOpen, maxUser int) *slots {
	return &slots{max: maxOpen, maxUser: maxUser, users: make(map[chatkitd.UserID]int)}
}

// take takes a slot for a stream of user, to be given back once.
func (s *slots) take(user chatkitd.UserID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.users[user] >= s.maxUser:
		return chatkitd.Errorf(chatkitd.CodeRateLimited, "%d streams are open: close one first", s.maxUser)
	case s.open >= s.max:
		return chatkitd.Errorf(chatkitd.CodeUnavailable, "as many streams are open as may be: try again in a moment")
	}
	s.open++
	s.users[user]++
	return nil
}

func (s *slots) give(user chatkitd.UserID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open--
	if s.users[user]--; s.users[user] == 0 {
		delete(s.users, user)
	}
}

func (s *slots) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open
}
