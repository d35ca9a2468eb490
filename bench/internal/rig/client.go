package rig

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// Client talks to one server as any user. It is safe for concurrent use.
type Client struct {
	URL  string
	http *http.Client
	n    atomic.Int64 // messages sent
}

// NewClient returns a client that keeps as many connections as are used at once.
func NewClient(url string, conns int) *Client {
	return &Client{URL: url, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: conns, DisableCompression: true}}}
}

// Close closes the connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Open sends a request as a user and returns the answer; body is JSON or empty.
// headers are pairs of name and value. Any status but 200 and 201 is an
// error.
func (c *Client) Open(ctx context.Context, user, method, path, body string, headers ...string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.URL+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer test-token-"+user)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusCreated {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
		_ = resp.Body.Close()
		return nil, fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, text)
	}
	return resp, nil
}

// ChatKit sends a request that is answered with JSON and returns the answer.
func (c *Client) ChatKit(ctx context.Context, user, body string) ([]byte, error) {
	return c.read(c.Open(ctx, user, http.MethodPost, "/api/v1/chatkit", body))
}

// Get reads a path.
func (c *Client) Get(ctx context.Context, user, path string) ([]byte, error) {
	return c.read(c.Open(ctx, user, http.MethodGet, path, ""))
}

func (c *Client) read(resp *http.Response, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(resp.Body)
	return raw, errors.Join(err, resp.Body.Close())
}

// Turn is a turn as its client saw it.
type Turn struct {
	Thread  string
	Message int           // its number, for [Model.Own]
	First   time.Duration // from the request to the first event of the agent
	Whole   time.Duration // to the end
}

// Say starts a turn with a new message and returns its stream: in a new thread
// unless one is given.
func (c *Client) Say(ctx context.Context, user, thread string) (*http.Response, int, error) {
	n := int(c.n.Add(1))
	input := fmt.Sprintf(`{"content":[{"type":"input_text","text":%q}],"attachments":[],"inference_options":{}}`, message(n))
	body := fmt.Sprintf(`{"type":"threads.create","params":{"input":%s}}`, input)
	if thread != "" {
		body = fmt.Sprintf(`{"type":"threads.add_user_message","params":{"thread_id":%q,"input":%s}}`, thread, input)
	}
	resp, err := c.Open(ctx, user, http.MethodPost, "/api/v1/chatkit", body)
	return resp, n, err
}

// Turn has one turn and reads it to its end.
func (c *Client) Turn(ctx context.Context, user, thread string) (Turn, error) {
	t := Turn{Thread: thread}
	began := time.Now()
	resp, n, err := c.Say(ctx, user, thread)
	if err != nil {
		return t, err
	}
	t.Message = n
	defer func() { _ = resp.Body.Close() }()
	lines := bufio.NewReaderSize(resp.Body, 64<<10)
	answered := false
	for {
		line, err := lines.ReadSlice('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return t, err
		}
		switch {
		case bytes.Contains(line, []byte(`"thread.created"`)):
			_, rest, _ := bytes.Cut(line, []byte(`"id":"`))
			id, _, _ := bytes.Cut(rest, []byte(`"`))
			t.Thread = string(id)
		case t.First == 0 && bytes.Contains(line, []byte(`"thread.item.added"`)):
			t.First = time.Since(began)
		case bytes.Contains(line, []byte(`"thread.item.done"`)) && bytes.Contains(line, []byte(`"assistant_message"`)):
			answered = true
		case bytes.Contains(line, []byte(`{"type":"error"`)):
			return t, fmt.Errorf("the turn failed: %s", line)
		}
	}
	if !answered {
		return t, errors.New("the stream ended without an answer")
	}
	t.Whole = time.Since(began)
	return t, nil
}
