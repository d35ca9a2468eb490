package memstore_test

import (
	"testing"

	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/events/eventstest"
	"github.com/chatkitd/chatkitd/internal/memstore"
)

func TestStore(t *testing.T) {
	eventstest.Run(t, func(t *testing.T) events.Store {
		t.Helper()
		s := memstore.New()
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		return s
	})
}
