package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/internal/embedded"
)

// event returns an event of about 400 bytes of data and 150 of metadata.
func event(stream string, i int) events.New {
	return events.New{
		ID: events.ID(stream, "bench", i), Type: "task.added.v1",
		Data: fmt.Appendf(nil, `{"task_id":"tsk_%029d","title":"Buy milk tomorrow","description":%q,"priority":"high"}`, i, strings.Repeat("lorem ipsum ", 25)),
		Meta: fmt.Appendf(nil, `{"$correlationId":"req_%029d","$causationId":"req_%029d","user_id":"alice@example.com","recorded_at":"2026-01-02T03:04:05Z"}`, i, i),
	}
}

// An appender makes one event durable before it returns.
type appender func(stream string, expected events.Revision, e events.New) (events.Revision, error)

// rawFile is the limit: an append-only file with the store's own group commit, one
// fdatasync per group and nothing else. It keeps no index and finds nothing again.
type rawFile struct {
	f     *os.File
	queue chan rawRequest
	done  chan struct{}
}

type rawRequest struct {
	e      events.New
	answer chan error
}

func newRawFile(path string) (*rawFile, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	r := &rawFile{f: f, queue: make(chan rawRequest, 8192), done: make(chan struct{})}
	go r.run()
	return r, nil
}

func (r *rawFile) run() {
	defer close(r.done)
	var buf []byte
	var batch []rawRequest
	last := 0
	for first := range r.queue {
		if last <= 64 {
			runtime.Gosched()
		}
		batch = append(batch[:0], first)
	collect:
		for len(batch) < 1024 {
			select {
			case q, ok := <-r.queue:
				if !ok {
					break collect
				}
				batch = append(batch, q)
			default:
				break collect
			}
		}
		buf = buf[:0]
		for _, q := range batch {
			buf = append(buf, q.e.ID[:]...)
			buf = append(buf, q.e.Type...)
			buf = append(buf, q.e.Data...)
			buf = append(buf, q.e.Meta...)
		}
		_, err := r.f.Write(buf)
		if err == nil {
			err = datasync(r.f)
		}
		for _, q := range batch {
			q.answer <- err
		}
		last = len(batch)
	}
}

func (r *rawFile) append(_ string, expected events.Revision, e events.New) (events.Revision, error) {
	q := rawRequest{e, make(chan error, 1)}
	r.queue <- q
	return expected, <-q.answer
}

func (r *rawFile) close() error {
	close(r.queue)
	<-r.done
	return r.f.Close()
}

// run appends with c callers for a while and returns the rate and the latencies.
func run(tb testing.TB, c int, d time.Duration, app appender, round int) (rate float64, latencies []time.Duration) {
	tb.Helper()
	var wg sync.WaitGroup
	var total atomic.Int64
	all := make([][]time.Duration, c)
	end := time.Now().Add(d)
	began := time.Now()
	for w := range c {
		wg.Go(func() {
			stream := events.UserStream("bench")
			var expected events.Revision
			for i := 0; time.Now().Before(end); i++ {
				if i%20 == 0 { // a new stream now and then, as threads are
					stream = fmt.Sprintf("thread-%d-%d-%d-%d", c, round, w, i)
					expected = events.NoStream
				}
				e := event(stream, i)
				at := time.Now()
				next, err := app(stream, expected, e)
				if err != nil {
					tb.Error(err)
					return
				}
				all[w] = append(all[w], time.Since(at))
				expected = next
				total.Add(1)
			}
		})
	}
	wg.Wait()
	rate = float64(total.Load()) / time.Since(began).Seconds()
	latencies = slices.Concat(all...)
	slices.Sort(latencies)
	return rate, latencies
}

// TestAppendBesideRawFile prints durable appends per second of the embedded store
// and of a raw file, interleaved in one run, and fails below the goals. Set
// CHATKITD_BENCH to run it.
func TestAppendBesideRawFile(t *testing.T) {
	if os.Getenv("CHATKITD_BENCH") == "" {
		t.Skip("CHATKITD_BENCH is not set")
	}
	const rounds = 5
	for _, tt := range []struct {
		callers int
		goal    float64 // of the raw file
		p99     time.Duration
	}{{1, 0.9, 0}, {16, 0.8, 0}, {256, 0.25, 25 * time.Millisecond}} {
		t.Run(fmt.Sprint(tt.callers), func(t *testing.T) {
			dir := t.TempDir()
			store, err := embedded.Open(t.Context(), embedded.Options{Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			raw, err := newRawFile(filepath.Join(dir, "raw"))
			if err != nil {
				t.Fatal(err)
			}
			app := func(stream string, expected events.Revision, e events.New) (events.Revision, error) {
				last, err := store.Append(t.Context(), stream, expected, e)
				return events.At(last.Revision), err
			}
			var ratios, rates, raws []float64
			var p50s, p99s []time.Duration
			for round := range rounds {
				rawRate, _ := run(t, tt.callers, time.Second, raw.append, round)
				rate, latencies := run(t, tt.callers, time.Second, app, round)
				rates, raws, ratios = append(rates, rate), append(raws, rawRate), append(ratios, rate/rawRate)
				p50s = append(p50s, latencies[len(latencies)/2])
				p99s = append(p99s, latencies[len(latencies)*99/100])
			}
			if err := store.Close(); err != nil {
				t.Error(err)
			}
			if err := raw.close(); err != nil {
				t.Error(err)
			}
			ratio, p99 := median(ratios), median(p99s)
			t.Logf("append, %3d callers: %6.0f events/s, raw file %6.0f, ratio %.2f (goal %.2f), p50 %s, p99 %s; median of %d",
				tt.callers, median(rates), median(raws), ratio, tt.goal, median(p50s).Round(10*time.Microsecond), p99.Round(10*time.Microsecond), rounds)
			if ratio < tt.goal {
				t.Errorf("the ratio %.2f is below %.2f", ratio, tt.goal)
			}
			if tt.p99 > 0 && p99 > tt.p99 {
				t.Errorf("p99 is %s, over %s", p99, tt.p99)
			}
		})
	}
}

func median[T float64 | time.Duration](vs []T) T {
	vs = slices.Sorted(slices.Values(vs))
	return vs[len(vs)/2]
}

func BenchmarkAppend(b *testing.B) {
	store, err := embedded.Open(b.Context(), embedded.Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := store.Close(); err != nil {
			b.Error(err)
		}
	})
	var n atomic.Int64
	b.SetParallelism(128)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		stream := fmt.Sprintf("thread-%d", n.Add(1))
		expected := events.NoStream
		e := event(stream, 0)
		for pb.Next() {
			last, err := store.Append(b.Context(), stream, expected, e)
			if err != nil {
				b.Error(err)
				return
			}
			expected = events.At(last.Revision)
		}
	})
}
