package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mattn/go-runewidth"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/chatkit"
)

// story is a data folder in which alice and bob have chatted.
type story struct {
	dir    string
	thread string
	server *server
	stop   func() // the server; may be called again
}

func newStory(t *testing.T) *story {
	t.Helper()
	s := &story{dir: t.TempDir()}
	s.serve(t)
	alice := s.server.client(t, "alice")
	s.thread, _ = say(t, alice, "", "add buy milk tomorrow, and call Anna")
	say(t, alice, s.thread, "done with the milk")
	say(t, s.server.client(t, "bob"), "", "add write report")
	return s
}

// serve starts a server, which is stopped at the end of the test at the latest.
func (s *story) serve(t *testing.T) {
	t.Helper()
	s.server = start(t, s.dir)
	s.stop = sync.OnceFunc(func() {
		if status := s.server.wait(t); status != exitOK {
			t.Errorf("the server ended with %d", status)
		}
	})
	t.Cleanup(s.stop)
}

// run runs a command on the folder, which must succeed, and returns its output.
func (s *story) run(t *testing.T, args ...string) string {
	t.Helper()
	status, out, stderr := command(t, append(args, "--data="+s.dir, "--utc")...)
	if status != exitOK {
		t.Fatalf("%v: exit status %d: %s%s", args, status, out, stderr)
	}
	return out
}

type storedLine struct {
	Position uint64
	Stream   string
	Revision uint64
	Type     string
	ID       string
	Time     time.Time
	Data     json.RawMessage
	Metadata json.RawMessage
}

func eventLinesOf(t *testing.T, out string) (lines []storedLine) {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(out))
	dec.DisallowUnknownFields()
	for {
		var l storedLine
		if err := dec.Decode(&l); err == io.EOF {
			return lines
		} else if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, l)
	}
}

func contains(t *testing.T, got string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(got, w) {
			t.Errorf("no %q in\n%s", w, got)
		}
	}
}

// TestEventCommands lists beside the running server, and without it.
func TestEventCommands(t *testing.T) {
	s := newStory(t)
	for _, alone := range []bool{false, true} {
		if alone {
			s.stop()
		}
		t.Run(fmt.Sprint("alone ", alone), func(t *testing.T) {
			table := s.run(t, "events")
			contains(t, table, "TIME ", "POSITION", "WHAT", "CAUSE", "task.added.v1", "added “buy milk”, due ",
				"alice: done with the milk", "turn completed: offline", s.thread)
			if strings.Contains(table, "\x1b") {
				t.Error("colours where there is no terminal")
			}
			all := eventLinesOf(t, s.run(t, "events", "--json"))
			for i, l := range all {
				if l.Position != uint64(i)+1 || l.Stream == "" || len(l.Data) == 0 || len(l.Metadata) == 0 || l.ID == "" || l.Time.IsZero() {
					t.Fatalf("line %d: %+v", i, l)
				}
			}
			if got := strings.Count(table, "\n"); got != len(all)+1 {
				t.Errorf("%d lines of a table of %d events", got, len(all))
			}
			if l := eventLinesOf(t, s.run(t, "events", "--json", "--user=alice")); len(l) != 3 || l[2].Type != "task.completed.v1" || l[2].Revision != 2 {
				t.Errorf("alice: %+v", l)
			}
			if l := eventLinesOf(t, s.run(t, "events", "--json", "--type=task", "--limit=2", "--until=now")); len(l) != 2 || l[1].Stream != "user-bob" {
				t.Errorf("the last two tasks: %+v", l)
			}
			if l := eventLinesOf(t, s.run(t, "events", "--json", "--from=2", "--to=4", "--since", "-1h", "--thread="+s.thread)); len(l) != 3 || l[0].Position != 2 {
				t.Errorf("positions: %+v", l)
			}
		})
	}
}

// output is what a command that runs on has written so far.
type output struct{ lines chan string }

func (o *output) Write(b []byte) (int, error) {
	for l := range strings.Lines(string(b)) {
		o.lines <- l
	}
	return len(b), nil
}

func TestFollowCommand(t *testing.T) {
	s := newStory(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out := &output{make(chan string, 1000)}
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"events", "--follow", "--user=alice", "--json", "--limit=1", "--data=" + s.dir}, out, t.Output(), nil)
	}()
	next := func() string {
		select {
		case l := <-out.lines:
			return l
		case <-time.After(20 * time.Second):
			t.Fatal("nothing comes")
			return ""
		}
	}
	contains(t, next(), "task.completed.v1")
	say(t, s.server.client(t, "bob"), "", "add not hers")
	say(t, s.server.client(t, "alice"), "", "add water plants")
	contains(t, next(), "task.added.v1", "water plants")
	stop()
	if status := <-ended; status != exitOK {
		t.Errorf("exit status %d after a stop", status)
	}
}

// TestReplayCommand asks which message changed Alice's list, and compares the
// JSON with what the API answers.
func TestReplayCommand(t *testing.T) {
	s := newStory(t)
	text := s.run(t, "replay", "--user=alice", "--at", "now", "--steps")
	contains(t, text, "The tasks of alice on ", "[x]  buy milk", "[ ]  call Anna", "1 open, 1 completed", "What happened",
		"completed “buy milk”", "called by the message “done with the milk”", "- status: pending", "+ status: completed")
	contains(t, s.run(t, "replay", "--user=alice", "--revision=0"), "[ ]  buy milk", "1 open, 0 completed")
	contains(t, s.run(t, "replay", "--user=alice", "--at", "-1h"), "before its first event", "No tasks.")

	var replayed, listed struct {
		Tasks, Data json.RawMessage
	}
	if err := json.Unmarshal([]byte(s.run(t, "replay", "--user=alice", "--json")), &replayed); err != nil {
		t.Fatal(err)
	}
	s.server.client(t, "alice").Do(t, "GET", "/api/v1/tasks", nil).Decode(t, &listed)
	if got, want := canonical(t, replayed.Tasks), canonical(t, listed.Data); got != want {
		t.Errorf("replayed\n%s, listed\n%s", got, want)
	}
	if got := strings.TrimSpace(s.run(t, "replay", "--user=alice", "--json", "--position=0")); canonical(t, []byte(got)) != `{"tasks":[]}` {
		t.Errorf("before the first event: %s", got)
	}

	var thread struct {
		Thread *chatkit.Thread
		Items  []json.RawMessage
		Steps  []chatkitd.ReplayStep
	}
	if err := json.Unmarshal([]byte(s.run(t, "replay", "--thread="+s.thread, "--json", "--steps")), &thread); err != nil {
		t.Fatal(err)
	}
	var page struct{ Data []json.RawMessage }
	s.server.client(t, "alice").ChatKit(t, "items.list", map[string]any{"thread_id": s.thread, "order": "asc", "limit": 100}).Decode(t, &page)
	if canonicalAll(t, thread.Items) != canonicalAll(t, page.Data) {
		t.Errorf("items\n%s\nwant\n%s", thread.Items, page.Data)
	}
	if thread.Thread == nil || thread.Thread.ID != s.thread || len(thread.Steps) == 0 {
		t.Errorf("thread %+v", thread.Thread)
	}
	contains(t, s.run(t, "replay", "--thread="+s.thread, "--steps"), "user  ", "  done with the milk", "assistant  ", "Done: **buy milk**.", "in answer to “done with the milk”")
}

func canonical(t *testing.T, raw []byte) string {
	t.Helper()
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func canonicalAll(t *testing.T, raws []json.RawMessage) (all string) {
	t.Helper()
	for _, raw := range raws {
		all += canonical(t, raw) + "\n"
	}
	return all
}

func TestTraceCommand(t *testing.T) {
	s := newStory(t)
	done := eventLinesOf(t, s.run(t, "events", "--json", "--type=task.completed"))[0]
	tree := s.run(t, "trace", fmt.Sprint(done.Position))
	contains(t, tree, "request of alice in "+s.thread, "└─ message “done with the milk”", "turn completed", "model offline", "3 calls of the model",
		"tool complete_task(", "→ {\"success\":true", "completed “buy milk”  ◀")
	if byID := s.run(t, "trace", done.ID); byID != tree {
		t.Errorf("by its id:\n%s\nby its position:\n%s", byID, tree)
	}
	var root chatkitd.TraceNode
	if err := json.Unmarshal([]byte(s.run(t, "trace", regexp.MustCompile(`trn_[0-9a-v]{29}`).FindString(tree), "--json")), &root); err != nil {
		t.Fatal(err)
	}
	if root.Kind != "request" || root.Children[0].Children[0].Kind != "turn" {
		t.Errorf("%+v", root)
	}
}

func TestAuditMistakes(t *testing.T) {
	s := newStory(t)
	tests := []struct {
		args []string
		want string
	}{
		{[]string{"events", "--from=9", "--to=3"}, "backwards"},
		{[]string{"events", "--from=x"}, "a position is a number"},
		{[]string{"events", "--from=9999"}, "past the end"},
		{[]string{"events", "--since=soon"}, "monday 10:00"},
		{[]string{"events", "--since", "now", "--until", "-2h"}, "backwards"},
		{[]string{"events", "--since", "--json"}, "give a time"},
		{[]string{"events", "--user=Alice"}, "case included"},
		{[]string{"events", "--user=alice", "--thread=x"}, "can't be used together"},
		{[]string{"events", "--user="}, "--user is empty"},
		{[]string{"events", "--stream", ""}, "--stream is empty"},
		{[]string{"replay", "--user="}, "name one user"},
		{[]string{"export", "--user="}, ""},
		{[]string{"trace", "3/2"}, "no event at position 3/2"},
		{[]string{"events", "--type=tsk"}, "task.added.v1"},
		{[]string{"events", "--limit=-1"}, "--limit"},
		{[]string{"events", "--follow", "--to=3"}, "no end"},
		{[]string{"replay"}, "--user"},
		{[]string{"replay", "--user=zoe"}, "zoe"},
		{[]string{"replay", "--user=alice", "--revision=99"}, "ends at revision 2"},
		{[]string{"replay", "--user=alice", "--position=9999"}, "past the end"},
		{[]string{"replay", "--user=alice", "--at=now", "--revision=1"}, "can't be used together"},
		{[]string{"replay", "--thread=thr_none"}, "thr_none"},
		{[]string{"trace", "nothing"}, "nothing"},
		{[]string{"trace", s.thread}, "is a thread"},
		{[]string{"export", "--user=zoe"}, "zoe"},
		{[]string{"import", "/no/such/file"}, "/no/such/file"},
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			status, _, stderr := command(t, append(tt.args, "--data="+s.dir)...)
			if status != exitUsage || !strings.Contains(stderr, tt.want) {
				t.Errorf("exit status %d: %s", status, stderr)
			}
		})
	}
	for _, cmd := range []string{"events", "verify", "replay --user=alice", "trace 1", "export --user=alice"} {
		status, _, stderr := command(t, append(strings.Fields(cmd), "--data="+t.TempDir())...)
		if status != exitUsage || !strings.Contains(stderr, "--data") {
			t.Errorf("%s of an empty folder: %d %s", cmd, status, stderr)
		}
	}
	for _, cmd := range []string{"events", "replay", "trace", "verify", "export", "import"} {
		if status, out, _ := command(t, cmd, "--help"); status != exitOK || !strings.Contains(out, "Examples:") {
			t.Errorf("%s --help: %d %s", cmd, status, out)
		}
	}
}

func TestParseTime(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 25, 9, 30, 0, 0, berlin) // a Wednesday
	tests := []struct{ in, want string }{
		{"2026-11-23 10:00", "2026-11-23T10:00:00+01:00"},
		{"2026-07-01 10:00:05.5", "2026-07-01T10:00:05.5+02:00"},
		{"2026-11-23T10:00", "2026-11-23T10:00:00+01:00"},
		{"2026-11-23", "2026-11-23T00:00:00+01:00"},
		{"2026-11-23T10:00:00Z", "2026-11-23T10:00:00Z"},
		{"monday 10:00", "2026-11-23T10:00:00+01:00"},
		{"Mon 10:00", "2026-11-23T10:00:00+01:00"},
		{"wednesday 9:00", "2026-11-25T09:00:00+01:00"},
		{"wednesday 10:00", "2026-11-18T10:00:00+01:00"},
		{"thursday", "2026-11-19T00:00:00+01:00"},
		{"9:30", "2026-11-25T09:30:00+01:00"},
		{"10:00", "2026-11-24T10:00:00+01:00"},
		{"yesterday 23:59:59", "2026-11-24T23:59:59+01:00"},
		{"today", "2026-11-25T00:00:00+01:00"},
		{"now", "2026-11-25T09:30:00+01:00"},
		{"-2h", "2026-11-25T07:30:00+01:00"},
		{"-90m", "2026-11-25T08:00:00+01:00"},
		{"-1w", "2026-11-18T09:30:00+01:00"},
		{"-1.5d", "2026-11-23T21:30:00+01:00"},
	}
	for _, tt := range tests {
		got, err := parseTime(tt.in, now)
		if err != nil || got.Format(time.RFC3339Nano) != tt.want {
			t.Errorf("%q = %s %v, want %s", tt.in, got.Format(time.RFC3339Nano), err, tt.want)
		}
	}
	for _, bad := range []string{"", "soon", "25:00", "monday noon", "10:00 monday", "-2y", "2026-13-01", "-9999999999d", "yesterday at 9:00"} {
		if got, err := parseTime(bad, now); err == nil {
			t.Errorf("%q = %s", bad, got)
		}
	}
}

// TestTableFits wants no line wider than the terminal, whatever is in it.
func TestTableFits(t *testing.T) {
	for _, width := range []int{60, 80, 100, 120, 200} {
		var out strings.Builder
		table := newEventTable(&out, time.UTC)
		table.width, table.colour = width, false
		for i := range 30 {
			err := table.event(chatkitd.EventView{
				Position: chatkitd.Position{Commit: uint64(i), Prepare: uint64(i)}, Stream: "thread-thr_06h0e7c6igum8kgln0d3c2p2vmei4",
				Type: "thread.status_changed.v1", Summary: strings.Repeat("任务 task ", i), Cause: "trn_06h0e7c6ijg5seqlfh1r215du5ltq",
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := table.flush(); err != nil {
			t.Fatal(err)
		}
		for l := range strings.Lines(out.String()) {
			if w := runewidth.StringWidth(strings.TrimSuffix(l, "\n")); w > width {
				t.Errorf("width %d: a line of %d: %s", width, w, l)
			}
		}
		contains(t, out.String(), "WHAT", "task")
	}
}

// TestExportAndImport moves alice into a folder of her own.
func TestExportAndImport(t *testing.T) {
	s := newStory(t)
	file := filepath.Join(t.TempDir(), "alice.jsonl")
	status, out, stderr := command(t, "export", "--user=alice", "-o", file, "--data="+s.dir)
	if status != exitOK {
		t.Fatal(out, stderr)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("%v %v", info, err)
	}
	if status, _, stderr := command(t, "import", file, "--data="+s.dir); status != exitFault || !strings.Contains(stderr, "in use") {
		t.Errorf("into a running server's folder: %d %s", status, stderr)
	}
	want := s.run(t, "replay", "--user=alice", "--json")
	wantThread := s.run(t, "replay", "--thread="+s.thread, "--json")
	s.stop()
	if status, _, stderr := command(t, "import", file, "--data="+s.dir); status != exitUsage || !strings.Contains(stderr, "--data") {
		t.Errorf("into a log with events: %d %s", status, stderr)
	}

	other := &story{dir: filepath.Join(t.TempDir(), "new"), thread: s.thread}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	half := filepath.Join(t.TempDir(), "half.jsonl")
	if err := os.WriteFile(half, append(text[:len(text)/2:len(text)/2], "\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, _, stderr := command(t, "import", half, "--data="+other.dir); status != exitUsage || !strings.Contains(stderr, "line ") || !strings.Contains(stderr, "nothing was imported") {
		t.Errorf("half an export: %d %s", status, stderr)
	}
	if left, err := filepath.Glob(filepath.Join(other.dir, "*.db")); err != nil || len(left) > 0 {
		t.Errorf("half an export left %v %v", left, err)
	}
	if status, out, stderr := command(t, "import", file, "--data="+other.dir); status != exitOK || !strings.Contains(out, "in 2 streams") {
		t.Fatal(status, out, stderr)
	}
	for range 2 { // without read models, and with them
		if status, out, stderr := command(t, "verify", "--data="+other.dir); status != exitOK {
			t.Errorf("verify: %s %s", out, stderr)
		}
		if got := other.run(t, "replay", "--user=alice", "--json"); got != want {
			t.Errorf("replay\n%s\nwant\n%s", got, want)
		}
		if got := other.run(t, "replay", "--thread="+s.thread, "--json"); got != wantThread {
			t.Errorf("replay\n%s\nwant\n%s", got, wantThread)
		}
		other.serve(t)
		if l := tasks(t, other.server.client(t, "alice")); l.Total != 2 || l.Completed != 1 {
			t.Errorf("the server has %+v", l)
		}
		other.stop()
	}
}
