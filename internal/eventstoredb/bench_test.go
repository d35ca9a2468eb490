package eventstoredb_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/events/eventstest"
	"github.com/chatkitd/chatkitd/internal/eventstoredb"
)

// The benchmarks compare the store with the bare official client, in one run and
// against the same server: in this process, over a log in memory.

func bare(b *testing.B, url string) *esdb.Client {
	b.Helper()
	config, err := esdb.ParseConnectionString(url)
	if err != nil {
		b.Fatal(err)
	}
	config.Logger = esdb.NoopLogging()
	client, err := esdb.NewClient(config)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = client.Close() })
	return client
}

// BenchmarkAppend appends one event of 400 bytes at a time, at an expected
// revision, by several writers to streams of their own.
func BenchmarkAppend(b *testing.B) {
	data := fmt.Appendf(nil, `{"text":"%0380d"}`, 7)
	for _, writers := range []int{1, 16, 64} {
		b.Run("store/"+strconv.Itoa(writers), func(b *testing.B) {
			server, _ := inMemory(b)
			s := open(b, eventstoredb.Options{URL: server.URL()})
			write(b, writers, func(ctx context.Context, stream string, n int) error {
				ev := eventstest.Events(1)
				ev[0].Data = data
				expected := events.NoStream
				if n > 0 {
					expected = events.At(uint64(n) - 1)
				}
				_, err := s.Append(ctx, stream, expected, ev...)
				return err
			})
		})
		b.Run("bare/"+strconv.Itoa(writers), func(b *testing.B) {
			server, _ := inMemory(b)
			client := bare(b, server.URL())
			write(b, writers, func(ctx context.Context, stream string, n int) error {
				ev := eventstest.Events(1)[0]
				var expected esdb.ExpectedRevision = esdb.NoStream{}
				if n > 0 {
					expected = esdb.Revision(uint64(n) - 1)
				}
				_, err := client.AppendToStream(ctx, stream, esdb.AppendToStreamOptions{ExpectedRevision: expected},
					esdb.EventData{EventID: ev.ID, EventType: ev.Type, ContentType: esdb.ContentTypeJson, Data: data, Metadata: ev.Meta})
				return err
			})
		})
	}
}

func write(b *testing.B, writers int, do func(ctx context.Context, stream string, n int) error) {
	b.Helper()
	var left atomic.Int64
	left.Store(int64(b.N))
	var wg sync.WaitGroup
	b.ResetTimer()
	for w := range writers {
		wg.Go(func() {
			for n := 0; left.Add(-1) >= 0; n++ {
				if err := do(b.Context(), fmt.Sprintf("bench-%d", w), n); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
}

// BenchmarkCatchUp reads a log of 20,000 events by a subscription from its start,
// and page by page.
func BenchmarkCatchUp(b *testing.B) {
	const total = 20_000
	server, engine := inMemory(b)
	for i := range total / 500 {
		if _, err := engine.Append(b.Context(), fmt.Sprintf("bench-%d", i%7), events.Any, eventstest.Events(500)...); err != nil {
			b.Fatal(err)
		}
	}
	s := open(b, eventstoredb.Options{URL: server.URL()})
	client := bare(b, server.URL())
	run := func(name string, catchUp func(b *testing.B) int) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if n := catchUp(b); n != total {
					b.Fatalf("%d events, want %d", n, total)
				}
			}
			b.ReportMetric(float64(total*b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
	run("subscribe/store", func(b *testing.B) int {
		b.Helper()
		sub, err := s.Subscribe(b.Context(), chatkitd.Position{}, events.Filter{})
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = sub.Close() }()
		for n := 0; ; {
			batch, err := sub.Next(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			if n += len(batch.Events); batch.CaughtUp {
				return n
			}
		}
	})
	run("subscribe/bare", func(b *testing.B) int {
		b.Helper()
		sub, err := client.SubscribeToAll(b.Context(), esdb.SubscribeToAllOptions{
			From: esdb.Start{}, Filter: esdb.ExcludeSystemEventsFilter(), MaxSearchWindow: 32, CheckpointInterval: 32,
		})
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = sub.Close() }()
		for n := 0; ; {
			switch m := sub.Recv(); {
			case m.EventAppeared != nil:
				n++
			case m.CaughtUp != nil:
				return n
			case m.SubscriptionDropped != nil:
				b.Fatal(m.SubscriptionDropped.Error)
			}
		}
	})
	run("read/store", func(b *testing.B) int {
		b.Helper()
		n := 0
		for _, err := range s.ReadAll(b.Context(), events.AllRead{}) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		return n
	})
	run("read/bare", func(b *testing.B) int {
		b.Helper()
		read, err := client.ReadAll(b.Context(), esdb.ReadAllOptions{}, total+100)
		if err != nil {
			b.Fatal(err)
		}
		defer read.Close()
		for n := 0; ; {
			ev, err := read.Recv()
			if errors.Is(err, io.EOF) {
				return n
			}
			if err != nil {
				b.Fatal(err)
			}
			if ev.OriginalEvent().EventType[0] != '$' {
				n++
			}
		}
	})
}
