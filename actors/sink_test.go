package actors_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/actors"
	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/internal/memstore"
)

// countAppends counts what is appended.
type countAppends struct {
	events.Store
	n atomic.Int64
}

func (c *countAppends) Append(ctx context.Context, stream string, expected events.Revision, evs ...events.New) (events.Appended, error) {
	c.n.Add(1)
	return c.Store.Append(ctx, stream, expected, evs...)
}

// TestModelCallsAreDurable ends a turn in every way after two calls of the model,
// one of which led to a tool call. Both must be in the log, and cost no append.
func TestModelCallsAreDurable(t *testing.T) {
	tests := []struct {
		name string
		end  func(ctx context.Context) error
		want []string
	}{
		{"turn.completed", func(context.Context) error { return nil }, nil},
		{"turn.failed", func(context.Context) error { return errors.New("no model") }, nil},
		{"turn.failed in time", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, nil},
		{"turn.cancelled", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, []string{"item.added"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			appends := map[bool]int64{}
			for _, asks := range []bool{false, true} {
				store := &countAppends{Store: memstore.New()}
				asked := make(chan struct{})
				s := newSystem(t, store, func(ctx context.Context, _ chatkitd.TurnInput, sink chatkitd.TurnSink) (chatkitd.TurnResult, error) {
					if asks {
						sink.ModelCalled(chatkitd.ModelCall{N: 1, Model: "scripted", ResponseID: "resp_1", Usage: chatkitd.Usage{Input: 7}, StartedAt: time.Now(), Duration: time.Second, Calls: []string{"tc_1"}})
					}
					if err := sink.ToolsCalled(ctx, chatkitd.ToolCall{ID: "tc_1", Name: "list_tasks", Arguments: json.RawMessage("{}")}); err != nil {
						return chatkitd.TurnResult{}, err
					}
					if err := sink.ToolsReturned(ctx, chatkitd.ToolOutput{ID: "tc_1", Output: json.RawMessage("{}")}); err != nil {
						return chatkitd.TurnResult{}, err
					}
					close(asked)
					err := tt.end(ctx)
					if asks {
						sink.ModelCalled(chatkitd.ModelCall{N: 2, Model: "scripted", StartedAt: time.Now(), Error: "whatever"})
					}
					return chatkitd.TurnResult{}, err
				}, func(o *actors.Options) {
					if tt.name == "turn.failed in time" {
						o.TurnTimeout = 50 * time.Millisecond
					}
				})
				st, id := create(t, s, "alice", "x")
				<-asked
				if tt.name == "turn.cancelled" {
					if _, err := s.DoThread(t.Context(), by("alice"), chatkitd.CancelTurn{Thread: id}); err != nil {
						t.Fatal(err)
					}
				}
				collect(t, st)
				appends[asks] = store.n.Load()
				want := []string{"thread.created", "item.added", "turn.started", "tool.called", "tool.returned"}
				if asks {
					want = []string{"thread.created", "item.added", "turn.started", "model.called", "tool.called", "tool.returned", "model.called"}
				}
				end, _, _ := strings.Cut(tt.name, " ")
				same(t, "log", stored(t, store, events.ThreadStream(id)), append(append(want, tt.want...), end)...)
				if asks {
					checkCalls(t, store, events.ThreadStream(id))
				}
			}
			if appends[true] != appends[false] {
				t.Errorf("%d appends, and %d when the model's calls are noted", appends[false], appends[true])
			}
		})
	}
}

func checkCalls(t *testing.T, store events.Store, stream string) {
	t.Helper()
	var got []events.ModelCalled
	for rec, err := range store.ReadStream(t.Context(), stream, events.StreamRead{}) {
		if err != nil {
			t.Fatal(err)
		}
		if ev, err := events.Decode(rec.Type, rec.Data); err != nil {
			t.Fatal(err)
		} else if called, ok := ev.(events.ModelCalled); ok {
			got = append(got, called)
		}
	}
	if len(got) != 2 || got[0].TurnID == "" || got[0].DurationMS != 1000 || got[0].Usage.Input != 7 || got[0].CallIDs[0] != "tc_1" || got[1].Error != "whatever" {
		t.Errorf("%+v", got)
	}
}
