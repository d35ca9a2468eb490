// Command start measures how long the program takes from its start to readiness
// with a long log: with its read models there, and without them, when they are
// built first. The files are in the page cache.
//
//	go run ./bench/start                       a log of 1,000,000 events, made for it
//	go run ./bench/start -data /tmp/million    one made by ./bench/generate
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
	flag.IntVar(&o.events, "events", 1_000_000, "events of the log that is made")
	flag.StringVar(&o.data, "data", "", "a data folder with a log; empty makes one; its read models are built anew")
	flag.IntVar(&o.rounds, "rounds", 5, "how often to measure each")
	os.Exit(rig.Main("start", o.run))
}

type options struct {
	events, rounds int
	data           string
}

func (o *options) run(ctx context.Context, b *rig.Bench) error {
	if _, err := b.Binary(ctx); err != nil {
		return err
	}
	data, n, err := b.Log(ctx, o.data, o.events)
	if err != nil {
		return err
	}
	var empty, without, with, killed rig.Times
	var memory []float64
	for i := range o.rounds {
		if _, err := start(ctx, b, filepath.Join(b.Dir, fmt.Sprint("empty", i)), &empty, false); err != nil {
			return err
		}
		if err := removeReadModels(data); err != nil {
			return err
		}
		// Every other time the program is killed, so that the next start finds a
		// log that was not closed.
		if _, err := start(ctx, b, data, &without, i%2 == 0); err != nil {
			return err
		}
		m, err := start(ctx, b, data, &with, true)
		if err != nil {
			return err
		}
		memory = append(memory, m)
		if _, err := start(ctx, b, data, &killed, false); err != nil {
			return err
		}
	}
	b.Row("start with %d events to ready: %s at most %s with read models (goal 2s), %s after a kill -9, %s without read models (%.0f events/s), %s with an empty log; memory when ready %.0f MB; median of %d",
		n, with.At(.5), with.At(1), killed.At(.5), without.At(.5), float64(n)/without.At(.5).Seconds(), empty.At(.5), rig.Median(memory)/1e6, o.rounds)
	return nil
}

// start starts the program, waits until it is ready, and ends it, with kill -9 or
// as an operator would.
func start(ctx context.Context, b *rig.Bench, data string, took *rig.Times, kill bool) (memory float64, err error) {
	began := time.Now()
	p, err := b.Start(ctx, data, "--agent=offline")
	if err != nil {
		return 0, err
	}
	defer p.Stop()
	if err := p.Ready(ctx); err != nil {
		return 0, err
	}
	took.Add(time.Since(began))
	u, err := p.Usage(ctx)
	if kill {
		err = errors.Join(err, p.Kill())
	}
	return u.Memory, err
}

func removeReadModels(data string) error {
	files, err := filepath.Glob(filepath.Join(data, "readmodels*.db*"))
	for _, file := range files {
		err = errors.Join(err, os.Remove(file))
	}
	return err
}
