package chatkit_test

import (
	"strings"
	"testing"

	"github.com/chatkitd/chatkitd/chatkit"
)

func BenchmarkAppendEvent(b *testing.B) {
	benchmarks := []struct {
		name string
		ev   chatkit.Event
	}{
		{"text delta", chatkit.ItemUpdated{
			ItemID: "msg_068n1k3e0c0g2t6h7q8r9s0v1u2v3", Update: chatkit.TextDelta{Delta: " tomorrow"},
		}},
		{"text delta of 1 kB", chatkit.ItemUpdated{
			ItemID: "msg_068n1k3e0c0g2t6h7q8r9s0v1u2v3", Update: chatkit.TextDelta{Delta: strings.Repeat("tomorrow\n", 114)},
		}},
		{"task updated", chatkit.ItemUpdated{ItemID: "wf_1", Update: updateSamples[7].value}},
		{"item done", chatkit.ItemDone{Item: itemSamples[2].value}},
	}
	for _, bb := range benchmarks {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			var buf []byte
			var err error
			for b.Loop() {
				if buf, err = chatkit.AppendEvent(buf[:0], bb.ev); err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(int64(len(buf)))
		})
	}
}

func BenchmarkDecodeRequest(b *testing.B) {
	long := strings.Replace(helloJSON, "Hello", strings.Repeat("Hello ", 5000), 1)
	for name, body := range map[string]string{
		"list":    `{"type":"threads.list","params":{"limit":20,"order":"desc"}}`,
		"message": `{"type":"threads.add_user_message","params":{"thread_id":"thr_1","input":` + helloJSON + `}}`,
		"30 kB":   `{"type":"threads.add_user_message","params":{"thread_id":"thr_1","input":` + long + `}}`,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			raw := []byte(body)
			for b.Loop() {
				if _, err := chatkit.DecodeRequest(raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
