package http_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/http/apitest"
)

// readers opens n streams of a turn and reads the first event of each.
func readers(t *testing.T, c *apitest.Client, n int) []*apitest.Stream {
	t.Helper()
	streams := make([]*apitest.Stream, n)
	for i := range streams {
		streams[i] = c.Stream(t, "GET", streamPath, nil)
		streams[i].Event(t)
	}
	return streams
}

// TestShutdownEndsStreams has turns that do not end with the server: another
// process runs them.
func TestShutdownEndsStreams(t *testing.T) {
	defer goleak.VerifyNone(t, append(leakOptions, goleak.IgnoreCurrent())...)
	tn := newTurn("trn_1", "first")
	s := start(t, attachTo(tn))
	c := s.client(t, "alice")
	streams := readers(t, c, 20)
	silent := s.dial(t) // as a browser connects ahead
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("took %s", took)
	}
	for i, st := range streams {
		if ev, err := st.Next(); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("stream %d: %+v, %v; want it cut off", i, ev, err)
		}
	}
	if got := s.metric(t, "chatkitd_http_streams_total", "shutdown"); got != 20 {
		t.Errorf("%v streams ended by the shutdown, want 20", got)
	}
	if got := s.metric(t, "chatkitd_http_open_streams", ""); got != 0 {
		t.Errorf("%v streams are open", got)
	}
	_ = silent.Close()
	c.HTTP.CloseIdleConnections()
}

// TestShutdownSendsTheEnd has turns that end, as they all do when the server stops,
// while their readers are behind.
func TestShutdownSendsTheEnd(t *testing.T) {
	tn := newTurn("trn_1", "first")
	s := start(t, attachTo(tn))
	c := s.client(t, "alice")
	streams := readers(t, c, 20)
	for range 500 {
		tn.emit(strings.Repeat("x", 1000))
	}
	tn.emit("the end")
	tn.end()
	down := make(chan error, 1)
	go func() { down <- s.Shutdown(t.Context()) }()
	for i, st := range streams {
		rest := st.All(t)
		if len(rest) != 501 || rest[500].Data != "the end" {
			t.Errorf("stream %d ended after %d events, want 501", i, len(rest))
		}
	}
	if err := <-down; err != nil {
		t.Fatal(err)
	}
	if got := s.metric(t, "chatkitd_http_streams_total", "complete"); got != 20 {
		t.Errorf("%v streams are complete, want 20", got)
	}
	c.HTTP.CloseIdleConnections()
}

// TestShutdownGivesUp has a request that only ends when it is told to.
func TestShutdownGivesUp(t *testing.T) {
	entered, left := make(chan struct{}), make(chan error, 1)
	s := start(t, &fake{startTurn: func(ctx context.Context, _ chatkitd.Meta, _ chatkitd.TurnCommand) (chatkitd.TurnStream, error) {
		close(entered)
		<-ctx.Done()
		left <- ctx.Err()
		return nil, ctx.Err()
	}})
	c := s.client(t, "alice")
	answered := make(chan int, 1)
	go func() {
		resp, err := c.Try(context.Background(), "POST", "/api/v1/chatkit", create("hi"))
		if err != nil {
			answered <- 0
			return
		}
		answered <- resp.Status
	}()
	<-entered
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("the request ended with %v", err)
	}
	if got := <-answered; got != 499 {
		t.Errorf("the client got %d", got)
	}
	eventually(t, "the connection is closed", func() bool { return s.metric(t, "chatkitd_http_connections", "") == 0 })
}
