package openai

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// The bounds of a stream, in bytes.
const (
	maxLine   = 16 << 20 // an image comes in one line
	maxStream = 64 << 20
)

var (
	errLineTooLong = errors.New("openai: an event is longer than allowed")
	errDone        = errors.New("openai: [DONE] before a terminal event")
)

// events reads the data of server-sent events. It reads what the SDK's decoder
// does without a copy of each event.
type events struct {
	r    *bufio.Reader
	line []byte // of a line longer than the reader's buffer
	data []byte // of an event with several data lines
	read int
}

func newEvents(r io.Reader) *events { return &events{r: bufio.NewReaderSize(r, 8<<10)} }

// next returns the data of the next event; it is valid until the next call. The
// end of the stream is io.EOF, whatever was begun.
func (e *events) next() ([]byte, error) {
	var data []byte
	several := false
	for {
		line, err := e.readLine()
		if err != nil {
			return nil, err
		}
		if len(line) == 0 {
			if len(data) > 0 {
				return data, nil
			}
			continue
		}
		value, ok := bytes.CutPrefix(line, []byte("data:"))
		if !ok {
			continue // a comment, or a field that says nothing to us: the data has the type
		}
		value = bytes.TrimPrefix(value, []byte(" "))
		switch {
		case bytes.Equal(value, []byte("[DONE]")):
			return nil, errDone
		case data == nil && e.blankFollows():
			return value, nil // the usual case: no copy
		case !several:
			several, e.data = true, append(e.data[:0], data...)
		default:
			e.data = append(e.data, '\n')
		}
		e.data = append(e.data, value...)
		data = e.data
	}
}

// blankFollows reports whether the next line is there already and empty, and
// takes it. It does not wait and does not move what was returned.
func (e *events) blankFollows() bool {
	if e.r.Buffered() < 1 {
		return false
	}
	b, _ := e.r.Peek(1)
	switch b[0] {
	case '\n':
		_, _ = e.r.Discard(1)
		return true
	case '\r':
		if e.r.Buffered() > 1 {
			if b, _ = e.r.Peek(2); b[1] == '\n' {
				_, _ = e.r.Discard(2)
				return true
			}
		}
	}
	return false
}

func (e *events) readLine() ([]byte, error) {
	line, err := e.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		e.line = append(e.line[:0], line...)
		for errors.Is(err, bufio.ErrBufferFull) {
			if len(e.line) > maxLine {
				return nil, errLineTooLong
			}
			line, err = e.r.ReadSlice('\n')
			e.line = append(e.line, line...)
		}
		line = e.line
	}
	if e.read += len(line); e.read > maxStream {
		return nil, errLineTooLong
	}
	if err != nil {
		return nil, err
	}
	line = line[:len(line)-1]
	return bytes.TrimSuffix(line, []byte("\r")), nil
}
