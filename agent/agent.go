package agent

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/chatkit"
	"github.com/chatkitd/chatkitd/tools"
)

// DefaultRounds is how often a model is asked in one turn at most.
const DefaultRounds = 8

// DefaultParallel is how many tool calls of one turn run at a time at most.
const DefaultParallel = 4

// Options are what an [Agent] needs. Model and Tools are required.
type Options struct {
	Model        Model
	Tools        *tools.Set
	Instructions string           // empty means [DefaultInstructions]
	MaxRounds    int              // 0 means [DefaultRounds]
	MaxParallel  int              // 0 means [DefaultParallel]
	Now          func() time.Time // nil means time.Now
	Log          *slog.Logger     // nil discards
}

// Agent implements [chatkitd.Agent]. It is safe for concurrent use.
type Agent struct{ opts Options }

var _ chatkitd.Agent = (*Agent)(nil)

// New returns an agent. It panics without a model or tools, which is a mistake
// of the programmer.
func New(opts Options) *Agent {
	if opts.Model == nil || opts.Tools == nil {
		panic("agent: Options need a Model and Tools")
	}
	if opts.Instructions == "" {
		opts.Instructions = DefaultInstructions
	}
	if opts.MaxRounds <= 0 {
		opts.MaxRounds = DefaultRounds
	}
	if opts.MaxParallel <= 0 {
		opts.MaxParallel = DefaultParallel
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	return &Agent{opts}
}

// Model implements [chatkitd.Agent].
func (a *Agent) Model() string { return a.opts.Model.Name() }

// Run implements [chatkitd.Agent]. Items that it has added but not finished when
// it fails or ctx ends are left to the sink, which settles them.
func (a *Agent) Run(ctx context.Context, in chatkitd.TurnInput, sink chatkitd.TurnSink) (chatkitd.TurnResult, error) {
	if in.Location == nil {
		in.Location = time.UTC
	}
	t := &turn{
		Agent: a, in: in, sink: sink, ctx: ctx,
		bound:  a.opts.Tools.Bind(in.User),
		log:    a.opts.Log.With("thread_id", string(in.Thread), "turn_id", string(in.Turn), "request_id", in.Request),
		result: chatkitd.TurnResult{Model: a.opts.Model.Name()},
		ids:    map[string]bool{},
	}
	err := t.run()
	if err != nil && ctx.Err() != nil {
		err = ctx.Err() // what failed because the turn was cancelled is the cancelling
	}
	return t.result, err
}

// turn is one run. It is used by one goroutine; only tool calls run beside it.
type turn struct {
	*Agent
	in     chatkitd.TurnInput
	sink   chatkitd.TurnSink
	ctx    context.Context //nolint:containedctx // a turn lives as long as one call of Run
	bound  *tools.Bound
	log    *slog.Logger
	result chatkitd.TurnResult
	ids    map[string]bool // of calls, in this turn
	asked  int             // how often the model was

	messages []*message // open ones
	images   []*image   // open ones
	flow     *workflow  // the open one
	done     []tools.Done
}

func (t *turn) run() error {
	req := &Request{
		Instructions: instructions(t.opts.Instructions, t.in.Now, t.in.Location),
		Input:        buildInput(t.in.History),
		Tools:        t.opts.Tools.Definitions(),
		Now:          t.in.Now, Location: t.in.Location,
	}
	t.choose(req)
	for round := 1; ; round++ {
		resp, ids, err := t.ask(req)
		if err != nil {
			return err
		}
		if err := t.finishItems(); err != nil {
			return err
		}
		if resp.Incomplete != "" || len(resp.Calls) == 0 {
			if err := t.closeFlow(); err != nil {
				return err
			}
			t.tellIncomplete(resp.Incomplete)
			return nil
		}
		if round == t.opts.MaxRounds {
			return t.giveUp(round)
		}
		outputs, err := t.call(resp.Calls, ids)
		if err != nil {
			return err
		}
		req.Input = extend(req.Input, resp, outputs)
		req.ToolChoice = "" // what was asked for has been done
	}
}

// choose applies the person's choices for this message. One that cannot be
// followed is told, not passed over in silence.
func (t *turn) choose(req *Request) {
	if m := t.in.Options.Model; m != "" && m != t.opts.Model.Name() {
		if t.opts.Model.Allows(m) {
			req.Model = m
		} else {
			t.notice("info", "The model you asked for is not available here; "+t.opts.Model.Name()+" answers.")
		}
	}
	if c := t.in.Options.ToolChoice; c != nil && c.ID != "" {
		for _, d := range req.Tools {
			if d.Name == c.ID {
				req.ToolChoice = c.ID
				return
			}
		}
		t.notice("info", "The tool you asked for does not exist here.")
	}
}

// ask asks the model once and notes what it took. It returns the ids under which
// the tool calls of the answer are recorded.
func (t *turn) ask(req *Request) (resp *Response, ids []string, err error) {
	t.asked++
	asked := chatkitd.ModelCall{N: t.asked, Model: cmp.Or(req.Model, t.opts.Model.Name()), StartedAt: t.opts.Now()}
	resp, err = t.opts.Model.Stream(t.ctx, req, t.event)
	asked.Duration = t.opts.Now().Sub(asked.StartedAt)
	if err != nil {
		asked.Error = t.whyNot(err)
		t.sink.ModelCalled(asked)
		return nil, nil, err
	}
	t.count(resp)
	for _, c := range resp.Calls[:min(len(resp.Calls), maxCalls)] {
		ids = append(ids, t.callID(c.ID))
	}
	asked.Model, asked.ResponseID, asked.Usage, asked.Calls = cmp.Or(resp.Model, asked.Model), resp.ID, resp.Usage, ids
	t.sink.ModelCalled(asked)
	return resp, ids, nil
}

// whyNot says in words for people why a model's answer did not come to its end.
func (t *turn) whyNot(err error) string {
	if t.ctx.Err() != nil {
		return "It was stopped before its answer was whole."
	}
	if e, ok := errors.AsType[*chatkitd.Error](err); ok {
		return e.Message
	}
	return "It failed; the server's log says why."
}

func (t *turn) count(resp *Response) {
	u := &t.result.Usage
	u.Input += resp.Usage.Input
	u.Cached += resp.Usage.Cached
	u.Output += resp.Usage.Output
	u.Reasoning += resp.Usage.Reasoning
	if resp.ID != "" {
		t.result.Responses = append(t.result.Responses, resp.ID)
	}
	if resp.Model != "" {
		t.result.Model = resp.Model
	}
}

// tellIncomplete says why an answer stops short. What is there is kept.
func (t *turn) tellIncomplete(reason string) {
	switch reason {
	case "":
		return
	case "max_output_tokens", "max_tokens":
		t.notice("warning", "The answer was cut off because it reached its maximum length.")
	case "content_filter":
		t.notice("warning", "The answer was cut off by the model's content filter.")
	default:
		t.log.WarnContext(t.ctx, "model stopped short", "reason", reason)
		t.notice("warning", "The model stopped before its answer was complete.")
	}
}

// giveUp ends a turn in which the model calls tools without end. The last calls
// are not carried out.
func (t *turn) giveUp(rounds int) error {
	t.log.WarnContext(t.ctx, "turn reached its last round", "rounds", rounds)
	if err := t.closeFlow(); err != nil {
		return err
	}
	for _, ev := range []*Event{
		{Kind: TextDelta, Output: -1, Text: "I stopped here because this took more steps than I may make for one message. " +
			"What the steps above say is done. Tell me how to go on."},
		{Kind: MessageDone, Output: -1},
	} {
		if err := t.event(ev); err != nil {
			return err
		}
	}
	return nil
}

func (t *turn) notice(level, text string) {
	t.sink.Emit(chatkit.Notice{Level: level, Message: text})
}

// base returns the head of a new item.
func (t *turn) base(prefix string) chatkit.ItemBase {
	return chatkit.ItemBase{ID: chatkitd.NewID(prefix), ThreadID: string(t.in.Thread), CreatedAt: t.opts.Now().UTC()}
}

func (t *turn) commit(ev chatkit.Event) error { return t.sink.Commit(t.ctx, ev) }

// errUnknownEvent is a mistake of a Model.
var errUnknownEvent = errors.New("agent: model gave an event of no kind")
