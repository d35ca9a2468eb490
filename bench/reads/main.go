// Command reads measures threads.list and items.list over HTTP, pages of 20: of a
// user with 10,000 threads, and of a thread with 1,000 items. A request that asks
// the server nothing is measured beside them; rounds of the three alternate.
//
//	go run ./bench/reads
package main

import (
	"bytes"
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
	flag.IntVar(&o.much.Threads, "threads", 10_000, "threads of the user")
	flag.IntVar(&o.much.Items, "items", 1000, "items of one of them")
	flag.IntVar(&o.clients, "clients", 8, "clients at once")
	flag.DurationVar(&o.measure, "for", 2*time.Second, "how long a round measures each")
	flag.IntVar(&o.rounds, "rounds", 5, "how often to measure each")
	os.Exit(rig.Main("reads", o.run))
}

type options struct {
	clients, rounds int
	measure         time.Duration
	much            seed.Much
}

// query is one of the requests, with what was measured.
type query struct {
	name, want string // want is in every answer
	do         func(context.Context) ([]byte, error)
	peer       float64 // requests a second of the Python architecture on two processors
	times      *rig.Times
	rates, cpu []float64
}

func (o *options) run(ctx context.Context, b *rig.Bench) error {
	data := filepath.Join(b.Dir, "data")
	var long []chatkitd.ThreadID
	err := rig.Fill(ctx, data, func(store events.Store) (err error) {
		o.much.Long, o.much.Threads = 1, o.much.Threads-1
		long, err = seed.User(ctx, store, user, o.much)
		return err
	})
	if err != nil {
		return err
	}
	p, err := b.Start(ctx, data, "--agent=offline")
	if err != nil {
		return err
	}
	defer p.Stop()
	if err := p.Ready(ctx); err != nil {
		return err
	}
	client := rig.NewClient(p.URL, o.clients)
	defer client.Close()
	chatKit := func(body string) func(context.Context) ([]byte, error) {
		return func(ctx context.Context) ([]byte, error) { return client.ChatKit(ctx, user, body) }
	}
	queries := []*query{
		{name: "threads.list", want: `"has_more":true`, peer: 203, do: chatKit(`{"type":"threads.list","params":{"limit":20,"order":"desc"}}`)},
		{name: "items.list", want: `"has_more":true`, peer: 224, do: chatKit(fmt.Sprintf(`{"type":"items.list","params":{"thread_id":%q,"limit":20,"order":"desc"}}`, long[0]))},
		{name: "GET /health/live (no read)", want: "ok", do: func(ctx context.Context) ([]byte, error) { return client.Get(ctx, user, "/health/live") }},
	}
	for round := range o.rounds + 1 { // the first one warms up
		for _, q := range queries {
			if round <= 1 {
				q.times, q.rates, q.cpu = &rig.Times{}, nil, nil
			}
			if err := o.round(ctx, p, q); err != nil {
				return fmt.Errorf("%s: %w", q.name, err)
			}
		}
	}
	for _, q := range queries {
		peer := ""
		if q.peer > 0 {
			peer = fmt.Sprintf(", %.0f times the Python architecture's %.0f/s (goal 60)", rig.Median(q.rates)/q.peer, q.peer)
		}
		low, high := rig.Span(q.rates)
		b.Row("%s, %d threads, %d items in one: %d clients %.0f requests/s (%.0f to %.0f)%s, %.3f ms CPU of the server each, p50 %s p99 %s; median of %d",
			q.name, o.much.Threads+1, o.much.Items, o.clients, rig.Median(q.rates), low, high, peer, rig.Median(q.cpu), q.times.At(.5), q.times.At(.99), o.rounds)
	}
	return nil
}

func (o *options) round(ctx context.Context, p *rig.Program, q *query) error {
	before, err := p.Usage(ctx)
	if err != nil {
		return err
	}
	count := q.times.Len()
	wall, err := rig.Clients(ctx, o.clients, rig.For(o.measure), func(ctx context.Context, _, _ int) error {
		began := time.Now()
		answer, err := q.do(ctx)
		if err == nil && !bytes.Contains(answer, []byte(q.want)) {
			err = fmt.Errorf("answered %.200q", answer)
		}
		q.times.Add(time.Since(began))
		return err
	})
	if err != nil {
		return err
	}
	n := float64(q.times.Len() - count)
	after, err := p.Usage(ctx)
	q.rates = append(q.rates, n/wall.Seconds())
	q.cpu = append(q.cpu, 1000*(after.CPU-before.CPU)/n)
	return err
}
