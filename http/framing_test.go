package http_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chatkitd/chatkitd"
)

// TestPipeline sends many requests before it reads the first answer: none may
// be lost, and each must come in its place.
func TestPipeline(t *testing.T) {
	s := start(t, &fake{task: func(_ chatkitd.UserID, id chatkitd.TaskID) (chatkitd.Task, error) {
		return chatkitd.Task{ID: id}, nil
	}})
	conn := s.dial(t)
	const requests = 20
	var all strings.Builder
	for i := range requests {
		fmt.Fprintf(&all, "GET /api/v1/tasks/tsk_%d HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer test-token-alice\r\n\r\n", i)
	}
	if _, err := io.WriteString(conn, all.String()); err != nil {
		t.Fatal(err)
	}
	rd := bufio.NewReader(conn)
	for i := range requests {
		resp, err := http.ReadResponse(rd, nil)
		if err != nil {
			t.Fatalf("answer %d: %v", i, err)
		}
		body, err := io.ReadAll(resp.Body)
		if want := fmt.Sprintf(`{"id":"tsk_%d",`, i); err != nil || !strings.HasPrefix(string(body), want) {
			t.Fatalf("answer %d is %q, want %s…: %v", i, body, want, err)
		}
	}
}

// TestAmbiguousRequests are requests that a proxy may read otherwise than this
// server does. They must be refused and their connection be closed: what comes
// behind may be what somebody hid in them.
func TestAmbiguousRequests(t *testing.T) {
	s := start(t, &fake{doTask: func(chatkitd.Meta, chatkitd.TaskCommand) (chatkitd.TaskResult, error) {
		t.Error("a task was added")
		return chatkitd.TaskResult{}, nil
	}})
	const (
		head = "POST /api/v1/tasks HTTP/1.1\r\nAuthorization: Bearer test-token-alice\r\nContent-Type: application/json\r\n"
		host = "Host: x\r\n"
		task = `{"title":"a"}` // 13 bytes
	)
	tests := map[string]string{
		"two lengths":                       head + host + "Content-Length: 4\r\nContent-Length: 13\r\n\r\n" + task,
		"the same length twice":             head + host + "Content-Length: 13\r\nContent-Length: 13\r\n\r\n" + task,
		"a length and a coding":             head + host + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\nd\r\n" + task + "\r\n0\r\n\r\n",
		"two codings":                       head + host + "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\nd\r\n" + task + "\r\n0\r\n\r\n",
		"a coding that is not known":        head + host + "Transfer-Encoding: gzip, chunked\r\n\r\nd\r\n" + task + "\r\n0\r\n\r\n",
		"two hosts":                         head + host + "host: evil.example\r\nContent-Length: 13\r\n\r\n" + task,
		"no host":                           head + "Content-Length: 13\r\n\r\n" + task,
		"a space before a colon":            head + host + "Content-Length: 13\r\nX-A : b\r\n\r\n" + task,
		"a length with a space":             head + host + "Content-Length : 4\r\nContent-Length: 13\r\n\r\n" + task,
		"a header without a name":           head + host + "Content-Length: 13\r\n: b\r\nX : c\r\n\r\n" + task,
		"a length that is negative":         head + host + "Content-Length: -1\r\n\r\n" + task,
		"a chunk of a negative size":        head + host + "Transfer-Encoding: chunked\r\n\r\n-d\r\n" + task + "\r\n0\r\n\r\n",
		"a chunk that is larger than it is": head + host + "Transfer-Encoding: chunked\r\n\r\n4\r\n" + task + "\r\n0\r\n\r\n",
	}
	for name, request := range tests {
		t.Run(name, func(t *testing.T) {
			conn := s.dial(t)
			if _, err := io.WriteString(conn, request+"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			rd := bufio.NewReader(conn)
			resp, err := http.ReadResponse(rd, nil)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), `"request_id"`) || !resp.Close {
				t.Errorf("got %d %s, close %v", resp.StatusCode, body, resp.Close)
			}
			_ = conn.(*net.TCPConn).CloseWrite()
			if next, err := http.ReadResponse(rd, nil); err == nil {
				t.Errorf("what came behind was answered too: %d", next.StatusCode)
			}
		})
	}
}

// TestShutdownOfHalfRequests has clients that began a request and do not go on.
func TestShutdownOfHalfRequests(t *testing.T) {
	s := start(t, &fake{})
	const get = "GET /health/live HTTP/1.1\r\nHost: x\r\n"
	for _, sent := range []string{"", "GE", get, get + "\r\n", get + "\r\n" + get, "POST /api/v1/tasks HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"} {
		conn := s.dial(t)
		if _, err := io.WriteString(conn, sent); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(sent, "\r\n\r\nG") || strings.HasSuffix(sent, "\r\n\r\n") {
			if _, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	eventually(t, "all are connected", func() bool { return s.metric(t, "chatkitd_http_connections", "") >= 6 })
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	began := time.Now()
	if err := s.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("took %s", took)
	}
}
