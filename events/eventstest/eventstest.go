// Package eventstest is the contract of [events.Store] as tests, and helpers for
// tests that need recorded events. Every store, in memory or not, passes [Run].
package eventstest

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/chatkitd/chatkitd/events"
)

// Run tests the store that open returns: an empty one at each call, closed by
// open's own clean-up. Stores are not closed before.
func Run(t *testing.T, open func(t *testing.T) events.Store) {
	t.Helper()
	for _, group := range []struct {
		name  string
		tests []contract
	}{
		{"append", appendTests},
		{"retry", retryTests},
		{"read", readTests},
		{"delete", deleteTests},
		{"subscribe", subscribeTests},
		{"concurrent", concurrentTests},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, c := range group.tests {
				t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
			}
		})
	}
}

// A contract is one sentence about a store, and its test.
type contract struct {
	name string
	test func(t *testing.T, s events.Store)
}

// Events returns n new events of type "test.happened.v1" that differ in id and
// data.
func Events(n int) []events.New {
	evs := make([]events.New, n)
	for i := range evs {
		evs[i] = events.New{
			ID: uuid.New(), Type: "test.happened.v1",
			Data: fmt.Appendf(nil, `{"n":%d}`, i), Meta: []byte(`{"$correlationId":"req_1"}`),
		}
	}
	return evs
}

// Append appends and fails the test on an error.
func Append(t testing.TB, s events.Store, stream string, expected events.Revision, evs ...events.New) events.Appended {
	t.Helper()
	last, err := s.Append(t.Context(), stream, expected, evs...)
	if err != nil {
		t.Fatalf("append %d events to %s, expecting %s: %v", len(evs), stream, expected, err)
	}
	return last
}

// Collect returns what a read yields and fails the test on an error.
func Collect(t testing.TB, read iter.Seq2[events.Recorded, error]) []events.Recorded {
	t.Helper()
	var recs []events.Recorded
	for rec, err := range read {
		if err != nil {
			t.Fatalf("read, after %d events: %v", len(recs), err)
		}
		recs = append(recs, rec)
	}
	return recs
}

// firstError returns the error that a read ends with.
func firstError(read iter.Seq2[events.Recorded, error]) error {
	for _, err := range read {
		if err != nil {
			return err
		}
	}
	return nil
}

// number returns the n of an event made by [Events].
func number(t testing.TB, rec events.Recorded) int {
	t.Helper()
	var data struct{ N int }
	if err := json.Unmarshal(rec.Data, &data); err != nil {
		t.Fatalf("data %q: %v", rec.Data, err)
	}
	return data.N
}

// numbers returns the n of each event.
func numbers(t testing.TB, recs []events.Recorded) []int {
	t.Helper()
	ns := make([]int, len(recs))
	for i := range recs {
		ns[i] = number(t, recs[i])
	}
	return ns
}

// deadline returns a context that ends the test's waits if a store never answers.
func deadline(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}
