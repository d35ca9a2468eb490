package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/http/apitest"
	"github.com/chatkitd/chatkitd/internal/embedded"
	"github.com/chatkitd/chatkitd/internal/esdbserver"
	"github.com/chatkitd/chatkitd/internal/eventstoredb"
)

// beTheDatabase is a process that speaks EventStoreDB's protocol over an embedded
// log in dir, until its standard input ends or it is killed.
func beTheDatabase(dir, addr string) int {
	err := func() error {
		ctx := context.Background()
		engine, err := embedded.Open(ctx, embedded.Options{Dir: dir})
		if err != nil {
			return err
		}
		db, err := esdbserver.New(ctx, engine, esdbserver.Options{Addr: addr, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))})
		if err != nil {
			return err
		}
		if err := db.Start(ctx); err != nil {
			return err
		}
		_, err = fmt.Fprintln(os.Stdout, "database at "+db.Addr())
		if err == nil {
			select {} // until it is killed
		}
		return err
	}()
	_, _ = fmt.Fprintln(os.Stderr, err)
	return exitFault
}

// pair is a database and two servers on it, each a process with a data folder of
// its own.
type pair struct {
	dbDir, dbAddr string
	options       string // of the connection string, more than tls
	killDB        func()
	nodes         [2]node
}

type node struct {
	dir, addr string
	kill      func()
}

// The times by which the servers of a pair tell each other that they live.
const pulseOfTests = "CHATKITD_TEST_PULSE=200ms,1500ms"

func newPair(t *testing.T) *pair {
	t.Helper()
	return startPair(t, "")
}

func startPair(t *testing.T, options string) *pair {
	t.Helper()
	p := &pair{dbDir: t.TempDir(), dbAddr: "127.0.0.1:0", options: options}
	p.startDB(t)
	for i := range p.nodes {
		p.nodes[i].dir = t.TempDir()
		p.startNode(t, i)
	}
	return p
}

func (p *pair) startDB(t *testing.T) {
	t.Helper()
	p.dbAddr, p.killDB = spawnProcess(t, []string{"CHATKITD_TEST_BE=the database"}, "database at ", p.dbDir, p.dbAddr)
}

func (p *pair) url() string { return "esdb://" + p.dbAddr + "?tls=false" + p.options }

// startNode starts a server, at the address that it had, and waits until it is ready.
func (p *pair) startNode(t *testing.T, i int) {
	t.Helper()
	n := &p.nodes[i]
	n.addr, n.kill = spawnServer(t, n.dir, cmp.Or(n.addr, "127.0.0.1:0"), []string{"CHATKITD_EVENTSTORE=" + p.url(), pulseOfTests}, "--offline-delay=2ms")
	awaitReady(t, p.client(t, i, "operator"))
}

// client is a user's at one of the two.
func (p *pair) client(t *testing.T, i int, user string) *apitest.Client {
	t.Helper()
	return apitest.New(t, "http://"+p.nodes[i].addr, "test-token-"+user)
}

// store reads the log past the servers.
func (p *pair) store(t *testing.T) *eventstoredb.Store {
	t.Helper()
	s, err := eventstoredb.New(eventstoredb.Options{URL: p.url(), Prefixes: streamPrefixes})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// quiet waits until no turn is open.
func (p *pair) quiet(t *testing.T, store events.Store) []events.Recorded {
	t.Helper()
	var all []events.Recorded
	eventually(t, "every turn has ended", func() bool {
		all = checkEvents(t, store)
		open := map[string]bool{}
		for _, rec := range all {
			switch ev, _ := events.Decode(rec.Type, rec.Data); ev.(type) {
			case events.TurnStarted:
				open[rec.Stream] = true
			case events.TurnCompleted, events.TurnFailed, events.TurnCancelled, events.TurnInterrupted:
				delete(open, rec.Stream)
			}
		}
		return len(open) == 0
	})
	return all
}

// verifyBoth compares the read models of both servers with the fold of the log.
func (p *pair) verifyBoth(t *testing.T) {
	t.Helper()
	for i, n := range p.nodes {
		eventually(t, "the read models have caught up", func() bool {
			var report struct {
				OK       bool
				Models   []struct{ Behind bool }
				Findings []json.RawMessage
			}
			status, out, stderr := command(t, "verify", "--json", "--data="+n.dir, "--eventstore="+p.url())
			if err := json.Unmarshal([]byte(out), &report); err != nil {
				t.Fatal(status, out, stderr)
			}
			if !report.OK {
				t.Fatalf("server %d: %s", i, out)
			}
			for _, m := range report.Models {
				if m.Behind {
					return false
				}
			}
			return true
		})
	}
}

// long reports whether the tests of several servers are to take their time.
func long() bool { return os.Getenv("CHATKITD_TEST_CHAOS") == "long" }

// TestTwoServers hammers the same people and threads through two servers on one
// EventStoreDB, each of the three a process of its own. CHATKITD_TEST_CHAOS=long does so
// for a minute instead of some seconds.
func TestTwoServers(t *testing.T) {
	took, people := 4*time.Second, 8
	if long() {
		took, people = time.Minute, 16
	}
	p := newPair(t)
	c := newCrowd(t, p, 3)
	c.runFor(people, took)
	all := p.quiet(t, p.store(t))
	c.check(all)
	p.verifyBoth(t)
	head := all[len(all)-1].Position.String()
	for user := range c.clients[0] {
		var lists [2]string
		for i := range lists {
			lists[i] = string(c.clients[i][user].Do(t, "GET", "/api/v1/tasks?limit=100&sort=created_at", nil, apitest.PositionHeader, head).Body)
		}
		if lists[0] != lists[1] {
			t.Errorf("user %d: one server lists\n%.500s\nthe other\n%.500s", user, lists[0], lists[1])
		}
		for _, thread := range c.threads[user] {
			if a, b := items(t, c.clients[0][user], thread), items(t, c.clients[1][user], thread); fmt.Sprint(a) != fmt.Sprint(b) {
				t.Errorf("thread %s: one server has %v, the other %v", thread, a, b)
			}
		}
	}
	t.Logf("%d events in the log; the read models of both servers equal its fold", len(all))
}

// TestServerDies kills a server in the middle of a turn: the other one refuses the
// thread until it may take the turn for lost, then closes it and goes on; the one
// that died comes back.
func TestServerDies(t *testing.T) {
	rounds := 1
	if long() {
		rounds = 10
	}
	p := newPair(t)
	for u := range 60 { // an answer that lists them takes a while
		p.client(t, 0, "alice").Do(t, "POST", "/api/v1/tasks", map[string]any{"title": fmt.Sprint("water the plants on balcony number ", u)})
	}
	for round := range rounds {
		dies := round % 2
		stays := p.client(t, 1-dies, "alice")
		st := p.client(t, dies, "alice").ChatKitStream(t, "threads.create", map[string]any{"input": input("what is left?")})
		thread := ""
		for thread == "" {
			var ev struct{ Thread struct{ ID string } }
			if err := json.Unmarshal([]byte(st.Event(t).Data), &ev); err != nil {
				t.Fatal(err)
			}
			thread = ev.Thread.ID
		}
		for range 3 {
			st.Event(t)
		}
		send := func() int {
			resp := stays.Do(t, "POST", "/api/v1/chatkit", map[string]any{
				"type": "threads.add_user_message", "params": map[string]any{"thread_id": thread, "input": input("add task after round " + fmt.Sprint(round))},
			})
			if resp.Status == http.StatusOK && strings.Contains(string(resp.Body), `"type":"error"`) {
				t.Errorf("the turn failed: %s", resp.Body)
			}
			return resp.Status
		}
		if status := send(); status != http.StatusConflict {
			t.Errorf("a second message while the first is answered: %d, want 409", status)
		}
		p.nodes[dies].kill()
		st.Close()
		died, refused := time.Now(), 0
		eventually(t, "the other server takes the thread", func() bool {
			switch status := send(); status {
			case http.StatusOK:
				return true
			case http.StatusConflict:
				refused++
			default:
				t.Fatalf("a message while nobody knows: %d", status)
			}
			return false
		})
		after := time.Since(died)
		if refused == 0 || after < time.Second {
			t.Errorf("the turn was taken for lost after %v", after)
		}
		p.startNode(t, dies)
		say(t, p.client(t, dies, "alice"), thread, "add task by the one that was dead "+fmt.Sprint(round))
		t.Logf("round %d: the thread was taken over %v after the death of its server (lease 1.5 s)", round, after.Round(10*time.Millisecond))
	}
	p.quiet(t, p.store(t))
	p.verifyBoth(t)
}
