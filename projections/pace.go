package projections

import (
	"context"
	"time"
)

const (
	// slice is how long a build holds the write connection at most, give or take
	// a statement and the commit.
	slice = 25 * time.Millisecond
	// leastSlice is what it holds it for though a live batch waits: less would
	// make nothing but commits.
	leastSlice = time.Millisecond
	// share of the time that a build works while live batches come in.
	share = 0.8
	// courtesy is how long a build stands back for queries that wait for the runner.
	courtesy = 10 * time.Millisecond
	// lately is how long after a live batch more of them are expected.
	lately = time.Second
)

// pace keeps a build from slowing live batches and queries down.
type pace struct {
	s     *Service
	free  bool // nothing runs beside it
	gate  func(ctx context.Context) error
	began time.Time
}

func (p *pace) begin() { p.began = time.Now() }

// over reports whether the write connection is to be given away.
func (p *pace) over() bool {
	switch held := time.Since(p.began); {
	case held < leastSlice:
		return false
	case held >= slice:
		return true
	default:
		return !p.free && p.s.live.Load() > 0
	}
}

// rest is called between transactions: it waits while the build is paused, stands
// back for those who wait, and takes no more than its share.
func (p *pace) rest(ctx context.Context) error {
	if p.free {
		return ctx.Err()
	}
	worked := time.Since(p.began)
	if err := p.gate(ctx); err != nil {
		return err
	}
	pause := time.Duration(0)
	if time.Since(time.Unix(0, p.s.lastLive.Load())) < lately {
		pause = time.Duration(float64(worked) * (1 - share) / share)
	}
	if p.s.waiting.Load() > 0 {
		pause = max(pause, courtesy)
	}
	if pause > 0 {
		sleep(ctx, pause)
	}
	return ctx.Err()
}
