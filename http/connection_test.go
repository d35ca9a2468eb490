package http_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chatkitd/chatkitd"
	chatkitdhttp "github.com/chatkitd/chatkitd/http"
)

func TestLargeBody(t *testing.T) {
	s := start(t, &fake{})
	c := s.client(t, "alice")
	big := strings.Repeat("x", 10<<20)
	for range 5 {
		resp := c.Do(t, "POST", "/api/v1/chatkit", big)
		if resp.Status != 413 || resp.Code() != "too_large" {
			t.Fatalf("with a length: got %d %s", resp.Status, resp.Body)
		}
		resp = c.Do(t, "POST", "/api/v1/tasks", io.MultiReader(strings.NewReader(big))) // chunked
		if resp.Status != 413 || resp.Code() != "too_large" {
			t.Fatalf("chunked: got %d %s", resp.Status, resp.Body)
		}
		resp = c.Do(t, "POST", "/api/v1/tasks", big, "Expect", "100-continue")
		if resp.Status != 413 || resp.Code() != "too_large" {
			t.Fatalf("expecting to go on: got %d %s", resp.Status, resp.Body)
		}
	}
	// Many clients send all of a body before they read a byte.
	conn := s.dial(t)
	if _, err := fmt.Fprintf(conn, "POST /api/v1/chatkit HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(big), big); err != nil {
		t.Fatalf("send all: %v", err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != 413 {
		t.Errorf("a client that sends all first got %d", resp.StatusCode)
	}
}

func TestLargeHeaders(t *testing.T) {
	s := start(t, &fake{task: func(chatkitd.UserID, chatkitd.TaskID) (chatkitd.Task, error) { return chatkitd.Task{}, nil }})
	c := s.client(t, "alice")
	if resp := c.Do(t, "GET", "/api/v1/tasks/tsk_1", nil, "X-Long", strings.Repeat("x", 12<<10)); resp.Status != 200 {
		t.Errorf("12 kB: got %d %s", resp.Status, resp.Body)
	}
	for _, size := range []int{20 << 10, 1 << 20} {
		resp := c.Do(t, "GET", "/api/v1/tasks/tsk_1", nil, "X-Long", strings.Repeat("x", size))
		if resp.Status != 431 || resp.Code() != "too_large" {
			t.Errorf("%d bytes: got %d %s", size, resp.Status, resp.Body)
		}
	}
}

func TestNotHTTP(t *testing.T) {
	s := start(t, &fake{})
	for _, sent := range []string{"\x16\x03\x01\x02\x00\x01\r\n\r\n", "GET\r\n\r\n", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"} {
		conn := s.dial(t)
		if _, err := io.WriteString(conn, sent); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Errorf("%q: %v", sent, err)
			continue
		}
		raw, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode/100 != 4 || !strings.Contains(string(raw), `"request_id"`) {
			t.Errorf("%q: got %d %s", sent, resp.StatusCode, raw)
		}
	}
}

// TestSlowRequestIsCut has requests that begin and never end.
func TestSlowRequestIsCut(t *testing.T) {
	s := start(t, &fake{}, func(o *chatkitdhttp.Options) { o.ReadTimeout = 50 * time.Millisecond })
	for _, begun := range []string{"GET / HT", "GET / HTTP/1.1\r\nHost: x\r\nX-", "POST /api/v1/tasks HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"} {
		conn := s.dial(t)
		if _, err := io.WriteString(conn, begun); err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(conn)
		if err != nil || !strings.Contains(string(raw), " 408 ") {
			t.Errorf("%q: got %q, %v", begun, raw, err)
		}
	}
}

// TestSilentConnectionIsClosed has a connection that never sends a byte.
func TestSilentConnectionIsClosed(t *testing.T) {
	s := start(t, &fake{}, func(o *chatkitdhttp.Options) { o.ReadTimeout = 50 * time.Millisecond })
	conn := s.dial(t)
	if n, err := conn.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("got %d, %v; want the connection closed", n, err)
	}
}
