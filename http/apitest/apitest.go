// Package apitest is a client of the API for tests: JSON requests, and streams
// read event by event.
package apitest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// PositionHeader names how far the log has come: in an answer, and in a request
// whose answer is to be as new.
const PositionHeader = "X-Chatkitd-Position"

// Client talks to one server as one user.
type Client struct {
	Base  string // such as http://127.0.0.1:8000
	Token string // sent as a bearer token unless empty
	HTTP  *http.Client
}

// New returns a client that shares no connection with any other, closed when
// the test ends. An answer that has not begun after 10 s is an error.
func New(tb testing.TB, base, token string) *Client {
	tb.Helper()
	transport := &http.Transport{ResponseHeaderTimeout: 10 * time.Second, MaxIdleConnsPerHost: 64}
	tb.Cleanup(transport.CloseIdleConnections)
	return &Client{Base: base, Token: token, HTTP: &http.Client{Transport: transport}}
}

// As returns the client of another user, on the same connections.
func (c *Client) As(token string) *Client {
	other := *c
	other.Token = token
	return &other
}

// Response is an answer whose body has been read.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// Decode reads the body into v.
func (r *Response) Decode(tb testing.TB, v any) {
	tb.Helper()
	if err := json.Unmarshal(r.Body, v); err != nil {
		tb.Fatalf("decode %q: %v", r.Body, err)
	}
}

// Code returns the code of an error answer, or "".
func (r *Response) Code() string {
	var body struct {
		Error struct {
			Code string `json:"code"`
		} `json:"error"`
	}
	_ = json.Unmarshal(r.Body, &body) // an answer that is no error has no code
	return body.Error.Code
}

// Do sends a request. body may be nil, a string or []byte sent as it is, an
// [io.Reader], or any value sent as JSON. headers are pairs of name and value.
func (c *Client) Do(tb testing.TB, method, path string, body any, headers ...string) *Response {
	tb.Helper()
	resp, err := c.Try(tb.Context(), method, path, body, headers...)
	if err != nil {
		tb.Fatalf("%s %s: %v", method, path, err)
	}
	return resp
}

// Try is Do for requests that may fail, and for other goroutines than the
// test's.
func (c *Client) Try(ctx context.Context, method, path string, body any, headers ...string) (*Response, error) {
	resp, err := c.send(ctx, method, path, body, headers)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	return &Response{Status: resp.StatusCode, Header: resp.Header, Body: raw}, err
}

// ChatKit sends a request to the ChatKit endpoint that is answered with JSON.
func (c *Client) ChatKit(tb testing.TB, kind string, params any) *Response {
	tb.Helper()
	return c.Do(tb, http.MethodPost, "/api/v1/chatkit", map[string]any{"type": kind, "params": params})
}

// ChatKitStream sends one that is answered with a stream.
func (c *Client) ChatKitStream(tb testing.TB, kind string, params any) *Stream {
	tb.Helper()
	return c.Stream(tb, http.MethodPost, "/api/v1/chatkit", map[string]any{"type": kind, "params": params})
}

// Stream opens a stream; any other answer than 200 fails the test.
func (c *Client) Stream(tb testing.TB, method, path string, body any, headers ...string) *Stream {
	tb.Helper()
	s, err := c.TryStream(tb.Context(), method, path, body, headers...)
	if err != nil {
		tb.Fatalf("%s %s: %v", method, path, err)
	}
	tb.Cleanup(s.Close)
	if s.Status != http.StatusOK {
		raw, _ := io.ReadAll(s.body)
		tb.Fatalf("%s %s: got %d %s, want a stream", method, path, s.Status, raw)
	}
	return s
}

// TryStream is Stream for requests that may fail. The caller closes it.
func (c *Client) TryStream(ctx context.Context, method, path string, body any, headers ...string) (*Stream, error) {
	resp, err := c.send(ctx, method, path, body, headers)
	if err != nil {
		return nil, err
	}
	return newStream(resp), nil
}

func (c *Client) send(ctx context.Context, method, path string, body any, headers []string) (*http.Response, error) {
	var rd io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		rd = strings.NewReader(b)
	case []byte:
		rd = bytes.NewReader(b)
	case io.Reader:
		rd = b
	default:
		raw, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		rd = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.Base+path, rd)
	if err != nil {
		return nil, err
	}
	if rd != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return c.HTTP.Do(req)
}
