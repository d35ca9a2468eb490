package actors_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/actors"
	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/internal/memstore"
)

// TestTakeOver takes a process away in the middle of a turn. The other one leaves
// the turn alone for the lease, and closes it then.
func TestTakeOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, a, b, id := turnAtA(t)
		stream := events.ThreadStream(id)
		more := chatkitd.AddUserMessage{Thread: id, Input: says("and?")}

		time.Sleep(time.Minute) // a lives and says so
		if got := last(t, store, stream); got != "turn.started" {
			t.Fatalf("the turn of a live process was ended: %s", got)
		}
		if _, err := b.StartTurn(t.Context(), by("alice"), more); chatkitd.CodeOf(err) != chatkitd.CodeBusy {
			t.Errorf("a message to the other process = %v, want CodeBusy", err)
		}
		if n := b.Recover(t.Context(), []chatkitd.ThreadID{id}); n != 0 || last(t, store, stream) != "turn.started" {
			t.Errorf("Recover = %d and %s: the turn of a live process is not to be closed", n, last(t, store, stream))
		}
		a.gone()
		time.Sleep(14 * time.Second) // less than the lease: its last sign of life is at most 5 s older
		if got := last(t, store, stream); got != "turn.started" {
			t.Fatalf("after 14 s: %s", got)
		}
		time.Sleep(14 * time.Second)
		if got := last(t, store, stream); got != "turn.interrupted" {
			t.Fatalf("after 28 s: %s, want turn.interrupted", got)
		}
		if _, err := b.StartTurn(t.Context(), by("alice"), more); err != nil {
			t.Errorf("a message after the turn was closed: %v", err)
		}
	})
}

// TestShortTurnsAreSilent: a process says nothing about itself for turns that are
// over before anybody could miss it.
func TestShortTurnsAreSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		a := join(t, store, "node_a", answers("hi"))
		for range 20 {
			st, _ := create(t, a.System, "alice", "hello")
			collect(t, st)
			time.Sleep(time.Second)
		}
		same(t, "the node's stream", stored(t, store, events.NodeStream("node_a")), "node.started")
	})
}

// TestOutageIsNobodysDeath takes the store away from everybody for longer than
// the lease. The turn must go on afterwards.
func TestOutageIsNobodysDeath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		begun, end := make(chan struct{}, 1), make(chan struct{})
		a := join(t, store, "node_a", func(ctx context.Context, in chatkitd.TurnInput, sink chatkitd.TurnSink) (chatkitd.TurnResult, error) {
			begun <- struct{}{}
			select {
			case <-end:
			case <-ctx.Done():
				return chatkitd.TurnResult{}, context.Cause(ctx)
			}
			return answers("at last")(ctx, in, sink)
		}, func(o *actors.Options) { o.TurnTimeout = time.Hour })
		b := join(t, store, "node_b", answers("hi"))
		c := join(t, store, "node_c", answers("hi"))
		st, id := create(t, a.System, "alice", "hello")
		<-begun
		time.Sleep(10 * time.Second)
		for range 3 {
			for _, m := range []*member{b, c, a} { // the owner is the last to go
				m.wire.set(true, false)
				time.Sleep(time.Second)
			}
			time.Sleep(90 * time.Second)
			for _, m := range []*member{c, b, a} { // and the last to come back
				m.wire.set(false, false)
				time.Sleep(4 * time.Second)
			}
			time.Sleep(30 * time.Second)
			if got := last(t, store, events.ThreadStream(id)); got != "turn.started" {
				t.Fatalf("after an outage of everybody: %s", got)
			}
		}
		// The others alone are cut off: they hear nothing, and know it.
		b.wire.set(true, false)
		c.wire.set(false, true)
		time.Sleep(90 * time.Second)
		b.wire.set(false, false)
		c.wire.set(false, false)
		time.Sleep(time.Minute / 4)
		close(end)
		if types, _ := collect(t, st); types[len(types)-1] != "thread.item.done assistant_message" {
			t.Errorf("the turn ended with %v", types)
		}
		if got := last(t, store, events.ThreadStream(id)); got != "turn.completed" {
			t.Errorf("the log ends with %s", got)
		}
	})
}

// TestMuteIsNobodysDeath has a store that can be read and not appended to, and a
// process whose subscription gives nothing: neither can tell who lives.
func TestMuteIsNobodysDeath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, a, b, id := turnAtA(t, func(o *actors.Options) { o.TurnTimeout = time.Hour })
		time.Sleep(10 * time.Second)
		a.wire.setMute(true)
		b.wire.setMute(true)
		time.Sleep(time.Minute)
		b.wire.setMute(false)
		time.Sleep(10 * time.Second)
		a.wire.setMute(false)
		time.Sleep(time.Minute)
		if got := last(t, store, events.ThreadStream(id)); got != "turn.started" {
			t.Fatalf("after a time without appends: %s", got)
		}
		b.wire.setDeaf(true)
		time.Sleep(time.Minute)
		b.wire.setDeaf(false)
		time.Sleep(time.Minute)
		if got := last(t, store, events.ThreadStream(id)); got != "turn.started" {
			t.Fatalf("after a time without a subscription: %s", got)
		}
		a.gone()
		time.Sleep(time.Minute)
		if got := last(t, store, events.ThreadStream(id)); got != "turn.interrupted" {
			t.Errorf("after the process is gone: %s", got)
		}
	})
}

// TestHungSubscription: a process whose subscription hangs for ever finds out as
// soon as somebody is missed, and makes a new one.
func TestHungSubscription(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, a, b, id := turnAtA(t, func(o *actors.Options) { o.TurnTimeout = time.Hour })
		time.Sleep(10 * time.Second)
		b.wire.hang()
		time.Sleep(time.Minute)
		if err := b.Ready(); err != nil {
			t.Errorf("Ready = %v", err)
		}
		if got := last(t, store, events.ThreadStream(id)); got != "turn.started" {
			t.Fatalf("the turn of a live process was ended: %s", got)
		}
		b.wire.hang()
		a.gone()
		time.Sleep(time.Minute)
		if got := last(t, store, events.ThreadStream(id)); got != "turn.interrupted" {
			t.Errorf("the turn of a process that is gone: %s", got)
		}
	})
}

// toolUser calls a tool and has its effect when told to.

// TestFence has a process pause in the middle of a tool call until another one

// has closed its turn. When it comes back the effect must not happen any more:

// the log says that it did not.

// payload returns the data of the only event of a type in a stream.

// TestCancelElsewhere cancels turns through processes that do not run them.

// TestCancelBeforeItRuns asks for the cancellation of a turn between its start in

// the log and its start in the process.

// TestAttachElsewhere reads a turn through a process that does not run it.

// TestReaderOfAStoppingProcess reads a turn that goes on elsewhere when the

// process of the reader is stopped: what it has is not the turn's last.

// TestMessagesThroughBoth sends messages by turns through two processes: right

// after the end of one the next must be taken, and while one runs none may be.

// TestClone starts a second process under one instance. The one that was there

// first stays, and the second is told what to do; unless the first is gone.

// TestCloneThatSlept wakes a process whose instance another one has worked under

// meanwhile: that one stays.

// TestRestart kills a process in the middle of a turn and starts it again: turns

// of its own instance are cut off for sure, and closed at once.

// TestStrayTurns closes a turn of this process whose start, and one whose end,

// was stored without anybody knowing: no other process could close it.

// TestEndThatCannotBeStored ends a turn while the process is cut off for longer

// than it tries; when it is back it closes the turn as soon as it can.

// TestNothingIsLeftOfAnEndedTurn asks an actor that has not heard of the end of a

// turn elsewhere. It must not take up the watch of a turn that has ended.
