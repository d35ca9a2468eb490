package eventstoredb_test

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/gossip"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/events/eventstest"
	"github.com/chatkitd/chatkitd/internal/esdbserver"
	"github.com/chatkitd/chatkitd/internal/eventstoredb"
	"github.com/chatkitd/chatkitd/internal/memstore"
)

const writers = 8

// outage is how long the server is down: 30 s with CHATKITD_TEST_CHAOS=long.
func outage() time.Duration {
	if os.Getenv("CHATKITD_TEST_CHAOS") == "long" {
		return 30 * time.Second
	}
	return 5 * time.Second
}

// TestChaos has writers and a reader at work while the server fails. Wanted of
// each case: nothing lost, nothing doubled, every call back when its context ends;
// and of all, no goroutine left.
func TestChaos(t *testing.T) {
	leaves(t)
	for _, tt := range []struct {
		name string
		test func(*testing.T)
	}{
		{"server down", serverDown}, // first, since it takes longest
		{"hung server", hungServer},
		{"restarts", restarts},
		{"leader dies", leaderDies},
		{"leader changes", leaderChanges},
		{"lost answers", lostAnswers},
		{"dropped connections", droppedConnections},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.test(t)
		})
	}
}

func serverDown(t *testing.T) {
	t.Helper()
	server, _ := inMemory(t)
	l := startLoad(t, open(t, eventstoredb.Options{URL: server.URL()}), writers, time.Second)
	time.Sleep(300 * time.Millisecond)
	server.Stop()
	time.Sleep(outage())
	restart(t, server)
	time.Sleep(300 * time.Millisecond)
	l.finish("server down for " + outage().String())
}

func restart(t *testing.T, server *esdbserver.Server) {
	t.Helper()
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// restarts has many writers, so that connections end in the middle of appends.
func restarts(t *testing.T) {
	t.Helper()
	server, _ := inMemory(t)
	l := startLoad(t, open(t, eventstoredb.Options{URL: server.URL()}), 4*writers, time.Second)
	for range 20 {
		time.Sleep(40 * time.Millisecond)
		server.Stop()
		restart(t, server)
	}
	l.finish("20 restarts")
}

func droppedConnections(t *testing.T) {
	t.Helper()
	server, _ := inMemory(t)
	l := startLoad(t, open(t, eventstoredb.Options{URL: server.URL()}), writers, time.Second)
	for range 20 {
		time.Sleep(30 * time.Millisecond)
		server.DropConnections()
	}
	l.finish("connections dropped 20 times")
}

// lostAnswers lets every third append take effect and then fail, each time in
// another way.
func lostAnswers(t *testing.T) {
	t.Helper()
	server, _ := inMemory(t)
	var n atomic.Int64
	server.SetFault(esdbserver.Fault{After: func(_ context.Context, method string) error {
		if i := n.Add(1); method == "Streams/Append" && i%3 == 0 {
			return status.Error([]codes.Code{codes.Unavailable, codes.Aborted, codes.DeadlineExceeded, codes.Internal}[i%4], "the answer is lost")
		}
		return nil
	}})
	l := startLoad(t, open(t, eventstoredb.Options{URL: server.URL()}), writers, 2*time.Second)
	time.Sleep(700 * time.Millisecond)
	l.finish("every third answer lost")
}

// pair is two nodes over one log, of which one leads.
func pair(t *testing.T) (a, b *esdbserver.Server, lead func(*esdbserver.Server)) {
	t.Helper()
	engine := memstore.New()
	t.Cleanup(func() { _ = engine.Close() })
	var mu sync.Mutex
	var members []esdbserver.Member
	o := esdbserver.Options{Members: func() []esdbserver.Member {
		mu.Lock()
		defer mu.Unlock()
		return members
	}}
	a, b = serve(t, engine, o), serve(t, engine, o)
	lead = func(leader *esdbserver.Server) {
		mu.Lock()
		defer mu.Unlock()
		members = nil
		for _, s := range []*esdbserver.Server{a, b} {
			m, err := s.Self()
			if err != nil {
				t.Error(err)
			}
			if m.State = gossip.MemberInfo_Follower; s == leader {
				m.State = gossip.MemberInfo_Leader
				s.SetLeader("")
			} else {
				s.SetLeader(leader.Addr())
			}
			members = append(members, m)
		}
	}
	lead(a)
	return a, b, lead
}

func leaderChanges(t *testing.T) {
	t.Helper()
	a, b, lead := pair(t)
	l := startLoad(t, open(t, eventstoredb.Options{URL: "esdb://" + a.Addr() + "," + b.Addr() + "?tls=false"}), writers, time.Second)
	for i := range 10 {
		time.Sleep(80 * time.Millisecond)
		lead([]*esdbserver.Server{b, a}[i%2])
	}
	l.finish("10 changes of the leader")
}

func leaderDies(t *testing.T) {
	t.Helper()
	a, b, lead := pair(t)
	l := startLoad(t, open(t, eventstoredb.Options{URL: "esdb+discover://" + a.Addr() + "," + b.Addr() + "?tls=false"}), writers, time.Second)
	time.Sleep(200 * time.Millisecond)
	a.Stop()
	time.Sleep(500 * time.Millisecond)
	lead(b) // elected after a while
	time.Sleep(500 * time.Millisecond)
	l.finish("the leader died, another was elected 0.5 s later")
}

func TestRedirectOfASingleNode(t *testing.T) {
	leaves(t)
	a, b, lead := pair(t)
	lead(b)
	s := open(t, eventstoredb.Options{URL: a.URL()})
	got := eventstest.Append(t, s, "test-1", events.NoStream, eventstest.Events(1)...)
	if got.Revision != 0 || b.Calls("Streams/Append") != 1 {
		t.Errorf("got %+v, the leader had %d appends", got, b.Calls("Streams/Append"))
	}
}

func hungServer(t *testing.T) {
	t.Helper()
	server, _ := inMemory(t)
	l := startLoad(t, open(t, eventstoredb.Options{URL: server.URL()}), writers, 300*time.Millisecond)
	time.Sleep(200 * time.Millisecond)
	server.SetFault(esdbserver.Fault{Before: esdbserver.Hang})
	time.Sleep(time.Second)
	server.SetFault(esdbserver.Fault{After: esdbserver.Hang}) // what is called takes effect
	time.Sleep(time.Second)
	server.SetFault(esdbserver.Fault{})
	time.Sleep(200 * time.Millisecond)
	l.finish("server hung for 2 s, half of it after the commit")
}

func TestManySubscriptions(t *testing.T) {
	leaves(t)
	const n, each = 150, 50
	server, _ := inMemory(t)
	s := open(t, eventstoredb.Options{URL: server.URL()})
	var got atomic.Int64
	var wg sync.WaitGroup
	ready := make(chan struct{}, n)
	for range n {
		sub, err := s.Subscribe(t.Context(), chatkitd.Position{}, events.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			defer func() { _ = sub.Close() }()
			told := false
			for count := 0; count < each; {
				b, err := sub.Next(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				if b.CaughtUp && !told {
					told = true
					ready <- struct{}{}
				}
				count += len(b.Events)
				got.Add(int64(len(b.Events)))
			}
		})
	}
	for range n {
		<-ready
	}
	connections := server.Connections()
	var longest time.Duration
	for _, ev := range eventstest.Events(each) {
		began := time.Now()
		eventstest.Append(t, s, "test-1", events.Any, ev)
		longest = max(longest, time.Since(began))
	}
	wg.Wait()
	t.Logf("%d subscriptions over %d connections: %d events delivered, want %d; longest append meanwhile %v", n, connections, got.Load(), n*each, longest)
	if got.Load() != n*each || connections > 5 {
		t.Errorf("%d events over %d connections", got.Load(), connections)
	}
}

func TestOversizeAppend(t *testing.T) {
	leaves(t)
	server, _ := inMemory(t)
	s := open(t, eventstoredb.Options{URL: server.URL()})
	big := eventstest.Events(1)
	big[0].Data = []byte(`"` + strings.Repeat("x", events.MaxAppend) + `"`)
	many := eventstest.Events(3000)
	for i := range many {
		many[i].Data = []byte(`"` + strings.Repeat("x", 1<<10) + `"`)
	}
	refused := 0
	for range 50 {
		for _, evs := range [][]events.New{big, many} {
			if _, err := s.Append(t.Context(), "test-1", events.Any, evs...); errors.Is(err, events.ErrTooLarge) {
				refused++
			}
		}
		eventstest.Append(t, s, "test-2", events.Any, eventstest.Events(1)...)
	}
	if n := server.Calls("Streams/Append"); refused != 100 || n != 50 {
		t.Errorf("%d of 100 refused, %d calls; want all, and only the 50 small ones sent", refused, n)
	}
}

func TestHalfReadStreams(t *testing.T) {
	leaves(t)
	const n = 100
	server, _ := inMemory(t)
	s := open(t, eventstoredb.Options{URL: server.URL()})
	evs := eventstest.Events(500) // more than a page
	eventstest.Append(t, s, "test-1", events.NoStream, evs...)
	read := 0
	for range n {
		for _, err := range s.ReadStream(t.Context(), "test-1", events.StreamRead{}) {
			if err != nil {
				t.Fatal(err)
			}
			if read++; read%2 == 0 {
				break
			}
		}
		for _, err := range s.ReadAll(t.Context(), events.AllRead{}) {
			if err != nil {
				t.Fatal(err)
			}
			break
		}
		for _, err := range s.ReadStream(t.Context(), "test-none", events.StreamRead{}) {
			if !errors.Is(err, events.ErrStreamNotFound) {
				t.Fatal(err)
			}
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := s.Append(ctx, "test-2", events.Any, evs[0]); err != nil {
		t.Errorf("an append after %d reads that were dropped: %v", 3*n, err)
	}
}

func TestCloseDuringAnOutage(t *testing.T) {
	leaves(t)
	server, _ := inMemory(t)
	s := open(t, eventstoredb.Options{URL: server.URL()})
	eventstest.Append(t, s, "test-1", events.NoStream, eventstest.Events(1)...)
	server.Stop()
	var ended, wrong atomic.Int64
	var wg sync.WaitGroup
	call := func(f func() error) {
		wg.Go(func() {
			err := f()
			if ended.Add(1); !errors.Is(err, events.ErrClosed) && !errors.Is(err, events.ErrUnavailable) {
				wrong.Add(1)
				t.Errorf("got %v", err)
			}
		})
	}
	for range 50 {
		call(func() error {
			_, err := s.Append(t.Context(), "test-1", events.Any, eventstest.Events(1)...)
			return err
		})
		call(func() error { _, err := s.Head(t.Context()); return err })
	}
	for range 20 {
		sub, err := s.Subscribe(t.Context(), chatkitd.Position{}, events.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		call(func() error { _, err := sub.Next(t.Context()); return err })
	}
	time.Sleep(200 * time.Millisecond)
	took := closed(t, s)
	wg.Wait()
	t.Logf("Close took %v; %d calls came back, %d of them with another error than that the store is closed or down", took, ended.Load(), wrong.Load())
	if took > 3*time.Second || ended.Load() != 120 {
		t.Errorf("Close took %v, %d of 120 calls came back", took, ended.Load())
	}
}

// TestBlackHole has an address that takes connections and says nothing.
func TestBlackHole(t *testing.T) {
	leaves(t)
	hole, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = hole.Close() })
	for name, url := range map[string]string{
		"one node":  "esdb://" + hole.Addr().String() + "?tls=false",
		"discovery": "esdb+discover://" + hole.Addr().String() + "?tls=false",
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, eventstoredb.Options{URL: url})
			var longest atomic.Int64
			var wg sync.WaitGroup
			for range 50 {
				wg.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
					defer cancel()
					began := time.Now()
					_, err := s.Append(ctx, "test-1", events.Any, eventstest.Events(1)...)
					if !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("got %v, want the context's error", err)
					}
					for took := int64(time.Since(began)); ; {
						if old := longest.Load(); took <= old || longest.CompareAndSwap(old, took) {
							return
						}
					}
				})
			}
			wg.Wait()
			took := closed(t, s)
			t.Logf("50 calls with 100 ms: the longest took %v; Close took %v", time.Duration(longest.Load()), took)
			if time.Duration(longest.Load()) > 100*time.Millisecond+late || took > time.Second {
				t.Error("too long")
			}
		})
	}
	t.Run("beside a good seed", func(t *testing.T) {
		server, _ := inMemory(t)
		s := open(t, eventstoredb.Options{URL: "esdb://" + hole.Addr().String() + "," + server.Addr() + "?tls=false"})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.Append(ctx, "test-1", events.Any, eventstest.Events(1)...); err != nil {
			t.Error(err)
		}
	})
}
