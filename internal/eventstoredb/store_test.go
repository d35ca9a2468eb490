package eventstoredb_test

import (
	"log/slog"
	"testing"

	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/events/eventstest"
	"github.com/chatkitd/chatkitd/internal/embedded"
	"github.com/chatkitd/chatkitd/internal/esdbserver"
	"github.com/chatkitd/chatkitd/internal/eventstoredb"
	"github.com/chatkitd/chatkitd/internal/memstore"
)

// serve starts a server over an engine, until the test ends.
func serve(tb testing.TB, engine events.Store, o esdbserver.Options) *esdbserver.Server {
	tb.Helper()
	server, err := esdbserver.New(tb.Context(), engine, o)
	if err != nil {
		tb.Fatal(err)
	}
	if err := server.Start(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(server.Stop)
	return server
}

// inMemory starts a server over an empty log in memory.
func inMemory(tb testing.TB) (*esdbserver.Server, *memstore.Store) {
	tb.Helper()
	engine := memstore.New()
	tb.Cleanup(func() {
		if err := engine.Close(); err != nil {
			tb.Error(err)
		}
	})
	return serve(tb, engine, esdbserver.Options{}), engine
}

// open returns a store, closed when the test ends.
func open(tb testing.TB, o eventstoredb.Options) *eventstoredb.Store {
	tb.Helper()
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(tb.Output(), nil))
	}
	s, err := eventstoredb.New(o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

func TestStoreOverMemory(t *testing.T) {
	t.Parallel()
	eventstest.Run(t, func(t *testing.T) events.Store {
		t.Helper()
		server, _ := inMemory(t)
		return open(t, eventstoredb.Options{URL: server.URL()})
	})
}

func TestStoreOverEmbedded(t *testing.T) {
	t.Parallel()
	eventstest.Run(t, func(t *testing.T) events.Store {
		t.Helper()
		engine, err := embedded.Open(t.Context(), embedded.Options{Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := engine.Close(); err != nil {
				t.Error(err)
			}
		})
		return open(t, eventstoredb.Options{URL: serve(t, engine, esdbserver.Options{}).URL()})
	})
}
