package agenttest

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"
)

// Reply is what a [Server] answers to one request.
type Reply struct {
	Status int               // 0 means 200
	Header map[string]string // Content-Type is text/event-stream unless said otherwise
	Body   string
	Chunks []string // sent one by one, each flushed, behind Body
	Pause  time.Duration
	Cut    bool          // the connection breaks at the end
	Hold   chan struct{} // if set, the answer does not end before this is closed or the client leaves
	Silent chan struct{} // if set, nothing is answered before this is closed or the client leaves
}

// Request is a request that a [Server] was sent.
type Request struct {
	Header http.Header
	Path   string
	Body   []byte
	JSON   map[string]any // the body, when it is a JSON object
}

// Server plays a provider of the Responses API from a script. The last reply is
// repeated.
type Server struct {
	URL string // the base URL for a client
	// Gone receives a value for each request whose client left before its end.
	Gone chan struct{}

	http     *httptest.Server
	mu       sync.Mutex
	script   []Reply
	requests []Request
	loop     bool
	keep     bool
	n        int
}

// NewServer starts a server that plays these replies, one for each request.
func NewServer(script ...Reply) *Server {
	s := &Server{script: script, Gone: make(chan struct{}, 100), keep: true}
	s.http = httptest.NewServer(http.HandlerFunc(s.serve))
	s.URL = s.http.URL + "/v1"
	return s
}

// NewLoop starts a server that plays these replies over and over, for a
// benchmark: it keeps no requests.
func NewLoop(script ...Reply) *Server {
	s := NewServer(script...)
	s.loop, s.keep = true, false
	return s
}

// Close stops the server.
func (s *Server) Close() {
	s.http.CloseClientConnections()
	s.http.Close()
}

// Requests returns the requests so far.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.requests...)
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 64<<20))
	if err != nil {
		return
	}
	reply := s.next(r, body)
	if reply.Silent != nil {
		s.wait(r, reply.Silent)
	}
	w.Header().Set("Content-Type", "text/event-stream")
	for k, v := range maps.All(reply.Header) {
		w.Header().Set(k, v)
	}
	if reply.Status != 0 {
		w.WriteHeader(reply.Status)
	}
	flush := http.NewResponseController(w)
	if _, err := io.WriteString(w, reply.Body); err != nil {
		return
	}
	for _, c := range reply.Chunks {
		if _, err := io.WriteString(w, c); err != nil {
			s.gone()
			return
		}
		_ = flush.Flush() // an error shows at the next write
		if reply.Pause > 0 {
			timer := time.NewTimer(reply.Pause)
			select {
			case <-timer.C:
			case <-r.Context().Done():
				timer.Stop()
			}
		}
	}
	_ = flush.Flush()
	if reply.Hold != nil {
		s.wait(r, reply.Hold)
	}
	if reply.Cut {
		panic(http.ErrAbortHandler)
	}
}

func (s *Server) next(r *http.Request, body []byte) Reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keep {
		req := Request{Header: r.Header.Clone(), Path: r.URL.Path, Body: body}
		_ = json.Unmarshal(body, &req.JSON) // a test that looks sees nil
		s.requests = append(s.requests, req)
	}
	i := s.n
	s.n++
	switch {
	case len(s.script) == 0:
		return Reply{Status: http.StatusTeapot}
	case s.loop:
		i %= len(s.script)
	}
	return s.script[min(i, len(s.script)-1)]
}

func (s *Server) wait(r *http.Request, c chan struct{}) {
	select {
	case <-c:
	case <-r.Context().Done():
		s.gone()
	}
}

func (s *Server) gone() {
	select {
	case s.Gone <- struct{}{}:
	default:
	}
}
