// Command turns measures turns end to end: clients open threads on a running
// chatkitd (a process of its own) whose model is a scripted Responses server (in
// this process). It prints turns per second, server CPU per turn, what the server
// adds to the model's own time to the first event, and the server's memory.
//
//	go run ./bench/turns                                                  a model without delay, 8 clients
//	go run ./bench/turns -clients 100 -tools 0 -think 300ms -pace 20ms    100 turns at once, at a model's pace
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/chatkitd/chatkitd/bench/internal/rig"
)

func main() {
	var o options
	flag.IntVar(&o.clients, "clients", 8, "clients at once")
	flag.DurationVar(&o.measure, "for", 10*time.Second, "how long to measure")
	flag.IntVar(&o.messages, "messages", 1, "messages of a thread before the next thread")
	flag.IntVar(&o.script.Deltas, "deltas", 50, "text deltas of an answer")
	flag.IntVar(&o.script.Tools, "tools", 2, "parallel tool calls of a turn")
	flag.DurationVar(&o.script.Think, "think", 0, "time before the model's first event")
	flag.DurationVar(&o.script.Pace, "pace", 0, "time between two events of the model's text")
	os.Exit(rig.Main("turns", o.run))
}

type options struct {
	clients, messages int
	measure           time.Duration
	script            rig.Script
}

func (o *options) run(ctx context.Context, b *rig.Bench) error {
	model, err := rig.NewModel(o.script)
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

	warm := &turns{}
	if _, err := o.load(ctx, client, model, warm, 2*time.Second); err != nil {
		return err
	}
	before, err := p.Usage(ctx)
	if err != nil {
		return err
	}
	got := &turns{}
	wall, err := o.load(ctx, client, model, got, o.measure)
	if err != nil {
		return err
	}
	after, err := p.Usage(ctx)
	if err != nil {
		return err
	}
	n := float64(got.whole.Len())
	if n == 0 {
		return errors.New("no turn came to its end in time")
	}
	b.Row("turns: %d clients, %d deltas, %d tool calls: %.0f turns/s, %.2f ms CPU of the server a turn, first event p50 %s p99 %s of which added to the model's own p50 %s p99 %s, turn p50 %s p99 %s, memory %.0f MB before %.0f MB after, %.0f turns (warm-up %d)",
		o.clients, o.script.Deltas, o.script.Tools, n/wall.Seconds(), 1000*(after.CPU-before.CPU)/n,
		got.first.At(.5), got.first.At(.99), got.added.At(.5), got.added.At(.99), got.whole.At(.5), got.whole.At(.99),
		before.Memory/1e6, after.Memory/1e6, n, warm.whole.Len())
	return nil
}

type turns struct{ first, added, whole rig.Times }

// load lets every client have turn after turn. They begin one after the other
// within the time that a turn's model takes, as people do.
func (o *options) load(ctx context.Context, client *rig.Client, model *rig.Model, got *turns, d time.Duration) (time.Duration, error) {
	threads := make([]string, o.clients)
	length := o.script.Think + o.script.Pace*time.Duration(o.script.Deltas)
	return rig.Clients(ctx, o.clients, rig.For(d), func(ctx context.Context, c, i int) error {
		if i == 0 && length > 0 {
			select {
			case <-time.After(length * time.Duration(c) / time.Duration(o.clients)):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if i%o.messages == 0 {
			threads[c] = ""
		}
		t, err := client.Turn(ctx, fmt.Sprint("bench", c), threads[c])
		if err != nil {
			return err
		}
		threads[c] = t.Thread
		got.first.Add(t.First)
		got.added.Add(t.First - model.Own(t.Message))
		got.whole.Add(t.Whole)
		return nil
	})
}
