// Command turns measures turns end to end: clients open threads on a running
// chatkitd (a process of its own) whose model is a scripted Responses server
// without delay (in this process). It prints one row: turns per second, server
// CPU per turn, latencies, and the server's memory.
//
//	go run ./bench/turns -clients 8 -seconds 10
//
// The peer of docs/bench.md is the Python architecture that chatkitd replaces.
package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

func main() {
	var o options
	flag.IntVar(&o.clients, "clients", 8, "clients at once")
	flag.IntVar(&o.seconds, "seconds", 10, "how long to measure")
	flag.IntVar(&o.deltas, "deltas", 50, "text deltas of an answer")
	flag.IntVar(&o.tools, "tools", 2, "parallel tool calls of a turn")
	flag.IntVar(&o.threads, "messages", 1, "messages of a thread before the next thread")
	flag.StringVar(&o.binary, "binary", "", "the program; empty builds it")
	flag.Parse()
	if err := o.run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "turns:", err)
		os.Exit(1)
	}
}

type options struct {
	clients, seconds, deltas, tools, threads int
	binary                                   string
}

func (o options) run(ctx context.Context, w io.Writer) error {
	dir, err := os.MkdirTemp("", "chatkitd-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if o.binary == "" {
		o.binary = filepath.Join(dir, "chatkitd")
		build := exec.CommandContext(ctx, "go", "build", "-o", o.binary, "./cmd/chatkitd")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			return fmt.Errorf("build (run this at the root of the repository): %w", err)
		}
	}
	model, err := newModel(o.deltas, o.tools)
	if err != nil {
		return err
	}
	defer model.close()
	srv, err := startServer(ctx, o.binary, dir, model.url)
	if err != nil {
		return err
	}
	defer srv.stop()

	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: o.clients}}
	warm := o.load(ctx, client, srv.url, time.Second)
	before, err := srv.usage(client)
	if err != nil {
		return err
	}
	began := time.Now()
	lat := o.load(ctx, client, srv.url, time.Duration(o.seconds)*time.Second)
	wall := time.Since(began).Seconds()
	after, err := srv.usage(client)
	if err != nil {
		return err
	}
	if len(lat.errs) > 0 {
		return fmt.Errorf("%d turns failed, the first: %w", len(lat.errs), lat.errs[0])
	}
	slices.Sort(lat.first)
	slices.Sort(lat.whole)
	n := len(lat.whole)
	_, err = fmt.Fprintf(w, "turns: %d clients, %d deltas, %d tool calls: %.0f turns/s, %.2f ms CPU of the server a turn, first event p50 %s p99 %s, turn p50 %s p99 %s, memory %.0f MB before %.0f MB after, %d turns (warm-up %d)\n",
		o.clients, o.deltas, o.tools, float64(n)/wall, 1000*(after.cpu-before.cpu)/float64(n),
		at(lat.first, .5), at(lat.first, .99), at(lat.whole, .5), at(lat.whole, .99),
		before.memory/1e6, after.memory/1e6, n, len(warm.whole))
	return err
}

func at(d []time.Duration, q float64) time.Duration {
	return d[int(q*float64(len(d)-1))].Round(10 * time.Microsecond)
}

type latencies struct {
	mu           sync.Mutex
	first, whole []time.Duration // from the request to the first event of the agent, and to the end
	errs         []error
}

// load lets every client have turn after turn.
func (o options) load(ctx context.Context, client *http.Client, url string, d time.Duration) *latencies {
	var l latencies
	var wg sync.WaitGroup
	end := time.Now().Add(d)
	for c := range o.clients {
		wg.Go(func() {
			thread := ""
			for i := 0; time.Now().Before(end); i++ {
				if i%o.threads == 0 {
					thread = ""
				}
				id, first, whole, err := turn(ctx, client, url, fmt.Sprint("bench", c), thread)
				thread = id
				l.mu.Lock()
				if err != nil {
					l.errs = append(l.errs, err)
					l.mu.Unlock()
					return
				}
				l.first, l.whole = append(l.first, first), append(l.whole, whole)
				l.mu.Unlock()
			}
		})
	}
	wg.Wait()
	return &l
}

const (
	createBody = `{"type":"threads.create","params":{"input":{"content":[{"type":"input_text","text":"add milk and bread"}],"attachments":[],"inference_options":{}}}}`
	addBody    = `{"type":"threads.add_user_message","params":{"thread_id":%q,"input":{"content":[{"type":"input_text","text":"add milk and bread"}],"attachments":[],"inference_options":{}}}}`
)

// turn has one turn and reads it to its end.
func turn(ctx context.Context, client *http.Client, url, user, thread string) (id string, first, whole time.Duration, err error) {
	body := createBody
	if thread != "" {
		body = fmt.Sprintf(addBody, thread)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/api/v1/chatkit", strings.NewReader(body))
	if err != nil {
		return "", 0, 0, err
	}
	req.Header.Set("Authorization", "Bearer test-token-"+user)
	req.Header.Set("Content-Type", "application/json")
	began := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		return "", 0, 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(resp.Body)
		return "", 0, 0, fmt.Errorf("%s: %s", resp.Status, text)
	}
	id = thread
	lines := bufio.NewReaderSize(resp.Body, 64<<10)
	answered := false
	for {
		line, err := lines.ReadSlice('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", 0, 0, err
		}
		switch {
		case bytes.Contains(line, []byte(`"thread.created"`)):
			_, rest, _ := bytes.Cut(line, []byte(`"id":"`))
			raw, _, _ := bytes.Cut(rest, []byte(`"`))
			id = string(raw)
		case first == 0 && bytes.Contains(line, []byte(`"thread.item.added"`)):
			first = time.Since(began)
		case bytes.Contains(line, []byte(`"thread.item.done"`)) && bytes.Contains(line, []byte(`"assistant_message"`)):
			answered = true
		case bytes.Contains(line, []byte(`{"type":"error"`)):
			return "", 0, 0, fmt.Errorf("the turn failed: %s", line)
		}
	}
	if !answered {
		return "", 0, 0, errors.New("the stream ended without an answer")
	}
	return id, first, time.Since(began), nil
}

// server is the program as a process.
type server struct {
	url string
	cmd *exec.Cmd
}

func startServer(ctx context.Context, binary, dir, model string) (*server, error) {
	cmd := exec.CommandContext(ctx, binary, "serve", "--listen=127.0.0.1:0", "--data="+filepath.Join(dir, "data"),
		"--agent=openai", "--openai-base-url="+model, "--rate-limit=0", "--log-level=warn")
	cmd.Env = append(os.Environ(), "OPENAI_API_KEY=sk-bench", "ENVIRONMENT=development")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if _, url, ok := strings.Cut(lines.Text(), "Open http://"); ok {
			return &server{"http://" + strings.TrimSuffix(url, "/"), cmd}, nil
		}
	}
	return nil, errors.Join(errors.New("the program did not say where it listens"), cmd.Wait())
}

func (s *server) stop() {
	_ = s.cmd.Process.Signal(os.Interrupt)
	_ = s.cmd.Wait()
}

type usage struct{ cpu, memory float64 } // seconds, bytes

// usage reads what the process itself exports.
func (s *server) usage(client *http.Client) (u usage, err error) {
	resp, err := client.Get(s.url + "/metrics") //nolint:noctx // a local server that was just started
	if err != nil {
		return u, err
	}
	defer func() { _ = resp.Body.Close() }()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		switch name {
		case "process_cpu_seconds_total":
			u.cpu, err = strconv.ParseFloat(value, 64)
		case "process_resident_memory_bytes":
			u.memory, err = strconv.ParseFloat(value, 64)
		}
		if err != nil {
			return u, err
		}
	}
	return u, lines.Err()
}

// model is a scripted Responses server: tool calls first, then text.
type model struct {
	url string
	srv *http.Server
}

func newModel(deltas, tools int) (*model, error) {
	calls, text := callScript(tools), textScript(deltas)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /responses", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		script := text
		// The last input item tells whether this round comes after the tools.
		if tools > 0 && bytes.LastIndex(body, []byte(`"function_call_output"`)) < bytes.LastIndex(body, []byte(`add milk and bread`)) {
			script = calls
		}
		_, _ = w.Write(script)
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // bound once, at the start
	if err != nil {
		return nil, err
	}
	m := &model{url: "http://" + ln.Addr().String(), srv: &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}}
	go func() { _ = m.srv.Serve(ln) }()
	return m, nil
}

func (m *model) close() { _ = m.srv.Close() }

// event writes one event of the Responses API.
func event(b *bytes.Buffer, kind, rest string) {
	fmt.Fprintf(b, "event: %s\ndata: {\"type\":%q,%s}\n\n", kind, kind, rest)
}

func callScript(n int) []byte {
	var b bytes.Buffer
	var done []string
	event(&b, "response.created", `"sequence_number":0,"response":{"id":"resp_1","object":"response","status":"in_progress","output":[]}`)
	for i := range n {
		item := fmt.Sprintf(`{"id":"fc_%d","type":"function_call","status":"completed","name":"add_task","call_id":"call_%d","arguments":"{\"title\":\"task %d\",\"description\":null,\"priority\":null,\"tags\":null,\"due_at\":null}"}`, i, i, i)
		event(&b, "response.output_item.added", fmt.Sprintf(`"output_index":%d,"item":{"id":"fc_%d","type":"function_call","status":"in_progress","name":"add_task","call_id":"call_%d","arguments":""}`, i, i, i))
		event(&b, "response.output_item.done", fmt.Sprintf(`"output_index":%d,"item":%s`, i, item))
		done = append(done, item)
	}
	event(&b, "response.completed", `"response":{"id":"resp_1","object":"response","status":"completed","output":[`+strings.Join(done, ",")+`],"usage":{"input_tokens":100,"output_tokens":20,"total_tokens":120,"input_tokens_details":{"cached_tokens":0},"output_tokens_details":{"reasoning_tokens":0}}}`)
	return b.Bytes()
}

func textScript(n int) []byte {
	var b bytes.Buffer
	event(&b, "response.created", `"sequence_number":0,"response":{"id":"resp_2","object":"response","status":"in_progress","output":[]}`)
	event(&b, "response.output_item.added", `"output_index":0,"item":{"id":"msg_1","type":"message","status":"in_progress","role":"assistant","content":[]}`)
	event(&b, "response.content_part.added", `"item_id":"msg_1","output_index":0,"content_index":0,"part":{"type":"output_text","text":"","annotations":[]}`)
	text := ""
	for i := range n {
		word := fmt.Sprintf("word%d ", i)
		text += word
		event(&b, "response.output_text.delta", fmt.Sprintf(`"sequence_number":%d,"item_id":"msg_1","output_index":0,"content_index":0,"delta":%q,"logprobs":[],"obfuscation":"abcdefgh"`, i, word))
	}
	event(&b, "response.output_text.done", fmt.Sprintf(`"item_id":"msg_1","output_index":0,"content_index":0,"text":%q`, text))
	item := fmt.Sprintf(`{"id":"msg_1","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","text":%q,"annotations":[]}]}`, text)
	event(&b, "response.output_item.done", `"output_index":0,"item":`+item)
	event(&b, "response.completed", `"response":{"id":"resp_2","object":"response","status":"completed","output":[`+item+`],"usage":{"input_tokens":200,"output_tokens":50,"total_tokens":250,"input_tokens_details":{"cached_tokens":0},"output_tokens_details":{"reasoning_tokens":0}}}`)
	return b.Bytes()
}
