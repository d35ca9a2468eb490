package actors

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestPeers plays what may happen to a process that others watch.
func TestPeers(t *testing.T) {
	const lease = 20 * time.Second
	tests := []struct {
		name string
		play func(p *peers)
		want []string // taken for dead at the end
	}{
		{"silence for a lease", func(p *peers) { hears(p, 21) }, []string{"b"}},
		{"silence for less", func(p *peers) { hears(p, 19) }, nil},
		{"a sign of life", func(p *peers) { hears(p, 15); p.hear("b"); hears(p, 15) }, nil},
		{"a sign of life long ago", func(p *peers) { hears(p, 15); p.hear("b"); hears(p, 21) }, []string{"b"}},
		{"a sign of another's life", func(p *peers) { hears(p, 15); p.hear("c"); hears(p, 15) }, []string{"b"}},
		{"given up and not closed yet", func(p *peers) { hears(p, 21); p.giveUp(time.Now(), lease); p.listening(time.Now(), false, 0) }, []string{"b"}},
		{"another turn of it", func(p *peers) { hears(p, 15); p.hear("b"); p.watch("trn_2", "thr_2", "b"); hears(p, 15) }, nil},
		{"the store was away", func(p *peers) { hears(p, 15); p.listening(time.Now(), false, 0); hears(p, 15) }, nil},
		{"the store was away long ago", func(p *peers) { p.listening(time.Now(), false, 0); hears(p, 21) }, []string{"b"}},
		{"this process was paused", func(p *peers) { hears(p, 15); time.Sleep(time.Minute); hears(p, 15) }, nil},
		{"the turn has ended", func(p *peers) { hears(p, 15); p.over("trn_1"); hears(p, 15) }, nil},
		{"it did not cancel, and lives", func(p *peers) { p.unheeded("trn_1"); p.hear("b"); hears(p, 1) }, []string{"b"}},
		{"it came back after all", func(p *peers) { hears(p, 21); p.giveUp(time.Now(), lease); p.hear("b"); hears(p, 1) }, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPeers()
				if orphan, added := p.watch("trn_1", "thr_1", "b"); orphan || !added {
					t.Fatalf("watch = %t, %t", orphan, added)
				}
				tt.play(p)
				var dead []string
				for _, a := range p.giveUp(time.Now(), lease) {
					dead = append(dead, a.instance)
				}
				if !slices.Equal(dead, tt.want) {
					t.Errorf("given up = %v, want %v", dead, tt.want)
				}
			})
		})
	}
}

// hears lets a number of seconds pass in which this process hears.
func hears(p *peers, seconds int) {
	for range seconds {
		p.listening(time.Now(), true, 5*time.Second)
		time.Sleep(time.Second)
	}
	p.listening(time.Now(), true, 5*time.Second)
}

// TestPeersForget: what is kept of others is bounded by their open turns.
func TestPeersForget(t *testing.T) {
	p := newPeers()
	p.hear("a") // no open turn: nobody waits for it
	for range 2 {
		p.watch("trn_1", "thr_1", "b")
		p.watch("trn_2", "thr_2", "b")
		p.watch("trn_2", "thr_2", "b")
	}
	p.suspect("trn_3", "thr_3", false)
	if len(p.heard) != 1 || len(p.open) != 2 || len(p.stray) != 1 {
		t.Errorf("kept: %v, %v, %v", p.heard, p.open, p.stray)
	}
	done := p.open["trn_1"].done
	p.over("trn_1")
	p.over("trn_1")
	if _, ok := p.heard["b"]; !ok {
		t.Error("an instance with an open turn was forgotten")
	}
	p.over("trn_2")
	p.over("trn_3")
	select {
	case <-done:
	default:
		t.Error("who waits for the end of a turn is not told")
	}
	if len(p.heard)+len(p.open)+len(p.stray)+len(p.remote) != 0 {
		t.Errorf("left over: %v, %v, %v", p.heard, p.open, p.stray)
	}
}
