package rig

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/chatkitd/chatkitd/agent/agenttest"
)

// Script says how a [Model] answers.
type Script struct {
	Deltas int           // text deltas of an answer
	Tools  int           // parallel calls of add_task before it
	Think  time.Duration // before the first event of an answer
	Pace   time.Duration // between two events of the text; 0 sends all at once
}

// Model is a scripted Responses server: tool calls first, then text. It keeps how
// long it took itself to send the first event to each message.
type Model struct {
	URL string

	script Script
	calls  string
	text   []string // cut at its events if they are paced
	http   *http.Server
	done   chan struct{}

	mu  sync.Mutex
	own map[int]time.Duration
}

// NewModel starts a model. The caller must Close it.
func NewModel(s Script) (*Model, error) {
	calls := make([]agenttest.Call, s.Tools)
	for i := range calls {
		calls[i] = agenttest.Call{
			ID: fmt.Sprintf("call_%d", i), Name: "add_task",
			Arguments: fmt.Sprintf(`{"title":"task %d","description":null,"priority":null,"tags":null,"due_at":null}`, i),
		}
	}
	words := make([]string, s.Deltas)
	for i := range words {
		words[i] = fmt.Sprintf("word%d ", i)
	}
	m := &Model{script: s, done: make(chan struct{}), own: make(map[int]time.Duration)}
	m.calls = agenttest.NewScript("calls").Calls(calls...).Completed().Chunks[0]
	text := agenttest.NewScript("text").Text(words...)
	m.text = text.Completed().Chunks
	if s.Pace > 0 {
		// A client sees nothing of a response before its first item.
		events := text.Stream()
		m.text = append([]string{events[0] + events[1]}, events[2:]...)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // bound once, at the start
	if err != nil {
		return nil, err
	}
	m.URL = "http://" + ln.Addr().String()
	m.http = &http.Server{Handler: http.HandlerFunc(m.answer), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		defer close(m.done)
		_ = m.http.Serve(ln) // ends with Close
	}()
	return m, nil
}

// Close stops the model.
func (m *Model) Close() {
	_ = m.http.Close()
	<-m.done
}

// message is the text of the message with a number. The model finds the number
// again in what it is sent.
func message(n int) string { return fmt.Sprintf("add milk and bread #%d", n) }

// Own returns how long the model itself took to send the first event of its
// answer to a message, and forgets it.
func (m *Model) Own(n int) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	d := m.own[n]
	delete(m.own, n)
	return d
}

func (m *Model) answer(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	asked := bytes.LastIndex(body, []byte(message(0)[:len(message(0))-1]))
	// The last input item tells whether this round comes after the tools.
	first := m.script.Tools == 0 || bytes.LastIndex(body, []byte(`"function_call_output"`)) < asked
	script := m.text
	if first && m.script.Tools > 0 {
		script = []string{m.calls}
	}
	if !pause(r.Context(), m.script.Think) {
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	if first {
		m.note(body[asked:], time.Since(began))
	}
	flush := http.NewResponseController(w)
	for i, part := range script {
		if i > 0 && !pause(r.Context(), m.script.Pace) {
			return
		}
		if _, err := io.WriteString(w, part); err != nil || flush.Flush() != nil {
			return
		}
	}
}

func (m *Model) note(asked []byte, own time.Duration) {
	_, number, _ := strings.Cut(string(asked[:min(len(asked), 64)]), "#")
	end := strings.IndexFunc(number, func(r rune) bool { return r < '0' || r > '9' })
	n, err := strconv.Atoi(number[:max(end, 0)])
	if err != nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.own[n] = own
}

func pause(ctx context.Context, d time.Duration) bool {
	if d == 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
