// Command growth measures what a turn costs a user who has little beside one who
// has much: 10,000 tasks and 10,000 threads, and threads of 1,000 items. Two
// servers run, one for each; rounds alternate. The figures should be equal, since
// a model is given the same last 30 items in both.
//
//	go run ./bench/growth
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/bench/internal/rig"
	"github.com/chatkitd/chatkitd/bench/internal/seed"
	"github.com/chatkitd/chatkitd/events"
)

const user = "ann"

func main() {
	var o options
	flag.IntVar(&o.much.Tasks, "tasks", 10_000, "tasks of the user who has much")
	flag.IntVar(&o.much.Threads, "threads", 10_000, "threads of the user who has much")
	flag.IntVar(&o.much.Items, "items", 1000, "items of that user's long threads")
	flag.IntVar(&o.clients, "clients", 4, "clients of the user at once")
	flag.IntVar(&o.turns, "turns", 40, "turns of a client in a round")
	flag.IntVar(&o.rounds, "rounds", 7, "how often to measure each")
	os.Exit(rig.Main("growth", o.run))
}

type options struct {
	clients, turns, rounds int
	much                   seed.Much
}

func (o *options) run(ctx context.Context, b *rig.Bench) error {
	model, err := rig.NewModel(rig.Script{Deltas: 50, Tools: 2})
	if err != nil {
		return err
	}
	defer model.Close()
	little, err := o.prepare(ctx, b, model, "little", seed.Much{Tasks: 30, Threads: 10, Items: 30})
	if err != nil {
		return err
	}
	defer little.close()
	much, err := o.prepare(ctx, b, model, "much", o.much)
	if err != nil {
		return err
	}
	defer much.close()
	for range o.rounds {
		for _, s := range []*side{little, much} {
			for _, k := range s.kinds() {
				if err := o.round(ctx, s, k); err != nil {
					return err
				}
			}
		}
	}
	b.Row("first turn of all (actors cold): little %s, much %s", little.cold, much.cold)
	for i, k := range much.kinds() {
		l := little.kinds()[i]
		b.Row("growth, %s: little %.2f ms CPU a turn, p50 %s p99 %s; much (%d tasks, %d threads, %d items in one) %.2f ms, p50 %s p99 %s; ratio of CPU %.2f, of p50 %.2f; median of %d rounds of %d turns",
			k.name, rig.Median(l.cpu), l.whole.At(.5), l.whole.At(.99), o.much.Tasks, o.much.Threads, o.much.Items,
			rig.Median(k.cpu), k.whole.At(.5), k.whole.At(.99), rig.Median(k.cpu)/rig.Median(l.cpu),
			float64(k.whole.At(.5))/float64(l.whole.At(.5)), o.rounds, o.clients*o.turns)
	}
	return nil
}

// side is a server and a user of it.
type side struct {
	program *rig.Program
	client  *rig.Client
	threads []chatkitd.ThreadID // one for each client
	cold    time.Duration
	fresh   kind
	old     kind
}

// kind is a kind of turn.
type kind struct {
	name  string
	again bool // in the client's long thread, else in a new one
	whole rig.Times
	cpu   []float64 // ms a turn, of each round
}

func (s *side) kinds() []*kind { return []*kind{&s.fresh, &s.old} }

func (s *side) close() {
	s.client.Close()
	s.program.Stop()
}

// prepare writes the user's history, starts a server on it, and has the first
// turns.
func (o *options) prepare(ctx context.Context, b *rig.Bench, model *rig.Model, name string, much seed.Much) (*side, error) {
	much.Long = o.clients
	s := &side{fresh: kind{name: "in a new thread"}, old: kind{name: "in a long thread", again: true}}
	data := filepath.Join(b.Dir, name)
	err := rig.Fill(ctx, data, func(store events.Store) (err error) {
		s.threads, err = seed.User(ctx, store, user, much)
		return err
	})
	if err != nil {
		return nil, err
	}
	if s.program, err = b.StartWith(ctx, data, model); err != nil {
		return nil, err
	}
	s.client = rig.NewClient(s.program.URL, o.clients)
	if err = s.program.Ready(ctx); err != nil {
		s.close()
		return nil, err
	}
	t, err := s.client.Turn(ctx, user, string(s.threads[0]))
	if err != nil {
		s.close()
		return nil, fmt.Errorf("first turn: %w", err)
	}
	s.cold = t.Whole.Round(10 * time.Microsecond)
	var warm kind // the measured rounds begin with actors and caches that are warm
	warm.again = true
	if err := o.round(ctx, s, &warm); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// round has the same number of turns whatever they cost: each adds tasks.
func (o *options) round(ctx context.Context, s *side, k *kind) error {
	before, err := s.program.Usage(ctx)
	if err != nil {
		return err
	}
	_, err = rig.Clients(ctx, o.clients, rig.Count(o.turns), func(ctx context.Context, c, _ int) error {
		thread := ""
		if k.again {
			thread = string(s.threads[c])
		}
		t, err := s.client.Turn(ctx, user, thread)
		if err == nil {
			k.whole.Add(t.Whole)
		}
		return err
	})
	if err != nil {
		return err
	}
	after, err := s.program.Usage(ctx)
	k.cpu = append(k.cpu, 1000*(after.CPU-before.CPU)/float64(o.clients*o.turns))
	return err
}
