package eventstoredb

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	"github.com/chatkitd/chatkitd/events"
)

const (
	// maxMessage is a little more than the largest event of any server.
	maxMessage = 17 << 20
	// The windows bound what a slow reader has waiting in memory, and are fixed so
	// that gRPC does not let them grow.
	streamWindow     = 1 << 20
	connectionWindow = 8 << 20
	// longPerConnection is half of the 100 calls that the server lets one connection
	// have open at a time.
	longPerConnection = 50
)

// dialer makes connections, which connect when they are first used.
type dialer struct {
	options []grpc.DialOption
}

func newDialer(s settings, secure *tls.Config) dialer {
	transport := insecure.NewCredentials()
	if secure != nil {
		transport = credentials.NewTLS(secure)
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)),
		grpc.WithInitialWindowSize(streamWindow),
		grpc.WithInitialConnWindowSize(connectionWindow),
		grpc.WithDisableServiceConfig(),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
			MinConnectTimeout: s.gossipTimeout,
		}),
	}
	if s.keepAliveInterval > 0 {
		options = append(options, grpc.WithKeepaliveParams(keepalive.ClientParameters{
			Time: s.keepAliveInterval, Timeout: s.keepAliveTimeout, PermitWithoutStream: true,
		}))
	}
	if s.user != "" {
		options = append(options, grpc.WithPerRPCCredentials(basic{user: s.user, password: s.password, secure: secure != nil}))
	}
	return dialer{options}
}

func (d dialer) dial(addr string) (*grpc.ClientConn, error) {
	return grpc.NewClient(addr, d.options...)
}

// basic is the user and password of every call.
type basic struct {
	user, password string
	secure         bool
}

// GetRequestMetadata implements [credentials.PerRPCCredentials].
func (b basic) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{
		"authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte(b.user+":"+b.password)),
	}, nil
}

// RequireTransportSecurity implements [credentials.PerRPCCredentials].
func (b basic) RequireTransportSecurity() bool { return b.secure }

// node is a server and the connections to it. Appends, reads and subscriptions
// have connections of their own, so that none takes another's share of the calls
// that the server lets a connection have open.
type node struct {
	addr   string
	dialer dialer

	mu     sync.Mutex
	closed bool
	writes *grpc.ClientConn
	reads  *grpc.ClientConn
	long   []*longConn
}

// longConn is a connection of subscriptions.
type longConn struct {
	*grpc.ClientConn
	used int
}

// forWrites returns the connection of appends and deletions.
func (n *node) forWrites() (*grpc.ClientConn, error) { return n.conn(&n.writes) }

// forReads returns the connection of reads, gossip and features.
func (n *node) forReads() (*grpc.ClientConn, error) { return n.conn(&n.reads) }

func (n *node) conn(c **grpc.ClientConn) (*grpc.ClientConn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil, events.ErrClosed
	}
	if *c == nil {
		made, err := n.dialer.dial(n.addr)
		if err != nil {
			return nil, err
		}
		*c = made
	}
	return *c, nil
}

// forSubscription returns a connection that has room for one more. Give it back
// with release.
func (n *node) forSubscription() (*longConn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil, events.ErrClosed
	}
	for _, l := range n.long {
		if l.used < longPerConnection {
			l.used++
			return l, nil
		}
	}
	made, err := n.dialer.dial(n.addr)
	if err != nil {
		return nil, err
	}
	l := &longConn{ClientConn: made, used: 1}
	n.long = append(n.long, l)
	return l, nil
}

// release gives a subscription's connection back and closes one that nobody uses.
func (n *node) release(l *longConn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if l.used--; l.used > 0 {
		return
	}
	n.long = slices.DeleteFunc(n.long, func(o *longConn) bool { return o == l })
	_ = l.Close() // it fails only when it is closed already
}

// idle reports whether no subscription uses the node.
func (n *node) idle() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.long) == 0
}

func (n *node) close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = true
	var errs []error
	for _, c := range []*grpc.ClientConn{n.writes, n.reads} {
		if c != nil {
			errs = append(errs, c.Close())
		}
	}
	for _, l := range n.long {
		errs = append(errs, l.Close())
	}
	n.long = nil
	return errors.Join(errs...)
}
