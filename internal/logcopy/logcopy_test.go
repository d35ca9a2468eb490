package logcopy_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/events/eventstest"
	"github.com/chatkitd/chatkitd/internal/embedded"
	"github.com/chatkitd/chatkitd/internal/esdbserver"
	"github.com/chatkitd/chatkitd/internal/eventstoredb"
	"github.com/chatkitd/chatkitd/internal/logcopy"
	"github.com/chatkitd/chatkitd/internal/memstore"
)

var prefixes = []string{"user-", "thread-"}

func inMemory(t *testing.T) events.Store {
	t.Helper()
	s := memstore.New()
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func inFile(t *testing.T) events.Store {
	t.Helper()
	s, err := embedded.Open(t.Context(), embedded.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// overWire is a database that others use, too: it has events that are none of ours.
func overWire(t *testing.T) events.Store {
	t.Helper()
	engine := inMemory(t)
	eventstest.Append(t, engine, "billing-1", events.NoStream, eventstest.Events(3)...)
	server, err := esdbserver.New(t.Context(), engine, esdbserver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	s, err := eventstoredb.New(eventstoredb.Options{URL: server.URL(), Prefixes: prefixes})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

var stores = map[string]func(t *testing.T) events.Store{"memory": inMemory, "embedded": inFile, "eventstoredb": overWire}

// fill writes a log of interleaved streams. Some are deleted, for good or not, and
// some of these begin again.
func fill(t *testing.T, s events.Store, appends int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(7, uint64(appends))) //nolint:gosec // the same log each time
	ended := map[string]bool{}
	for i := range appends {
		stream := fmt.Sprintf("%s%d", prefixes[rng.IntN(2)], rng.IntN(12))
		if ended[stream] {
			continue
		}
		switch rng.IntN(25) {
		case 0:
			if err := s.Delete(t.Context(), stream, events.Any); err != nil && !errors.Is(err, events.ErrWrongRevision) {
				t.Fatal(err)
			}
		case 1:
			if rng.IntN(3) == 0 {
				ended[stream] = true
				if err := s.Tombstone(t.Context(), stream, events.Any); err != nil {
					t.Fatal(err)
				}
				continue
			}
		}
		evs := eventstest.Events(1 + rng.IntN(4))
		evs[0].Data = []byte(fmt.Sprintf(`{"n": %d, "text":"ä \u2028 <&> %s"}`, i, strings.Repeat("x", rng.IntN(2000))))
		evs[0].Meta = []byte(`{}`)
		eventstest.Append(t, s, stream, events.Any, evs...)
	}
}

// TestThereAndBack copies a log into each kind of store and from there into a new
// one.
func TestThereAndBack(t *testing.T) {
	t.Parallel()
	for from, openFrom := range stores {
		for to, openTo := range stores {
			t.Run(from+" to "+to, func(t *testing.T) {
				t.Parallel()
				a, b, c := openFrom(t), openTo(t), openFrom(t)
				fill(t, a, 150)
				for _, pair := range [][2]events.Store{{a, b}, {b, c}} {
					copied, err := logcopy.Copy(t.Context(), pair[0], pair[1], nil)
					if err != nil {
						t.Fatal(err)
					}
					r, err := logcopy.Compare(t.Context(), pair[0], pair[1], nil)
					if err != nil {
						t.Fatal(err)
					}
					if copied.Copied != r.Events || r.Events < 150 || copied.Streams != r.Streams || copied.Deleted != r.Deleted || r.Deleted == 0 {
						t.Errorf("copied %+v, compared %+v", copied, r)
					}
					again, err := logcopy.Copy(t.Context(), pair[0], pair[1], nil)
					if err != nil || again.Copied != 0 || again.There != r.Events {
						t.Errorf("again: %+v, %v", again, err)
					}
				}
				if _, err := logcopy.Compare(t.Context(), a, c, nil); err != nil {
					t.Errorf("there and back: %v", err)
				}
			})
		}
	}
}

// flaky fails every few appends: the first half of the times before they take
// effect, then after.
type flaky struct {
	events.Store
	n, every int
}

var errCut = errors.New("cut off")

func (f *flaky) Append(ctx context.Context, stream string, expected events.Revision, evs ...events.New) (events.Appended, error) {
	if f.n++; f.n%f.every != 0 {
		return f.Store.Append(ctx, stream, expected, evs...)
	}
	if f.n%(2*f.every) == 0 {
		if _, err := f.Store.Append(ctx, stream, expected, evs...); err != nil {
			return events.Appended{}, err
		}
	}
	return events.Appended{}, errCut
}

func (f *flaky) Delete(ctx context.Context, stream string, expected events.Revision) error {
	if err := f.Store.Delete(ctx, stream, expected); err != nil {
		return err
	}
	if f.n++; f.n%2 == 0 {
		return errCut
	}
	return nil
}

// TestCutOff runs a copy that is cut off again and again, as by kill -9: it goes on
// each time, and in the end nothing is missing or there twice.
func TestCutOff(t *testing.T) {
	t.Parallel()
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := inMemory(t), open(t)
			fill(t, a, 200)
			to := &flaky{Store: b, every: 7}
			there, runs := 0, 0
			for {
				runs++
				r, err := logcopy.Copy(t.Context(), a, to, nil)
				if err == nil {
					break
				}
				if !errors.Is(err, errCut) {
					t.Fatal(err)
				}
				if r.There < there {
					t.Errorf("run %d found %d events, the one before had left %d", runs, r.There, there)
				}
				there = r.There + r.Copied
			}
			if runs < 10 {
				t.Errorf("%d runs prove little", runs)
			}
			if _, err := logcopy.Compare(t.Context(), a, b, nil); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestLargeEvents(t *testing.T) {
	t.Parallel()
	a, b := inMemory(t), overWire(t)
	for i := range 12 {
		ev := events.New{ID: uuid.New(), Type: "a.b.v1", Meta: []byte("{}")}
		ev.Data = []byte(`"` + strings.Repeat("x", events.MaxAppend-ev.Size()-2-i%3*400_000) + `"`)
		eventstest.Append(t, a, "user-1", events.Any, ev)
	}
	if _, err := logcopy.Copy(t.Context(), a, b, nil); err != nil {
		t.Fatal(err)
	}
	if r, err := logcopy.Compare(t.Context(), a, b, nil); err != nil || r.Events != 12 {
		t.Errorf("%+v, %v", r, err)
	}
}

// changed shows a log in which something was changed.
type changed struct {
	events.Store
	change func(i int, rec *events.Recorded) bool // false drops the event
}

func (c changed) ReadAll(ctx context.Context, o events.AllRead) iter.Seq2[events.Recorded, error] {
	return func(yield func(events.Recorded, error) bool) {
		i := 0
		for rec, err := range c.Store.ReadAll(ctx, o) {
			i++
			if err == nil && !c.change(i, &rec) {
				continue
			}
			if !yield(rec, err) {
				return
			}
		}
	}
}

// TestEveryDifference changes one thing of one event: the comparison finds it, and
// a copy onto it is refused and changes nothing.
func TestEveryDifference(t *testing.T) {
	t.Parallel()
	const at = 57
	only := func(change func(rec *events.Recorded)) func(int, *events.Recorded) bool {
		return func(i int, rec *events.Recorded) bool {
			if i == at {
				change(rec)
			}
			return true
		}
	}
	tests := map[string]func(int, *events.Recorded) bool{
		"id":       only(func(rec *events.Recorded) { rec.ID[15] ^= 1 }),
		"type":     only(func(rec *events.Recorded) { rec.Type += "x" }),
		"data":     only(func(rec *events.Recorded) { rec.Data = append([]byte(" "), rec.Data...) }),
		"metadata": only(func(rec *events.Recorded) { rec.Meta = []byte(`{"a":1}`) }),
		"stream":   only(func(rec *events.Recorded) { rec.Stream += "x" }),
		"revision": only(func(rec *events.Recorded) { rec.Revision++ }),
		"missing":  func(i int, _ *events.Recorded) bool { return i != at },
	}
	a, b := inMemory(t), inMemory(t)
	fill(t, a, 100)
	if _, err := logcopy.Copy(t.Context(), a, b, nil); err != nil {
		t.Fatal(err)
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			var different *logcopy.DifferenceError
			if _, err := logcopy.Compare(t.Context(), a, changed{b, change}, nil); !errors.As(err, &different) {
				t.Errorf("compare: %v", err)
			}
			if _, err := logcopy.Compare(t.Context(), changed{a, change}, b, nil); !errors.As(err, &different) {
				t.Errorf("compare the other way: %v", err)
			}
			var other *logcopy.TargetError
			if _, err := logcopy.Copy(t.Context(), a, changed{b, change}, nil); !errors.As(err, &other) {
				t.Errorf("copy: %v", err)
			}
		})
	}
	t.Run("one more event", func(t *testing.T) {
		eventstest.Append(t, b, "user-more", events.NoStream, eventstest.Events(1)...)
		if _, err := logcopy.Compare(t.Context(), a, b, nil); err == nil {
			t.Error("compare: no difference")
		}
		if _, err := logcopy.Compare(t.Context(), b, a, nil); err == nil {
			t.Error("compare the other way: no difference")
		}
		var other *logcopy.TargetError
		if _, err := logcopy.Copy(t.Context(), a, b, nil); !errors.As(err, &other) {
			t.Errorf("copy: %v", err)
		}
	})
	t.Run("a deletion", func(t *testing.T) {
		c := inMemory(t)
		if _, err := logcopy.Copy(t.Context(), b, c, nil); err != nil {
			t.Fatal(err)
		}
		if err := c.Delete(t.Context(), "user-more", events.Any); err != nil {
			t.Fatal(err)
		}
		if _, err := logcopy.Compare(t.Context(), b, c, nil); err == nil || !strings.Contains(err.Error(), "user-more is deleted in the target") {
			t.Errorf("compare: %v", err)
		}
	})
}

// TestScavenged refuses a stream whose beginning is gone.
func TestScavenged(t *testing.T) {
	t.Parallel()
	a, b := inMemory(t), inMemory(t)
	eventstest.Append(t, a, "user-1", events.NoStream, eventstest.Events(5)...)
	gone := changed{a, func(i int, _ *events.Recorded) bool { return i > 2 }}
	var bad *logcopy.SourceError
	if _, err := logcopy.Copy(t.Context(), gone, b, nil); !errors.As(err, &bad) || !strings.Contains(err.Error(), "user-1 revision 2") {
		t.Errorf("copy: %v", err)
	}
	if head, err := b.Head(t.Context()); err != nil || !head.IsZero() {
		t.Errorf("the target has events up to %s, %v", head, err)
	}
}
