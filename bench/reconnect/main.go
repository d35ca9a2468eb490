// Command reconnect measures how long a client that lost the stream of a turn
// takes to the first event it missed: from the new connection to the event. Clients
// cut their streams at any event, stay away for a while, and come back with
// Last-Event-ID; in the end each must have had every event of its turn once.
//
//	go run ./bench/reconnect
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/chatkitd/chatkitd/bench/internal/rig"
)

func main() {
	var o options
	flag.IntVar(&o.clients, "clients", 16, "clients at once, each with a turn that runs")
	flag.IntVar(&o.turns, "turns", 10, "turns of each client")
	flag.IntVar(&o.cuts, "cuts", 5, "how often a client loses the stream of a turn")
	flag.Uint64Var(&o.seed, "seed", 1, "what the cuts are made up from")
	os.Exit(rig.Main("reconnect", o.run))
}

type options struct {
	clients, turns, cuts int
	seed                 uint64
}

// The turns are long enough for the cuts: half of a turn's time is left after
// the last of them.
const (
	deltas = 300
	pace   = 5 * time.Millisecond
)

func (o *options) run(ctx context.Context, b *rig.Bench) error {
	model, err := rig.NewModel(rig.Script{Deltas: deltas, Pace: pace})
	if err != nil {
		return err
	}
	defer model.Close()
	p, err := b.StartWith(ctx, filepath.Join(b.Dir, "data"), model)
	if err != nil {
		return err
	}
	defer p.Stop()
	client := rig.NewClient(p.URL, o.clients)
	defer client.Close()
	s := &score{}
	_, err = rig.Clients(ctx, o.clients, rig.Count(o.turns), func(ctx context.Context, c, i int) error {
		r := rand.New(rand.NewPCG(o.seed, uint64(c*o.turns+i))) //nolint:gosec // not a secret: the same every time
		return o.turn(ctx, client, r, fmt.Sprint("bench", c), s)
	})
	if err != nil {
		return err
	}
	b.Row("reconnect to the first missed event: p50 %s p99 %s at most %s (goal 50ms), %d reconnects of %d clients; %d events, %d lost, %d doubled, %d of another turn",
		s.back.At(.5), s.back.At(.99), s.back.At(1), s.back.Len(), o.clients, s.events.Load(), s.lost.Load(), s.doubled.Load(), s.foreign.Load())
	if s.lost.Load()+s.doubled.Load()+s.foreign.Load() > 0 {
		return errors.New("not every event came once")
	}
	return nil
}

type score struct {
	back                           rig.Times
	events, lost, doubled, foreign atomic.Int64
}

// turn follows one turn through its cuts.
func (o *options) turn(ctx context.Context, client *rig.Client, r *rand.Rand, user string, s *score) error {
	resp, _, err := client.Say(ctx, user, "") //nolint:bodyclose // follow closes it
	if err != nil {
		return err
	}
	v := &viewer{s: s}
	for range o.cuts {
		// Some events, then away: the cuts are over before half of the turn is.
		if err := v.follow(resp, 1+r.IntN(deltas/2/o.cuts/2)); err != nil {
			return err
		}
		away := time.NewTimer(time.Duration(r.Int64N(int64(deltas / 2 * pace / time.Duration(o.cuts) / 2))))
		select {
		case <-away.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		began := time.Now()
		resp, err = client.Open(ctx, user, http.MethodGet, "/api/v1/chatkit/threads/"+v.thread+"/stream", "", "Last-Event-ID", v.last) //nolint:bodyclose // as above
		if err != nil {
			return err
		}
		v.asked = began
	}
	if err := v.follow(resp, 0); err != nil {
		return err
	}
	if !v.answered {
		return errors.New("the turn ended without an answer")
	}
	return nil
}

// viewer is a client of one turn.
type viewer struct {
	s            *score
	thread, turn string
	last         string // the id of the last event
	n            int    // its number
	asked        time.Time
	answered     bool
}

// follow reads so many events and cuts the stream, or with 0 reads it to its end.
func (v *viewer) follow(resp *http.Response, events int) error {
	defer func() { _ = resp.Body.Close() }() // in the middle of a stream this closes the connection
	lines := bufio.NewReaderSize(resp.Body, 64<<10)
	for got := 0; events == 0 || got < events; {
		line, err := lines.ReadString('\n')
		if errors.Is(err, io.EOF) && events == 0 {
			return nil
		}
		if err != nil {
			return fmt.Errorf("after event %s: %w", v.last, err)
		}
		line = strings.TrimSuffix(line, "\n")
		if id, ok := strings.CutPrefix(line, "id: "); ok {
			if err := v.count(id); err != nil {
				return err
			}
		} else if data, ok := strings.CutPrefix(line, "data: "); ok {
			v.look(data)
			got++
		}
	}
	return nil
}

// count judges the id of an event, a turn's and a number.
func (v *viewer) count(id string) error {
	turn, number, _ := strings.Cut(id, ":")
	n, err := strconv.Atoi(number)
	if err != nil {
		return fmt.Errorf("event id %q: %w", id, err)
	}
	if !v.asked.IsZero() {
		v.s.back.Add(time.Since(v.asked))
		v.asked = time.Time{}
	}
	v.s.events.Add(1)
	switch {
	case v.turn != "" && turn != v.turn:
		v.s.foreign.Add(1)
	case n <= v.n:
		v.s.doubled.Add(1)
	case n > v.n+1:
		v.s.lost.Add(int64(n - v.n - 1))
	}
	v.turn, v.last, v.n = turn, id, n
	return nil
}

func (v *viewer) look(data string) {
	if strings.Contains(data, `"thread.created"`) {
		_, rest, _ := strings.Cut(data, `"id":"`)
		v.thread, _, _ = strings.Cut(rest, `"`)
	}
	if strings.Contains(data, `"thread.item.done"`) && strings.Contains(data, `"assistant_message"`) {
		v.answered = true
	}
}
