package openai_test

import (
	"testing"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/agent"
	"github.com/chatkitd/chatkitd/agent/agenttest"
	"github.com/chatkitd/chatkitd/agent/openai"
	"github.com/chatkitd/chatkitd/chatkit"
	"github.com/chatkitd/chatkitd/tools"
	"github.com/chatkitd/chatkitd/tools/toolstest"
)

var now = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

const apiKey = "sk-test-abcdef0123456789"

// rig is an agent against a scripted provider.
type rig struct {
	server *agenttest.Server
	tasks  *toolstest.Tasks
	sink   *agenttest.Sink
	model  *openai.Model
	agent  *agent.Agent
}

func newRig(t *testing.T, opts openai.Options, script ...agenttest.Reply) *rig {
	t.Helper()
	r := &rig{server: agenttest.NewServer(script...), tasks: toolstest.NewTasks(func() time.Time { return now }), sink: agenttest.NewSink()}
	t.Cleanup(r.server.Close)
	opts.BaseURL = r.server.URL
	if opts.APIKey == "" {
		opts.APIKey = apiKey
	}
	if opts.Model == "" {
		opts.Model = "gpt-test"
	}
	var err error
	if r.model, err = openai.New(opts); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.model.Close)
	r.agent = agent.New(agent.Options{Model: r.model, Tools: tools.New(r.tasks, r.tasks, nil), Now: func() time.Time { return now }})
	return r
}

func input(text string) chatkitd.TurnInput {
	return chatkitd.TurnInput{
		User: "alice", Thread: "thr_1", Turn: "trn_1", Request: "req_1", Now: now, Location: time.UTC,
		History: []chatkitd.Entry{{Item: chatkit.UserMessage{Content: []chatkit.UserContent{{Type: chatkit.TypeInputText, Text: text}}}}},
	}
}

// run runs a turn that must succeed.
func (r *rig) run(t *testing.T) chatkitd.TurnResult {
	t.Helper()
	res, err := r.agent.Run(t.Context(), input("hello"), r.sink)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.sink.Faults) > 0 || r.sink.Open() > 0 {
		t.Fatalf("%d items left open, faults %q", r.sink.Open(), r.sink.Faults)
	}
	return res
}
