// Command generate writes a log as a chatkitd in use would have: users, threads,
// turns, tool calls and what they do to tasks. The same seed gives the same
// events. No server may have the folder open.
//
//	go run ./bench/generate -seed 1 -events 1000000 -data /tmp/million
package main

import (
	"context"
	"errors"
	"flag"
	"os"
	"time"

	"github.com/chatkitd/chatkitd/bench/internal/rig"
	"github.com/chatkitd/chatkitd/bench/internal/seed"
	"github.com/chatkitd/chatkitd/events"
)

func main() {
	number := flag.Uint64("seed", 1, "what to make it up from")
	count := flag.Int("events", 1_000_000, "how many events, or a few more")
	data := flag.String("data", "", "the data folder; made if missing, added to if not")
	os.Exit(rig.Main("generate", func(ctx context.Context, b *rig.Bench) error {
		if *data == "" {
			return errors.New("-data is missing")
		}
		return rig.Fill(ctx, *data, func(store events.Store) error {
			began := time.Now()
			sum, err := seed.Mix(ctx, store, *number, *count, nil)
			if err != nil {
				return err
			}
			took := time.Since(began)
			b.Row("generate: %s, in %s (%.0f events/s), seed %d, into %s", sum, took.Round(time.Millisecond), float64(sum.Events)/took.Seconds(), *number, *data)
			return nil
		})
	}))
}
