// Command streams measures what an open idle stream costs the server in memory.
// It opens live lists of tasks, one for each user, from this process, keeps them
// until each has had two heartbeats, and counts those that did.
//
//	go run ./bench/streams
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chatkitd/chatkitd/bench/internal/rig"
)

func main() {
	var o options
	flag.IntVar(&o.streams, "streams", 10_000, "streams; the limit of open files must allow some more")
	flag.IntVar(&o.beats, "beats", 2, "heartbeats of each to wait for")
	os.Exit(rig.Main("streams", o.run))
}

type options struct{ streams, beats int }

func (o *options) run(ctx context.Context, b *rig.Bench) error {
	p, err := b.Start(ctx, filepath.Join(b.Dir, "data"), "--agent=offline")
	if err != nil {
		return err
	}
	defer p.Stop()
	if err := p.Ready(ctx); err != nil {
		return err
	}
	before, err := p.Usage(ctx)
	if err != nil {
		return err
	}
	h := &held{addr: strings.TrimPrefix(p.URL, "http://"), conns: make([]*client, o.streams)}
	defer h.close()
	const dialers = 32
	wall, err := rig.Clients(ctx, dialers, rig.Count((o.streams+dialers-1)/dialers), func(ctx context.Context, c, i int) error {
		if n := i*dialers + c; n < o.streams {
			return h.open(ctx, n)
		}
		return nil
	})
	if err != nil {
		return err
	}
	opened, err := p.Usage(ctx)
	if err != nil {
		return err
	}
	quiet := time.Now()
	alive := h.beats(o.beats)
	after, err := p.Usage(ctx)
	if err != nil {
		return err
	}
	open, err := p.Metric(ctx, "chatkitd_http_open_streams")
	if err != nil {
		return err
	}
	n := float64(o.streams)
	b.Row("idle streams: %.0f of %d open, %d had %d heartbeats: %.1f KB resident each (goal 30; Fiber alone 22), %.1f KB heap and %.1f KB stacks in use, %.1f KB right after opening; %.0f opened/s, %.1f %% of a processor while idle",
		open, o.streams, alive, o.beats, (after.Memory-before.Memory)/n/1e3, (after.Heap-before.Heap)/n/1e3, (after.Stack-before.Stack)/n/1e3,
		(opened.Memory-before.Memory)/n/1e3, n/wall.Seconds(), 100*(after.CPU-opened.CPU)/time.Since(quiet).Seconds())
	if alive < o.streams || int(open) < o.streams {
		return errors.New("not all streams were held")
	}
	return nil
}

// held is the open streams.
type held struct {
	addr  string
	conns []*client
}

type client struct {
	net.Conn
	lines *bufio.Reader
}

// open opens stream n and returns when its first event is there.
func (h *held) open(ctx context.Context, n int) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", h.addr)
	if err != nil {
		return err
	}
	c := &client{conn, bufio.NewReaderSize(conn, 1<<10)}
	h.conns[n] = c
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return err
	}
	_, err = fmt.Fprintf(conn, "GET /api/v1/tasks HTTP/1.1\r\nHost: bench\r\nAccept: text/event-stream\r\nAuthorization: Bearer test-token-bench%d\r\n\r\n", n)
	if err != nil {
		return err
	}
	return c.find("event: snapshot")
}

// find reads up to the line that begins so.
func (c *client) find(want string) error {
	for {
		line, err := c.lines.ReadString('\n')
		if err != nil {
			return fmt.Errorf("wait for %q: %w", want, err)
		}
		if strings.HasPrefix(line, want) {
			return nil
		}
		if strings.HasPrefix(line, "HTTP/1.1 ") && !strings.HasPrefix(line, "HTTP/1.1 200") {
			rest, _ := io.ReadAll(io.LimitReader(c.lines, 1024))
			return fmt.Errorf("%s %s", line, rest)
		}
	}
}

// beats waits for so many heartbeats of every stream and returns how many
// streams had them.
func (h *held) beats(n int) int {
	var alive atomic.Int64
	var wg sync.WaitGroup
	for _, c := range h.conns {
		wg.Go(func() {
			for range n {
				if c.SetDeadline(time.Now().Add(25*time.Second)) != nil || c.find(": ping") != nil {
					return
				}
			}
			alive.Add(1)
		})
	}
	wg.Wait()
	return int(alive.Load())
}

func (h *held) close() {
	for _, c := range h.conns {
		if c != nil {
			_ = c.Close()
		}
	}
}
