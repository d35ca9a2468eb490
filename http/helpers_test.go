package http_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/chatkit"
	chatkitdhttp "github.com/chatkitd/chatkitd/http"
	"github.com/chatkitd/chatkitd/http/apitest"
	"github.com/chatkitd/chatkitd/http/auth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, leakOptions...) }

// fasthttp's worker pool clears idle workers every 10 s and its clean-up
// goroutine looks for the end that often; Fiber caches the time of day.
var leakOptions = []goleak.Option{
	goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
	goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).workerFunc"),
	goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
	goleak.IgnoreAnyFunction("github.com/gofiber/fiber/v2/utils.StartTimeStampUpdater.func1.1"),
}

// fake is every port as functions; one that is not set fails the request.
type fake struct {
	doTask     func(chatkitd.Meta, chatkitd.TaskCommand) (chatkitd.TaskResult, error)
	tasks      func(chatkitd.UserID, chatkitd.TaskFilter) (chatkitd.TaskPage, error)
	task       func(chatkitd.UserID, chatkitd.TaskID) (chatkitd.Task, error)
	watchTasks func(chatkitd.UserID, chatkitd.Position) (chatkitd.TaskWatch, error)
	startTurn  func(context.Context, chatkitd.Meta, chatkitd.TurnCommand) (chatkitd.TurnStream, error)
	doThread   func(chatkitd.Meta, chatkitd.ThreadCommand) (chatkitd.Receipt, error)
	attachTurn func(chatkitd.UserID, chatkitd.ThreadID) (chatkitd.TurnStream, error)
	threads    func(chatkitd.UserID, chatkitd.PageQuery) (chatkit.Page[chatkit.Thread], error)
	thread     func(chatkitd.UserID, chatkitd.ThreadID) (chatkit.Thread, error)
	items      func(chatkitd.UserID, chatkitd.ThreadID, chatkitd.PageQuery) (chatkit.Page[json.RawMessage], error)
	waits      func(chatkitd.Position) // told what each query is to wait for
}

func (f *fake) wait(ctx context.Context) {
	if f.waits != nil {
		f.waits(chatkitd.PositionOf(ctx))
	}
}

func (f *fake) DoTask(_ context.Context, m chatkitd.Meta, c chatkitd.TaskCommand) (chatkitd.TaskResult, error) {
	return f.doTask(m, c)
}

func (f *fake) TaskEffect(context.Context, chatkitd.UserID, string) (chatkitd.TaskResult, bool, error) {
	return chatkitd.TaskResult{}, false, nil
}

func (f *fake) Tasks(ctx context.Context, u chatkitd.UserID, q chatkitd.TaskFilter) (chatkitd.TaskPage, error) {
	f.wait(ctx)
	return f.tasks(u, q)
}

func (f *fake) Task(ctx context.Context, u chatkitd.UserID, id chatkitd.TaskID) (chatkitd.Task, error) {
	f.wait(ctx)
	return f.task(u, id)
}

func (f *fake) FindTasks(context.Context, chatkitd.UserID, string, int) ([]chatkitd.Task, error) {
	return nil, nil
}

func (f *fake) WatchTasks(ctx context.Context, u chatkitd.UserID, p chatkitd.Position) (chatkitd.TaskWatch, error) {
	f.wait(ctx)
	return f.watchTasks(u, p)
}

func (f *fake) StartTurn(ctx context.Context, m chatkitd.Meta, c chatkitd.TurnCommand) (chatkitd.TurnStream, error) {
	return f.startTurn(ctx, m, c)
}

func (f *fake) DoThread(_ context.Context, m chatkitd.Meta, c chatkitd.ThreadCommand) (chatkitd.Receipt, error) {
	return f.doThread(m, c)
}

func (f *fake) AttachTurn(_ context.Context, u chatkitd.UserID, id chatkitd.ThreadID) (chatkitd.TurnStream, error) {
	return f.attachTurn(u, id)
}

func (f *fake) Threads(ctx context.Context, u chatkitd.UserID, q chatkitd.PageQuery) (chatkit.Page[chatkit.Thread], error) {
	f.wait(ctx)
	return f.threads(u, q)
}

func (f *fake) Thread(ctx context.Context, u chatkitd.UserID, id chatkitd.ThreadID) (chatkit.Thread, error) {
	f.wait(ctx)
	return f.thread(u, id)
}

func (f *fake) Items(ctx context.Context, u chatkitd.UserID, id chatkitd.ThreadID, q chatkitd.PageQuery) (chatkit.Page[json.RawMessage], error) {
	f.wait(ctx)
	return f.items(u, id, q)
}

// turn is a chatkitd.TurnStream that a test writes.
type turn struct {
	id    chatkitd.TurnID
	epoch string

	mu      sync.Mutex
	pos     chatkitd.Position
	frames  []chatkitd.Frame
	dropped uint64 // frames that were before them
	ended   bool
	more    chan struct{}
}

func newTurn(id chatkitd.TurnID, data ...string) *turn {
	t := &turn{id: id, more: make(chan struct{})}
	t.emit(data...)
	return t
}

func (t *turn) emit(data ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, d := range data {
		t.frames = append(t.frames, chatkitd.Frame{N: t.dropped + uint64(len(t.frames)) + 1, Data: []byte(d)})
	}
	close(t.more)
	t.more = make(chan struct{})
}

// forget drops what was sent, as a bounded buffer does; the numbers go on.
func (t *turn) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.dropped += uint64(len(t.frames))
	t.frames = nil
}

func (t *turn) end() {
	t.mu.Lock()
	t.ended = true
	t.mu.Unlock()
	t.emit()
}

func (t *turn) Turn() chatkitd.TurnID { return t.id }

func (t *turn) Epoch() string { return t.epoch }

func (t *turn) Position() chatkitd.Position {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.pos
}

// reach moves the turn's position, and does not tell its readers.
func (t *turn) reach(n uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pos = chatkitd.Position{Commit: n, Prepare: n}
}

func (t *turn) After(n uint64) ([]chatkitd.Frame, bool, <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	from := max(n, t.dropped) - t.dropped
	return t.frames[from:len(t.frames):len(t.frames)], t.ended, t.more
}

// server is a running server.
type server struct {
	*chatkitdhttp.Server
	addr     string
	base     string
	registry *prometheus.Registry
	auth     *auth.Verifier
}

var secret = []byte("a secret of exactly 32 characters")

// start serves f until the test ends. change may alter the options.
func start(tb testing.TB, f *fake, change ...func(*chatkitdhttp.Options)) *server {
	tb.Helper()
	v, err := auth.New(auth.Config{Secret: secret, Development: true})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(v.Close)
	reg := prometheus.NewRegistry()
	o := chatkitdhttp.Options{
		Log: slog.New(slog.DiscardHandler), Auth: v, Tasks: f, TaskReader: f, Threads: f, ThreadReader: f,
		Registerer: reg, Gatherer: reg, RateLimit: -1,
		Page: fstest.MapFS{
			"index.html":        {Data: []byte("<!doctype html><title>chatkitd</title>")},
			"assets/app-1a2.js": {Data: []byte(strings.Repeat("console.log('hello');", 50))},
		},
	}
	for _, c := range change {
		c(&o)
	}
	s, err := chatkitdhttp.New(o)
	if err != nil {
		tb.Fatal(err)
	}
	ln, err := s.Listen(context.Background(), "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			tb.Errorf("shutdown: %v", err)
		}
		if err := <-served; err != nil {
			tb.Errorf("serve: %v", err)
		}
	})
	return &server{Server: s, addr: ln.Addr().String(), base: "http://" + ln.Addr().String(), registry: reg, auth: v}
}

func (s *server) client(tb testing.TB, user string) *apitest.Client {
	tb.Helper()
	token := ""
	if user != "" {
		token = "test-token-" + user
	}
	return apitest.New(tb, s.base, token)
}

// dial opens a bare connection.
func (s *server) dial(tb testing.TB) net.Conn {
	tb.Helper()
	c, err := new(net.Dialer).DialContext(tb.Context(), "tcp", s.addr)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		tb.Fatal(err)
	}
	return c
}

// raw sends bytes on a connection of their own and returns the answer.
func (s *server) raw(tb testing.TB, request string) *http.Response {
	tb.Helper()
	conn := s.dial(tb)
	if _, err := io.WriteString(conn, request); err != nil {
		tb.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		tb.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp
}

// metric returns the sum of a metric over all its labels that contain label.
func (s *server) metric(tb testing.TB, name, label string) float64 {
	tb.Helper()
	families, err := s.registry.Gather()
	if err != nil {
		tb.Fatal(err)
	}
	sum := 0.0
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			if label == "" || strings.Contains(m.String(), label) {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

// eventually fails the test unless ok holds within 5 s, and returns how long it
// took.
func eventually(tb testing.TB, what string, ok func() bool) time.Duration {
	tb.Helper()
	start := time.Now()
	tick := time.NewTicker(200 * time.Microsecond)
	defer tick.Stop()
	for !ok() {
		if time.Since(start) > 5*time.Second {
			tb.Fatalf("not within 5 s: %s", what)
		}
		<-tick.C
	}
	return time.Since(start)
}

// ended returns a turn that has sent data and ended.
func ended(data ...string) *turn {
	t := newTurn("trn_1", data...)
	t.end()
	return t
}

// create is the body of a threads.create.
func create(text string) map[string]any {
	return map[string]any{"type": "threads.create", "params": map[string]any{"input": input(text)}}
}

func input(text string) map[string]any {
	return map[string]any{"content": []any{map[string]any{"type": "input_text", "text": text}}, "attachments": []any{}, "inference_options": map[string]any{}}
}
