package http_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/chatkitd/chatkitd"
	chatkitdhttp "github.com/chatkitd/chatkitd/http"
)

const delta = `{"type":"thread.item.updated","item_id":"msg_06h0dtv9mgcitcll0d1kcn46vee7q","update":{"type":"assistant_message.content_part.text_delta","content_index":0,"delta":" tomorrow"}}`

// BenchmarkStream is one client that reads frames over a socket as they come,
// and in one go when it comes late.
func BenchmarkStream(b *testing.B) {
	for _, batch := range []int{1, 50} {
		b.Run(fmt.Sprintf("frames=%d", batch), func(b *testing.B) {
			tn := newTurn("trn_1", "first")
			s := start(b, attachTo(tn))
			conn := s.openRaw(b)
			rd := bufio.NewReaderSize(conn, 64<<10)
			if err := conn.SetDeadline(time.Time{}); err != nil {
				b.Fatal(err)
			}
			frames := make([]string, batch)
			for i := range frames {
				frames[i] = delta
			}
			b.ReportAllocs()
			for b.Loop() {
				tn.emit(frames...)
				for got := 0; got < batch; {
					line, err := rd.ReadSlice('\n')
					if err != nil {
						b.Fatal(err)
					}
					if len(line) > 5 && line[0] == 'd' {
						got++
					}
				}
				tn.forget()
			}
			tn.end()
		})
	}
}

// BenchmarkJSON is one GET of a task and one threads.list of 20 on a kept-alive
// connection, client included.
func BenchmarkJSON(b *testing.B) {
	s := start(b, &fake{task: func(_ chatkitd.UserID, id chatkitd.TaskID) (chatkitd.Task, error) {
		return chatkitd.Task{ID: id, Title: "buy milk", Status: "pending"}, nil
	}})
	conn := s.dial(b)
	if err := conn.SetDeadline(time.Time{}); err != nil {
		b.Fatal(err)
	}
	rd := bufio.NewReader(conn)
	token, _, err := s.auth.DevToken("alice", time.Hour)
	if err != nil {
		b.Fatal(err)
	}
	request := "GET /api/v1/tasks/tsk_1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + token + "\r\n\r\n"
	b.ReportAllocs()
	for b.Loop() {
		if _, err := io.WriteString(conn, request); err != nil {
			b.Fatal(err)
		}
		resp, err := http.ReadResponse(rd, nil)
		if err != nil || resp.StatusCode != 200 {
			b.Fatal(resp, err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			b.Fatal(err)
		}
		_ = resp.Body.Close()
	}
}

// BenchmarkIdleStreams tells the memory that one open idle stream costs, with
// the client's end of the connection in it. Only the first round counts: later
// ones find the pools full. Run it with -benchtime 1x.
func BenchmarkIdleStreams(b *testing.B) {
	const streams = 2000
	tn := newTurn("trn_1", "first")
	s := start(b, attachTo(tn), func(o *chatkitdhttp.Options) { o.MaxUserStreams = streams })
	for first := true; b.Loop(); first = false {
		before := inUse()
		conns := make([]net.Conn, streams)
		request := []byte("GET " + streamPath + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer test-token-alice\r\n\r\n")
		for i := range conns {
			conns[i] = s.dial(b)
			if _, err := conns[i].Write(request); err != nil {
				b.Fatal(err)
			}
		}
		eventually(b, "all are open", func() bool { return s.metric(b, "chatkitd_http_stream_frames_total", "") >= streams })
		if first {
			b.ReportMetric(float64(inUse()-before)/streams, "B/stream")
			b.ReportMetric(float64(runtime.NumGoroutine())/streams, "goroutines/stream")
		}
		for _, c := range conns {
			_ = c.Close()
		}
		eventually(b, "all are closed", func() bool { return s.metric(b, "chatkitd_http_open_streams", "") == 0 })
	}
}

// inUse returns the heap and the stacks in use, in bytes.
func inUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}
