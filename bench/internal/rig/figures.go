package rig

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// Times collects durations. It is safe for concurrent use.
type Times struct {
	mu     sync.Mutex
	all    []time.Duration
	sorted bool
}

// Add adds one.
func (t *Times) Add(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all, t.sorted = append(t.all, d), false
}

// Len returns how many there are.
func (t *Times) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.all)
}

// At returns the quantile q, 0 to 1, rounded for people; 0 of none.
func (t *Times) At(q float64) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.all) == 0 {
		return 0
	}
	if !t.sorted {
		slices.Sort(t.all)
		t.sorted = true
	}
	d := t.all[int(q*float64(len(t.all)-1))]
	if d < time.Millisecond {
		return d.Round(time.Microsecond)
	}
	return d.Round(10 * time.Microsecond)
}

// Median returns the median of at least one value, the upper one of an even
// number.
func Median[T cmp.Ordered](vs []T) T {
	vs = slices.Sorted(slices.Values(vs))
	return vs[len(vs)/2]
}

// Span returns the least and the greatest of at least one value.
func Span[T cmp.Ordered](vs []T) (low, high T) { return slices.Min(vs), slices.Max(vs) }

// Clients lets n clients call do one call after the other, i counting those of a
// client, until more says no. It returns how long that took, and the first error:
// the client that had it stops, the others go on.
func Clients(ctx context.Context, n int, more func(i int) bool, do func(ctx context.Context, client, i int) error) (time.Duration, error) {
	var wg sync.WaitGroup
	errs := make([]error, n)
	began := time.Now()
	for c := range n {
		wg.Go(func() {
			for i := 0; more(i) && errs[c] == nil && ctx.Err() == nil; i++ {
				errs[c] = do(ctx, c, i)
			}
		})
	}
	wg.Wait()
	return time.Since(began), errors.Join(first(errs), ctx.Err())
}

// For makes clients go on for a while.
func For(d time.Duration) func(int) bool {
	end := time.Now().Add(d)
	return func(int) bool { return time.Now().Before(end) }
}

// Count makes clients call n times each.
func Count(n int) func(int) bool { return func(i int) bool { return i < n } }

func first(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
