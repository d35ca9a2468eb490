package bench

import (
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/internal/embedded"
)

// logOf returns the data folder of a log of n events in streams of 200 that lie
// in between each other.
func logOf(tb testing.TB, n int) string {
	tb.Helper()
	dir := tb.TempDir()
	s, err := embedded.Open(tb.Context(), embedded.Options{Dir: dir})
	if err != nil {
		tb.Fatal(err)
	}
	streams := max(1, n/200)
	const batch = 100
	for i := 0; i < n; i += batch {
		stream := events.ThreadStream(chatkitd.ThreadID(strconv.Itoa(i / batch % streams)))
		evs := make([]events.New, min(batch, n-i))
		for j := range evs {
			evs[j] = event(stream, i+j)
		}
		if _, err := s.Append(tb.Context(), stream, events.Any, evs...); err != nil {
			tb.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		tb.Fatal(err)
	}
	return dir
}

func size(tb testing.TB) int {
	tb.Helper()
	v := os.Getenv("CHATKITD_BENCH_EVENTS")
	if v == "" {
		return 200_000
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		tb.Fatal(err)
	}
	return n
}

// TestScan prints how fast the log is opened, read and verified. Set
// CHATKITD_BENCH to run it, CHATKITD_BENCH_EVENTS for another length.
func TestScan(t *testing.T) {
	if os.Getenv("CHATKITD_BENCH") == "" {
		t.Skip("CHATKITD_BENCH is not set")
	}
	n := size(t)
	dir := logOf(t, n)
	began := time.Now()
	s, err := embedded.Open(t.Context(), embedded.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	opened := time.Since(began)
	var rates []float64
	for range 5 {
		began := time.Now()
		got := 0
		for _, err := range s.ReadAll(t.Context(), events.AllRead{}) {
			if err != nil {
				t.Fatal(err)
			}
			got++
		}
		if got != n {
			t.Fatalf("%d events, want %d", got, n)
		}
		rates = append(rates, float64(n)/time.Since(began).Seconds())
	}
	began = time.Now()
	if err := s.Verify(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	verified := time.Since(began)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	rate := median(rates)
	t.Logf("scan of %d events: %.0f events/s (goal 400000), open %s, verify %s; median of 5", n, rate, opened.Round(time.Millisecond), verified.Round(time.Millisecond))
	if rate < 400_000 {
		t.Errorf("%.0f events/s is below 400000", rate)
	}
}

func BenchmarkScan(b *testing.B) {
	n := 20_000
	s, err := embedded.Open(b.Context(), embedded.Options{Dir: logOf(b, n)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	b.ReportAllocs()
	for b.Loop() {
		for _, err := range s.ReadAll(b.Context(), events.AllRead{}) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkReadStream(b *testing.B) {
	s, err := embedded.Open(b.Context(), embedded.Options{Dir: logOf(b, 20_000)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	b.ReportAllocs()
	for b.Loop() { // 200 events
		for _, err := range s.ReadStream(b.Context(), "thread-7", events.StreamRead{}) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	ev := events.TaskAdded{TaskID: "tsk_1", Title: "Buy milk", Priority: "high", Tags: []string{"home", "food"}}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := events.Encode(ev); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	name, data, err := events.Encode(events.TaskAdded{TaskID: "tsk_1", Title: "Buy milk", Priority: "high", Tags: []string{"home", "food"}})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := events.Decode(name, data); err != nil {
			b.Fatal(err)
		}
	}
}
