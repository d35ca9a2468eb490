// Command disconnect measures how long the server takes to notice that the reader
// of an idle stream is gone: from the client's close, or reset, to the moment the
// stream has let go of what it held. Beside it stands a plain net/http server
// whose handler waits for the end of its request's context; rounds alternate.
//
//	go run ./bench/disconnect
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/bench/internal/rig"
	chatkitdhttp "github.com/chatkitd/chatkitd/http"
	"github.com/chatkitd/chatkitd/http/auth"
)

func main() {
	var o options
	flag.IntVar(&o.times, "times", 500, "how often a client leaves each server in each way")
	flag.IntVar(&o.others, "others", 1000, "other idle streams that stay")
	os.Exit(rig.Main("disconnect", o.run))
}

type options struct{ times, others int }

func (o *options) run(ctx context.Context, b *rig.Bench) (err error) {
	ours, err := newOurs(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ours.stop()) }()
	plain, err := newPlain(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, plain.stop()) }()
	servers := []*server{ours, plain}
	for _, s := range servers {
		for i := range o.others {
			conn, err := s.open(ctx, fmt.Sprint("other", i))
			if err != nil {
				return err
			}
			defer func() { _ = conn.Close() }()
		}
	}
	for range o.times {
		for _, s := range servers {
			if err := s.leave(ctx, false, &s.closed); err != nil {
				return err
			}
			if err := s.leave(ctx, true, &s.reset); err != nil {
				return err
			}
		}
	}
	b.Row("disconnect noticed: close p50 %s p99 %s at most %s (goal 5ms), reset p50 %s p99 %s at most %s; net/http close p50 %s p99 %s, reset p50 %s p99 %s; %d each, %d other streams open",
		ours.closed.At(.5), ours.closed.At(.99), ours.closed.At(1), ours.reset.At(.5), ours.reset.At(.99), ours.reset.At(1),
		plain.closed.At(.5), plain.closed.At(.99), plain.reset.At(.5), plain.reset.At(.99), o.times, o.others)
	return nil
}

// server is one that streams, and what was measured of it.
type server struct {
	addr          string
	noticed       chan time.Time // a stream has ended
	stop          func() error
	closed, reset rig.Times
}

// open opens a stream and returns when it has begun.
func (s *server) open(ctx context.Context, user string) (*net.TCPConn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", s.addr)
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return nil, err
	}
	_, err = fmt.Fprintf(conn, "GET /api/v1/tasks HTTP/1.1\r\nHost: bench\r\nAccept: text/event-stream\r\nAuthorization: Bearer test-token-%s\r\n\r\n", user)
	if err != nil {
		return nil, err
	}
	for lines := bufio.NewReader(conn); ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(line, "data: ") {
			return conn.(*net.TCPConn), nil
		}
	}
}

// leave opens a stream, ends it, and waits until that was noticed.
func (s *server) leave(ctx context.Context, reset bool, took *rig.Times) error {
	conn, err := s.open(ctx, "leaver")
	if err != nil {
		return err
	}
	if reset {
		if err := conn.SetLinger(0); err != nil {
			return err
		}
	}
	began := time.Now()
	if err := conn.Close(); err != nil {
		return err
	}
	select {
	case at := <-s.noticed:
		took.Add(at.Sub(began))
		return nil
	case <-time.After(10 * time.Second):
		return errors.New("a client that left was not noticed within 10 s")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// room is for the ends of all streams at a stop.
const room = 1 << 16

// newOurs starts the program's own server; of what is behind it only the live
// list of tasks is there, which has nothing to tell.
func newOurs(ctx context.Context) (*server, error) {
	verifier, err := auth.New(auth.Config{Secret: []byte(strings.Repeat("bench", 10)), Development: true}) //nolint:contextcheck // it lives until Close
	if err != nil {
		return nil, err
	}
	s := &server{noticed: make(chan time.Time, room)}
	srv, err := chatkitdhttp.New(chatkitdhttp.Options{ //nolint:contextcheck // it lives until Shutdown
		Auth: verifier, Tasks: struct{ chatkitd.Tasks }{}, TaskReader: quiet{gone: s.noticed},
		Threads: struct{ chatkitd.Threads }{}, ThreadReader: struct{ chatkitd.ThreadReader }{},
		Development: true, RateLimit: -1,
	})
	if err != nil {
		return nil, err
	}
	ln, err := srv.Listen(ctx, "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.addr = ln.Addr().String()
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	s.stop = func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		srv.Drain()
		err := errors.Join(srv.Shutdown(ctx), <-served)
		verifier.Close()
		return err
	}
	return s, nil
}

// quiet is a list of tasks that is empty and stays so.
type quiet struct {
	chatkitd.TaskReader
	gone chan<- time.Time
}

// Tasks implements [chatkitd.TaskReader].
func (quiet) Tasks(context.Context, chatkitd.UserID, chatkitd.TaskFilter) (chatkitd.TaskPage, error) {
	return chatkitd.TaskPage{}, nil
}

// WatchTasks implements [chatkitd.TaskReader].
func (q quiet) WatchTasks(context.Context, chatkitd.UserID, chatkitd.Position) (chatkitd.TaskWatch, error) {
	return chatkitd.TaskWatch{Changes: make(chan chatkitd.TaskChange), Stop: func() { q.gone <- time.Now() }}, nil
}

// newPlain starts the peer.
func newPlain(ctx context.Context) (*server, error) {
	s := &server{noticed: make(chan time.Time, room)}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.addr = ln.Addr().String()
	srv := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "data: {}\n\n")
		if http.NewResponseController(w).Flush() == nil {
			<-r.Context().Done()
		}
		s.noticed <- time.Now()
	})}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	s.stop = func() error {
		err := srv.Close()
		if e := <-served; !errors.Is(e, http.ErrServerClosed) {
			err = errors.Join(err, e)
		}
		return err
	}
	return s, nil
}
