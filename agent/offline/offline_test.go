package offline_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/agent"
	"github.com/chatkitd/chatkitd/agent/agenttest"
	"github.com/chatkitd/chatkitd/agent/offline"
	"github.com/chatkitd/chatkitd/chatkit"
	"github.com/chatkitd/chatkitd/tools"
	"github.com/chatkitd/chatkitd/tools/toolstest"
)

// monday is the time at which all tests take place: Monday, 23 November 2026.
var monday = time.Date(2026, 11, 23, 10, 0, 0, 0, berlin)

var berlin = time.FixedZone("Europe/Berlin", 3600)

// chat is a conversation with the offline agent.
type chat struct {
	t       *testing.T
	tasks   *toolstest.Tasks
	agent   *agent.Agent
	history []chatkitd.Entry
	turns   int
	calls   []chatkitd.ToolCall // of the last message
}

func newChat(t *testing.T) *chat {
	t.Helper()
	tasks := toolstest.NewTasks(func() time.Time { return monday })
	return &chat{t: t, tasks: tasks, agent: agent.New(agent.Options{
		Model: offline.New(offline.Options{}), Tools: tools.New(tasks, tasks, nil), Now: func() time.Time { return monday },
	})}
}

// say sends a message and returns the answer.
func (c *chat) say(text string) string {
	c.t.Helper()
	sink := agenttest.NewSink()
	if _, err := c.agent.Run(c.t.Context(), c.input(text), sink); err != nil {
		c.t.Fatalf("%q: %v", text, err)
	}
	if len(sink.Faults) > 0 || sink.Open() > 0 {
		c.t.Fatalf("%q: %d items left open, faults: %q", text, sink.Open(), sink.Faults)
	}
	c.calls = sink.Calls
	c.history = append(c.history, sink.Exchanges("trn_1")...)
	for _, it := range sink.Items() {
		c.history = append(c.history, chatkitd.Entry{Item: it})
	}
	return sink.Text()
}

func (c *chat) input(text string) chatkitd.TurnInput {
	c.turns++
	c.history = append(c.history, chatkitd.Entry{Item: chatkit.UserMessage{Content: []chatkit.UserContent{{Type: chatkit.TypeInputText, Text: text}}}})
	return chatkitd.TurnInput{
		User: "alice", Thread: "thr_1", Turn: chatkitd.TurnID(fmt.Sprintf("trn_%d", c.turns)), Request: "req_1",
		History: c.history, Now: monday, Location: berlin,
	}
}

// list returns the tasks in short: "buy milk @2026-11-24T23:59 !high #home {notes} ✓".
func (c *chat) list() string {
	var out []string
	for _, t := range c.tasks.All("alice") {
		s := t.Title
		if t.DueAt != nil {
			s += " @" + t.DueAt.In(berlin).Format("2006-01-02T15:04")
		}
		if t.Priority != "" {
			s += " !" + string(t.Priority)
		}
		for _, tag := range t.Tags {
			s += " #" + tag
		}
		if t.Description != "" {
			s += " {" + t.Description + "}"
		}
		if t.Completed {
			s += " ✓"
		}
		out = append(out, s)
	}
	return strings.Join(out, " | ")
}

func TestFirstConversation(t *testing.T) {
	t.Parallel()
	c := newChat(t)
	steps := []struct{ say, answer, list string }{
		{
			"add buy milk tomorrow, and call Anna",
			"Added 2 tasks:\n\n- **buy milk**, due tomorrow (Tue 24 Nov)\n- **call Anna**",
			"buy milk @2026-11-24T23:59 | call Anna",
		},
		{"what is left?", "You have 2 open tasks:\n\n1. **buy milk**, due tomorrow (Tue 24 Nov)\n2. **call Anna**", "buy milk @2026-11-24T23:59 | call Anna"},
		{"done with the milk", "Done: **buy milk**.", "buy milk @2026-11-24T23:59 ✓ | call Anna"},
		{"what is left?", "You have 1 open task:\n\n1. **call Anna**", "buy milk @2026-11-24T23:59 ✓ | call Anna"},
	}
	for _, s := range steps {
		if got := c.say(s.say); got != s.answer {
			t.Errorf("%q is answered\n%s\nwant\n%s", s.say, got, s.answer)
		}
		if got := c.list(); got != s.list {
			t.Errorf("after %q the list is\n%s\nwant\n%s", s.say, got, s.list)
		}
	}
}

func contains(s, part string) bool { return strings.Contains(s, part) }
