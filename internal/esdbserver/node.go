package esdbserver

import (
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/gossip"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/serverfeatures"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// GetSupportedMethods implements the rpc.
func (s *Server) GetSupportedMethods(context.Context, *shared.Empty) (*serverfeatures.SupportedMethods, error) {
	methods := make([]*serverfeatures.SupportedMethod, 0, 4)
	for _, name := range []string{"read", "append", "delete", "tombstone"} {
		methods = append(methods, &serverfeatures.SupportedMethod{ServiceName: "event_store.client.streams.streams", MethodName: name})
	}
	return &serverfeatures.SupportedMethods{Methods: methods, EventStoreServerVersion: s.o.Version}, nil
}

// gossipServer is apart since Gossip and Streams both have an rpc Read.
type gossipServer struct {
	gossip.UnimplementedGossipServer
	s *Server
}

// Read implements the rpc.
func (g gossipServer) Read(context.Context, *shared.Empty) (*gossip.ClusterInfo, error) {
	members, err := g.s.members()
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	info := &gossip.ClusterInfo{}
	for _, m := range members {
		info.Members = append(info.Members, &gossip.MemberInfo{
			State: m.State, IsAlive: !m.Dead, TimeStamp: time.Now().UnixNano() / 100,
			HttpEndPoint: &gossip.EndPoint{Address: m.Host, Port: uint32(m.Port)},
		})
	}
	return info, nil
}

func (s *Server) members() ([]Member, error) {
	if s.o.Members != nil {
		return s.o.Members(), nil
	}
	m, err := s.Self()
	return []Member{m}, err
}

// Self returns this node as Gossip tells of it.
func (s *Server) Self() (Member, error) {
	s.mu.Lock()
	addr, leader := s.addr, s.leader
	s.mu.Unlock()
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		return Member{}, err
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return Member{}, fmt.Errorf("the port of %s: %w", addr, err)
	}
	m := Member{Host: host, Port: uint16(port), State: gossip.MemberInfo_Leader}
	if leader != "" {
		m.State = gossip.MemberInfo_Follower
	}
	return m, nil
}

// authenticate lets a caller in, by Basic authorization when there are users. As
// on the real server, gossip and features are open.
func (s *Server) authenticate(ctx context.Context, method string, md metadata.MD) error {
	if s.o.Users == nil || !strings.HasPrefix(method, "Streams/") {
		return nil
	}
	header := first(md, "authorization")
	if header == "" {
		return failure(ctx, codes.PermissionDenied, "access-denied", "Access Denied")
	}
	kind, encoded, _ := strings.Cut(header, " ")
	if !strings.EqualFold(kind, "Basic") {
		return failure(ctx, codes.Unauthenticated, "not-authenticated", "Not Authenticated")
	}
	plain, err := base64.StdEncoding.DecodeString(encoded)
	name, password, _ := strings.Cut(string(plain), ":")
	if want, ok := s.o.Users[name]; err != nil || !ok || want != password {
		return failure(ctx, codes.Unauthenticated, "not-authenticated", "Not Authenticated")
	}
	return nil
}
