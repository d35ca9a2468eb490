// Command rebuild measures how fast all read models are built anew from a log,
// beside a plain fold that upserts row by row, and beside a mere scan of the log.
// The rebuild is the program's own command, in a process of its own, from its
// start to its end. Rounds of the three alternate.
//
//	go run ./bench/rebuild                       a log of 1,000,000 events, made for it
//	go run ./bench/rebuild -data /tmp/million    one made by ./bench/generate
//	go run ./bench/rebuild -live                 beside a server and its users
//
// With -live the rebuild is done by a server whose users write and read meanwhile:
// each adds a task and reads the list with it in it, again and again. That is
// measured for a while before each rebuild and then during it. It adds to the log.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/chatkitd/chatkitd/bench/internal/rig"
	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/internal/embedded"
)

func main() {
	var o options
	flag.IntVar(&o.events, "events", 1_000_000, "events of the log that is made")
	flag.StringVar(&o.data, "data", "", "a data folder with a log; empty makes one")
	flag.IntVar(&o.rounds, "rounds", 5, "how often to measure each")
	live := flag.Bool("live", false, "rebuild in a server, beside its users")
	flag.IntVar(&o.clients, "clients", 4, "with -live: users at once")
	flag.DurationVar(&o.every, "every", 20*time.Millisecond, "with -live: how often each of them writes and reads")
	flag.DurationVar(&o.before, "before", 5*time.Second, "with -live: how long they are measured before a rebuild")
	os.Exit(rig.Main("rebuild", func(ctx context.Context, b *rig.Bench) error {
		if *live {
			return o.runLive(ctx, b)
		}
		return o.run(ctx, b)
	}))
}

type options struct {
	events, rounds, clients int
	data                    string
	every, before           time.Duration
}

func (o *options) run(ctx context.Context, b *rig.Bench) error {
	binary, err := b.Binary(ctx)
	if err != nil {
		return err
	}
	data, n, err := b.Log(ctx, o.data, o.events)
	if err != nil {
		return err
	}
	var rebuilds, folds, scans, cpus, memory []float64
	for i := range o.rounds {
		began := time.Now()
		cmd := exec.CommandContext(ctx, binary, "projections", "rebuild", "all", "--data="+data, "--log-level=error")
		cmd.Env = append(os.Environ(), "ENVIRONMENT=development")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("rebuild: %w: %s", err, out)
		}
		rebuilds = append(rebuilds, float64(n)/time.Since(began).Seconds())
		cpus = append(cpus, 1e6*(cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime()).Seconds()/float64(n))
		memory = append(memory, peak(cmd.ProcessState))

		if folds, err = rate(folds, n, func() (int, error) {
			return plainFold(ctx, data, filepath.Join(b.Dir, fmt.Sprintf("plain%d.db", i)))
		}); err != nil {
			return err
		}
		if scans, err = rate(scans, n, func() (int, error) { return scan(ctx, data, func(events.Recorded) error { return nil }) }); err != nil {
			return err
		}
	}
	fold, rebuild := rig.Median(folds), rig.Median(rebuilds)
	low, high := rig.Span(rebuilds)
	b.Row("rebuild of all read models from %d events: %.0f events/s (%.0f to %.0f; goal 100000), %.1f s, %.1f µs CPU an event, peak memory %.0f MB; plain fold and upsert %.0f/s, ratio %.1f; scan alone %.0f/s, ratio %.2f; median of %d",
		n, rebuild, low, high, float64(n)/rebuild, rig.Median(cpus), rig.Median(memory)/1e6, fold, rebuild/fold, rig.Median(scans), rebuild/rig.Median(scans), o.rounds)
	return nil
}

// rate adds how many events a second do went over, which must be n of them.
func rate(rates []float64, n int, do func() (int, error)) ([]float64, error) {
	began := time.Now()
	got, err := do()
	if err == nil && got != n {
		err = fmt.Errorf("%d events were read, want %d", got, n)
	}
	return append(rates, float64(n)/time.Since(began).Seconds()), err
}

// scan reads a whole log and counts its events.
func scan(ctx context.Context, data string, do func(events.Recorded) error) (n int, err error) {
	store, err := embedded.OpenReadOnly(ctx, embedded.Options{Dir: data})
	if err != nil {
		return 0, err
	}
	defer func() { _ = store.Close() }() // it was only read
	for rec, err := range store.ReadAll(ctx, events.AllRead{}) {
		if err == nil {
			err = do(rec)
		}
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
