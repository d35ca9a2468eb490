package rig

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Binary returns the program to measure; it builds it at the first call.
func (b *Bench) Binary(ctx context.Context) (string, error) {
	if b.binary != "" {
		return b.binary, nil
	}
	path := filepath.Join(b.Dir, "chatkitd")
	build := exec.CommandContext(ctx, "go", "build", "-o", path, "./cmd/chatkitd")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return "", fmt.Errorf("build (run this at the root of the repository): %w", err)
	}
	b.binary = path
	return path, nil
}

// Program is the server as a process of its own.
type Program struct {
	URL    string
	client *http.Client
	cmd    *exec.Cmd
	stop   context.CancelFunc
	output chan struct{} // closed when it prints no more
	log    bytes.Buffer  // complete when the process is gone
}

// Start starts the server on a data folder, without limits that a benchmark
// would run into, and returns when it listens. args are added to its own. The
// caller must Stop it.
func (b *Bench) Start(ctx context.Context, data string, args ...string) (*Program, error) {
	binary, err := b.Binary(ctx)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	args = append([]string{"serve", "--listen=127.0.0.1:0", "--data=" + data, "--rate-limit=0", "--log-level=error"}, args...)
	p := &Program{client: &http.Client{Timeout: 30 * time.Second}, stop: stop, output: make(chan struct{})}
	p.cmd = exec.CommandContext(ctx, binary, args...)
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(os.Interrupt) }
	p.cmd.WaitDelay = 20 * time.Second
	p.cmd.Env = append(os.Environ(), "OPENAI_API_KEY=sk-bench", "ENVIRONMENT=development")
	p.cmd.Stderr = &p.log
	out, err := p.cmd.StdoutPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		stop()
		return nil, err
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if _, url, ok := strings.Cut(lines.Text(), "Open http://"); ok {
			p.URL = "http://" + strings.TrimSuffix(url, "/")
			go func() {
				defer close(p.output)
				_, _ = io.Copy(io.Discard, out) // ends with the process
			}()
			return p, nil
		}
	}
	stop()
	err = p.cmd.Wait()
	return nil, fmt.Errorf("the program did not say where it listens: %w: %s", err, p.log.Bytes())
}

// StartWith is Start with a model that answers.
func (b *Bench) StartWith(ctx context.Context, data string, m *Model, args ...string) (*Program, error) {
	return b.Start(ctx, data, append([]string{"--agent=openai", "--openai-base-url=" + m.URL}, args...)...)
}

// Stop stops the server as an operator would. It shows the errors that the server
// logged, other than that it was not ready yet.
func (p *Program) Stop() {
	p.stop()
	<-p.output
	_ = p.cmd.Wait() // that it was told to stop is no news
	p.client.CloseIdleConnections()
	for line := range bytes.Lines(p.log.Bytes()) {
		if !bytes.Contains(line, []byte(`"check failed"`)) {
			_, _ = os.Stderr.Write(line)
		}
	}
}

// Kill ends the server with kill -9. Stop is still to be called.
func (p *Program) Kill() error { return p.cmd.Process.Kill() }

// Ready waits until the server says that it is.
func (p *Program) Ready(ctx context.Context) error {
	for tick := time.NewTicker(2 * time.Millisecond); ; {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL+"/health/ready", http.NoBody)
		if err != nil {
			return err
		}
		resp, err := p.client.Do(req)
		if err != nil {
			return err
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		if err := resp.Body.Close(); err != nil || resp.StatusCode == http.StatusOK {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for readiness: %w", ctx.Err())
		}
	}
}

// Usage is what the process has used, by its own account.
type Usage struct {
	CPU    float64 // seconds
	Memory float64 // bytes, resident
	Heap   float64 // bytes of the Go heap in use
	Stack  float64 // bytes of stacks in use
}

// Usage reads the server's metrics.
func (p *Program) Usage(ctx context.Context) (u Usage, err error) {
	want := map[string]*float64{
		"process_cpu_seconds_total": &u.CPU, "process_resident_memory_bytes": &u.Memory,
		"go_memstats_heap_inuse_bytes": &u.Heap, "go_memstats_stack_inuse_bytes": &u.Stack,
	}
	return u, p.metrics(ctx, want)
}

// Metric reads one of the server's metrics that has no labels.
func (p *Program) Metric(ctx context.Context, name string) (v float64, err error) {
	return v, p.metrics(ctx, map[string]*float64{name: &v})
}

func (p *Program) metrics(ctx context.Context, want map[string]*float64) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL+"/metrics", http.NoBody)
	if err != nil {
		return err
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	found := 0
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if v, ok := want[name]; ok {
			if *v, err = strconv.ParseFloat(value, 64); err != nil {
				return fmt.Errorf("metric %s: %w", name, err)
			}
			found++
		}
	}
	if found < len(want) && lines.Err() == nil {
		return fmt.Errorf("the server has %d of %d metrics", found, len(want))
	}
	return lines.Err()
}
