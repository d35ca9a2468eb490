package actors_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatkitd/chatkitd/actors"
)

// ledger is the "store" behind the test's entities: one slice an id, without a
// lock, so that two incarnations at once are a race report.
type ledger struct{ rows [][]int64 }

// clerk appends each message to its ledger row, with a revision check.
type clerk struct {
	l      *ledger
	id     int
	rev    int
	loaded bool
	panics *atomic.Int64
}

func (c *clerk) Handle(_ context.Context, msg any) (any, error) {
	m, ok := msg.(int64)
	if !ok {
		return nil, fmt.Errorf("unexpected %T", msg)
	}
	if !c.loaded {
		c.rev, c.loaded = len(c.l.rows[c.id]), true
	}
	if c.rev != len(c.l.rows[c.id]) {
		return nil, fmt.Errorf("row %d is at %d, this incarnation at %d", c.id, len(c.l.rows[c.id]), c.rev)
	}
	c.l.rows[c.id] = append(c.l.rows[c.id], m)
	c.rev++
	if rand.IntN(1000) == 0 { // after the effect: the message counts, the state is lost
		c.panics.Add(1)
		panic("injected")
	}
	return m, nil
}

func (c *clerk) Idle() bool { return rand.IntN(50) == 0 }

// TestHostExactlyOnceInOrder hammers hundreds of ids from many senders while
// actors are passivated all the time and panic now and then: every message must
// arrive exactly once, in the order of its sender.
func TestHostExactlyOnceInOrder(t *testing.T) {
	const ids, senders, each = 300, 64, 1500
	for _, ask := range []bool{true, false} {
		t.Run(map[bool]string{true: "ask", false: "tell"}[ask], func(t *testing.T) {
			l := &ledger{rows: make([][]int64, ids)}
			var panics atomic.Int64
			h, err := actors.NewHost("clerk", func(id string) actors.Entity {
				var n int
				if _, err := fmt.Sscan(id, &n); err != nil {
					panic(err)
				}
				return &clerk{l: l, id: n, panics: &panics}
			}, actors.HostOptions{IdleFor: time.Nanosecond, Sweep: 200 * time.Microsecond, MaxLive: 200})
			if err != nil {
				t.Fatal(err)
			}
			var wg sync.WaitGroup
			for s := range senders {
				wg.Go(func() {
					for i := range each {
						id := fmt.Sprint(rand.IntN(ids))
						msg := int64(s)<<32 | int64(i)
						for {
							var err error
							if ask {
								_, err = h.Ask(context.Background(), id, msg)
							} else {
								err = h.Tell(context.Background(), id, msg)
							}
							if !errors.Is(err, actors.ErrBusy) {
								break
							}
							time.Sleep(time.Microsecond) // back off as a client would; not a wait for a state
						}
					}
				})
			}
			wg.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			if err := h.Close(ctx); err != nil {
				t.Fatal(err)
			}
			seen := make(map[int64]bool, senders*each)
			for id, row := range l.rows {
				last := map[int64]int64{}
				for _, m := range row {
					if seen[m] {
						t.Fatalf("message %d of sender %d twice", m&0xffffffff, m>>32)
					}
					seen[m] = true
					if prev, ok := last[m>>32]; ok && prev >= m&0xffffffff {
						t.Fatalf("id %d: sender %d: %d after %d", id, m>>32, m&0xffffffff, prev)
					}
					last[m>>32] = m & 0xffffffff
				}
			}
			if len(seen) != senders*each {
				t.Errorf("%d messages arrived, %d were sent", len(seen), senders*each)
			}
			live, waiting := h.Live()
			if live != 0 || waiting != 0 {
				t.Errorf("after Close: %d live, %d waiting", live, waiting)
			}
			if panics.Load() == 0 {
				t.Error("no panic was injected: the test proves less than it says")
			}
			t.Logf("%d messages, %d panics, %d activations", len(seen), panics.Load(), h.Activations())
		})
	}
}

// gate blocks every message until it is opened.
type gate struct{ open chan struct{} }

func (g gate) Handle(_ context.Context, msg any) (any, error) { <-g.open; return msg, nil }
func (gate) Idle() bool                                       { return false }

func newGateHost(t *testing.T, o actors.HostOptions) (*actors.Host, gate) {
	t.Helper()
	g := gate{make(chan struct{})}
	h, err := actors.NewHost("gate", func(string) actors.Entity { return g }, o)
	if err != nil {
		t.Fatal(err)
	}
	return h, g
}

func TestHostRefusesWhenFull(t *testing.T) {
	h, g := newGateHost(t, actors.HostOptions{Depth: 3, MaxLive: 64 * 64})
	for i := range 3 {
		if err := h.Tell(t.Context(), "a", i); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Tell(t.Context(), "a", 4); !errors.Is(err, actors.ErrBusy) {
		t.Errorf("Tell to a full mailbox = %v, want ErrBusy", err)
	}
	if err := h.Tell(t.Context(), "b", 1); err != nil {
		t.Errorf("Tell to another actor = %v", err)
	}
	close(g.open)
	if err := h.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := h.Tell(t.Context(), "a", 5); !errors.Is(err, actors.ErrClosed) {
		t.Errorf("Tell after Close = %v, want ErrClosed", err)
	}
}

func TestHostBoundsLiveActors(t *testing.T) {
	h, g := newGateHost(t, actors.HostOptions{MaxLive: 1, IdleFor: time.Hour})
	if err := h.Tell(t.Context(), "a", 1); err != nil {
		t.Fatal(err)
	}
	if err := h.Tell(t.Context(), "b", 1); !errors.Is(err, actors.ErrBusy) {
		t.Errorf("a second actor while the only one is busy: %v, want ErrBusy", err)
	}
	close(g.open)
	if _, err := h.Ask(t.Context(), "a", 2); err != nil {
		t.Fatal(err)
	}
	if err := h.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestHostAskEndsWithItsContext(t *testing.T) {
	h, g := newGateHost(t, actors.HostOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan error, 1)
	go func() {
		_, err := h.Ask(ctx, "a", 1)
		asked <- err
	}()
	cancel()
	if err := <-asked; !errors.Is(err, context.Canceled) {
		t.Errorf("Ask = %v, want Canceled", err)
	}
	closing, stop := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer stop()
	if err := h.Close(closing); !errors.Is(err, context.DeadlineExceeded) {
		// The message may not have been taken before cancel; then Close is done.
		if err != nil {
			t.Errorf("Close while busy = %v, want DeadlineExceeded", err)
		}
	}
	close(g.open)
}

func TestHostPassivatesIdleActors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, err := actors.NewHost("gate", func(string) actors.Entity {
			g := gate{make(chan struct{})}
			close(g.open)
			return g
		}, actors.HostOptions{IdleFor: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 10 {
			if _, err := h.Ask(t.Context(), fmt.Sprint(i), 1); err != nil {
				t.Fatal(err)
			}
		}
		if live, _ := h.Live(); live != 10 {
			t.Fatalf("%d live, want 10", live)
		}
		time.Sleep(2 * time.Minute) // synctest: no time passes outside
		synctest.Wait()
		if live, _ := h.Live(); live != 0 {
			t.Errorf("%d live after two idle minutes, want 0", live)
		}
		if err := h.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
