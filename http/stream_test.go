package http_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chatkitd/chatkitd"
	chatkitdhttp "github.com/chatkitd/chatkitd/http"
	"github.com/chatkitd/chatkitd/http/apitest"
)

// attachTo returns ports on which alice's thread thr_1 has the turn tn.
func attachTo(tn *turn) *fake {
	return &fake{
		attachTurn: func(u chatkitd.UserID, id chatkitd.ThreadID) (chatkitd.TurnStream, error) {
			if u != "alice" || id != "thr_1" {
				return nil, chatkitd.Errorf(chatkitd.CodeNotFound, "%s has no %s", u, id)
			}
			if tn == nil {
				return nil, nil
			}
			return tn, nil
		},
		startTurn: func(context.Context, chatkitd.Meta, chatkitd.TurnCommand) (chatkitd.TurnStream, error) {
			return tn, nil
		},
	}
}

const streamPath = "/api/v1/chatkit/threads/thr_1/stream"

func TestResume(t *testing.T) {
	tn := newTurn("trn_1", "1", "2", "3")
	tn.end()
	s := start(t, attachTo(tn))
	c := s.client(t, "alice")
	for last, want := range map[string]string{
		"": "1 2 3", "trn_1:0": "1 2 3", "trn_1:1": "2 3", "trn_1:2": "3", "trn_1:3": "",
		"trn_1:4": "1 2 3", "trn_1:99999999999999999999": "1 2 3", "trn_1:-1": "1 2 3", "trn_1": "1 2 3", "trn_2:2": "1 2 3", "nonsense": "1 2 3",
		strings.Repeat("x", 10_000): "1 2 3",
	} {
		var got []string
		for _, ev := range c.Stream(t, "GET", streamPath, nil, "Last-Event-ID", last).All(t) {
			if want := "trn_1:" + ev.Data; ev.ID != want {
				t.Errorf("event %s has id %s", ev.Data, ev.ID)
			}
			got = append(got, ev.Data)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("after %.20q: got %q, want %q", last, got, want)
		}
	}
	foreign := c.As("test-token-bob").Do(t, "GET", streamPath, nil, "X-Request-ID", "r")
	unknown := c.Do(t, "GET", "/api/v1/chatkit/threads/thr_2/stream", nil, "X-Request-ID", "r")
	if foreign.Status != 404 || !bytes.Equal(foreign.Body, unknown.Body) {
		t.Errorf("foreign: %d %s, unknown: %d %s", foreign.Status, foreign.Body, unknown.Status, unknown.Body)
	}
	idle := start(t, attachTo(nil))
	if resp := idle.client(t, "alice").Do(t, "GET", streamPath, nil); resp.Status != 204 || len(resp.Body) != 0 {
		t.Errorf("no turn: got %d %s", resp.Status, resp.Body)
	}
	if got := idle.metric(t, "chatkitd_http_open_streams", ""); got != 0 {
		t.Errorf("%v streams are open", got)
	}
}

func TestManyReaders(t *testing.T) {
	const readers, frames = 50, 200
	tn := newTurn("trn_1", "first")
	s := start(t, attachTo(tn))
	c := s.client(t, "alice")
	streams := make([]*apitest.Stream, readers)
	for i := range streams {
		streams[i] = c.Stream(t, "GET", streamPath, nil)
		if ev := streams[i].Event(t); ev.Data != "first" {
			t.Fatalf("reader %d got %+v", i, ev)
		}
	}
	if got := s.metric(t, "chatkitd_http_open_streams", ""); got != readers {
		t.Errorf("%v streams are open, want %d", got, readers)
	}
	var wg sync.WaitGroup
	for _, st := range streams {
		wg.Go(func() {
			for n := 2; ; n++ {
				ev, err := st.Next()
				if errors.Is(err, io.EOF) && n == frames+2 {
					return
				}
				if err != nil || ev.ID != fmt.Sprintf("trn_1:%d", n) || ev.Data != fmt.Sprint(n) {
					t.Errorf("event %d is %+v, %v", n, ev, err)
					return
				}
			}
		})
	}
	for n := range frames {
		tn.emit(fmt.Sprint(n + 2))
	}
	tn.end()
	wg.Wait()
	eventually(t, "no stream is open", func() bool { return s.metric(t, "chatkitd_http_open_streams", "") == 0 })
	if got := s.metric(t, "chatkitd_http_stream_frames_total", ""); got != readers*(frames+1) {
		t.Errorf("%v frames, want %d", got, readers*(frames+1))
	}
	if got := s.metric(t, "chatkitd_http_streams_total", "complete"); got != readers {
		t.Errorf("%v complete streams, want %d", got, readers)
	}
}

// TestLargeFrames has frames that are larger than what one Read takes, among
// small ones.
func TestLargeFrames(t *testing.T) {
	var data []string
	for i, size := range []int{1, 4096, 4095, 4000, 10, 100_000, 1, 1, 8192, 3} {
		data = append(data, strings.Repeat(string(rune('a'+i)), size))
	}
	tn := newTurn("trn_1", data...)
	tn.end()
	s := start(t, attachTo(tn))
	evs := s.client(t, "alice").Stream(t, "GET", streamPath, nil).All(t)
	if len(evs) != len(data) {
		t.Fatalf("got %d events, want %d", len(evs), len(data))
	}
	for i, ev := range evs {
		if ev.Data != data[i] || ev.ID != fmt.Sprintf("trn_1:%d", i+1) {
			t.Errorf("event %d: id %s, %d bytes, want %d", i, ev.ID, len(ev.Data), len(data[i]))
		}
	}
}

func TestHeartbeat(t *testing.T) {
	tn := newTurn("trn_1")
	s := start(t, attachTo(tn), func(o *chatkitdhttp.Options) { o.Heartbeat = 20 * time.Millisecond })
	st := s.client(t, "alice").Stream(t, "GET", streamPath, nil)
	for i := range 3 {
		ev, err := st.Next()
		if err != nil || ev.Comment != "ping" || ev.Data != "" {
			t.Fatalf("heartbeat %d: %+v, %v", i, ev, err)
		}
	}
	tn.emit("x")
	if ev := st.Event(t); ev.Data != "x" {
		t.Errorf("got %+v", ev)
	}
	if got := s.metric(t, "chatkitd_http_stream_frames_total", ""); got != 1 {
		t.Errorf("%v frames, want 1", got)
	}
	tn.end()
}

// TestStreamBeginsAtOnce sees the headers of a stream that has nothing to say
// yet, without waiting for a heartbeat.
func TestStreamBeginsAtOnce(t *testing.T) {
	tn := newTurn("trn_1")
	s := start(t, attachTo(tn), func(o *chatkitdhttp.Options) { o.Heartbeat = time.Hour })
	st := s.client(t, "alice").Stream(t, "GET", streamPath, nil)
	tn.emit("x")
	st.Event(t)
	tn.end()
	if got := st.All(t); len(got) != 0 {
		t.Errorf("got %+v", got)
	}
}

func TestDisconnectIsNoticed(t *testing.T) {
	tn := newTurn("trn_1", "first")
	s := start(t, attachTo(tn), func(o *chatkitdhttp.Options) { o.Heartbeat = time.Hour })
	ways := map[string]func(net.Conn){
		"close": func(c net.Conn) { _ = c.Close() },
		"reset": func(c net.Conn) {
			if tc, ok := c.(*net.TCPConn); ok {
				_ = tc.SetLinger(0)
			}
			_ = c.Close()
		},
	}
	gone := 0.0
	for name, leave := range ways {
		t.Run(name, func(t *testing.T) {
			worst := time.Duration(0)
			for range 50 {
				conn := s.openRaw(t)
				eventually(t, "the stream is open", func() bool { return s.metric(t, "chatkitd_http_open_streams", "") == 1 })
				leave(conn)
				took := eventually(t, "the stream is closed", func() bool { return s.metric(t, "chatkitd_http_open_streams", "") == 0 })
				worst = max(worst, took)
				gone++
			}
			t.Logf("worst of 50: %s", worst)
			if worst > 500*time.Millisecond { // it is under a millisecond; machines stall
				t.Errorf("noticed after %s", worst)
			}
		})
	}
	if got := s.metric(t, "chatkitd_http_streams_total", "client_gone"); got != gone {
		t.Errorf("%v streams counted as left, want %v", got, gone)
	}
}

// openRaw opens a stream on a bare connection and reads its first event.
func (s *server) openRaw(tb testing.TB) net.Conn {
	tb.Helper()
	conn := s.dial(tb)
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer test-token-alice\r\n\r\n", streamPath); err != nil {
		tb.Fatal(err)
	}
	rd := bufio.NewReader(conn)
	for {
		line, err := rd.ReadString('\n')
		if err != nil {
			tb.Fatal(err)
		}
		if strings.HasPrefix(line, "data: ") {
			return conn
		}
	}
}

// TestKeepAliveAfterStream uses one connection for a stream, a request, and a
// stream again: the watcher of the socket takes no byte and no deadline away.
func TestKeepAliveAfterStream(t *testing.T) {
	tn := newTurn("trn_1", "first")
	f := attachTo(tn)
	f.task = func(chatkitd.UserID, chatkitd.TaskID) (chatkitd.Task, error) { return chatkitd.Task{}, nil }
	s := start(t, f, func(o *chatkitdhttp.Options) { o.ReadTimeout = 200 * time.Millisecond })
	c := s.client(t, "alice")
	tn.end()
	for range 20 {
		if got := c.Stream(t, "GET", streamPath, nil).All(t); len(got) != 1 {
			t.Fatalf("got %+v", got)
		}
		if got := c.Do(t, "GET", "/api/v1/tasks/tsk_1", nil); got.Status != 200 {
			t.Fatalf("got %d", got.Status)
		}
	}
	if got := s.metric(t, "chatkitd_http_connections", ""); got != 1 {
		t.Errorf("%v connections were used, want 1", got)
	}
}

// TestStreamOutlivesTimeouts has a stream that lasts longer than every timeout
// of a request.
func TestStreamOutlivesTimeouts(t *testing.T) {
	tn := newTurn("trn_1", "first")
	s := start(t, attachTo(tn), func(o *chatkitdhttp.Options) {
		o.ReadTimeout, o.WriteTimeout, o.IdleTimeout, o.RequestTimeout = 30*time.Millisecond, 30*time.Millisecond, 30*time.Millisecond, 30*time.Millisecond
		o.Heartbeat = 10 * time.Millisecond
	})
	st := s.client(t, "alice").Stream(t, "GET", streamPath, nil)
	for pings := 0; pings < 20; {
		ev, err := st.Next()
		if err != nil {
			t.Fatalf("after %d heartbeats: %v", pings, err)
		}
		if ev.Comment == "ping" {
			pings++
		}
	}
	tn.emit("last")
	if ev := st.Event(t); ev.Data != "last" {
		t.Errorf("got %+v", ev)
	}
	tn.end()
}

func TestSlowClientIsCut(t *testing.T) {
	tn := newTurn("trn_1", "first")
	s := start(t, attachTo(tn), func(o *chatkitdhttp.Options) { o.WriteTimeout = 100 * time.Millisecond })
	s.openRaw(t) // and reads no more
	big := strings.Repeat("x", 1<<20)
	for range 32 { // more than the kernel buffers
		tn.emit(big)
	}
	eventually(t, "the stream is cut", func() bool { return s.metric(t, "chatkitd_http_open_streams", "") == 0 })
	if got := s.metric(t, "chatkitd_http_streams_total", "write_failed"); got != 1 {
		t.Errorf("%v streams failed to write, want 1", got)
	}
}

func TestStreamBounds(t *testing.T) {
	tn := newTurn("trn_1", "first")
	started := 0
	f := attachTo(tn)
	f.attachTurn = func(chatkitd.UserID, chatkitd.ThreadID) (chatkitd.TurnStream, error) { return tn, nil }
	f.startTurn = func(context.Context, chatkitd.Meta, chatkitd.TurnCommand) (chatkitd.TurnStream, error) {
		started++
		return tn, nil
	}
	s := start(t, f, func(o *chatkitdhttp.Options) { o.MaxStreams, o.MaxUserStreams = 3, 2 })
	alice := s.client(t, "alice")
	first := alice.Stream(t, "GET", streamPath, nil)
	alice.Stream(t, "GET", streamPath, nil)
	if resp := alice.Do(t, "POST", "/api/v1/chatkit", create("hi")); resp.Status != 429 || started != 0 {
		t.Errorf("a third of one user: got %d %s, %d turns started", resp.Status, resp.Body, started)
	}
	bob := alice.As("test-token-bob")
	bob.Stream(t, "GET", streamPath, nil)
	if resp := bob.Do(t, "GET", streamPath, nil); resp.Status != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("a fourth: got %d %s", resp.Status, resp.Body)
	}
	first.Close()
	eventually(t, "a place is free", func() bool { return s.metric(t, "chatkitd_http_open_streams", "") == 2 })
	bob.Stream(t, "GET", streamPath, nil)
}

func TestPanicInStream(t *testing.T) {
	s := start(t, &fake{attachTurn: func(chatkitd.UserID, chatkitd.ThreadID) (chatkitd.TurnStream, error) { return panics{}, nil }})
	c := s.client(t, "alice")
	st := c.Stream(t, "GET", streamPath, nil)
	st.Event(t)
	if _, err := st.Next(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the client saw %v, want a stream that is cut off", err)
	}
	eventually(t, "the stream is closed", func() bool { return s.metric(t, "chatkitd_http_streams_total", "failed") == 1 })
	if got := c.Do(t, "GET", "/health/live", nil).Status; got != 200 {
		t.Errorf("afterwards: got %d", got)
	}
}

type panics struct{}

func (panics) Turn() chatkitd.TurnID { return "trn_1" }
func (panics) Epoch() string         { return "" }

func (panics) Position() chatkitd.Position { return chatkitd.Position{} }

func (panics) After(n uint64) ([]chatkitd.Frame, bool, <-chan struct{}) {
	if n == 0 {
		return []chatkitd.Frame{{N: 1, Data: []byte("x")}}, false, nil
	}
	panic("oh no")
}

// TestNothingIsShared hammers the server from connections whose requests have
// the same shape and other contents: what a port keeps of one request must never
// change with the next, as it would if Fiber's buffers got out.
func TestNothingIsShared(t *testing.T) {
	type kept struct {
		meta chatkitd.Meta
		cmd  chatkitd.AddTask
	}
	var mu sync.Mutex
	var all []kept
	s := start(t, &fake{doTask: func(m chatkitd.Meta, c chatkitd.TaskCommand) (chatkitd.TaskResult, error) {
		add, ok := c.(chatkitd.AddTask)
		if !ok {
			return chatkitd.TaskResult{}, errors.New("not an AddTask")
		}
		mu.Lock()
		defer mu.Unlock()
		all = append(all, kept{m, add})
		return chatkitd.TaskResult{Task: chatkitd.Task{ID: chatkitd.TaskID(m.Key), Title: add.Title, Description: string(m.User)}}, nil
	}})
	const conns, requests = 8, 300
	var wg sync.WaitGroup
	for i := range conns {
		c := s.client(t, fmt.Sprintf("user-%d", i))
		wg.Go(func() {
			for n := range requests {
				mark := fmt.Sprintf("%d-%03d", i, n)
				resp, err := c.Try(context.Background(), "POST", "/api/v1/tasks", fmt.Sprintf(`{"title":%q,"tags":[%q]}`, mark, mark),
					"Idempotency-Key", mark, "X-Request-ID", mark)
				if err != nil || resp.Header.Get("X-Request-Id") != mark || resp.Header.Get("Location") != "/api/v1/tasks/"+mark ||
					!strings.Contains(string(resp.Body), fmt.Sprintf(`"title":%q,"description":"user-%d"`, mark, i)) {
					t.Errorf("%s: %v %+v", mark, err, resp)
					return
				}
			}
		})
	}
	wg.Wait()
	if len(all) != conns*requests {
		t.Errorf("%d requests arrived, want %d", len(all), conns*requests)
	}
	for _, k := range all {
		mark := k.cmd.Title
		if k.meta.Key != mark || k.meta.Request != mark || k.cmd.Tags[0] != mark || string(k.meta.User) != "user-"+mark[:1] {
			t.Fatalf("kept values have changed: %+v", k)
		}
	}
}
