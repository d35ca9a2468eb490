package bench

import (
	"syscall"
	"testing"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/agent"
	"github.com/chatkitd/chatkitd/agent/agenttest"
	"github.com/chatkitd/chatkitd/agent/offline"
	"github.com/chatkitd/chatkitd/agent/openai"
	"github.com/chatkitd/chatkitd/chatkit"
	"github.com/chatkitd/chatkitd/tools"
	"github.com/chatkitd/chatkitd/tools/toolstest"
)

// BenchmarkTurnModel measures the agent's share of a turn: 50 text deltas and
// two tool calls over HTTP from a scripted provider in the same process, whose
// work is in the figures too, and the same by the offline model. Nothing is
// stored and no client listens.
func BenchmarkTurnModel(b *testing.B) {
	server := agenttest.NewLoop(agenttest.Turn(50)...)
	defer server.Close()
	model, err := openai.New(openai.Options{BaseURL: server.URL, APIKey: "sk-bench", Model: "scripted"})
	if err != nil {
		b.Fatal(err)
	}
	defer model.Close()
	for _, m := range []struct {
		name  string
		model agent.Model
	}{{"openai", model}, {"offline", offline.New(offline.Options{})}} {
		b.Run(m.name, func(b *testing.B) {
			b.ReportAllocs()
			began := cpu(b)
			for b.Loop() {
				tasks := toolstest.NewTasks(nil)
				a := agent.New(agent.Options{Model: m.model, Tools: tools.New(tasks, tasks, nil)})
				_, err := a.Run(b.Context(), chatkitd.TurnInput{
					User: "alice", Thread: "thr_1", Turn: "trn_1", Now: time.Now(), Location: time.UTC,
					History: []chatkitd.Entry{{Item: chatkit.UserMessage{Content: []chatkit.UserContent{
						{Type: chatkit.TypeInputText, Text: "add buy milk tomorrow, and call Anna"},
					}}}},
				}, agenttest.NewSink())
				if err != nil || len(tasks.All("alice")) != 2 {
					b.Fatal(err, len(tasks.All("alice")))
				}
			}
			b.ReportMetric(float64(cpu(b)-began)/float64(b.N)/1e3, "cpu-µs/turn")
		})
	}
}

// cpu returns the processor time of this process.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
