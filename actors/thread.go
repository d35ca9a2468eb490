package actors

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/chatkit"
	"github.com/chatkitd/chatkitd/events"
)

// thread is the only writer of one thread's stream: the conversation.
type thread struct {
	id      chatkitd.ThreadID
	sys     *System
	journal journal[events.Thread]
	state   threadState
	unsure  bool // an open turn is watched that may have ended before the watch began
}

var _ Entity = (*thread)(nil)

// threadOrder is a thread command that is carried out at once.
type threadOrder struct {
	meta chatkitd.Meta
	cmd  chatkitd.ThreadCommand
	id   string // of this attempt; the ids of its events are made of it
	now  time.Time
}

// attach asks for the turn that runs. The answer is a runs.
type attach struct{ user chatkitd.UserID }

// recover asks a thread to close a turn that a crash cut off.
type recoverTurn struct{}

// record is a number of facts of a running turn.
type record struct {
	turn    chatkitd.TurnID
	seq     int // counts the records of the turn from 1
	facts   []events.Thread
	last    bool // the turn ends with it
	user    chatkitd.UserID
	request string
	trace   string
	now     time.Time
}

// recorded answers a record. With the last one of a turn, changed is the thread
// if the turn changed it.
type recorded struct {
	position chatkitd.Position // up to which the turn is durable
	changed  *chatkit.Thread
}

// startOrder is a turn order with the place among the running turns that was
// taken for it; whoever handles it either starts the turn or gives it back.
type startOrder struct {
	turnOrder
	now   time.Time
	place *place
}

// Idle implements [Entity].
func (t *thread) Idle() bool { return !t.state.exists() && t.state.turn == nil }

// Handle implements [Entity].
func (t *thread) Handle(ctx context.Context, msg any) (any, error) {
	if o, ok := msg.(startOrder); ok {
		defer o.place.giveBack() // no-op once the turn has taken it over
	}
	if err := ctx.Err(); err != nil {
		return nil, err // nobody waits any more, and nothing was done
	}
	if o, ok := msg.(startOrder); ok {
		if _, ok := o.cmd.(chatkitd.CreateThread); ok {
			t.journal.begin()
		}
	}
	t.journal.fresh = false
	for try := 1; ; try++ {
		if err := t.load(ctx); err != nil {
			return nil, err
		}
		t.obeyCancel()
		val, err := t.handle(ctx, msg)
		if again(ctx, err, try) {
			continue // another process was faster: load what it did and decide again
		}
		if r, ok := val.(runs); !t.unsure && (ok && r.here != nil || certain(err)) {
			return val, err
		}
		t.unsure = false
		if grew, cerr := t.journal.confirm(ctx, t.fold); cerr != nil {
			return nil, cerr
		} else if !grew {
			return val, err
		}
	}
}

func (t *thread) handle(ctx context.Context, msg any) (any, error) {
	if err := t.closeCutOff(ctx); err != nil {
		return nil, err
	}
	switch msg := msg.(type) {
	case startOrder:
		return t.startTurn(ctx, msg)
	case threadOrder:
		return t.do(ctx, msg)
	case record:
		return t.record(ctx, msg)
	case attach:
		if err := t.state.checkOwner(msg.user); err != nil {
			return nil, err
		}
		return t.runs(), nil
	case cancelOrder:
		return t.cancel(ctx, msg)
	case recoverTurn:
		return struct{}{}, nil // closeCutOff has done it
	}
	return nil, fmt.Errorf("actors: thread got a %T", msg)
}

func (t *thread) load(ctx context.Context) error {
	if t.journal.current() {
		return nil
	}
	return t.journal.load(ctx, func() { t.state = threadState{window: t.sys.opts.HistoryItems} }, t.fold)
}

func (t *thread) fold(f fact[events.Thread]) {
	open := t.state.turn
	t.state.fold(f)
	if t.sys.node != nil && open != nil && t.state.turn != open {
		t.sys.peers.over(open.id)
	}
}

// history returns what a model is to see. After a retry of a message far back
// the state may have forgotten some of it: then the whole stream is folded once
// more.
func (t *thread) history(ctx context.Context) ([]chatkitd.Entry, chatkit.InferenceOptions, error) {
	n := t.sys.opts.HistoryItems
	if !t.state.forgot(n) {
		return t.state.history(n)
	}
	var whole threadState
	j := journal[events.Thread]{store: t.journal.store, stream: t.journal.stream}
	if err := j.load(ctx, func() {}, whole.fold); err != nil {
		return nil, chatkit.InferenceOptions{}, err
	}
	return whole.history(n)
}

// closeCutOff ends a turn that has started and runs nowhere: its process went
// away, before or after its user wanted it stopped. Tool calls without an answer get the one their effect tells.
func (t *thread) closeCutOff(ctx context.Context) error {
	open := t.state.turn
	if open == nil || t.sys.running(open.id) != nil || t.runsElsewhere() {
		return nil
	}
	facts, err := t.settleCalls(ctx, nil)
	if err != nil {
		return err
	}
	ended, kind := []events.Thread{events.TurnInterrupted{TurnID: open.id, Reason: "the server went away while it answered"}}, turnInterrupted
	if open.cancel {
		if ended, err = cancelled(open.id, t.id, t.sys.now()); err != nil {
			return err
		}
		kind = turnCancelled
	}
	facts = append(facts, ended...)
	meta := events.Metadata{Correlation: open.request, Causation: string(open.id), User: t.state.owner, RecordedAt: t.sys.now()}
	key := string(open.id) + ":interrupted"
	if t.journal.shared {
		key += ":" + t.sys.opts.Instance // another process that closes it too is told to look again
	}
	if err := t.journal.append(ctx, meta, key, t.fold, facts...); err != nil {
		return err
	}
	t.sys.opts.Log.Info("closed a turn that was cut off", logTurn(open.id, t.id), slog.String("instance", open.instance), slog.String("outcome", string(kind)))
	if open.instance != t.sys.opts.Instance {
		t.sys.metrics.takeover()
	}
	t.sys.metrics.turn(string(kind), 0)
	return nil
}

// settleCalls returns an answer for each call of the open turn that has none,
// neither in the stream nor in the facts that are about to be appended.
func (t *thread) settleCalls(ctx context.Context, facts []events.Thread) ([]events.Thread, error) {
	var settled []events.Thread
	for _, call := range t.state.turn.calls {
		if slices.ContainsFunc(facts, func(f events.Thread) bool {
			ret, ok := f.(events.ToolReturned)
			return ok && ret.CallID == call.ID
		}) {
			continue
		}
		ret, err := settleCall(ctx, t.effectOf, t.state.turn.id, call)
		if err != nil {
			return nil, err
		}
		settled = append(settled, ret)
	}
	return settled, nil
}

// startTurn makes a turn durable and starts it.
func (t *thread) startTurn(ctx context.Context, o startOrder) (*turn, error) {
	facts, err := t.state.decideTurn(o.turnOrder)
	if err != nil {
		return nil, err
	}
	if err := t.journal.append(ctx, metadataOf(o.meta, o.now), string(o.turn), t.fold, facts...); err != nil {
		return nil, err
	}
	history, options, err := t.history(ctx)
	if err != nil {
		return nil, err // the next message closes the turn as cut off
	}
	in := chatkitd.TurnInput{
		User: o.meta.User, Thread: t.id, Turn: o.turn, Request: o.meta.Request,
		History: history, Options: options, Now: o.now, Location: location(o.timezone),
	}
	tn := t.sys.newTurn(o, t.id)
	tn.stream.reached(t.journal.position)
	_, created := o.cmd.(chatkitd.CreateThread)
	if err := tn.stream.publish(true, t.opening(o, created)...); err != nil {
		tn.sys.release(tn)
		return nil, err
	}
	go tn.live(in) //nolint:contextcheck // a turn outlives the request that started it: it has a context of its own
	return tn, nil
}

// opening returns the first events of a turn's stream, as chatkit-python 1.6.5
// sends them.
func (t *thread) opening(o startOrder, created bool) []visible {
	var evs []visible
	if created {
		evs = append(evs, visible{event: chatkit.ThreadCreated{Thread: t.state.thread()}})
	}
	if _, retry := o.cmd.(chatkitd.RetryAfterItem); !retry {
		evs = append(evs, visible{item: t.state.entries[len(t.state.entries)-1].raw})
	}
	return append(evs, visible{event: chatkit.StreamOptions{AllowCancel: true}})
}

func (t *thread) do(ctx context.Context, o threadOrder) (chatkitd.Receipt, error) {
	facts, err := t.state.decide(o.meta.User, o.cmd)
	if err != nil || len(facts) == 0 {
		return t.journal.receipt(), err
	}
	if err := t.journal.append(ctx, metadataOf(o.meta, o.now), o.id, t.fold, facts...); err != nil {
		return chatkitd.Receipt{}, err
	}
	return t.journal.receipt(), nil
}

var errTurnOver = errors.New("actors: the turn is over")

// record appends what a running turn produced, once.
func (t *thread) record(ctx context.Context, r record) (recorded, error) {
	key := string(r.turn) + ":" + strconv.Itoa(r.seq)
	if t.state.turn == nil || t.state.turn.id != r.turn {
		if r.last && t.state.ended == r.turn && t.state.wasOf(events.ID(t.journal.stream, key, 0)) {
			return recorded{position: t.journal.position}, nil // an append whose answer was lost
		}
		return recorded{}, errTurnOver
	}
	if slices.Contains(t.state.turn.seen, events.ID(t.journal.stream, key, 0)) {
		return recorded{position: t.journal.position}, nil // an append whose answer was lost
	}
	facts := r.facts
	if r.last {
		settled, err := t.settleCalls(ctx, r.facts)
		if err != nil {
			return recorded{}, err
		}
		facts = append(settled, facts...)
	}
	changed := t.state.turn.changed
	meta := events.Metadata{
		Correlation: r.request, Causation: string(r.turn), User: r.user, TraceParent: r.trace, RecordedAt: r.now,
	}
	if err := t.journal.append(ctx, meta, key, t.fold, facts...); err != nil {
		return recorded{}, err
	}
	reply := recorded{position: t.journal.position}
	if r.last && changed {
		th := t.state.thread()
		reply.changed = &th
	}
	return reply, nil
}

// locations caches time zones by name; only names that exist are kept.
var locations sync.Map

// location returns the time zone of that name, UTC for none or an unknown one.
func location(name string) *time.Location {
	if name == "" {
		return time.UTC
	}
	if loc, ok := locations.Load(name); ok {
		return loc.(*time.Location)
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return time.UTC
	}
	locations.Store(name, loc)
	return loc
}
