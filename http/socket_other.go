//go:build !linux

package http

import (
	"net"
	"time"
)

// setUserTimeout does nothing here: keep-alive and the heartbeat notice a dead
// peer, in minutes.
func setUserTimeout(net.Conn, time.Duration) {}

// watch does nothing here: a failing heartbeat tells that a client is gone.
func watch(net.Conn, func()) (stop func()) { return func() {} }
