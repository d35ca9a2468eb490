package eventstest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

var readTests = []contract{
	{"a missing stream", testMissing},
	{"a stream, from, both ways, limit", testReadStream},
	{"a long stream comes whole", testLongStream},
	{"the log, after, before, both ways, limit", testReadAll},
	{"the log by stream prefix and type", testFilter},
	{"a reader may stop, and append while it reads", testReadAndAppend},
	{"a context that ends", testReadContext},
	{"many streams", testManyStreams},
}

func testMissing(t *testing.T, s events.Store) {
	for _, o := range []events.StreamRead{{}, {From: 5}, {Backwards: true, FromEnd: true}, {Backwards: true}} {
		if err := firstError(s.ReadStream(t.Context(), "test-missing", o)); !errors.Is(err, events.ErrStreamNotFound) {
			t.Errorf("%+v: %v, want ErrStreamNotFound", o, err)
		}
	}
	if recs := Collect(t, s.ReadAll(t.Context(), events.AllRead{})); len(recs) != 0 {
		t.Errorf("an empty log has %d events", len(recs))
	}
	if recs := Collect(t, s.ReadAll(t.Context(), events.AllRead{Backwards: true})); len(recs) != 0 {
		t.Errorf("an empty log has %d events backwards", len(recs))
	}
}

func testReadStream(t *testing.T, s events.Store) {
	Append(t, s, "test-other", events.NoStream, Events(3)...)
	evs := Events(10)
	for i := range evs {
		Append(t, s, "test-1", events.Any, evs[i])
		Append(t, s, "test-other", events.Any, Events(1)...)
	}
	tests := []struct {
		read events.StreamRead
		want []int
	}{
		{events.StreamRead{}, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}},
		{events.StreamRead{From: 7}, []int{7, 8, 9}},
		{events.StreamRead{From: 7, Limit: 2}, []int{7, 8}},
		{events.StreamRead{From: 9}, []int{9}},
		{events.StreamRead{From: 10}, nil},
		{events.StreamRead{From: 1 << 40}, nil},
		{events.StreamRead{Limit: 1}, []int{0}},
		{events.StreamRead{Limit: 100}, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}},
		{events.StreamRead{Backwards: true, FromEnd: true}, []int{9, 8, 7, 6, 5, 4, 3, 2, 1, 0}},
		{events.StreamRead{Backwards: true, FromEnd: true, Limit: 3}, []int{9, 8, 7}},
		{events.StreamRead{Backwards: true, FromEnd: true, From: 4, Limit: 1}, []int{9}},
		{events.StreamRead{Backwards: true, From: 2}, []int{2, 1, 0}},
		{events.StreamRead{Backwards: true, From: 2, Limit: 2}, []int{2, 1}},
		{events.StreamRead{Backwards: true}, []int{0}},
		{events.StreamRead{Backwards: true, From: 1 << 40, Limit: 1}, []int{9}},
	}
	for _, tt := range tests {
		if got := numbers(t, Collect(t, s.ReadStream(t.Context(), "test-1", tt.read))); !slices.Equal(got, tt.want) {
			t.Errorf("%+v: %v, want %v", tt.read, got, tt.want)
		}
	}
}

func testLongStream(t *testing.T, s events.Store) {
	const n = 5000
	evs := Events(n)
	for batch := range slices.Chunk(evs, 500) {
		Append(t, s, "test-1", events.Any, batch...)
	}
	forwards := numbers(t, Collect(t, s.ReadStream(t.Context(), "test-1", events.StreamRead{})))
	backwards := numbers(t, Collect(t, s.ReadStream(t.Context(), "test-1", events.StreamRead{Backwards: true, FromEnd: true})))
	slices.Reverse(backwards)
	all := numbers(t, Collect(t, s.ReadAll(t.Context(), events.AllRead{})))
	allBackwards := numbers(t, Collect(t, s.ReadAll(t.Context(), events.AllRead{Backwards: true})))
	slices.Reverse(allBackwards)
	for name, got := range map[string][]int{"forwards": forwards, "backwards": backwards, "all": all, "all backwards": allBackwards} {
		if len(got) != n || !slices.IsSorted(got) || got[0] != 0 || got[n-1] != n-1 {
			t.Errorf("%s: %d events, want 0 … %d", name, len(got), n-1)
		}
	}
	if got := numbers(t, Collect(t, s.ReadStream(t.Context(), "test-1", events.StreamRead{From: 100, Limit: 4500}))); len(got) != 4500 || got[4499] != 4599 {
		t.Errorf("a limit over several pages: %d events", len(got))
	}
}

func testReadAll(t *testing.T, s events.Store) {
	evs := Events(9)
	for i := range evs {
		Append(t, s, fmt.Sprintf("test-%d", i%3), events.Any, evs[i])
	}
	recs := Collect(t, s.ReadAll(t.Context(), events.AllRead{}))
	if got := numbers(t, recs); !slices.Equal(got, []int{0, 1, 2, 3, 4, 5, 6, 7, 8}) {
		t.Fatalf("got %v", got)
	}
	for i := 1; i < len(recs); i++ {
		if recs[i].Position.Compare(recs[i-1].Position) <= 0 {
			t.Errorf("position %v follows %v", recs[i].Position, recs[i-1].Position)
		}
	}
	at := func(i int) chatkitd.Position { return recs[i].Position }
	tests := []struct {
		name string
		read events.AllRead
		want []int
	}{
		{"after", events.AllRead{After: at(5)}, []int{6, 7, 8}},
		{"after, limit", events.AllRead{After: at(5), Limit: 2}, []int{6, 7}},
		{"after the last", events.AllRead{After: at(8)}, nil},
		{"limit", events.AllRead{Limit: 1}, []int{0}},
		{"backwards", events.AllRead{Backwards: true}, []int{8, 7, 6, 5, 4, 3, 2, 1, 0}},
		{"backwards, limit", events.AllRead{Backwards: true, Limit: 2}, []int{8, 7}},
		{"before", events.AllRead{Backwards: true, Before: at(3)}, []int{2, 1, 0}},
		{"before, limit", events.AllRead{Backwards: true, Before: at(3), Limit: 2}, []int{2, 1}},
		{"before the first", events.AllRead{Backwards: true, Before: at(0)}, nil},
	}
	for _, tt := range tests {
		if got := numbers(t, Collect(t, s.ReadAll(t.Context(), tt.read))); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func testFilter(t *testing.T, s events.Store) {
	evs := Events(12)
	streams := []string{"user-a", "user-b", "thread-a", "thread-b"}
	for i := range evs {
		evs[i].Type = []string{"test.one.v1", "test.two.v1", "test.three.v1"}[i%3]
		Append(t, s, streams[i%4], events.Any, evs[i])
	}
	tests := []struct {
		name   string
		filter events.Filter
		want   []int
	}{
		{"a prefix", events.Filter{StreamPrefixes: []string{"user-"}}, []int{0, 1, 4, 5, 8, 9}},
		{"two prefixes", events.Filter{StreamPrefixes: []string{"user-a", "thread-b"}}, []int{0, 3, 4, 7, 8, 11}},
		{"a type", events.Filter{Types: []string{"test.two.v1"}}, []int{1, 4, 7, 10}},
		{"two types", events.Filter{Types: []string{"test.one.v1", "test.two.v1"}}, []int{0, 1, 3, 4, 6, 7, 9, 10}},
		{"a type is not a prefix", events.Filter{Types: []string{"test.one"}}, nil},
		{"both", events.Filter{StreamPrefixes: []string{"user-"}, Types: []string{"test.one.v1"}}, []int{0, 9}},
		{"nothing", events.Filter{StreamPrefixes: []string{"none-"}}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := numbers(t, Collect(t, s.ReadAll(t.Context(), events.AllRead{Filter: tt.filter}))); !slices.Equal(got, tt.want) {
				t.Errorf("forwards %v, want %v", got, tt.want)
			}
			got := numbers(t, Collect(t, s.ReadAll(t.Context(), events.AllRead{Filter: tt.filter, Backwards: true})))
			slices.Reverse(got)
			if !slices.Equal(got, tt.want) {
				t.Errorf("backwards %v, want %v", got, tt.want)
			}
			limit := events.AllRead{Filter: tt.filter, Limit: 2}
			if got := numbers(t, Collect(t, s.ReadAll(t.Context(), limit))); !slices.Equal(got, tt.want[:min(2, len(tt.want))]) {
				t.Errorf("the first two %v, want of %v", got, tt.want)
			}
			if got := numbers(t, subscribe(t, s, chatkitd.Position{}, tt.filter).catchUp()); !slices.Equal(got, tt.want) {
				t.Errorf("subscribed %v, want %v", got, tt.want)
			}
		})
	}
}

func testReadAndAppend(t *testing.T, s events.Store) {
	Append(t, s, "test-1", events.NoStream, Events(3)...)
	n := 0
	for rec, err := range s.ReadStream(t.Context(), "test-1", events.StreamRead{}) {
		if err != nil || rec.Revision != uint64(n) {
			t.Fatalf("event %d: %+v, %v", n, rec, err)
		}
		Append(t, s, "test-1", events.At(uint64(2+n)), Events(1)...)
		if n++; n == 3 {
			break
		}
	}
	for _, err := range s.ReadAll(t.Context(), events.AllRead{}) {
		if err != nil {
			t.Error(err)
		}
		break
	}
	if got := Append(t, s, "test-1", events.At(5), Events(1)...); got.Revision != 6 {
		t.Errorf("got %+v, want revision 6", got)
	}
}

func testReadContext(t *testing.T, s events.Store) {
	Append(t, s, "test-1", events.NoStream, Events(10)...)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := firstError(s.ReadStream(ctx, "test-1", events.StreamRead{})); !errors.Is(err, context.Canceled) {
		t.Errorf("ReadStream: %v, want context.Canceled", err)
	}
	if err := firstError(s.ReadAll(ctx, events.AllRead{})); !errors.Is(err, context.Canceled) {
		t.Errorf("ReadAll: %v, want context.Canceled", err)
	}
}

func testManyStreams(t *testing.T, s events.Store) {
	const n = 300
	for i := range n {
		Append(t, s, fmt.Sprintf("test-%d", i), events.NoStream, Events(2)...)
	}
	for i := n - 1; i >= 0; i -= 7 {
		if got := Append(t, s, fmt.Sprintf("test-%d", i), events.At(1), Events(1)...); got.Revision != 2 {
			t.Fatalf("stream %d: %+v, want revision 2", i, got)
		}
	}
	seen := map[string]int{}
	for _, rec := range Collect(t, s.ReadAll(t.Context(), events.AllRead{})) {
		if rec.Revision != uint64(seen[rec.Stream]) {
			t.Fatalf("%s: revision %d after %d events", rec.Stream, rec.Revision, seen[rec.Stream])
		}
		seen[rec.Stream]++
	}
	if len(seen) != n {
		t.Errorf("%d streams, want %d", len(seen), n)
	}
}
