package http_test

import (
	"context"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// shortListener has no descriptor for the next few connections.
type shortListener struct {
	net.Listener
	short atomic.Int64
}

func (l *shortListener) Accept() (net.Conn, error) {
	if l.short.Add(-1) >= 0 {
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
	}
	return l.Listener.Accept()
}

// TestOutOfDescriptors opens more connections than the process may hold: the
// server must go on once there is room.
func TestOutOfDescriptors(t *testing.T) {
	s := start(t, &fake{})
	inner, err := s.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln := &shortListener{Listener: inner}
	ln.short.Store(3)
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	c := s.client(t, "alice")
	c.Base = "http://" + inner.Addr().String()
	if resp := c.Do(t, "GET", "/health/live", nil); resp.Status != http.StatusOK {
		t.Errorf("got %d %s", resp.Status, resp.Body)
	}

	ln.short.Store(1 << 30) // it lasts: a shutdown must not
	wake, err := new(net.Dialer).DialContext(t.Context(), "tcp", inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = wake.Close() }()
	eventually(t, "Accept fails", func() bool { return ln.short.Load() < 1<<30-6 })
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}
