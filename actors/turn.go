package actors

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/chatkit"
	"github.com/chatkitd/chatkitd/events"
)

// Why a turn was ended from outside; see [context.Cause].
var (
	errCancelled = errors.New("actors: the user cancelled the turn")
	errStopping  = errors.New("actors: the server is stopping")
	errTimeLimit = errors.New("actors: the turn took longer than it may")
	errTakenOver = errors.New("actors: another process has ended the turn")
)

// turn is a turn that runs in this process. It has a goroutine of its own, owned
// by the system, and reports through its thread's mailbox.
type turn struct {
	sys     *System
	id      chatkitd.TurnID
	thread  chatkitd.ThreadID
	user    chatkitd.UserID
	request string
	trace   string
	started time.Time // by the program's clock
	began   time.Time // by the monotonic one
	stream  *turnStream
	cancel  context.CancelCauseFunc
	ctx     context.Context //nolint:containedctx // the turn's own life, made with it
	endless bool            // its end could not be stored
	done    chan struct{}   // closed when the turn has ended and its stream too
}

// live runs the turn. It is the turn's goroutine, which the system waits for: the
// turn holds a place until it is released.
func (t *turn) live(in chatkitd.TurnInput) {
	defer t.sys.release(t)
	limit, stop := context.WithTimeoutCause(t.ctx, t.sys.opts.TurnTimeout, errTimeLimit)
	defer stop()
	s := &sink{turn: t}
	res, err := t.run(limit, in, s)
	t.finish(s, outcomeOf(limit, res, err))
}

// run asks the agent. A panic of it is an error of this turn and of nothing else.
func (t *turn) run(ctx context.Context, in chatkitd.TurnInput, s *sink) (res chatkitd.TurnResult, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("actors: the agent panicked: %v\n%s", v, debug.Stack())
		}
	}()
	return t.sys.agent.Run(ctx, in, s)
}

// outcome is how a turn ended.
type outcome struct {
	kind   outcomeKind
	result chatkitd.TurnResult
	err    error  // the cause for the log, nil when completed
	reason string // for the event and the client
}

type outcomeKind string

const (
	turnCompleted   outcomeKind = "completed"
	turnFailed      outcomeKind = "failed"
	turnCancelled   outcomeKind = "cancelled"
	turnInterrupted outcomeKind = "interrupted"
)

func outcomeOf(ctx context.Context, res chatkitd.TurnResult, err error) outcome {
	if err == nil {
		return outcome{kind: turnCompleted, result: res}
	}
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errCancelled):
		return outcome{kind: turnCancelled, err: cause, reason: byUser}
	case errors.Is(cause, errStopping):
		return outcome{kind: turnInterrupted, err: cause, reason: "the server was stopped"}
	case errors.Is(cause, errTakenOver):
		return outcome{kind: turnInterrupted, err: cause}
	case errors.Is(cause, errTimeLimit):
		return outcome{kind: turnFailed, err: cause, reason: "The answer took too long and was stopped."}
	case errors.Is(cause, errTurnTooLong):
		return outcome{kind: turnFailed, err: cause, reason: "The answer grew too long and was stopped."}
	}
	reason := "Something went wrong while answering."
	if chatkitd.CodeOf(err) != chatkitd.CodeInternal && chatkitd.CodeOf(err) != chatkitd.CodeCanceled {
		reason = chatkitd.MessageOf(err)
	}
	return outcome{kind: turnFailed, err: err, reason: reason}
}

// finishTimeout bounds how long a turn tries to make its end durable. What fails
// in spite of it is closed as interrupted by the thread itself, later.
const finishTimeout = 30 * time.Second

// finish makes the end of the turn durable, tells the readers, and ends the
// stream. It always ends the stream.
func (t *turn) finish(s *sink, o outcome) {
	defer t.stream.end()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.ctx), finishTimeout)
	defer cancel()
	stop := context.AfterFunc(t.sys.hard, cancel) // the shutdown's deadline is everybody's
	defer stop()

	evs, err := t.settle(ctx, s, o)
	if errors.Is(err, errTurnOver) {
		t.sys.opts.Log.Warn("turn was ended by another process, which had not heard of this one", logTurn(t.id, t.thread), slog.String("outcome", string(o.kind)))
		evs = s.disown(o.kind)
		o = outcome{kind: turnInterrupted}
	} else if err != nil {
		t.endless = true
		t.sys.opts.Log.Error("turn has no durable end", "turn", string(t.id), "thread", string(t.thread), "outcome", string(o.kind), "error", err)
		evs = failure("The end of this answer could not be stored.")
	} else if o.kind == turnFailed {
		t.sys.opts.Log.Warn("turn failed", "turn", string(t.id), "thread", string(t.thread), "user", string(t.user), "request_id", t.request, "error", o.err)
	}
	if err := t.stream.publish(true, evs...); err != nil {
		t.sys.opts.Log.Error("turn has an event that cannot be encoded", "turn", string(t.id), "error", err)
	}
	t.sys.metrics.turn(string(o.kind), time.Since(t.started))
}

// settle appends the end of the turn and returns what the readers are to see.
func (t *turn) settle(ctx context.Context, s *sink, o outcome) ([]visible, error) {
	if errors.Is(o.err, errTakenOver) {
		return nil, errTurnOver
	}
	now := t.sys.now()
	facts, evs, err := s.leftovers(o.kind == turnFailed || o.kind == turnCancelled)
	if err != nil {
		return nil, err
	}
	if (o.kind == turnFailed || o.kind == turnCancelled) && s.cutOff() {
		mark, err := cutOffMark(t.thread, o, now)
		if err != nil {
			return nil, err
		}
		facts = append(facts, events.ItemAdded{Item: mark})
		evs = append(evs, visible{item: mark})
	}
	switch o.kind {
	case turnCompleted:
		facts = append(facts, events.TurnCompleted{
			TurnID: t.id, Usage: o.result.Usage, Model: o.result.Model,
			DurationMS: now.Sub(t.started).Milliseconds(), ResponseIDs: o.result.Responses,
		})
	case turnFailed:
		facts = append(facts, events.TurnFailed{TurnID: t.id, Reason: o.reason})
		evs = append(evs, failure(o.reason)...)
	case turnCancelled:
		end, err := cancelled(t.id, t.thread, now)
		if err != nil {
			return nil, err
		}
		facts = append(facts, end...)
	case turnInterrupted:
		facts = append(facts, events.TurnInterrupted{TurnID: t.id, Reason: o.reason})
		evs = append(evs, failure(interrupted)...)
	}
	if err := s.repeat(ctx); err != nil {
		return nil, err
	}
	parts := split(facts)
	last := len(parts) - 1
	for _, part := range parts[:last] {
		if err := s.record(ctx, part); err != nil {
			return nil, err
		}
	}
	s.seq++
	reply, err := t.persist(ctx, record{turn: t.id, seq: s.seq, facts: parts[last], last: true})
	if err != nil {
		return nil, err
	}
	if reply.changed != nil {
		evs = append(evs, visible{event: chatkit.ThreadUpdated{Thread: *reply.changed}})
	}
	return evs, nil
}

// interrupted is what the readers of a turn are told whose process went away.
const interrupted = "The server was stopped before the answer was complete."

// failure is what a client is told when a turn did not come to its end.
func failure(message string) []visible {
	return []visible{{event: chatkit.ErrorEvent{Code: chatkit.ErrorStream, Message: message, AllowRetry: true}}}
}

// record makes facts of the turn durable.
func (t *turn) record(ctx context.Context, r record) error {
	_, err := t.persist(ctx, r)
	return err
}

// persist hands facts to the thread's actor, again while the store is away or
// other processes are always faster: the number of the record makes a repeat a
// no-op.
func (t *turn) persist(ctx context.Context, r record) (recorded, error) {
	r.request, r.trace, r.user, r.now = t.request, t.trace, t.user, t.sys.now()
	for wait := 20 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		reply, err := ask[recorded](ctx, t.sys.threads, string(t.thread), r)
		if err == nil {
			t.stream.reached(reply.position)
			return reply, nil
		}
		if errors.Is(err, errTurnOver) {
			t.cancel(errTakenOver)
		}
		if !errors.Is(err, events.ErrUnavailable) && !errors.Is(err, ErrBusy) && !errors.Is(err, events.ErrWrongRevision) {
			return recorded{}, err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return recorded{}, publicError(err)
		}
	}
}

// settleCall returns what became of a tool call whose answer was never recorded:
// its effect, if it had one, is found under its idempotency key.
func settleCall(ctx context.Context, effect effectOf, turn chatkitd.TurnID, call chatkitd.ToolCall) (events.ToolReturned, error) {
	ret := events.ToolReturned{TurnID: turn, CallID: call.ID}
	res, known, err := effect(ctx, chatkitd.EffectKey(turn, call.ID))
	if err != nil {
		return ret, err
	}
	if !known {
		ret.Error = "interrupted before it was carried out; it had no effect: call it again if it is still wanted"
		return ret, nil
	}
	ret.Output, err = json.Marshal(struct { // as the tool itself would have said it
		Success bool          `json:"success"`
		Message string        `json:"message"`
		Changed bool          `json:"changed"`
		Task    chatkitd.Task `json:"task"`
	}{true, "It was carried out before the answer was interrupted.", true, res.Task})
	return ret, err
}

// effectOf returns the effect of the command under a key, and whether it had one.
type effectOf func(ctx context.Context, key string) (chatkitd.TaskResult, bool, error)

// logTurn names a turn in a log line.
func logTurn(id chatkitd.TurnID, thread chatkitd.ThreadID) slog.Attr {
	return slog.Group("turn", "id", string(id), "thread", string(thread))
}
