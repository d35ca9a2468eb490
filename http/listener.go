package http

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/chatkitd/chatkitd"
)

// The limits of taking leave of a client that still sends: see [conn.Close].
const (
	lingerTotal = 10 * time.Second
	lingerIdle  = time.Second
)

// deadPeer is how long a peer may leave data unacknowledged before the kernel
// ends the connection (TCP_USER_TIMEOUT). Without it a peer that vanished
// without a word holds its stream for some 15 minutes.
const deadPeer = 30 * time.Second

// listener bounds the connections and gives each its deadlines.
type listener struct {
	net.Listener
	opts    Options
	metrics *metrics
	open    atomic.Int64

	closed    chan struct{}
	closeOnce sync.Once

	refusing  chan struct{} // a place for each connection being refused
	lingering sync.WaitGroup

	mu    sync.Mutex
	conns map[*conn]struct{} // open, or lingering
	ended bool
}

func newListener(ln net.Listener, o Options, m *metrics) *listener {
	return &listener{Listener: ln, opts: o, metrics: m, closed: make(chan struct{}), refusing: make(chan struct{}, maxRefusing), conns: make(map[*conn]struct{})}
}

// Accept implements [net.Listener]. Over MaxConns a connection is told so and
// closed. Without a descriptor or memory for another connection it tries again:
// an error would end the server.
func (l *listener) Accept() (net.Conn, error) {
	for wait := minAcceptWait; ; {
		nc, err := l.Listener.Accept()
		if shortage(err) {
			l.opts.Log.Warn("connection not accepted, trying again", "error", err, "wait", wait)
			select {
			case <-time.After(wait):
			case <-l.closed:
				return nil, net.ErrClosed
			}
			wait = min(2*wait, maxAcceptWait)
			continue
		}
		if err != nil {
			return nil, err
		}
		wait = minAcceptWait
		setUserTimeout(nc, deadPeer)
		if l.open.Load() >= int64(l.opts.MaxConns) {
			l.refuse(nc)
			continue
		}
		c := &conn{Conn: nc, l: l, writeTimeout: l.opts.WriteTimeout}
		// fasthttp sets none before the first byte of a connection.
		if err := nc.SetReadDeadline(time.Now().Add(l.opts.ReadTimeout)); err != nil || !l.add(c) {
			_ = nc.Close()
			continue
		}
		l.open.Add(1)
		l.metrics.connections.Inc()
		return c, nil
	}
}

// How long Accept waits when the process or the machine is short of something:
// at first, and at most.
const (
	minAcceptWait = 5 * time.Millisecond
	maxAcceptWait = time.Second
)

// shortage reports whether err says that there is no room for a connection now.
func shortage(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// Close implements [net.Listener].
func (l *listener) Close() error {
	l.closeOnce.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// maxRefusing is how many refused connections are told so at a time. Others are
// closed without a word.
const maxRefusing = 64

// refuse answers a connection that is one too many. It does not keep Accept
// waiting: leaving takes a client's time, see [conn.Close].
func (l *listener) refuse(nc net.Conn) {
	l.metrics.refused.Inc()
	c := &conn{Conn: nc, l: l}
	select {
	case l.refusing <- struct{}{}:
	default:
		_ = nc.Close()
		return
	}
	if !l.startLinger(c) {
		<-l.refusing
		_ = nc.Close()
		return
	}
	go func() {
		defer func() { <-l.refusing }()
		defer l.endLinger(c)
		// An answer before the request would be none to most clients.
		var b [1]byte
		_ = nc.SetDeadline(time.Now().Add(lingerIdle))
		if _, err := nc.Read(b[:]); err != nil {
			_ = nc.Close()
			return
		}
		_, _ = io.WriteString(nc, "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\nConnection: close\r\n\r\n"+
			`{"error":{"code":"unavailable","message":"as many connections are open as may be","request_id":"`+chatkitd.NewID(chatkitd.PrefixRequest)+`"}}`)
		_ = c.leave()
	}()
}

// add notes an open connection. It reports false once the listener is closing.
func (l *listener) add(c *conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return false
	}
	l.conns[c] = struct{}{}
	return true
}

func (l *listener) remove(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
}

// closeIdle closes the connections that no request is being answered on, also
// those that sent half of one, and lets none linger any more. The server must be
// draining: a request that begins all the same is refused and has no effect.
func (l *listener) closeIdle() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	for c := range l.conns {
		if !c.busy.Load() {
			_ = c.Conn.Close()
		}
	}
}

// wait waits for the connections that lingered when closeIdle was called.
func (l *listener) wait() { l.lingering.Wait() }

// startLinger notes that c is about to linger, unless the listener is closing.
func (l *listener) startLinger(c *conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return false
	}
	c.busy.Store(false)
	l.conns[c] = struct{}{}
	l.lingering.Add(1)
	return true
}

func (l *listener) endLinger(c *conn) {
	l.remove(c)
	l.lingering.Done()
}

// conn is one connection. fasthttp uses it from one goroutine at a time.
type conn struct {
	net.Conn
	l            *listener
	writeTimeout time.Duration
	linger       bool        // answered before everything was read
	busy         atomic.Bool // a request is being answered; see [Server.markBusy]
	closed       atomic.Bool
}

// Read implements [net.Conn]. Whoever reads has answered the request before.
func (c *conn) Read(b []byte) (int, error) {
	c.busy.Store(false)
	return c.Conn.Read(b)
}

// Write implements [net.Conn]. Each write has a deadline of its own, so that a
// client that does not read is cut off while a stream may last for hours.
func (c *conn) Write(b []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.writeTimeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

// SyscallConn implements [syscall.Conn] for the watcher of the socket.
func (c *conn) SyscallConn() (syscall.RawConn, error) {
	sc, ok := c.Conn.(syscall.Conn)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	return sc.SyscallConn()
}

// Close implements [net.Conn]. A connection that was answered in the middle of
// a body lingers: closing it at once would make the kernel send a reset, and
// most clients would never see the answer.
func (c *conn) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	c.l.open.Add(-1)
	c.l.metrics.connections.Dec()
	c.l.remove(c)
	if !c.linger || !c.l.startLinger(c) {
		return c.Conn.Close()
	}
	defer c.l.endLinger(c)
	return c.leave()
}

// leave closes the connection once the client has seen what was written.
func (c *conn) leave() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		c.discard()
	}
	return c.Conn.Close()
}

// discard reads until the client closes, pauses or has had its time.
func (c *conn) discard() {
	end := time.Now().Add(lingerTotal)
	var b [4096]byte
	for {
		next := time.Now().Add(lingerIdle)
		if next.After(end) {
			next = end
		}
		if err := c.SetReadDeadline(next); err != nil {
			return
		}
		if _, err := c.Conn.Read(b[:]); err != nil {
			return
		}
	}
}
