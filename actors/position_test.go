package actors_test

import (
	"context"
	"testing"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/chatkit"
	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/internal/memstore"
)

// TestATurnKnowsItsPosition: whoever has seen an event of a turn may ask for all
// that is durable by then.
func TestATurnKnowsItsPosition(t *testing.T) {
	store := memstore.New()
	said, goOn := make(chan chatkitd.Position), make(chan struct{})
	s := newSystem(t, store, func(ctx context.Context, in chatkitd.TurnInput, sink chatkitd.TurnSink) (chatkitd.TurnResult, error) {
		step := chatkit.WorkflowItem{ItemBase: chatkit.ItemBase{ID: "wf_1", ThreadID: string(in.Thread), CreatedAt: in.Now}, Workflow: chatkit.Workflow{Type: "custom"}}
		if err := sink.Commit(ctx, chatkit.ItemDone{Item: step}); err != nil {
			return chatkitd.TurnResult{}, err
		}
		said <- lastOf(ctx, t, store, events.ThreadStream(in.Thread))
		<-goOn
		return answers("Done.")(ctx, in, sink)
	})
	st, id := create(t, s, "alice", "hello")
	if st.Position().IsZero() {
		t.Error("a turn that has begun has no position")
	}
	if at, durable := st.Position(), <-said; at.Compare(durable) > 0 || st.Position() != durable {
		t.Errorf("behind the first item it is at %s, then at %s, want %s", at, st.Position(), durable)
	}
	close(goOn)
	collect(t, st)
	if want := lastOf(t.Context(), t, store, events.ThreadStream(id)); st.Position() != want {
		t.Errorf("at its end it is at %s, want %s", st.Position(), want)
	}
}

// lastOf returns the position of the last event of a stream.
func lastOf(ctx context.Context, t *testing.T, store events.Store, stream string) (at chatkitd.Position) {
	t.Helper()
	for rec, err := range store.ReadStream(ctx, stream, events.StreamRead{}) {
		if err != nil {
			t.Error(err)
			return at
		}
		at = rec.Position
	}
	return at
}
