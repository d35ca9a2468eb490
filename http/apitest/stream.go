package apitest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// Event is one event of a stream. One that is only a comment has nothing but
// Comment.
type Event struct {
	ID      string
	Name    string // of the event: line, which ChatKit streams do not have
	Data    string
	Comment string
}

// Stream is an open stream.
type Stream struct {
	Status   int
	Header   http.Header
	Position string // the last position in the log that the server has told, or ""

	body io.ReadCloser
	rd   *bufio.Reader
}

func newStream(resp *http.Response) *Stream {
	return &Stream{
		Status: resp.StatusCode, Header: resp.Header, Position: resp.Header.Get(PositionHeader),
		body: resp.Body, rd: bufio.NewReaderSize(resp.Body, 64<<10),
	}
}

// Close closes the connection. It may be called twice.
func (s *Stream) Close() { _ = s.body.Close() }

// Next returns the next event, comments included. After the proper end of the
// stream it returns [io.EOF]; a stream cut off returns [io.ErrUnexpectedEOF].
func (s *Stream) Next() (Event, error) {
	var ev Event
	for begun := false; ; begun = true {
		line, err := s.rd.ReadString('\n')
		if err != nil {
			if errors.Is(err, io.EOF) && (begun || line != "") {
				return ev, io.ErrUnexpectedEOF
			}
			return ev, err
		}
		line = strings.TrimSuffix(line, "\n")
		field, value, _ := strings.Cut(line, ": ")
		switch field {
		case "":
			if line == "" {
				return ev, nil
			}
			ev.Comment = value // the line begins with ": "
			if pos, ok := strings.CutPrefix(value, "position "); ok {
				s.Position = pos
			}
		case "id":
			ev.ID = value
		case "event":
			ev.Name = value
		case "data":
			ev.Data = value
		default:
			return ev, fmt.Errorf("line %q is not one that the server sends", line)
		}
	}
}

// Event returns the next event that is no comment, or fails the test.
func (s *Stream) Event(tb testing.TB) Event {
	tb.Helper()
	for {
		ev, err := s.Next()
		if err != nil {
			tb.Fatalf("read the stream: %v", err)
		}
		if ev.Data != "" {
			return ev
		}
	}
}

// All returns the events up to the proper end of the stream, without comments.
func (s *Stream) All(tb testing.TB) []Event {
	tb.Helper()
	var all []Event
	for {
		ev, err := s.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			tb.Fatalf("read the stream after %d events: %v", len(all), err)
		}
		if ev.Data != "" {
			all = append(all, ev)
		}
	}
}
