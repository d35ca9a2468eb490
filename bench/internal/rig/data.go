package rig

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/chatkitd/chatkitd/bench/internal/seed"
	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/internal/embedded"
)

// Fill opens the embedded store in a data folder for write.
func Fill(ctx context.Context, data string, write func(events.Store) error) error {
	store, err := embedded.Open(ctx, embedded.Options{Dir: data})
	if err != nil {
		return err
	}
	return errors.Join(write(store), store.Close())
}

// Log returns a data folder whose log has many users, and how many events it
// holds: the one given, or if none is, a new one of at least n events.
func (b *Bench) Log(ctx context.Context, data string, n int) (dir string, count int, err error) {
	if data != "" {
		err := Fill(ctx, data, func(store events.Store) error {
			head, err := store.Head(ctx)
			count = int(head.Commit) //nolint:gosec // positions of the embedded log count events
			return err
		})
		return data, count, err
	}
	dir = filepath.Join(b.Dir, "log")
	err = Fill(ctx, dir, func(store events.Store) error {
		sum, err := seed.Mix(ctx, store, 1, n, nil)
		count = sum.Events
		return err
	})
	return dir, count, err
}
