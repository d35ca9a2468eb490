package projections

import (
	"context"
	"runtime"
	"sync/atomic"
	"time"
)

const (
	// slice is how long a goroutine of a build works before it looks up.
	slice = time.Millisecond
	// often is how many steps it makes between two looks at the clock.
	often = 16
	// slow is how long a query may wait for the runner before a build stands back, for
	// as long as the query has waited, but no longer than courtesy: somebody else has
	// the processors as well.
	slow     = 5 * time.Millisecond
	courtesy = 50 * time.Millisecond
	// share is how much of the time a build works beside live turns, and alone how
	// much when there is one processor for both.
	share, alone = 0.8, 0.5
	// lately is how long after a live batch more of them are expected.
	lately = time.Second
)

// pace keeps a build from slowing live turns down. While there are any, all that a
// build does has half of the processors together, and none for longer than a slice:
// whoever serves finds the other half free. It rests a fifth of the time, and, when
// queries wait all the same, as long as they did. Locks it shares with nobody.
type pace struct {
	s     *Service
	free  bool // nothing runs beside it
	gate  func(ctx context.Context) error
	due   *atomic.Int64 // rest that is due, in nanoseconds
	turns chan struct{} // one for each processor that it may use beside live turns
}

func newPace(s *Service, free bool, gate func(ctx context.Context) error) *pace {
	return &pace{s: s, free: free, gate: gate, due: new(atomic.Int64), turns: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))}
}

// with returns the same pace with another gate.
func (p *pace) with(gate func(ctx context.Context) error) *pace {
	other := *p
	other.gate = gate
	return &other
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
	return t.look(ctx)
}

// look is a step that looks at the clock.
func (t *stint) look(ctx context.Context) error {
	worked := time.Since(t.began)
	if worked < slice {
		return nil
	}
	if t.p.live() {
		t.p.rest(ctx, worked) // with the turn: all rest
	}
	t.end()
	return t.again(ctx)
}

// rest keeps to the share, in rests that are long enough to be worth it.
func (p *pace) rest(ctx context.Context, worked time.Duration) {
	works := share
	if runtime.GOMAXPROCS(0) == 1 {
		works = alone
	}
	due := time.Duration(p.due.Add(int64(float64(worked) * (1 - works) / works)))
	if due < slice {
		return
	}
	p.due.Store(0)
	sleep(ctx, max(due, time.Until(time.Unix(0, p.s.restUntil.Load()))))
}

// waited is told how long a query has waited for the runner.
func (s *Service) waited(took time.Duration) {
	if took > slow {
		s.restUntil.Store(time.Now().Add(min(took, courtesy)).UnixNano())
	}
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
