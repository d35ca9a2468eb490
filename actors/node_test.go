package actors

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/internal/memstore"
)

// losing stores what is appended and loses the answer, so many times.
type losing struct {
	events.Store
	lose int
}

func (l *losing) Append(ctx context.Context, stream string, expected events.Revision, evs ...events.New) (events.Appended, error) {
	at, err := l.Store.Append(ctx, stream, expected, evs...)
	if err == nil && l.lose > 0 {
		l.lose--
		return events.Appended{}, fmt.Errorf("the answer is lost: %w", events.ErrUnavailable)
	}
	return at, err
}

// TestNodeStream: given what stands in the stream of an instance, whoever appends
// first after a start keeps it.
func TestNodeStream(t *testing.T) {
	started := func(boot string) events.Node { return events.NodeStarted{Instance: "node_a", Boot: boot} }
	alive := func(boot string) events.Node { return events.NodeAlive{Instance: "node_a", Boot: boot} }
	tests := []struct {
		name   string
		before []events.Node // the start
		lose   int           // answers to the start and to what follows
		after  []events.Node // the start
		want   error         // of the next sign of life
		stored int
	}{
		{"the first start", nil, 0, nil, nil, 2},
		{"a restart", []events.Node{started("x"), alive("x"), started("y")}, 0, nil, nil, 5},
		{"a start whose answer is lost", nil, 1, nil, nil, 3}, // it says so again
		{"two answers are lost", []events.Node{alive("x")}, 2, nil, nil, 5},
		{"another start", nil, 0, []events.Node{started("x")}, nil, 3},
		{"another start that was first to go on", nil, 0, []events.Node{started("x"), alive("x")}, ErrInstanceTaken, 3},
		{"the one before goes on", []events.Node{started("x")}, 0, []events.Node{alive("x")}, ErrInstanceTaken, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			mem := memstore.New()
			store := &losing{Store: mem}
			s, err := New(Options{
				Store: store, Shared: true, Instance: "node_a", Log: slog.New(slog.DiscardHandler),
				Agent: func(chatkitd.Tasks) chatkitd.Agent { return nil },
			})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = s.Close(context.Background()) }()
			n := s.node
			others := 0
			put := func(evs []events.Node) {
				for _, ev := range evs {
					others++
					recs, err := events.Prepare(n.stream, events.Metadata{RecordedAt: noon}, fmt.Sprint(others), ev)
					if err != nil {
						t.Fatal(err)
					}
					if _, err := mem.Append(t.Context(), n.stream, events.Any, recs...); err != nil {
						t.Fatal(err)
					}
				}
			}
			put(tt.before)
			store.lose = tt.lose
			if err := n.start(t.Context()); err != nil {
				t.Fatal(err)
			}
			put(tt.after)
			if _, err := n.alive(t.Context()); !errors.Is(err, tt.want) {
				t.Errorf("alive = %v, want %v", err, tt.want)
			}
			got := 0
			for _, err := range mem.ReadStream(t.Context(), n.stream, events.StreamRead{}) {
				if err != nil {
					t.Fatal(err)
				}
				got++
			}
			if got != tt.stored {
				t.Errorf("%d events are stored, want %d", got, tt.stored)
			}
		})
	}
}
