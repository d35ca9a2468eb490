package esdbserver

import (
	"context"
	"net"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Fault makes calls fail. A method is named "Streams/Append", "Gossip/Read". Both
// functions may block: the call then hangs until its context ends.
type Fault struct {
	// Before is asked before a call is carried out; its error is the answer.
	Before func(ctx context.Context, method string) error
	// After is asked before each message of an answer, when a change has taken
	// effect already; its error takes the message's place.
	After func(ctx context.Context, method string) error
}

// Hang is a Before or an After that never answers.
func Hang(ctx context.Context, _ string) error {
	<-ctx.Done()
	return status.FromContextError(ctx.Err()).Err()
}

// SetFault makes calls fail from now on; the zero Fault ends that.
func (s *Server) SetFault(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// SetLeader makes this node a follower of another at host:port, or with "" the
// leader. A follower refuses calls that require a leader and names it.
func (s *Server) SetLeader(addr string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leader = addr
}

// DropConnections closes every connection there is. New ones are taken.
func (s *Server) DropConnections() {
	s.mu.Lock()
	l := s.listener
	s.mu.Unlock()
	if l != nil {
		l.drop()
	}
}

// Connections returns how many there are.
func (s *Server) Connections() int {
	s.mu.Lock()
	l := s.listener
	s.mu.Unlock()
	if l == nil {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.conns)
}

// Calls returns how often a method was called since New.
func (s *Server) Calls(method string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[method]
}

// enter counts a call and answers those that this node does not carry out.
func (s *Server) enter(ctx context.Context, method string) (Fault, error) {
	s.mu.Lock()
	s.calls[method]++
	fault, leader := s.fault, s.leader
	s.mu.Unlock()
	if fault.Before != nil {
		if err := fault.Before(ctx, method); err != nil {
			return fault, err
		}
	}
	md, _ := metadata.FromIncomingContext(ctx)
	if err := s.authenticate(ctx, method, md); err != nil {
		return fault, err
	}
	if leader != "" && strings.EqualFold(first(md, "requires-leader"), "true") {
		host, port, err := net.SplitHostPort(leader)
		if err != nil {
			return fault, err
		}
		return fault, failure(ctx, codes.NotFound, "not-leader", "Leader info available.",
			"leader-endpoint-host", host, "leader-endpoint-port", port)
	}
	return fault, nil
}

func (s *Server) interceptUnary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	method := methodName(info.FullMethod)
	fault, err := s.enter(ctx, method)
	if err != nil {
		return nil, err
	}
	resp, err := handler(ctx, req)
	if fault.After != nil {
		if err := fault.After(ctx, method); err != nil {
			return nil, err
		}
	}
	return resp, err
}

func (s *Server) interceptStream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	method := methodName(info.FullMethod)
	fault, err := s.enter(ss.Context(), method)
	if err != nil {
		return err
	}
	return handler(srv, &faultyStream{ServerStream: ss, method: method, after: fault.After})
}

// faultyStream asks the fault before each message that it sends.
type faultyStream struct {
	grpc.ServerStream
	method string
	after  func(ctx context.Context, method string) error
}

// SendMsg implements [grpc.ServerStream].
func (f *faultyStream) SendMsg(m any) error {
	if f.after != nil {
		if err := f.after(f.Context(), f.method); err != nil {
			return err
		}
	}
	return f.ServerStream.SendMsg(m)
}

// methodName turns "/event_store.client.streams.Streams/Append" into
// "Streams/Append".
func methodName(full string) string {
	return full[strings.LastIndexByte(full[:strings.LastIndexByte(full, '/')], '.')+1:]
}

func first(md metadata.MD, key string) string {
	if v := md.Get(key); len(v) > 0 {
		return v[0]
	}
	return ""
}

// listener knows its connections.
type listener struct {
	net.Listener
	mu    sync.Mutex
	conns map[*conn]struct{}
}

// Accept implements [net.Listener].
func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	t := &conn{Conn: c, l: l}
	l.conns[t] = struct{}{}
	return t, nil
}

func (l *listener) drop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		_ = c.Conn.Close() // whatever it says, it is closed
	}
}

type conn struct {
	net.Conn
	l *listener
}

// Close implements [net.Conn].
func (c *conn) Close() error {
	c.l.mu.Lock()
	delete(c.l.conns, c)
	c.l.mu.Unlock()
	return c.Conn.Close()
}
