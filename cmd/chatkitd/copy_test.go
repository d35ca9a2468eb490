package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/events/eventstest"
	"github.com/chatkitd/chatkitd/internal/embedded"
	"github.com/chatkitd/chatkitd/internal/esdbserver"
	"github.com/chatkitd/chatkitd/internal/memstore"
)

// lastJSON returns the last line of output.
func lastJSON(t *testing.T, out string) (r copyResult) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &r); err != nil {
		t.Fatalf("%v in %q", err, out)
	}
	return r
}

// TestCopyThereAndBack moves what people did to an EventStoreDB and back: nothing
// is different but positions and the times of the store.
func TestCopyThereAndBack(t *testing.T) {
	s := newStory(t)
	db := newESDB(t, esdbserver.Options{})
	back := filepath.Join(t.TempDir(), "back")
	t.Setenv("ESDB", db.URL())
	do := func(want int, args ...string) (string, string) {
		t.Helper()
		status, out, stderr := command(t, append(append([]string{"copy"}, args...), "--data="+s.dir)...)
		if status != want {
			t.Errorf("%v: exit status %d, want %d: %s%s", args, status, want, out, stderr)
		}
		return out, stderr
	}
	_, stderr := do(exitFault, "--from=embedded", "--to=env:ESDB")
	contains(t, stderr, "--from: the data folder", "in use", "stop that server")
	s.stop()
	if _, stderr := do(exitFault, "--from=embedded", "--to=env:ESDB", "--verify"); !strings.Contains(stderr, "the target has 0 events") {
		t.Errorf("compare with an empty log: %s", stderr)
	}
	out, _ := do(exitOK, "--from=embedded", "--to=env:ESDB")
	contains(t, out, "to EventStoreDB at 127.0.0.1:", "every one is equal")
	out, _ = do(exitOK, "--from=env:ESDB", "--to=embedded:"+back, "--json")
	if r := lastJSON(t, out); !r.Equal || r.Copied == 0 || r.There != 0 || r.Events != r.Copied {
		t.Errorf("back: %+v", r)
	}
	out, _ = do(exitOK, "--from=embedded", "--to=embedded:"+back, "--json")
	if r := lastJSON(t, out); !r.Equal || r.Copied != 0 || r.There != r.Events {
		t.Errorf("there already: %+v", r)
	}
	do(exitOK, "--from=embedded:"+back, "--to=env:ESDB", "--verify")

	between := eventLinesOf(t, s.run(t, "events", "--json", "--user=alice"))[1].Metadata // before the milk was done
	var at struct {
		RecordedAt string `json:"recorded_at"`
	}
	if err := json.Unmarshal(between, &at); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for name, args := range map[string][]string{
		"before": {"--data=" + s.dir}, "there": {"--eventstore=" + db.URL(), "--data=" + t.TempDir()}, "back": {"--data=" + back},
	} {
		if status, out, stderr := command(t, append(args, "verify")...); status != exitOK {
			t.Errorf("%s: verify: %s%s", name, out, stderr)
		}
		file := filepath.Join(t.TempDir(), name)
		if status, _, stderr := command(t, append(args, "export", "--user=alice", "-o", file)...); status != exitOK {
			t.Error(stderr)
		}
		files[name] = withoutPlaces(t, file)
		status, out, _ := command(t, append(args, "replay", "--thread="+s.thread, "--json")...)
		files[name] += out
		status2, out, _ := command(t, append(args, "replay", "--user=alice", "--json", "--at="+at.RecordedAt)...)
		files[name] += out
		if n := strings.Count(out, `"completed": true`); n != 0 || !strings.Contains(out, "buy milk") {
			t.Errorf("%s: as it was: %s", name, out)
		}
		if status != exitOK || status2 != exitOK {
			t.Errorf("%s: replay: %d %d", name, status, status2)
		}
	}
	if files["before"] != files["there"] || files["before"] != files["back"] || files["before"] == "" {
		t.Errorf("export and replay differ:\n%s\n\n%s\n\n%s", files["before"], files["there"], files["back"])
	}

	t.Run("the server goes on there", func(t *testing.T) {
		dir := t.TempDir()
		srv := start(t, dir, "--eventstore="+db.URL())
		alice := srv.client(t, "alice")
		awaitReady(t, alice)
		if l := tasks(t, alice); l.Total != 2 || l.Completed != 1 {
			t.Errorf("tasks = %+v", l)
		}
		say(t, alice, s.thread, "add bread")
		srv.wait(t)
		if _, stderr := do(exitUsage, "--from=embedded", "--to=env:ESDB"); !strings.Contains(stderr, "the target holds something else") || !strings.Contains(stderr, "name an empty log") {
			t.Errorf("onto a log that has gone on: %s", stderr)
		}
		if _, stderr := do(exitFault, "--from=embedded", "--to=env:ESDB", "--verify"); !strings.Contains(stderr, "the logs differ") {
			t.Errorf("compare with a log that has gone on: %s", stderr)
		}
		if _, stderr := do(exitUsage, "--from=env:ESDB", "--to=embedded:"+dir); !strings.Contains(stderr, "name a new folder") {
			t.Errorf("into the data folder of a server on EventStoreDB: %s", stderr)
		}
		do(exitOK, "--from=env:ESDB", "--to=embedded:"+back) // what was copied is its beginning
		srv = start(t, back)
		alice = srv.client(t, "alice")
		awaitReady(t, alice)
		say(t, alice, s.thread, "add butter")
		if l := tasks(t, alice); l.Total != 4 {
			t.Errorf("on the embedded log again: %+v", l)
		}
		srv.wait(t)
		if status, out, stderr := command(t, "verify", "--data="+back); status != exitOK {
			t.Errorf("verify: %s%s", out, stderr)
		}
	})
}

func TestCopyMistakes(t *testing.T) {
	dir, empty := t.TempDir(), t.TempDir()
	fillLog(t, dir, 10)
	other := memstore.New()
	t.Cleanup(func() { _ = other.Close() })
	eventstest.Append(t, other, "user-eve", events.NoStream, eventstest.Events(2)...)
	t.Setenv("OTHER", serveESDB(t, other, esdbserver.Options{}).URL())
	t.Setenv("NOTHING", "")
	for _, tt := range []struct {
		from, to string
		status   int
		want     string
	}{
		{"embedded", "embedded", exitUsage, "the same log"},
		{"embedded", "embedded:" + dir + "/.", exitUsage, "the same log"},
		{"embedded", "postgres://x", exitUsage, "--to: a log is embedded, embedded:DIR, esdb://…, or env:NAME"},
		{"embedded:", "embedded", exitUsage, "--from: a log is"},
		{"embedded:" + empty, "embedded", exitUsage, "there is no event log in " + empty},
		{"env:NOTHING", "embedded", exitUsage, "--from env:NOTHING: the variable is not set"},
		{"embedded", "env:NOWHERE", exitUsage, "the variable is not set"},
		{"embedded", "esdb://u:p@h?tls=false", exitUsage, "--to: the connection string"},
		{"embedded", "env:OTHER", exitUsage, "the target holds something else: event 1 there is user-eve revision 0"},
		{"env:OTHER", "embedded", exitUsage, "the target holds something else"},
		{"", "embedded", exitUsage, "--from"},
	} {
		t.Run(tt.from+" to "+tt.to, func(t *testing.T) {
			status, out, stderr := command(t, "copy", "--from="+tt.from, "--to="+tt.to, "--data="+dir)
			if status != tt.status || !strings.Contains(stderr, tt.want) {
				t.Errorf("exit status %d, %s%s, want %q", status, out, stderr, tt.want)
			}
		})
	}
	if n := len(eventstest.Collect(t, other.ReadAll(t.Context(), events.AllRead{Filter: events.Filter{StreamPrefixes: streamPrefixes}}))); n != 2 {
		t.Errorf("what was refused has changed the target: %d events", n)
	}
}

// fillLog writes an embedded log of n tasks of some people.
func fillLog(t *testing.T, dir string, n int) {
	t.Helper()
	const people = 17
	store, err := embedded.Open(t.Context(), embedded.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	var wg sync.WaitGroup
	for u := range people { // together: one commit for all
		user := chatkitd.UserID(fmt.Sprint("user", u))
		stream := events.UserStream(user)
		wg.Go(func() {
			for i := u; i < n; i += people {
				evs, err := events.Prepare(stream, events.Metadata{User: user, RecordedAt: now.Add(time.Duration(i) * time.Second)}, fmt.Sprint("key", i),
					events.TaskAdded{TaskID: chatkitd.TaskID(fmt.Sprintf("tsk_%d", i)), Title: fmt.Sprint("task ", i)})
				if err == nil {
					_, err = store.Append(t.Context(), stream, events.Any, evs...)
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// TestCopyKilled kills a copy with -9 again and again: the same command goes on
// each time, and in the end every event is there once.
func TestCopyKilled(t *testing.T) {
	total, kills := 3000, 3
	if long() {
		total, kills = 60_000, 25
	}
	dir, dbDir := t.TempDir(), t.TempDir()
	fillLog(t, dir, total)
	addr, _ := spawnProcess(t, []string{"CHATKITD_TEST_BE=the database"}, "database at ", dbDir, "127.0.0.1:0")
	to := "esdb://" + addr + "?tls=false"
	args := []string{"copy", "--from=embedded", "--to=" + to, "--data=" + dir, "--json"}
	killed := 0
	for range kills {
		at, kill := spawnProcess(t, []string{"CHATKITD_TEST_BE=the program"}, `"phase":"copying","events":`, args...)
		time.Sleep(rand.N(150 * time.Millisecond)) // when the process dies is the test's input
		kill()
		if at != "" {
			killed++
		}
	}
	if killed != kills {
		t.Errorf("%d of %d copies were killed in the middle", killed, kills)
	}
	status, out, stderr := command(t, args...)
	if status != exitOK {
		t.Fatal(stderr)
	}
	r := lastJSON(t, out)
	if r.Events != total || r.There+r.Copied != total || r.There == 0 || !r.Equal {
		t.Errorf("the last run: %+v", r)
	}
	t.Logf("%d runs were killed with -9; the last found %d events, copied %d, and compared %d, all equal", killed, r.There, r.Copied, r.Events)
	if status, out, stderr := command(t, "verify", "--eventstore="+to, "--data="+t.TempDir()); status != exitOK {
		t.Errorf("verify: %s%s", out, stderr)
	}
	if _, err := os.Stat(filepath.Join(dir, "events.db")); errors.Is(err, os.ErrNotExist) {
		t.Error("the source is gone")
	}
}
