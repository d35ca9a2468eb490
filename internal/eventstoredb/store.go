// Package eventstoredb is the [events.Store] on EventStoreDB and KurrentDB, over
// gRPC. It uses the messages of the official client and none of its machinery;
// DESIGN.md and docs/adr/0010-eventstoredb-client.md say why.
package eventstoredb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

// Options of a store. URL is needed, the rest has defaults.
type Options struct {
	URL        string                // esdb://… or esdb+discover://…
	Prefixes   []string              // of the streams that there are for this store; none is all but system streams
	Log        *slog.Logger          // nil drops
	Registerer prometheus.Registerer // nil is no metrics
	Calls      int                   // appends that may be under way; more are refused. Default 8192
	CallBytes  int64                 // bytes of appends that may be under way; more are refused. Default 64 MiB
	// InsecureCredentials lets user and password go over tls=false, where everybody
	// on the way reads them. Without it such a connection string is refused.
	InsecureCredentials bool
}

// The bounds of a call.
const (
	// attemptTimeout is longer than the 2 s after which the server itself gives an
	// append up.
	attemptTimeout = 5 * time.Second
	// closeGrace is how long Close waits for appends that are under way.
	closeGrace = 2 * time.Second
	// The pause between two attempts grows between these.
	minPause = 10 * time.Millisecond
	maxPause = time.Second
)

// Store is the log in EventStoreDB. Make it with [New].
type Store struct {
	o       Options
	set     settings
	log     *slog.Logger
	metrics *metrics
	cluster *cluster
	outage  outage

	life context.Context // ends what is still under way at the end of Close
	kill context.CancelFunc

	mu      sync.Mutex
	shut    bool
	subs    map[*subscription]struct{}
	calls   sync.WaitGroup // begun before shut
	taken   int            // appends under way
	bytes   int64          // of them
	closing chan struct{}  // closed at the begin of Close
	closed  chan struct{}  // closed at the end of Close
	err     error          // of Close
}

var _ events.Store = (*Store)(nil)

// New returns a store. It connects at the first call, so that a server that is
// down is an outage and no error; an error is a connection string or certificate
// that cannot work.
func New(o Options) (*Store, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Calls == 0 {
		o.Calls = 8192
	}
	if o.CallBytes == 0 {
		o.CallBytes = 64 << 20
	}
	set, err := parse(o.URL)
	if err != nil {
		return nil, err
	}
	if set.user != "" && !set.tls && !o.InsecureCredentials {
		return nil, errors.New("the connection string of EventStoreDB: with tls=false the user and password would be readable on the way; " +
			"a server without TLS asks for none, so leave them out")
	}
	secure, err := set.tlsConfig()
	if err != nil {
		return nil, fmt.Errorf("the connection string of EventStoreDB: %w", err)
	}
	m, err := newMetrics(o.Registerer)
	if err != nil {
		return nil, err
	}
	s := &Store{
		o: o, set: set, log: o.Log, metrics: m,
		cluster: newCluster(set, newDialer(set, secure), o.Log, m.searched),
		subs:    map[*subscription]struct{}{},
		closing: make(chan struct{}), closed: make(chan struct{}),
	}
	s.life, s.kill = context.WithCancel(context.Background())
	return s, nil
}

// Servers returns the hosts of the connection string, for people: without user and
// password.
func (s *Store) Servers() string { return strings.Join(s.set.seeds, ",") }

// Weakness says what is wrong with the connection for a network that others use,
// "" for nothing.
func (s *Store) Weakness() string {
	switch {
	case !s.set.tls:
		return "it is plain text: whoever is on the way reads and changes events"
	case !s.set.verify:
		return "the server's certificate is not verified: whoever is on the way can be the server"
	}
	return ""
}

// Head implements [events.Store].
func (s *Store) Head(ctx context.Context) (chatkitd.Position, error) {
	for rec, err := range s.ReadAll(ctx, events.AllRead{Backwards: true, Limit: 1}) {
		return rec.Position, err
	}
	return chatkitd.Position{}, nil
}

// Ready returns nil when a leader answers.
func (s *Store) Ready(ctx context.Context) error {
	_, err := s.Head(ctx)
	return err
}

// Close implements [events.Store]. An append that is under way has 2 s to end. It
// may be called more than once.
func (s *Store) Close() error {
	s.mu.Lock()
	first := !s.shut
	subs := make([]*subscription, 0, len(s.subs))
	if first {
		s.shut = true
		close(s.closing)
		for sub := range s.subs {
			subs = append(subs, sub)
		}
	}
	s.mu.Unlock()
	if !first {
		<-s.closed
		return s.err
	}
	grace := time.AfterFunc(closeGrace, s.kill)
	defer grace.Stop()
	for _, sub := range subs {
		sub.cancel()
	}
	for _, sub := range subs {
		<-sub.ended
	}
	s.calls.Wait()
	s.kill()
	s.err = s.cluster.close()
	s.metrics.unregister()
	close(s.closed)
	return s.err
}
