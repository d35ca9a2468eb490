package seed

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/internal/memstore"
)

// written returns what a log holds but the store's own times, decoded once.
func written(t *testing.T, write func(context.Context, events.Store) error) []string {
	t.Helper()
	store := memstore.New()
	if err := write(t.Context(), store); err != nil {
		t.Fatal(err)
	}
	var all []string
	for rec, err := range store.ReadAll(t.Context(), events.AllRead{}) {
		if err != nil {
			t.Fatal(err)
		}
		if _, err := events.Decode(rec.Type, rec.Data); err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprintln(rec.Stream, rec.Revision, rec.ID, rec.Type, string(rec.Data), string(rec.Meta)))
	}
	return all
}

func TestSameSeedSameLog(t *testing.T) {
	mix := func(seed uint64) func(context.Context, events.Store) error {
		return func(ctx context.Context, store events.Store) error {
			sum, err := Mix(ctx, store, seed, 5000, nil)
			if err == nil && (sum.Events < 5000 || sum.Users < 5 || sum.Threads < 50 || sum.Turns < 500 || sum.Calls < 300 || sum.Tasks < 200) {
				return fmt.Errorf("too little of something: %s", sum)
			}
			return err
		}
	}
	first, again, other := written(t, mix(1)), written(t, mix(1)), written(t, mix(2))
	if !slices.Equal(first, again) {
		t.Error("the same seed gave another log")
	}
	if slices.Equal(first, other) {
		t.Error("another seed gave the same log")
	}
}

func TestUser(t *testing.T) {
	all := written(t, func(ctx context.Context, store events.Store) error {
		long, err := User(ctx, store, "ann", Much{Tasks: 300, Threads: 20, Long: 2, Items: 100})
		if err == nil && len(long) != 2 {
			return fmt.Errorf("%d long threads", len(long))
		}
		return err
	})
	if want := 300 + 20*(1+4) + 2*(1+4*50); len(all) != want {
		t.Errorf("%d events, want %d", len(all), want)
	}
}
