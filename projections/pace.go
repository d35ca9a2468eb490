package projections

import (
	"context"
	"runtime"
	"time"
)

const (
	// slice is how long a goroutine of a build works before it looks up.
	slice = time.Millisecond
	// often is how many steps it makes between two looks at the clock.
	often = 16
	// lately is how long after a live batch more of them are expected.
	lately = time.Second
)

// pace keeps a build from slowing live turns down. While there are any, all that a
// build does has half of the processors together, and none for longer than a slice:
// whoever serves finds the other half free. Locks it shares with nobody.
type pace struct {
	s     *Service
	free  bool // nothing runs beside it
	gate  func(ctx context.Context) error
	turns chan struct{} // one for each processor that it may use beside live turns
}

func newPace(s *Service, free bool, gate func(ctx context.Context) error) *pace {
	return &pace{s: s, free: free, gate: gate, turns: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))}
}

// stint is the work of one goroutine of a build.
type stint struct {
	p     *pace
	steps int
	began time.Time
	turn  bool // has one of p.turns
}

// begin is called before work, and end before anything is waited for.
func (p *pace) begin(ctx context.Context) (*stint, error) {
	t := &stint{p: p}
	return t, t.again(ctx)
}

func (t *stint) end() {
	if t.turn {
		<-t.p.turns
		t.turn = false
	}
}

// step is called all the time while there is work: it waits while the build is
// paused, and lets others have their turn.
func (t *stint) step(ctx context.Context) error {
	if t.steps++; t.steps%often != 0 {
		return nil
	}
	worked := time.Since(t.began)
	if worked < slice {
		return nil
	}
	t.end()
	if runtime.GOMAXPROCS(0) == 1 && t.p.live() {
		sleep(ctx, worked) // there is no other half
	}
	return t.again(ctx)
}

func (t *stint) again(ctx context.Context) error {
	if t.p.free {
		t.began = time.Now()
		return ctx.Err()
	}
	if err := t.p.gate(ctx); err != nil {
		return err
	}
	if t.p.live() {
		select {
		case t.p.turns <- struct{}{}:
			t.turn = true
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	t.began = time.Now()
	return ctx.Err()
}

// live reports whether live batches come in.
func (p *pace) live() bool {
	return !p.free && time.Since(time.Unix(0, p.s.lastLive.Load())) < lately
}
