package offline

import (
	"context"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/agent"
)

// DefaultDelay is the time between two words of an answer.
const DefaultDelay = 15 * time.Millisecond

// Options of a [Model].
type Options struct {
	Delay time.Duration // between two words; 0 is none
}

// Model implements [agent.Model]. It is stateless and safe for concurrent use.
type Model struct{ delay time.Duration }

var _ agent.Model = (*Model)(nil)

// New returns a model.
func New(opts Options) *Model { return &Model{opts.Delay} }

// Name implements [agent.Model].
func (*Model) Name() string { return "offline" }

// Allows implements [agent.Model]: there is no other model.
func (*Model) Allows(string) bool { return false }

// Stream implements [agent.Model]. It reads the message anew in each round: what
// it does next follows from the message and from the outputs that are there, so
// that a call which was made before an interruption is not made again.
func (m *Model) Stream(ctx context.Context, req *agent.Request, emit func(*agent.Event) error) (*agent.Response, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	calls, answer := respond(newConversation(req))
	resp := &agent.Response{Model: m.Name(), Calls: calls}
	for i := range resp.Calls {
		resp.Calls[i].ID = chatkitd.NewID(chatkitd.PrefixToolUse)
	}
	if answer == "" {
		return resp, nil
	}
	for word := range words(answer) {
		if err := m.pause(ctx); err != nil {
			return nil, err
		}
		if err := emit(&agent.Event{Kind: agent.TextDelta, Text: word}); err != nil {
			return nil, err
		}
	}
	return resp, emit(&agent.Event{Kind: agent.MessageDone})
}

func (m *Model) pause(ctx context.Context) error {
	if m.delay <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(m.delay)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// words yields s in pieces that end with the white space behind a word.
func words(s string) func(func(string) bool) {
	return func(yield func(string) bool) {
		start, space := 0, false
		for i, r := range s {
			blank := r == ' ' || r == '\n'
			if space && !blank {
				if !yield(s[start:i]) {
					return
				}
				start = i
			}
			space = blank
		}
		if start < len(s) {
			yield(s[start:])
		}
	}
}
