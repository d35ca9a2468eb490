package actors

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/chatkit"
	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/internal/memstore"
)

// shelf keeps snapshots in memory.
type shelf struct {
	mu    sync.Mutex
	snaps map[string]events.Snapshot
	err   error
}

func (s *shelf) Load(_ context.Context, stream string) (events.Snapshot, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	snap, ok := s.snaps[stream]
	return snap, ok, s.err
}

func (s *shelf) Save(stream string, snap events.Snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.snaps == nil {
		s.snaps = map[string]events.Snapshot{}
	}
	s.snaps[stream] = snap
}

// counting counts the events that are read.
type counting struct {
	events.Store
	read int
}

func (c *counting) ReadStream(ctx context.Context, stream string, o events.StreamRead) iter.Seq2[events.Recorded, error] {
	return func(yield func(events.Recorded, error) bool) {
		for rec, err := range c.Store.ReadStream(ctx, stream, o) {
			c.read++
			if !yield(rec, err) {
				return
			}
		}
	}
}

func threadOn(store events.Store, snaps events.Snapshots) *thread {
	sys := &System{opts: Options{Store: store, Snapshots: snaps, HistoryItems: 10, Log: slog.New(slog.DiscardHandler)}}
	return sys.newThread("thr_1").(*thread)
}

func put(t *testing.T, store events.Store, evs []events.Thread) {
	t.Helper()
	stream := events.ThreadStream("thr_1")
	for i, ev := range evs {
		recs, err := events.Prepare(stream, events.Metadata{User: "alice", RecordedAt: noon, Correlation: "req_1"}, uuid.NewString(), ev)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := store.Append(t.Context(), stream, events.Any, recs...); err != nil {
			t.Fatal(i, err)
		}
	}
}

// sameThread compares states, whichever way they came about.
func sameThread(t *testing.T, got, want *threadState) {
	t.Helper()
	opts := cmp.AllowUnexported(threadState{}, itemRef{}, entry{}, openTurn{}, chatkitd.ToolExchange{})
	if diff := cmp.Diff(want, got, opts, cmp.Transformer("nil", func(b json.RawMessage) string { return string(b) })); diff != "" {
		t.Errorf("state (-want +got):\n%s", diff)
	}
}

func TestThreadSnapshot(t *testing.T) {
	store := memstore.New()
	evs := conversation(150) // 901 events
	evs = append(evs, events.ItemRemoved{ItemID: "a150", Reason: "retried"}, events.ThreadRenamed{Title: "x", By: "user"},
		events.ThreadStatusChanged{Status: chatkit.StatusLocked, Reason: "audit"})
	put(t, store, evs)
	whole := threadOn(store, nil)
	if err := whole.load(t.Context()); err != nil {
		t.Fatal(err)
	}

	snaps := &shelf{}
	first := threadOn(store, snaps)
	if err := first.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(snaps.snaps) != 1 {
		t.Fatal("a long load leaves no snapshot")
	}
	sameThread(t, &first.state, &whole.state)

	counted := &counting{Store: store}
	again := threadOn(counted, snaps)
	if err := again.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	sameThread(t, &again.state, &whole.state)
	if counted.read > 2 || again.journal.revision != uint64(len(evs)-1) {
		t.Errorf("%d events were read, at revision %d", counted.read, again.journal.revision)
	}

	spoil := func(name string, change func(*events.Snapshot)) {
		t.Helper()
		bad := &shelf{snaps: map[string]events.Snapshot{}}
		for k, s := range snaps.snaps {
			change(&s)
			bad.snaps[k] = s
		}
		th := threadOn(store, bad)
		if err := th.load(t.Context()); err != nil {
			t.Fatal(name, err)
		}
		sameThread(t, &th.state, &whole.state)
	}
	spoil("of another schema", func(s *events.Snapshot) { s.Schema = "x" })
	spoil("cut off", func(s *events.Snapshot) { s.Data = s.Data[:len(s.Data)/2] })
	spoil("of another log", func(s *events.Snapshot) { s.EventID = uuid.New() })
	spoil("of a longer log", func(s *events.Snapshot) { s.Revision = 1 << 20 })
	th := threadOn(store, &shelf{err: errors.New("no disk")})
	if err := th.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	sameThread(t, &th.state, &whole.state)
}

// TestThreadWindow: the state forgets the content of old items, decides as if it
// had not, and a retry far back tells the model all the same.
func TestThreadWindow(t *testing.T) {
	store := memstore.New()
	put(t, store, conversation(100))
	th := threadOn(store, nil)
	if err := th.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(th.state.refs) != 200 || th.state.items >= 20 || th.state.items < 10 {
		t.Fatalf("%d items, %d with content", len(th.state.refs), th.state.items)
	}
	evs, err := th.state.decideTurn(turnOrder{meta: chatkitd.Meta{User: "alice"}, cmd: chatkitd.RetryAfterItem{Item: "u20"}})
	if err != nil || len(evs) != 162 {
		t.Fatalf("%d events, %v", len(evs), err)
	}
	put(t, store, evs)
	th = threadOn(store, nil)
	if err := th.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	h, _, err := th.history(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := shape(h), "a15 u16 tool a16 u17 tool a17 u18 tool a18 u19 tool a19 u20 tool"; got != want {
		t.Errorf("history = %q, want %q", got, want)
	}
}

func TestUserSnapshot(t *testing.T) {
	var s userState
	for i := range 50 {
		id := chatkitd.TaskID(fmt.Sprint("tsk_", i))
		s.fold(fact[events.User]{
			Event: events.TaskAdded{TaskID: id, Title: "x", DueAt: &noon, Tags: []string{"a"}}, Revision: uint64(i),
			Meta: events.Metadata{RecordedAt: noon, Key: fmt.Sprint(i), Fingerprint: "f"},
		})
	}
	s.fold(fact[events.User]{Event: events.TaskCompleted{TaskID: "tsk_1"}, Revision: 50, Meta: events.Metadata{RecordedAt: noon}})
	s.fold(fact[events.User]{Event: events.TaskDeleted{TaskID: "tsk_2"}, Revision: 51, Meta: events.Metadata{RecordedAt: noon}})
	s.fold(fact[events.User]{Event: events.EffectVoided{Key: "call:trn_1:tc_1"}, Revision: 52, Meta: events.Metadata{RecordedAt: noon}})
	data, err := s.snapshot()
	if err != nil {
		t.Fatal(err)
	}
	var back userState
	if err := back.restore(data); err != nil {
		t.Fatal(err)
	}
	opts := cmp.AllowUnexported(userState{}, keyring[chatkitd.TaskResult]{}, keyUse[chatkitd.TaskResult]{}, keyring[struct{}]{}, keyUse[struct{}]{})
	if diff := cmp.Diff(s, back, opts); diff != "" {
		t.Errorf("state (-want +got):\n%s", diff)
	}
}
