// Command activation measures how long an actor takes from nothing to its first
// answer: the stream of 1,000 events is read from the embedded store and folded,
// or its snapshot is and what came after it. The limits are the same stream merely
// read, and read and decoded. The log's pages are in memory, the actors are not.
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
	"github.com/chatkitd/chatkitd/internal/snapshots"
)

func main() {
	var o options
	flag.IntVar(&o.streams, "streams", 200, "users, with a thread each")
	flag.IntVar(&o.events, "events", 1000, "events of a stream")
	os.Exit(rig.Main("activation", o.run))
}

type options struct{ streams, events int }

func (o *options) run(ctx context.Context, b *rig.Bench) error {
	dir := filepath.Join(b.Dir, "data")
	return rig.Fill(ctx, dir, func(store events.Store) error {
		all, err := seed.Streams(ctx, store, o.streams, o.events)
		if err != nil {
			return err
		}
		shelf, err := snapshots.Open(ctx, dir, slog.New(slog.DiscardHandler), nil)
		if err != nil {
			return err
		}
		return errors.Join(o.measure(ctx, b, store, shelf, all), shelf.Close())
	})
}

func (o *options) measure(ctx context.Context, b *rig.Bench, store events.Store, shelf *snapshots.Store, all []seed.Stream) error {
	var cold, left, kept kinds
	var userRead, userDecode, threadRead, threadDecode rig.Times
	limits := func(s seed.Stream) error {
		return errors.Join(
			read(ctx, store, events.UserStream(s.User), &userRead, &userDecode),
			read(ctx, store, events.ThreadStream(s.Thread), &threadRead, &threadDecode),
		)
	}
	// An actor that is activated without a snapshot leaves one behind.
	leave := func(s seed.Stream) error {
		return errors.Join(await(ctx, shelf, events.UserStream(s.User)), await(ctx, shelf, events.ThreadStream(s.Thread)))
	}
	nothing := func(seed.Stream) error { return nil }
	if err := errors.Join(
		activate(ctx, store, nil, all, &cold, limits),
		activate(ctx, store, shelf, all, &left, leave),
		activate(ctx, store, shelf, all, &kept, nothing),
	); err != nil {
		return err
	}
	row := func(what string, cold, kept, read, decode *rig.Times) {
		b.Row("activation of a %s of %d events: cold p50 %s p99 %s (goal 2.5ms), from a snapshot p50 %s p99 %s (goal 1ms); stream merely read p50 %s, ratio %.2f; read and decoded %s, ratio %.2f; %d streams",
			what, o.events, cold.At(.5), cold.At(.99), kept.At(.5), kept.At(.99), read.At(.5), ratio(cold, read), decode.At(.5), ratio(cold, decode), len(all))
	}
	row("user", &cold.user, &kept.user, &userRead, &userDecode)
	row("thread", &cold.thread, &kept.thread, &threadRead, &threadDecode)
	return nil
}

type kinds struct{ user, thread rig.Times }

// activate asks every actor of a new system one question. shelf may be nil.
func activate(ctx context.Context, store events.Store, shelf *snapshots.Store, all []seed.Stream, took *kinds, after func(seed.Stream) error) error {
	o := actors.Options{Store: store, Log: slog.New(slog.DiscardHandler), Agent: func(chatkitd.Tasks) chatkitd.Agent { return nobody{} }}
	if shelf != nil {
		o.Snapshots = shelf
	}
	system, err := actors.New(o) //nolint:contextcheck // it lives until Close
	if err != nil {
		return err
	}
	for _, s := range all {
		err = errors.Join(
			timed(&took.user, func() error {
				_, known, err := system.TaskEffect(ctx, s.User, "no such key")
				if known {
					err = errors.New("an effect of a command that was never given")
				}
				return err
			}),
			timed(&took.thread, func() error {
				_, err := system.AttachTurn(ctx, s.User, s.Thread)
				return err
			}),
			after(s),
		)
		if err != nil {
			break
		}
	}
	return errors.Join(err, system.Close(ctx))
}

// await waits until a stream has a snapshot: they are written beside.
func await(ctx context.Context, shelf *snapshots.Store, stream string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for tick := time.NewTicker(time.Millisecond); ; {
		if _, ok, err := shelf.Load(ctx, stream); ok || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("stream %s has no snapshot: %w", stream, ctx.Err())
		}
	}
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
