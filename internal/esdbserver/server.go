// Package esdbserver speaks the gRPC protocol of EventStoreDB in front of any
// [events.Store]: streams, server features and gossip. It exists for tests and
// demonstrations of the EventStoreDB store without a server to install. DESIGN.md
// says where it is faithful and where it is not.
package esdbserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/gossip"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/serverfeatures"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"

	"github.com/chatkitd/chatkitd/events"
)

// maxMessage is what the real server takes in one gRPC message.
const maxMessage = 16 << 20

// Options of a server. The zero value is an insecure single node on a free port
// of the loopback address.
type Options struct {
	Addr    string            // host:port to listen on. Default "127.0.0.1:0"
	Log     *slog.Logger      // nil drops
	TLS     *tls.Config       // nil is plain text
	Users   map[string]string // name to password; nil lets everybody in
	Version string            // told to clients. Default "24.10.6"
	Streams uint32            // concurrent calls of one connection. Default 100, as the real server
	Members func() []Member   // told by Gossip; nil is this server alone
}

// Member is a node of a cluster, as Gossip tells of it.
type Member struct {
	Host  string
	Port  uint16
	State gossip.MemberInfo_VNodeState
	Dead  bool
}

// Server is one node. Make it with [New]; it serves between Start and Stop, as
// often as one likes.
type Server struct {
	streams.UnimplementedStreamsServer
	serverfeatures.UnimplementedServerFeaturesServer

	engine events.Store
	o      Options
	log    *slog.Logger

	removing sync.Mutex // a deletion and its system event are one step

	mu       sync.Mutex
	addr     string // kept over a restart
	grpc     *grpc.Server
	listener *listener
	leader   string // host:port of the leader when it is another node
	fault    Fault
	calls    map[string]int
	serving  sync.WaitGroup
}

// New returns a server in front of engine, which stays the caller's to close. It
// writes a few system events first, as a new database has them.
func New(ctx context.Context, engine events.Store, o Options) (*Server, error) {
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Version == "" {
		o.Version = "24.10.6"
	}
	if o.Streams == 0 {
		o.Streams = 100
	}
	s := &Server{engine: engine, o: o, log: o.Log, addr: o.Addr, calls: map[string]int{}}
	if err := s.bootstrap(ctx); err != nil {
		return nil, fmt.Errorf("write the system events of a new database: %w", err)
	}
	return s, nil
}

// Start listens and serves until Stop. A second Start after a Stop listens on the
// same port.
func (s *Server) Start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.grpc != nil {
		return errors.New("esdbserver: it is serving already")
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.addr)
	if err != nil {
		return err
	}
	s.addr = ln.Addr().String()
	s.listener = &listener{Listener: ln, conns: map[*conn]struct{}{}}
	s.grpc = grpc.NewServer(s.serverOptions()...)
	streams.RegisterStreamsServer(s.grpc, s)
	serverfeatures.RegisterServerFeaturesServer(s.grpc, s)
	gossip.RegisterGossipServer(s.grpc, gossipServer{s: s})
	server, tracked := s.grpc, s.listener
	s.serving.Go(func() {
		if err := server.Serve(tracked); err != nil {
			s.log.Error("the wire server cannot serve", "error", err)
		}
	})
	return nil
}

func (s *Server) serverOptions() []grpc.ServerOption {
	opts := []grpc.ServerOption{
		grpc.MaxConcurrentStreams(s.o.Streams),
		grpc.MaxRecvMsgSize(maxMessage),
		grpc.WaitForHandlers(true),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
		grpc.UnaryInterceptor(s.interceptUnary),
		grpc.StreamInterceptor(s.interceptStream),
	}
	if s.o.TLS != nil {
		opts = append(opts, grpc.Creds(credentials.NewTLS(s.o.TLS)))
	}
	return opts
}

// Stop ends all connections at once, as a kill does, and waits for the calls that
// were carried out.
func (s *Server) Stop() {
	s.mu.Lock()
	server := s.grpc
	s.grpc, s.listener = nil, nil
	s.mu.Unlock()
	if server != nil {
		server.Stop()
	}
	s.serving.Wait()
}

// Addr returns host:port.
func (s *Server) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addr
}

// URL returns a connection string of this node.
func (s *Server) URL() string {
	return "esdb://" + s.Addr() + "?tls=" + strconv.FormatBool(s.o.TLS != nil)
}
