package http

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// setUserTimeout sets TCP_USER_TIMEOUT. It must be set on the accepted socket:
// Go listens with MPTCP, whose plain-TCP children do not inherit it.
func setUserTimeout(c net.Conn, d time.Duration) {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return
	}
	// A connection without it still has the heartbeat: an error changes little.
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(d.Milliseconds()))
	})
}

// watch calls gone when the peer of c closes or resets the connection, within a
// millisecond and without consuming what it sends. stop ends the watch and
// waits for it; it leaves a read deadline behind that has passed.
//
// Not noticed are a peer that vanishes without a word (TCP_USER_TIMEOUT is for
// that) and one that has sent its next request already.
func watch(c net.Conn, gone func()) (stop func()) {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return func() {}
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return func() {}
	}
	if c.SetReadDeadline(time.Time{}) != nil { // else ReadTimeout would look like a peer that left
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		left := false
		var b [1]byte
		// The function runs whenever the socket may have become readable.
		err := raw.Read(func(fd uintptr) bool {
			n, _, err := unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
			if err == unix.EAGAIN || err == unix.EINTR {
				return false
			}
			left = err != nil || n == 0 // a browser that stops often resets instead of closing
			return true
		})
		if err == nil && left {
			gone()
		}
	}()
	return func() {
		_ = c.SetReadDeadline(time.Unix(1, 0))
		<-done
	}
}
