package openai

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/openai/openai-go/v3/packages/ssestream"
	"github.com/openai/openai-go/v3/responses"

	"github.com/chatkitd/chatkitd/agent"
	"github.com/chatkitd/chatkitd/agent/agenttest"
)

// answer is a stream of 50 text deltas.
func answer() string {
	reply := agenttest.Turn(50)[1]
	return strings.Join(reply.Chunks, "")
}

// decodeAll reads a stream to its terminal event.
func decodeAll(r io.Reader) (text string, err error) {
	var b strings.Builder
	in := newEvents(r)
	d := newDecoder(func(ev *agent.Event) error {
		if ev.Kind == agent.TextDelta {
			b.WriteString(ev.Text)
		}
		return nil
	})
	for !d.ended {
		data, err := in.next()
		if err != nil {
			return b.String(), err
		}
		if err := d.event(data); err != nil {
			return b.String(), err
		}
	}
	d.response("")
	return b.String(), nil
}

// BenchmarkDecode compares our reading of a stream with the SDK's; both run over
// the same bytes.
func BenchmarkDecode(b *testing.B) {
	stream := answer()
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := decodeAll(strings.NewReader(stream)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("sdk", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			n := 0
			s := ssestream.NewStream[responses.ResponseStreamEventUnion](ssestream.NewDecoder(&http.Response{
				Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: io.NopCloser(strings.NewReader(stream)),
			}), nil)
			for s.Next() {
				if ev, ok := s.Current().AsAny().(responses.ResponseTextDeltaEvent); ok {
					n += len(ev.Delta)
				}
			}
			if s.Err() != nil || n == 0 {
				b.Fatal(s.Err(), n)
			}
		}
	})
}

// BenchmarkEvents compares our reader of events with the SDK's alone.
func BenchmarkEvents(b *testing.B) {
	stream := answer()
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			in := newEvents(strings.NewReader(stream))
			for {
				if _, err := in.next(); err != nil {
					break
				}
			}
		}
	})
	b.Run("sdk", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			d := ssestream.NewDecoder(&http.Response{Header: http.Header{}, Body: io.NopCloser(strings.NewReader(stream))})
			for d.Next() {
				_ = d.Event()
			}
		}
	})
}

// TestEvents: whatever way a stream is written and cut into reads, the same data
// comes out.
func TestEvents(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, stream, want string }{
		{"one", "data: a\n\n", "a"},
		{"several, event lines, comments", ": hi\nevent: x\ndata: a\n\nid: 1\ndata: b\n\n", "a|b"},
		{"CRLF", "event: x\r\ndata: a\r\n\r\ndata: b\r\n\r\n", "a|b"},
		{"data in several lines", "data: a\ndata: b\ndata: c\n\ndata: d\n\n", "a\nb\nc|d"},
		{"no space", "data:a\n\n", "a"},
		{"what was not ended is dropped", "data: a\n\ndata: b\n", "a"},
		{"data before other fields", "data: a\nid: 3\nevent: x\n\n", "a"},
		{"long line", "data: " + strings.Repeat("x", 20_000) + "\n\ndata: b\n\n", strings.Repeat("x", 20_000) + "|b"},
		{"long line in two", "data: " + strings.Repeat("x", 20_000) + "\ndata: b\n\n", strings.Repeat("x", 20_000) + "\nb"},
	} {
		for _, one := range []bool{false, true} {
			var r io.Reader = strings.NewReader(tt.stream)
			if one {
				r = iotest.OneByteReader(r)
			}
			in := newEvents(r)
			var got []string
			for {
				data, err := in.next()
				if err != nil {
					if !errors.Is(err, io.EOF) {
						t.Errorf("%s: %v", tt.name, err)
					}
					break
				}
				got = append(got, string(data))
			}
			if g := strings.Join(got, "|"); g != tt.want {
				t.Errorf("%s (byte by byte: %v): got %.60q, want %.60q", tt.name, one, g, tt.want)
			}
		}
	}
}

// FuzzStream: no bytes of a provider make the decoder panic or go on for ever.
func FuzzStream(f *testing.F) {
	f.Add(answer())
	f.Add(strings.Join(agenttest.Turn(1)[0].Chunks, ""))
	f.Add(agenttest.NewScript("x").Reasoning("a", "b").Failed("x", "y").Chunks[0])
	f.Add("data: {\"type\":\"response.output_item.done\",\"output_index\":-7,\"item\":7}\n\n")
	f.Add("data: {\"type\":\"response.output_text.delta\",\"output_index\":1e99,\"content_index\":-1,\"delta\":\"\\ud800\"}\n\n")
	f.Fuzz(func(_ *testing.T, stream string) {
		_, _ = decodeAll(strings.NewReader(stream))
	})
}
