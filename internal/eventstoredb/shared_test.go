package eventstoredb_test

import (
	"context"
	"errors"
	"iter"
	"os"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/events/eventstest"
	"github.com/chatkitd/chatkitd/internal/eventstoredb"
)

// room is a part of a shared database that looks like an empty one: every stream
// in it has a prefix of its own, and the store shows no others.
type room struct {
	events.Store
	prefix string
}

// newRoom opens a new room in the database at url.
func newRoom(t *testing.T, url string) room {
	t.Helper()
	prefix := "chatkitd_test_" + uuid.NewString() + "-"
	return room{open(t, eventstoredb.Options{URL: url, Prefixes: []string{prefix}, InsecureCredentials: true}), prefix}
}

func (r room) Append(ctx context.Context, stream string, expected events.Revision, evs ...events.New) (events.Appended, error) {
	if stream != "" {
		stream = r.prefix + stream
	}
	last, err := r.Store.Append(ctx, stream, expected, evs...)
	return last, r.inside(err)
}

func (r room) ReadStream(ctx context.Context, stream string, o events.StreamRead) iter.Seq2[events.Recorded, error] {
	return r.each(r.Store.ReadStream(ctx, r.prefix+stream, o))
}

func (r room) ReadAll(ctx context.Context, o events.AllRead) iter.Seq2[events.Recorded, error] {
	o.Filter = r.outside(o.Filter)
	return r.each(r.Store.ReadAll(ctx, o))
}

func (r room) Delete(ctx context.Context, stream string, expected events.Revision) error {
	return r.inside(r.Store.Delete(ctx, r.prefix+stream, expected))
}

func (r room) Tombstone(ctx context.Context, stream string, expected events.Revision) error {
	return r.inside(r.Store.Tombstone(ctx, r.prefix+stream, expected))
}

func (r room) Subscribe(ctx context.Context, after chatkitd.Position, f events.Filter) (events.Subscription, error) {
	sub, err := r.Store.Subscribe(ctx, after, r.outside(f))
	if err != nil {
		return nil, err
	}
	return roomSubscription{sub, r}, nil
}

type roomSubscription struct {
	events.Subscription
	r room
}

func (s roomSubscription) Next(ctx context.Context) (events.Batch, error) {
	b, err := s.Subscription.Next(ctx)
	for i := range b.Events {
		b.Events[i].Stream = strings.TrimPrefix(b.Events[i].Stream, s.r.prefix)
	}
	return b, err
}

func (r room) each(recs iter.Seq2[events.Recorded, error]) iter.Seq2[events.Recorded, error] {
	return func(yield func(events.Recorded, error) bool) {
		for rec, err := range recs {
			rec.Stream = strings.TrimPrefix(rec.Stream, r.prefix)
			if !yield(rec, r.inside(err)) {
				return
			}
		}
	}
}

func (r room) outside(f events.Filter) events.Filter {
	prefixes := make([]string, len(f.StreamPrefixes))
	for i, p := range f.StreamPrefixes {
		prefixes[i] = r.prefix + p
	}
	f.StreamPrefixes = prefixes
	return f
}

func (r room) inside(err error) error {
	wrong, ok := errors.AsType[*events.WrongRevisionError](err)
	if !ok {
		return err
	}
	return &events.WrongRevisionError{Stream: strings.TrimPrefix(wrong.Stream, r.prefix), Expected: wrong.Expected, Actual: wrong.Actual}
}

// TestSharedDatabase runs the contract in rooms of one database, each beside what
// all the others have left there.
func TestSharedDatabase(t *testing.T) {
	t.Parallel()
	server, _ := inMemory(t)
	eventstest.Run(t, func(t *testing.T) events.Store {
		t.Helper()
		return newRoom(t, server.URL())
	})
}

// TestRealServer runs the contract against a server that is running already, at
// the connection string in CHATKITD_TEST_ESDB. It leaves streams behind.
func TestRealServer(t *testing.T) {
	url := os.Getenv("CHATKITD_TEST_ESDB")
	if url == "" {
		t.Skip("CHATKITD_TEST_ESDB is not set")
	}
	eventstest.Run(t, func(t *testing.T) events.Store {
		t.Helper()
		return newRoom(t, url)
	})
}
