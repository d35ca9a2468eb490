package agent_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/agent"
	"github.com/chatkitd/chatkitd/agent/agenttest"
	"github.com/chatkitd/chatkitd/tools"
	"github.com/chatkitd/chatkitd/tools/toolstest"
)

// TestModelCallsAreNoted wants every question to the model noted, with what it
// took and the calls that it led to under the ids that they are recorded with.
func TestModelCallsAreNoted(t *testing.T) {
	t.Parallel()
	clock := now
	took := func(d time.Duration, answer func(func(*agent.Event) error) (*agent.Response, error), id string, u chatkitd.Usage) func(func(*agent.Event) error) (*agent.Response, error) {
		return func(emit func(*agent.Event) error) (*agent.Response, error) {
			clock = clock.Add(d)
			resp, err := answer(emit)
			if resp != nil {
				resp.ID, resp.Usage, resp.Model = id, u, "script-2"
			}
			return resp, err
		}
	}
	model := &script{answers: []func(func(*agent.Event) error) (*agent.Response, error){
		took(400*time.Millisecond, calls(add("a", "x"), add("a", "y")), "resp_1", chatkitd.Usage{Input: 10, Output: 2}),
		took(1500*time.Millisecond, text("ok"), "resp_2", chatkitd.Usage{Input: 20, Output: 3}),
	}}
	tasks := toolstest.NewTasks(nil)
	a := agent.New(agent.Options{Model: model, Tools: tools.New(tasks, tasks, nil), Now: func() time.Time { return clock }})
	sink := agenttest.NewSink()
	if _, err := a.Run(t.Context(), chatkitd.TurnInput{User: "alice", Thread: "thr_1", Turn: "trn_1", Now: now}, sink); err != nil || len(sink.Faults) > 0 {
		t.Fatal(err, sink.Faults)
	}
	if len(sink.Asked) != 2 {
		t.Fatalf("%+v", sink.Asked)
	}
	one, two := sink.Asked[0], sink.Asked[1]
	if one.ResponseID != "resp_1" || one.Model != "script-2" || one.Usage.Input != 10 || one.Duration != 400*time.Millisecond || !one.StartedAt.Equal(now) || one.Error != "" {
		t.Errorf("%+v", one)
	}
	if len(one.Calls) != 2 || one.Calls[0] != "a" || one.Calls[0] != sink.Calls[0].ID || one.Calls[1] != sink.Calls[1].ID {
		t.Errorf("asked for %v, made %v", one.Calls, sink.Calls)
	}
	if two.ResponseID != "resp_2" || two.Duration != 1500*time.Millisecond || len(two.Calls) > 0 || two.StartedAt.Before(one.StartedAt.Add(one.Duration)) {
		t.Errorf("%+v", two)
	}
}

// TestModelCallThatFails is noted with a reason for people, and not with a cause.
func TestModelCallThatFails(t *testing.T) {
	t.Parallel()
	type answer = func(func(*agent.Event) error) (*agent.Response, error)
	fails := func(err error) answer {
		return func(func(*agent.Event) error) (*agent.Response, error) { return nil, err }
	}
	tests := []struct {
		name   string
		answer func(stop func()) answer
		want   string
	}{
		{"for a reason", func(func()) answer {
			return fails(chatkitd.Errorf(chatkitd.CodeUnavailable, "The model is overloaded.").Because(errors.New("529 from 10.0.0.7")))
		}, "The model is overloaded."},
		{"for a fault", func(func()) answer { return fails(errors.New("nil pointer")) }, "It failed; the server's log says why."},
		{"cancelled", func(stop func()) answer {
			return func(func(*agent.Event) error) (*agent.Response, error) {
				stop()
				return nil, context.Canceled
			}
		}, "It was stopped before its answer was whole."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			r := newRig(calls(add("a", "x")), tt.answer(cancel))
			if _, err := r.agent.Run(ctx, chatkitd.TurnInput{User: "alice", Thread: "thr_1", Turn: "trn_1", Now: now}, r.sink); err == nil {
				t.Error("no error")
			}
			if got := r.sink.Asked[1]; got.N != 2 || got.Error != tt.want || got.Model != "script" || len(got.Calls) > 0 {
				t.Errorf("%+v", got)
			}
		})
	}
}
