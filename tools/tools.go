package tools

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"github.com/chatkitd/chatkitd"
)

// Error codes of a refusal beside those of package chatkitd.
const (
	CodeUnknownTool = "unknown_tool"
	CodeAmbiguous   = "ambiguous" // several tasks match; "tasks" lists them
)

// attempts is how often a command is given whose outcome is unknown or which
// found the store away. Each has the same idempotency key.
const attempts = 4

// firstPause is the time before the second attempt; it doubles.
const firstPause = 50 * time.Millisecond

// Set is the tools over one service. It is safe for concurrent use.
type Set struct {
	tasks  chatkitd.Tasks
	reader chatkitd.TaskReader
	log    *slog.Logger
}

// New returns the tools. A nil log discards.
func New(tasks chatkitd.Tasks, reader chatkitd.TaskReader, log *slog.Logger) *Set {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Set{tasks, reader, log}
}

// Definitions returns what a model is told of the tools. The result is shared:
// do not change it.
func (s *Set) Definitions() []Definition { return Definitions() }

// Bound is the tools in the hands of one user.
type Bound struct {
	*Set
	user chatkitd.UserID
}

// Bind returns the tools for one user: whatever a model calls, it is this
// user's tasks that are read and changed.
func (s *Set) Bind(user chatkitd.UserID) *Bound { return &Bound{s, user} }

// Call is one call of a tool.
type Call struct {
	Turn      chatkitd.TurnID
	ID        string // unique in the turn: with Turn it makes the idempotency key
	Name      string
	Arguments json.RawMessage
	Request   string         // the correlation id
	Location  *time.Location // the user's; nil is UTC
}

// Output is what became of a call. JSON is what the model is given; it has at
// most [MaxOutput] bytes. The other fields say the same to a program.
type Output struct {
	JSON      json.RawMessage
	Success   bool
	ErrorCode string
	Message   string
	Changed   bool           // false: it was so already
	Task      *chatkitd.Task // of a tool about one task
}

// Call carries out one call. It never fails: a refusal, and what could not be
// done in time, is an output that says so. A command is repeated a few times
// with the same key while the service is unavailable, until ctx ends.
func (b *Bound) Call(ctx context.Context, c Call) (out Output) {
	defer func() {
		if p := recover(); p != nil {
			b.log.ErrorContext(ctx, "tool panicked", "tool", c.Name, "call_id", c.ID, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			out = b.refusal(result{}, string(chatkitd.CodeInternal), "the tool failed; nothing is known about its effect")
		}
	}()
	if c.Location == nil {
		c.Location = time.UTC
	}
	t, ok := byName(c.Name)
	if !ok {
		names := make([]string, len(all))
		for i := range all {
			names[i] = all[i].Name
		}
		return b.refusal(result{}, CodeUnknownTool, fmt.Sprintf("there is no tool %q; the tools are %s", clip(c.Name, 40), strings.Join(names, ", ")))
	}
	a, bad := parse(c.Name, t.params, c.Arguments)
	if bad != nil {
		return b.refusal(result{}, string(bad.Code), bad.Message)
	}
	r, err := t.run(b, ctx, c, a)
	switch code := chatkitd.CodeOf(err); {
	case err == nil && r.code != "":
		return b.refusal(r, r.code, r.Message)
	case err == nil:
		r.Success = true
		return Output{r.encode(c.Location), true, "", r.Message, r.Changed != nil && *r.Changed, r.Task}
	case code == chatkitd.CodeUnavailable || code == chatkitd.CodeTimeout || code == chatkitd.CodeCanceled:
		b.log.WarnContext(ctx, "tool could not reach the tasks", "tool", c.Name, "call_id", c.ID, "error", err)
		return b.refusal(r, string(chatkitd.CodeUnavailable), "the tasks cannot be reached at the moment; try again later")
	default:
		if code == chatkitd.CodeInternal {
			b.log.ErrorContext(ctx, "tool failed", "tool", c.Name, "call_id", c.ID, "error", err)
		}
		return b.refusal(r, string(code), chatkitd.MessageOf(err))
	}
}

func (b *Bound) refusal(r result, code, message string) Output {
	r.Success, r.ErrorCode, r.Message = false, code, message
	return Output{JSON: r.encode(time.UTC), ErrorCode: code, Message: message}
}

// meta says on whose behalf a call works: always the user who is bound.
func (b *Bound) meta(c Call) chatkitd.Meta {
	return chatkitd.Meta{User: b.user, Key: chatkitd.EffectKey(c.Turn, c.ID), Request: c.Request, Cause: c.ID}
}

// do gives a command, again while it is not known to have been carried out.
func (b *Bound) do(ctx context.Context, c Call, cmd chatkitd.TaskCommand) (res chatkitd.TaskResult, err error) {
	m, repeated := b.meta(c), false
	err = retry(ctx, func() error {
		res, err = b.tasks.DoTask(ctx, m, cmd)
		if err == nil && repeated && !res.Changed {
			// The attempt before, whose outcome was unknown, may have done it.
			var effect chatkitd.TaskResult
			var done bool
			if effect, done, err = b.tasks.TaskEffect(ctx, m.User, m.Key); done {
				res = effect
			}
		}
		repeated = true
		return err
	})
	return res, err
}

// retry repeats f while it fails for a reason that passes.
func retry(ctx context.Context, f func() error) error {
	pause := firstPause
	for n := 1; ; n++ {
		err := f()
		code := chatkitd.CodeOf(err)
		if n == attempts || code != chatkitd.CodeUnavailable && code != chatkitd.CodeTimeout {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return err
		case <-timer.C:
		}
		pause *= 2
	}
}

// encodeJSON writes v without escaping < and >: no output is put into HTML.
func encodeJSON(v any) []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err) // plain structs; Call recovers
	}
	return bytes.TrimSpace(buf.Bytes())
}
