package main

import (
	"bufio"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/events/eventstest"
	"github.com/chatkitd/chatkitd/internal/eventstoredb"
)

// TestKeepsItsEvents starts it twice on one folder.
func TestKeepsItsEvents(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for round := range 2 {
		ctx, stop := context.WithCancel(t.Context())
		out, in := io.Pipe()
		ended := make(chan error, 1)
		go func() { ended <- run(ctx, []string{"--data", dir, "--listen", "127.0.0.1:0"}, in, t.Output()) }()
		url, err := bufio.NewReader(out).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		store, err := eventstoredb.New(eventstoredb.Options{URL: strings.TrimSpace(url)})
		if err != nil {
			t.Fatal(err)
		}
		if n := len(eventstest.Collect(t, store.ReadAll(t.Context(), events.AllRead{}))); n != round {
			t.Errorf("round %d: %d events", round, n)
		}
		eventstest.Append(t, store, "user-1", events.Any, eventstest.Events(1)...)
		if err := store.Close(); err != nil {
			t.Error(err)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}
