package offline_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/agent"
	"github.com/chatkitd/chatkitd/agent/agenttest"
	"github.com/chatkitd/chatkitd/agent/offline"
	"github.com/chatkitd/chatkitd/chatkit"
	"github.com/chatkitd/chatkitd/tools"
	"github.com/chatkitd/chatkitd/tools/toolstest"
)

func TestDialogs(t *testing.T) {
	t.Parallel()
	type turn struct{ say, answer, list string }
	for name, turns := range map[string][]turn{
		"which one, by number": {
			{"add buy oat milk and buy soy milk", "Added 2 tasks", "buy oat milk | buy soy milk"},
			{"done with the milk", "Which one do you mean?\n\n1. **buy oat milk**\n2. **buy soy milk**", "buy oat milk | buy soy milk"},
			{"the second", "Done: **buy soy milk**.", "buy oat milk | buy soy milk ✓"},
		},
		"which one, by name": {
			{"add buy oat milk and buy soy milk", "", "buy oat milk | buy soy milk"},
			{"delete milk", "Which one do you mean?", "buy oat milk | buy soy milk"},
			{"the oat milk", "Deleted **buy oat milk**.", "buy soy milk"},
		},
		"which one, both": {
			{"add buy oat milk and buy soy milk", "", "buy oat milk | buy soy milk"},
			{"make milk urgent", "Which one do you mean?", "buy oat milk | buy soy milk"},
			{"1 and 2", "Changed 2 tasks", "buy oat milk !high | buy soy milk !high"},
		},
		"the question is dropped for something else": {
			{"add buy oat milk and buy soy milk", "", "buy oat milk | buy soy milk"},
			{"delete milk", "Which one do you mean?", "buy oat milk | buy soy milk"},
			{"add call Bob", "Added **call Bob**.", "buy oat milk | buy soy milk | call Bob"},
			{"the second", "not sure what to do", "buy oat milk | buy soy milk | call Bob"},
		},
		"of two with one name the open one is meant": {
			{"add buy milk", "", "buy milk"},
			{"done with milk", "Done", "buy milk ✓"},
			{"add buy milk", "", "buy milk ✓ | buy milk"},
			{"done with milk", "Done: **buy milk**.", "buy milk ✓ | buy milk ✓"},
		},
		"it": {
			{"add buy milk", "", "buy milk"},
			{"move it to Friday", "**buy milk** is now due Friday (27 Nov).", "buy milk @2026-11-27T23:59"},
			{"make it urgent", "high priority", "buy milk @2026-11-27T23:59 !high"},
			{"mark it as done", "Done: **buy milk**.", "buy milk @2026-11-27T23:59 !high ✓"},
			{"reopen it", "Reopened **buy milk**", "buy milk @2026-11-27T23:59 !high"},
			{"delete it", "Deleted **buy milk**.", ""},
		},
		"it, of nothing": {{"delete it", "I am not sure which task you mean", ""}},
		"an empty list": {
			{"what is left?", "Nothing is left to do.", ""},
			{"complete the first", "Your list is empty.", ""},
			{"complete everything", "There are no such tasks.", ""},
			{"show completed", "You have no completed tasks.", ""},
		},
		"completing twice": {
			{"add buy milk", "", "buy milk"},
			{"done with milk", "Done: **buy milk**.", "buy milk ✓"},
			{"done with milk", "**buy milk** was done already.", "buy milk ✓"},
		},
		"a title with the word already": {
			{"add check if Bob already paid", "Added **check if Bob already paid**.", "check if Bob already paid"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newChat(t)
			for _, s := range turns {
				answer := c.say(s.say)
				if !contains(answer, s.answer) {
					t.Errorf("%q is answered\n%s\nwhich does not say\n%s", s.say, answer, s.answer)
				}
				if got := c.list(); got != s.list {
					t.Errorf("after %q the list is\n  %s\nwant\n  %s", s.say, got, s.list)
				}
			}
		})
	}
}

// TestCalls: the work is done with the six tools, in rounds.
func TestCalls(t *testing.T) {
	t.Parallel()
	c := newChat(t)
	c.say("add buy milk, and call Anna")
	for _, tt := range []struct{ say, calls string }{
		{"done with the milk", `find_task_by_name{"name":"milk"} complete_task{"task_id":"tsk_0001"}`},
		{"I finished calling Anna", `find_task_by_name{"name":"call Anna"} complete_task{"task_id":"tsk_0002"}`},
		{"the milk is not done", `find_task_by_name{"name":"milk"} complete_task{"completed":false,"task_id":"tsk_0001"}`},
		{"move milk to tomorrow at noon", `find_task_by_name{"name":"milk"} update_task{"due_at":"2026-11-24T12:00:00+01:00","task_id":"tsk_0001"}`},
		{"delete the first", `list_tasks{"status":"pending"} delete_task{"task_id":"tsk_0001"}`},
		{"what is left?", `list_tasks{"status":"pending"}`},
		{"add x y", `add_task{"title":"x y"}`},
		{"hello", ``},
	} {
		c.say(tt.say)
		var got []string
		for _, call := range c.calls {
			got = append(got, call.Name+string(call.Arguments))
		}
		if g := strings.Join(got, " "); g != tt.calls {
			t.Errorf("%q calls\n  %s\nwant\n  %s", tt.say, g, tt.calls)
		}
	}
}

// TestInterrupted: calls that were made for a message before an interruption are
// not made again; the answer tells of them.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	exchange := func(name, args, out string) chatkitd.Entry {
		return chatkitd.Entry{Tool: &chatkitd.ToolExchange{
			Turn: "trn_0", ToolCall: chatkitd.ToolCall{ID: "call_" + args, Name: name, Arguments: []byte(args)}, Output: []byte(out),
		}}
	}
	task := `{"success":true,"changed":true,"message":"added \"buy milk\"","task":{"id":"tsk_9","title":"buy milk","status":"pending"}}`
	for _, tt := range []struct {
		name, say string
		before    []chatkitd.Entry
		answer    string
		list      string
		calls     int
	}{
		{"all was done", "add buy milk", []chatkitd.Entry{exchange("add_task", `{"title":"buy milk"}`, task)}, "Added **buy milk**.", "", 0},
		{
			"half was done", "add buy milk, and call Anna",
			[]chatkitd.Entry{exchange("add_task", `{"title":"buy milk"}`, task)},
			"Added 2 tasks:\n\n- **buy milk**\n- **call Anna**", "call Anna", 1,
		},
		{
			"a date that would be another one now", "add buy milk in an hour",
			[]chatkitd.Entry{exchange("add_task", `{"title":"buy milk","due_at":"2026-11-23T08:00:00Z"}`, task)},
			"Added **buy milk**.", "", 0,
		},
		{
			"interrupted before it had an effect", "add buy milk",
			[]chatkitd.Entry{{Tool: &chatkitd.ToolExchange{ToolCall: chatkitd.ToolCall{ID: "c", Name: "add_task", Arguments: []byte(`{"title":"buy milk"}`)}, Error: "interrupted before it was carried out"}}},
			"Added **buy milk**.", "buy milk", 1,
		},
		{"done by another model", "hello", []chatkitd.Entry{exchange("add_task", `{"title":"buy milk"}`, task)}, `Before I was interrupted: added "buy milk"`, "", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newChat(t)
			in := c.input(tt.say)
			in.History = append(in.History, tt.before...)
			sink := agenttest.NewSink()
			if _, err := c.agent.Run(t.Context(), in, sink); err != nil {
				t.Fatal(err)
			}
			if !contains(sink.Text(), tt.answer) || c.list() != tt.list || len(sink.Calls) != tt.calls {
				t.Errorf("answer %q, list %q, %d calls", sink.Text(), c.list(), len(sink.Calls))
			}
		})
	}
}

func TestWordByWord(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tasks := toolstest.NewTasks(nil)
		a := agent.New(agent.Options{Model: offline.New(offline.Options{Delay: 15 * time.Millisecond}), Tools: tools.New(tasks, tasks, nil)})
		c := &chat{t: t}
		sink := agenttest.NewSink()
		began, deltas := time.Now(), 0
		sink.OnEmit = func(ev chatkit.Event) {
			if u, ok := ev.(chatkit.ItemUpdated); ok && u.Update.UpdateType() == "assistant_message.content_part.text_delta" {
				deltas++
			}
		}
		if _, err := a.Run(t.Context(), c.input("add buy milk"), sink); err != nil {
			t.Fatal(err)
		}
		if words := len(strings.Fields(sink.Text())); deltas != words || time.Since(began) != time.Duration(words)*15*time.Millisecond {
			t.Errorf("%d deltas in %v for %d words", deltas, time.Since(began), words)
		}

		ctx, cancel := context.WithTimeout(t.Context(), 40*time.Millisecond)
		defer cancel()
		began = time.Now()
		_, err := a.Run(ctx, c.input("help"), agenttest.NewSink())
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 40*time.Millisecond {
			t.Errorf("got %v after %v", err, time.Since(began))
		}
	})
}

// TestLongText: a title has 200 characters; nothing of a longer text is lost
// that fits into the notes.
func TestLongText(t *testing.T) {
	t.Parallel()
	c := newChat(t)
	c.say("add " + strings.Repeat("word ", 100))
	c.say("add " + strings.Repeat("x", 32_000))
	c.say(strings.Repeat("add buy bread and ", 80) + "call Bob")
	tasks := c.tasks.All("alice")
	if len(tasks) != 2+30 {
		t.Errorf("%d tasks, want 32", len(tasks))
	}
	for _, task := range tasks {
		if n := len([]rune(task.Title)); n > chatkitd.MaxTaskTitle || n == 0 {
			t.Errorf("a title of %d characters", n)
		}
	}
	if d := tasks[0].Description; !strings.HasPrefix(d, "word word") || len(d) < 400 {
		t.Errorf("description %q", d)
	}
}

// TestAnyText: whatever is said, there is an answer, soon.
func TestAnyText(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same texts in each run are wanted
	var parts []string
	for _, s := range sentences {
		parts = append(parts, strings.Fields(s.say)...)
	}
	parts = append(parts, ",", "and", "\n", "- ", ":", "\"", "“", "”", "\x00", "\xff", "#", "#1", "at", "5pm", "!!", "the", "not", "done", "it")
	for range 100 {
		c := newChat(t)
		var b strings.Builder
		for range rng.IntN(40) {
			b.WriteString(parts[rng.IntN(len(parts))])
			b.WriteString([]string{" ", " ", " ", "", "\n", ". "}[rng.IntN(6)])
		}
		if c.say(b.String()) == "" {
			t.Errorf("no answer to %q", b.String())
		}
	}
}

func FuzzMessage(f *testing.F) {
	for _, s := range sentences {
		f.Add(s.say)
	}
	f.Add(strings.Repeat("(", 32_000))
	f.Add(strings.Repeat("and ", 8_000))
	f.Add(strings.Repeat("a, ", 10_000))
	f.Add(strings.Repeat("\"", 32_000))
	f.Add(strings.Repeat("add x tomorrow. ", 2_000))
	for _, s := range []string{"and ", "a, ", "2nd ", "#a ", "at 5 ", "\"x\" ", "on friday ", "add x and ", "done with ", "the ", "not ", "milk and ", "add x\n", "to my list ", "delete a, ", "x is "} {
		f.Add(strings.Repeat(s, 7900/len(s)))
		f.Add("add " + strings.Repeat(s, 1400/len(s)))
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 4*chatkitd.MaxMessage {
			return
		}
		tasks := toolstest.NewTasks(func() time.Time { return monday })
		a := agent.New(agent.Options{Model: offline.New(offline.Options{}), Tools: tools.New(tasks, tasks, nil)})
		c := &chat{t: t}
		sink := agenttest.NewSink()
		began := time.Now()
		if _, err := a.Run(t.Context(), c.input(text), sink); err != nil {
			t.Fatal(err)
		}
		if sink.Text() == "" || len(sink.Faults) > 0 {
			t.Errorf("answer %q, faults %q", sink.Text(), sink.Faults)
		}
		if d := time.Since(began); d > 10*time.Second {
			t.Errorf("it took %v", d)
		}
	})
}

func BenchmarkMessage(b *testing.B) {
	for _, text := range []string{"add buy milk tomorrow, and call Anna", strings.Repeat("add buy bread. ", 500), strings.Repeat("word ", 6_400)} {
		b.Run(fmt.Sprintf("%d characters", len(text)), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				tasks := toolstest.NewTasks(nil)
				a := agent.New(agent.Options{Model: offline.New(offline.Options{}), Tools: tools.New(tasks, tasks, nil)})
				c := &chat{}
				if _, err := a.Run(b.Context(), c.input(text), agenttest.NewSink()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
