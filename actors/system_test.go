package actors_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/actors"
	"github.com/chatkitd/chatkitd/chatkit"
	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/internal/memstore"
)

// agent is a scripted chatkitd.Agent.
type agent func(ctx context.Context, in chatkitd.TurnInput, sink chatkitd.TurnSink) (chatkitd.TurnResult, error)

func (agent) Model() string { return "scripted" }

func (a agent) Run(ctx context.Context, in chatkitd.TurnInput, sink chatkitd.TurnSink) (chatkitd.TurnResult, error) {
	return a(ctx, in, sink)
}

func newSystem(t *testing.T, store events.Store, a agent, change ...func(*actors.Options)) *actors.System {
	t.Helper()
	o := actors.Options{Store: store, Agent: func(chatkitd.Tasks) chatkitd.Agent { return a }, Log: slog.New(slog.DiscardHandler)}
	for _, f := range change {
		f(&o)
	}
	s, err := actors.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return s
}

func by(user chatkitd.UserID) chatkitd.Meta { return chatkitd.Meta{User: user, Request: "req_1"} }

func says(text string) chatkit.UserMessageInput {
	return chatkit.UserMessageInput{Content: []chatkit.UserContent{{Type: chatkit.TypeInputText, Text: text}}}
}

// message returns the parts of an answer: its item, begun and with text so far.
func begin(in chatkitd.TurnInput, sink chatkitd.TurnSink, id, text string) chatkit.AssistantMessage {
	msg := chatkit.AssistantMessage{ItemBase: chatkit.ItemBase{ID: id, ThreadID: string(in.Thread), CreatedAt: in.Now}}
	sink.Emit(chatkit.ItemAdded{Item: msg})
	sink.Emit(chatkit.ItemUpdated{ItemID: id, Update: chatkit.ContentPartAdded{}})
	if text != "" {
		sink.Emit(chatkit.ItemUpdated{ItemID: id, Update: chatkit.TextDelta{Delta: text}})
	}
	return msg
}

// answers says one message and is done.
func answers(text string) agent {
	return func(ctx context.Context, in chatkitd.TurnInput, sink chatkitd.TurnSink) (chatkitd.TurnResult, error) {
		msg := begin(in, sink, chatkitd.NewID("msg_"), text)
		msg.Content = []chatkit.OutputText{{Text: text}}
		return chatkitd.TurnResult{Model: "scripted"}, sink.Commit(ctx, chatkit.ItemDone{Item: msg})
	}
}

// collect reads a stream to its end and returns the types of its events, items
// by their kind, and all of its bytes.
func collect(t *testing.T, st chatkitd.TurnStream) (types []string, all string) {
	t.Helper()
	return collectFor(t, st, 20*time.Second)
}

func collectFor(t *testing.T, st chatkitd.TurnStream, limit time.Duration) (types []string, all string) {
	t.Helper()
	deadline := time.After(limit)
	var n uint64
	for {
		frames, ended, more := st.After(n)
		for _, f := range frames {
			if f.N != n+1 {
				t.Fatalf("frame %d after %d", f.N, n)
			}
			n = f.N
			ev, err := chatkit.DecodeEvent(f.Data)
			if err != nil {
				t.Fatalf("%s: %v", f.Data, err)
			}
			name := ev.EventType()
			if d, ok := ev.(chatkit.ItemDone); ok {
				name += " " + d.Item.Kind()
			}
			types = append(types, name)
			all += string(f.Data) + "\n"
		}
		if ended && len(frames) == 0 {
			return types, all
		}
		select {
		case <-more:
		case <-deadline:
			t.Fatalf("the stream does not end; so far %v", types)
		}
	}
}

// stored returns the types of the events of a thread's stream.
func stored(t *testing.T, store events.Store, stream string) []string {
	t.Helper()
	var types []string
	for rec, err := range store.ReadStream(t.Context(), stream, events.StreamRead{}) {
		if errors.Is(err, events.ErrStreamNotFound) {
			return nil
		}
		if err != nil {
			t.Fatal(err)
		}
		if rec.Revision != uint64(len(types)) {
			t.Fatalf("revision %d at %d", rec.Revision, len(types))
		}
		types = append(types, strings.TrimSuffix(rec.Type, ".v1"))
	}
	return types
}

// threadOf returns the thread that a stream's first event is about.
func threadOf(t *testing.T, st chatkitd.TurnStream) chatkitd.ThreadID {
	t.Helper()
	frames, _, _ := st.After(0)
	var ev struct {
		Thread struct{ ID chatkitd.ThreadID }
		Item   struct {
			ThreadID chatkitd.ThreadID `json:"thread_id"`
		}
	}
	if err := json.Unmarshal(frames[0].Data, &ev); err != nil {
		t.Fatal(err)
	}
	if ev.Thread.ID != "" {
		return ev.Thread.ID
	}
	return ev.Item.ThreadID
}

func create(t *testing.T, s *actors.System, user chatkitd.UserID, text string) (chatkitd.TurnStream, chatkitd.ThreadID) {
	t.Helper()
	st, err := s.StartTurn(t.Context(), by(user), chatkitd.CreateThread{Input: says(text)})
	if err != nil {
		t.Fatal(err)
	}
	return st, threadOf(t, st)
}

func same(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, ", ") != strings.Join(want, ", ") {
		t.Errorf("%s:\n got %s\nwant %s", what, strings.Join(got, ", "), strings.Join(want, ", "))
	}
}

func TestTurn(t *testing.T) {
	store := memstore.New()
	s := newSystem(t, store, answers("hi"))
	st, id := create(t, s, "alice", "hello")
	types, _ := collect(t, st)
	same(t, "stream", types, "thread.created", "thread.item.done user_message", "stream_options",
		"thread.item.added", "thread.item.updated", "thread.item.updated", "thread.item.done assistant_message")
	same(t, "log", stored(t, store, events.ThreadStream(id)),
		"thread.created", "item.added", "turn.started", "item.added", "turn.completed")

	st, err := s.StartTurn(t.Context(), by("alice"), chatkitd.AddUserMessage{Thread: id, Input: says("more")})
	if err != nil {
		t.Fatal(err)
	}
	types, all := collect(t, st)
	same(t, "second stream", types[:3], "thread.item.done user_message", "stream_options", "thread.item.added")
	var msg struct{ Item struct{ ID chatkitd.ItemID } }
	if err := json.Unmarshal([]byte(all[:strings.IndexByte(all, '\n')]), &msg); err != nil {
		t.Fatal(err)
	}
	st, err = s.StartTurn(t.Context(), by("alice"), chatkitd.RetryAfterItem{Thread: id, Item: msg.Item.ID})
	if err != nil {
		t.Fatal(err)
	}
	types, _ = collect(t, st)
	same(t, "stream of a retry", types, "stream_options",
		"thread.item.added", "thread.item.updated", "thread.item.updated", "thread.item.done assistant_message")
}

// TestDurableBeforeVisible reads the log at the moment each frame shows up.
func TestDurableBeforeVisible(t *testing.T) {
	store := memstore.New()
	s := newSystem(t, store, answers("hi"))
	for range 50 {
		st, id := create(t, s, "alice", "hello")
		var n uint64
		for {
			frames, ended, more := st.After(n)
			for _, f := range frames {
				n = f.N
				if strings.Contains(string(f.Data), `"type":"thread.item.done"`) {
					var ev struct{ Item struct{ ID string } }
					if err := json.Unmarshal(f.Data, &ev); err != nil {
						t.Fatal(err)
					}
					found := false
					for rec, err := range store.ReadStream(t.Context(), events.ThreadStream(id), events.StreamRead{}) {
						if err != nil {
							t.Fatal(err)
						}
						found = found || strings.Contains(string(rec.Data), ev.Item.ID)
					}
					if !found {
						t.Fatalf("item %s is visible and not durable", ev.Item.ID)
					}
				}
			}
			if ended && len(frames) == 0 {
				break
			}
			<-more
		}
		if got := stored(t, store, events.ThreadStream(id)); got[len(got)-1] != "turn.completed" {
			t.Fatalf("the stream ended before the turn's end was durable: %v", got)
		}
	}
}

// waiting is an agent that begins a message and waits for its context's end.
func waiting(begun chan<- struct{}, text string) agent {
	return func(ctx context.Context, in chatkitd.TurnInput, sink chatkitd.TurnSink) (chatkitd.TurnResult, error) {
		begin(in, sink, "msg_empty", "")
		begin(in, sink, "msg_open", text)
		begun <- struct{}{}
		<-ctx.Done()
		return chatkitd.TurnResult{}, ctx.Err()
	}
}

func TestCancelKeepsWhatWasSaid(t *testing.T) {
	store := memstore.New()
	begun := make(chan struct{}, 1)
	s := newSystem(t, store, waiting(begun, "half an ans"))
	st, id := create(t, s, "alice", "hello")
	<-begun

	if _, err := s.StartTurn(t.Context(), by("alice"), chatkitd.AddUserMessage{Thread: id, Input: says("and?")}); chatkitd.CodeOf(err) != chatkitd.CodeBusy {
		t.Errorf("a second message = %v, want CodeBusy", err)
	}
	if _, err := s.DoThread(t.Context(), by("bob"), chatkitd.CancelTurn{Thread: id}); chatkitd.CodeOf(err) != chatkitd.CodeNotFound {
		t.Errorf("cancel by a stranger = %v, want CodeNotFound", err)
	}
	if again, err := s.AttachTurn(t.Context(), "alice", id); err != nil || again != st {
		t.Errorf("AttachTurn = %v, %v, want the same stream", again, err)
	}
	if _, err := s.AttachTurn(t.Context(), "bob", id); chatkitd.CodeOf(err) != chatkitd.CodeNotFound {
		t.Errorf("AttachTurn by a stranger = %v, want CodeNotFound", err)
	}
	for range 2 { // the second finds nothing to cancel
		if _, err := s.DoThread(t.Context(), by("alice"), chatkitd.CancelTurn{Thread: id}); err != nil {
			t.Fatal(err)
		}
	}
	types, all := collect(t, st)
	same(t, "end of the stream", types[len(types)-3:], "thread.item.removed", "thread.item.done assistant_message", "thread.item.done task")
	if mark := all[strings.LastIndex(all, "thread.item.done"):]; !strings.Contains(mark, `"id":"cut_`) || !strings.Contains(mark, `"title":"Stopped"`) {
		t.Errorf("the answer is not marked as cut off: %s", mark)
	}
	if !strings.Contains(all, `"text":"half an ans"`) || !strings.Contains(all, `"item_id":"msg_empty"}`) {
		t.Errorf("the stream is\n%s", all)
	}
	if strings.Contains(all, "hidden") || strings.Contains(all, "cancelled the stream") {
		t.Errorf("a hidden item was sent:\n%s", all)
	}
	same(t, "log", stored(t, store, events.ThreadStream(id)),
		"thread.created", "item.added", "turn.started", "item.added", "item.added", "item.added", "turn.cancelled")
	if again, err := s.AttachTurn(t.Context(), "alice", id); err != nil || again != nil {
		t.Errorf("AttachTurn after the end = %v, %v, want nothing", again, err)
	}
}

func TestDeleteCancels(t *testing.T) {
	store := memstore.New()
	begun := make(chan struct{}, 1)
	s := newSystem(t, store, waiting(begun, "x"))
	st, id := create(t, s, "alice", "hello")
	<-begun
	if _, err := s.DoThread(t.Context(), by("alice"), chatkitd.DeleteThread{Thread: id}); err != nil {
		t.Fatal(err)
	}
	collect(t, st)
	got := stored(t, store, events.ThreadStream(id))
	same(t, "end of the log", got[len(got)-2:], "turn.cancelled", "thread.deleted")
	if _, err := s.AttachTurn(t.Context(), "alice", id); chatkitd.CodeOf(err) != chatkitd.CodeNotFound {
		t.Errorf("AttachTurn of a deleted thread = %v, want CodeNotFound", err)
	}
}

func TestFailures(t *testing.T) {
	fails := func(err error) agent {
		return func(_ context.Context, in chatkitd.TurnInput, sink chatkitd.TurnSink) (chatkitd.TurnResult, error) {
			begin(in, sink, "msg_1", "so far")
			return chatkitd.TurnResult{}, err
		}
	}
	tests := []struct {
		name  string
		agent agent
		limit time.Duration
		want  string // in the error event
	}{
		{"an error for the user", fails(chatkitd.Errorf(chatkitd.CodeUnavailable, "the model is overloaded").Because(errors.New("secret"))), 0, "the model is overloaded"},
		{"an error for the log", fails(errors.New("secret")), 0, "Something went wrong"},
		{"a panic", func(_ context.Context, in chatkitd.TurnInput, sink chatkitd.TurnSink) (chatkitd.TurnResult, error) {
			begin(in, sink, "msg_1", "so far")
			panic("secret")
		}, 0, "Something went wrong"},
		{"an event that is not durable", func(_ context.Context, in chatkitd.TurnInput, sink chatkitd.TurnSink) (chatkitd.TurnResult, error) {
			sink.Emit(chatkit.ItemDone{Item: begin(in, sink, "msg_1", "so far")})
			return chatkitd.TurnResult{}, nil
		}, 0, "Something went wrong"},
		{"too slow", waiting(make(chan struct{}, 1), "so far"), time.Millisecond, "took too long"},
		{"too much", func(ctx context.Context, in chatkitd.TurnInput, sink chatkitd.TurnSink) (chatkitd.TurnResult, error) {
			begin(in, sink, "msg_1", "so far")
			for ctx.Err() == nil {
				sink.Emit(chatkit.ProgressUpdate{Text: strings.Repeat("x", 10_000)})
			}
			return chatkitd.TurnResult{}, ctx.Err()
		}, 0, "grew too long"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			store := memstore.New()
			s := newSystem(t, store, tt.agent, func(o *actors.Options) { o.TurnTimeout = tt.limit })
			st, id := create(t, s, "alice", "hello")
			types, all := collect(t, st)
			if types[len(types)-1] != "error" || !strings.Contains(all, tt.want) || !strings.Contains(all, `"allow_retry":true`) {
				t.Errorf("the stream ends with %s", all[max(0, len(all)-500):])
			}
			if strings.Contains(all, "secret") {
				t.Error("the cause was sent to the client")
			}
			got := stored(t, store, events.ThreadStream(id))
			same(t, "end of the log", got[len(got)-3:], "item.added", "item.added", "turn.failed") // what was said is kept, and marked
			if mark := all[strings.LastIndex(all, "thread.item.done"):]; !strings.Contains(mark, `"id":"cut_`) || !strings.Contains(mark, `"title":"Not finished"`) || !strings.Contains(mark, tt.want) {
				t.Errorf("the answer is not marked as cut off: %s", mark)
			}
			if _, err := s.DoThread(t.Context(), by("alice"), chatkitd.RenameThread{Thread: id, Title: "x"}); err != nil {
				t.Errorf("the thread is stuck: %v", err)
			}
		})
	}
}

func TestCloseInterrupts(t *testing.T) {
	store := memstore.New()
	begun := make(chan struct{}, 1)
	s := newSystem(t, store, waiting(begun, "so far"))
	st, id := create(t, s, "alice", "hello")
	<-begun
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	types, _ := collect(t, st)
	if types[len(types)-1] != "error" {
		t.Errorf("the stream ends with %v", types)
	}
	same(t, "log", stored(t, store, events.ThreadStream(id)), "thread.created", "item.added", "turn.started", "turn.interrupted")
	if _, err := s.StartTurn(t.Context(), by("alice"), chatkitd.CreateThread{Input: says("x")}); chatkitd.CodeOf(err) != chatkitd.CodeUnavailable {
		t.Errorf("StartTurn after Close = %v, want CodeUnavailable", err)
	}
}

// TestTwoSystems lets two processes write the same streams: the expected revision
// alone arbitrates.
func TestTwoSystems(t *testing.T) {
	store := memstore.New()
	pair := []*actors.System{newSystem(t, store, answers("x")), newSystem(t, store, answers("x"))}
	var wg sync.WaitGroup
	var added, refused atomic.Int64
	for w := range 8 {
		wg.Go(func() {
			for i := range 50 {
				_, err := pair[w%2].DoTask(t.Context(), by("alice"), chatkitd.AddTask{Title: fmt.Sprint(w, i)})
				switch chatkitd.CodeOf(err) {
				case "":
					added.Add(1)
				case chatkitd.CodeConflict: // eight decisions were all too late
					refused.Add(1)
				default:
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := stored(t, store, events.UserStream("alice")); int64(len(got)) != added.Load() || added.Load()+refused.Load() != 400 {
		t.Errorf("%d stored, %d acknowledged, %d refused", len(got), added.Load(), refused.Load())
	}
	t.Logf("%d acknowledged, %d refused", added.Load(), refused.Load())
}

func TestStrangers(t *testing.T) {
	s := newSystem(t, memstore.New(), answers("x"))
	st, id := create(t, s, "alice", "mine")
	collect(t, st)
	for _, thread := range []chatkitd.ThreadID{id, "thr_unknown", "", "a/b", chatkitd.ThreadID(strings.Repeat("x", 10_000))} {
		for name, err := range map[string]error{
			"message":  second(s.StartTurn(t.Context(), by("bob"), chatkitd.AddUserMessage{Thread: thread, Input: says("x")})),
			"retry":    second(s.StartTurn(t.Context(), by("bob"), chatkitd.RetryAfterItem{Thread: thread, Item: "x"})),
			"rename":   second(s.DoThread(t.Context(), by("bob"), chatkitd.RenameThread{Thread: thread, Title: "x"})),
			"delete":   second(s.DoThread(t.Context(), by("bob"), chatkitd.DeleteThread{Thread: thread})),
			"feedback": second(s.DoThread(t.Context(), by("bob"), chatkitd.GiveFeedback{Thread: thread, Items: []chatkitd.ItemID{"x"}, Kind: "positive"})),
			"cancel":   second(s.DoThread(t.Context(), by("bob"), chatkitd.CancelTurn{Thread: thread})),
			"attach":   second(s.AttachTurn(t.Context(), "bob", thread)),
		} {
			if chatkitd.CodeOf(err) != chatkitd.CodeNotFound || chatkitd.MessageOf(err) != "there is no thread with this id" {
				t.Errorf("%s of %.20q = %v, want the one CodeNotFound", name, thread, err)
			}
		}
	}
}

func second[T any](_ T, err error) error { return err }
