// Command idle measures what a live idle actor costs in memory, and one that was
// passivated: 100,000 users with one task each, and again with eleven, which tells
// the actor's own cost from that of its state.
//
//	go run ./bench/idle
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/actors"
	"github.com/chatkitd/chatkitd/bench/internal/rig"
	"github.com/chatkitd/chatkitd/events"
)

func main() {
	var o options
	flag.IntVar(&o.users, "users", 100_000, "users")
	flag.DurationVar(&o.idle, "idle", time.Minute, "actors are passivated after this long; all must be live before it is over")
	os.Exit(rig.Main("idle", o.run))
}

type options struct {
	users int
	idle  time.Duration
}

const few, many = 1, 11 // tasks

func (o *options) run(ctx context.Context, b *rig.Bench) error {
	one, left, err := o.measure(ctx, b, few, true)
	if err != nil {
		return err
	}
	other, _, err := o.measure(ctx, b, many, false)
	if err != nil {
		return err
	}
	task := (other - one) / (many - few)
	b.Row("live idle user actor: %.0f bytes with %d task, %.0f with %d: %.0f a task, %.0f without any (goal 1024, the actor library alone 28000 by default); passivated %.0f bytes; %d actors",
		one, few, other, many, task, one-few*task, left, o.users)
	return nil
}

// measure returns the bytes of a live actor, and of one that was passivated.
func (o *options) measure(ctx context.Context, b *rig.Bench, tasks int, passivate bool) (live, passive float64, err error) {
	err = rig.Fill(ctx, filepath.Join(b.Dir, fmt.Sprint(tasks)), func(store events.Store) error {
		if err := o.fill(ctx, store, tasks); err != nil {
			return err
		}
		registry := prometheus.NewRegistry()
		system, err := actors.New(actors.Options{ //nolint:contextcheck // it lives until Close
			Store: store, Log: slog.New(slog.DiscardHandler), Metrics: registry,
			Agent:     func(chatkitd.Tasks) chatkitd.Agent { return nil },
			MaxActors: o.users, IdleFor: o.idle,
		})
		if err != nil {
			return err
		}
		live, passive, err = o.weigh(ctx, system, registry, passivate)
		return errors.Join(err, system.Close(ctx))
	})
	return live, passive, err
}

// weigh activates every user and, if asked, waits until they are gone.
func (o *options) weigh(ctx context.Context, system *actors.System, registry *prometheus.Registry, passivate bool) (live, passive float64, err error) {
	before := inUse()
	const clients = 8
	_, err = rig.Clients(ctx, clients, rig.Count(o.users/clients), func(ctx context.Context, c, i int) error {
		_, _, err := system.TaskEffect(ctx, user(i*clients+c), "")
		return err
	})
	if err != nil {
		return 0, 0, err
	}
	n, err := count(registry)
	if err == nil && n != o.users/clients*clients {
		err = fmt.Errorf("%d actors are live, want %d: give more time with -idle", n, o.users)
	}
	if err != nil {
		return 0, 0, err
	}
	live = (inUse() - before) / float64(n)
	for poll := time.NewTicker(100 * time.Millisecond); passivate; {
		left, err := count(registry)
		if err != nil || left == 0 {
			return live, (inUse() - before) / float64(n), err
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return live, 0, ctx.Err()
		}
	}
	return live, 0, nil
}

func user(i int) chatkitd.UserID { return chatkitd.UserID(fmt.Sprintf("user%05d@example.com", i)) }

// fill gives every user tasks.
func (o *options) fill(ctx context.Context, store events.Store, tasks int) error {
	const writers = 64
	_, err := rig.Clients(ctx, writers, rig.Count(o.users/writers+1), func(ctx context.Context, c, i int) error {
		id := user(i*writers + c)
		evs := make([]events.Event, tasks)
		for t := range evs {
			evs[t] = events.TaskAdded{TaskID: chatkitd.TaskID(fmt.Sprintf("tsk_%029d", t)), Title: "Buy milk and bread"}
		}
		meta := events.Metadata{Correlation: "req_1", Causation: "req_1", User: id, RecordedAt: time.Now().UTC()}
		recs, err := events.Prepare(events.UserStream(id), meta, "fill", evs...)
		if err != nil {
			return err
		}
		_, err = store.Append(ctx, events.UserStream(id), events.NoStream, recs...)
		return err
	})
	return err
}

// inUse returns the bytes of the heap and of stacks that are in use, after a
// collection.
func inUse() float64 {
	runtime.GC()
	runtime.GC() // what finalizers and pools held through the first one
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc + m.StackInuse)
}

// count returns how many user actors are live.
func count(registry *prometheus.Registry) (int, error) {
	families, err := registry.Gather()
	if err != nil {
		return 0, err
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "chatkitd_actors_live" && strings.Contains(m.String(), `"user"`) {
				return int(m.GetGauge().GetValue()), nil
			}
		}
	}
	return 0, errors.New("the system does not say how many actors are live")
}
