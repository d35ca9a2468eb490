// Command activation measures how long an actor takes from nothing to its first
// answer: the stream of 1,000 events is read from the embedded store and folded.
// The limits are the same stream merely read, and read and decoded. Each stream
// is read once by each; the log's pages are in memory, the actors are not.
//
//	go run ./bench/activation
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/actors"
	"github.com/chatkitd/chatkitd/bench/internal/rig"
	"github.com/chatkitd/chatkitd/bench/internal/seed"
	"github.com/chatkitd/chatkitd/events"
)

func main() {
	var o options
	flag.IntVar(&o.streams, "streams", 200, "users, with a thread each")
	flag.IntVar(&o.events, "events", 1000, "events of a stream")
	os.Exit(rig.Main("activation", o.run))
}

type options struct{ streams, events int }

func (o *options) run(ctx context.Context, b *rig.Bench) error {
	return rig.Fill(ctx, filepath.Join(b.Dir, "data"), func(store events.Store) error {
		all, err := seed.Streams(ctx, store, o.streams, o.events)
		if err != nil {
			return err
		}
		system, err := actors.New(actors.Options{ //nolint:contextcheck // it lives until Close
			Store: store, Log: slog.New(slog.DiscardHandler), Agent: func(chatkitd.Tasks) chatkitd.Agent { return nobody{} },
		})
		if err != nil {
			return err
		}
		return errors.Join(o.measure(ctx, b, store, system, all), system.Close(ctx))
	})
}

func (o *options) measure(ctx context.Context, b *rig.Bench, store events.Store, system *actors.System, all []seed.Stream) error {
	var user, userRead, userDecode, thread, threadRead, threadDecode rig.Times
	for _, s := range all {
		err := errors.Join(
			read(ctx, store, events.UserStream(s.User), &userRead, &userDecode),
			timed(&user, func() error {
				_, known, err := system.TaskEffect(ctx, s.User, "no such key")
				if known {
					err = errors.New("an effect of a command that was never given")
				}
				return err
			}),
			read(ctx, store, events.ThreadStream(s.Thread), &threadRead, &threadDecode),
			timed(&thread, func() error {
				_, err := system.AttachTurn(ctx, s.User, s.Thread)
				return err
			}),
		)
		if err != nil {
			return err
		}
	}
	row := func(what string, actor, read, decode *rig.Times) {
		b.Row("activation of a %s of %d events, cold: p50 %s p99 %s (goal 2.5ms); stream merely read p50 %s, ratio %.2f; read and decoded %s, ratio %.2f; %d streams",
			what, o.events, actor.At(.5), actor.At(.99), read.At(.5), ratio(actor, read), decode.At(.5), ratio(actor, decode), len(all))
	}
	row("user", &user, &userRead, &userDecode)
	row("thread", &thread, &threadRead, &threadDecode)
	return nil
}

func ratio(a, b *rig.Times) float64 { return float64(a.At(.5)) / float64(b.At(.5)) }

func timed(t *rig.Times, do func() error) error {
	began := time.Now()
	err := do()
	t.Add(time.Since(began))
	return err
}

// read reads a stream without and with decoding.
func read(ctx context.Context, store events.Store, stream string, plain, decoded *rig.Times) error {
	each := func(do func(events.Recorded) error) error {
		n := 0
		for rec, err := range store.ReadStream(ctx, stream, events.StreamRead{}) {
			if err == nil {
				err = do(rec)
			}
			if err != nil {
				return err
			}
			n++
		}
		if n == 0 {
			return fmt.Errorf("stream %s is empty", stream)
		}
		return nil
	}
	return errors.Join(
		timed(plain, func() error { return each(func(events.Recorded) error { return nil }) }),
		timed(decoded, func() error {
			return each(func(rec events.Recorded) error {
				_, err := events.Decode(rec.Type, rec.Data)
				if err == nil {
					_, err = events.DecodeMetadata(rec.Meta)
				}
				return err
			})
		}),
	)
}

// nobody is an agent that is never asked.
type nobody struct{}

func (nobody) Model() string { return "none" }

func (nobody) Run(context.Context, chatkitd.TurnInput, chatkitd.TurnSink) (chatkitd.TurnResult, error) {
	return chatkitd.TurnResult{}, errors.New("nobody answers")
}
