package esdbserver_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/google/uuid"

	"github.com/chatkitd/chatkitd/internal/esdbserver"
	"github.com/chatkitd/chatkitd/internal/memstore"
)

// The official client is the judge of the server: without it the server and our
// own store could share a mistake.
func TestOfficialClient(t *testing.T) {
	for _, scheme := range []string{"esdb", "esdb+discover"} {
		t.Run(scheme, func(t *testing.T) {
			server := start(t, esdbserver.Options{})
			client := connect(t, strings.Replace(server.URL(), "esdb", scheme, 1))
			for _, tt := range []struct {
				name string
				test func(*testing.T, *esdb.Client)
			}{
				{"append and conflict", appendAndConflict},
				{"read both ways", readBothWays},
				{"subscribe with a filter", subscribeFiltered},
				{"subscribe to a stream", subscribeStream},
				{"delete, go on, tombstone", deleteAndTombstone},
				{"metadata", metadata},
				{"too much", tooMuch},
			} {
				t.Run(tt.name, func(t *testing.T) { tt.test(t, client) })
			}
		})
	}
}

func start(t *testing.T, o esdbserver.Options) *esdbserver.Server {
	t.Helper()
	engine := memstore.New()
	server, err := esdbserver.New(t.Context(), engine, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Stop()
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	return server
}

func connect(t *testing.T, url string) *esdb.Client {
	t.Helper()
	config, err := esdb.ParseConnectionString(url)
	if err != nil {
		t.Fatal(err)
	}
	config.Logger = esdb.NoopLogging()
	client, err := esdb.NewClient(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	return client
}

func limited(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// happened returns n events with their number as data.
func happened(n int) []esdb.EventData {
	evs := make([]esdb.EventData, n)
	for i := range evs {
		evs[i] = esdb.EventData{
			EventID: uuid.New(), EventType: "happened", ContentType: esdb.ContentTypeJson, Data: fmt.Appendf(nil, `{"n":%d}`, i),
		}
	}
	return evs
}

func write(t *testing.T, c *esdb.Client, stream string, expected esdb.ExpectedRevision, evs ...esdb.EventData) *esdb.WriteResult {
	t.Helper()
	res, err := c.AppendToStream(limited(t), stream, esdb.AppendToStreamOptions{ExpectedRevision: expected}, evs...)
	if err != nil {
		t.Fatalf("append to %s: %v", stream, err)
	}
	return res
}

func code(err error) esdb.ErrorCode {
	if e, ok := errors.AsType[*esdb.Error](err); ok {
		return e.Code()
	}
	return -1
}

func revisions(t *testing.T, c *esdb.Client, stream string, o esdb.ReadStreamOptions) ([]uint64, error) {
	t.Helper()
	read, err := c.ReadStream(limited(t), stream, o, 1000)
	if err != nil {
		return nil, err
	}
	defer read.Close()
	var got []uint64
	for {
		ev, err := read.Recv()
		if errors.Is(err, io.EOF) {
			return got, nil
		}
		if err != nil {
			return got, err
		}
		got = append(got, ev.OriginalEvent().EventNumber)
	}
}

func appendAndConflict(t *testing.T, c *esdb.Client) {
	t.Helper()
	evs := happened(3)
	first := write(t, c, "append-1", esdb.NoStream{}, evs...)
	if first.NextExpectedVersion != 2 || first.CommitPosition == 0 || first.CommitPosition != first.PreparePosition {
		t.Errorf("got %+v", first)
	}
	if again := write(t, c, "append-1", esdb.NoStream{}, evs...); *again != *first {
		t.Errorf("the repeated append = %+v, the first was %+v", again, first)
	}
	for _, expected := range []esdb.ExpectedRevision{esdb.NoStream{}, esdb.Revision(1), esdb.Revision(7)} {
		_, err := c.AppendToStream(limited(t), "append-1", esdb.AppendToStreamOptions{ExpectedRevision: expected}, happened(1)...)
		if code(err) != esdb.ErrorCodeWrongExpectedVersion || !strings.Contains(err.Error(), "'2'") {
			t.Errorf("expecting %v: %v, want a conflict that names revision 2", expected, err)
		}
	}
	if _, err := c.AppendToStream(limited(t), "append-none", esdb.AppendToStreamOptions{ExpectedRevision: esdb.StreamExists{}}, happened(1)...); code(err) != esdb.ErrorCodeWrongExpectedVersion {
		t.Errorf("got %v, want a conflict", err)
	}
	if next := write(t, c, "append-1", esdb.Revision(2), happened(1)...); next.NextExpectedVersion != 3 {
		t.Errorf("got %+v", next)
	}
}

func readBothWays(t *testing.T, c *esdb.Client) {
	t.Helper()
	write(t, c, "read-1", esdb.NoStream{}, happened(5)...)
	for _, tt := range []struct {
		o    esdb.ReadStreamOptions
		want []uint64
	}{
		{esdb.ReadStreamOptions{}, []uint64{0, 1, 2, 3, 4}},
		{esdb.ReadStreamOptions{From: esdb.Revision(3)}, []uint64{3, 4}},
		{esdb.ReadStreamOptions{From: esdb.Revision(9)}, nil},
		{esdb.ReadStreamOptions{From: esdb.End{}, Direction: esdb.Backwards}, []uint64{4, 3, 2, 1, 0}},
		{esdb.ReadStreamOptions{From: esdb.Revision(1), Direction: esdb.Backwards}, []uint64{1, 0}},
	} {
		if got, err := revisions(t, c, "read-1", tt.o); err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%+v: %v, %v; want %v", tt.o, got, err, tt.want)
		}
	}
	if _, err := revisions(t, c, "read-none", esdb.ReadStreamOptions{}); code(err) != esdb.ErrorCodeResourceNotFound {
		t.Errorf("got %v, want not found", err)
	}
	all := readAll(t, c, esdb.ReadAllOptions{})
	at := all[len(all)-2].Position
	if got := readAll(t, c, esdb.ReadAllOptions{From: at}); len(got) != 2 || got[0].Position != at {
		t.Errorf("forwards from a position: %d events, want it and the one after it", len(got))
	}
	if got := readAll(t, c, esdb.ReadAllOptions{From: at, Direction: esdb.Backwards}); len(got) != len(all)-2 {
		t.Errorf("backwards from a position: %d events, want the %d before it", len(got), len(all)-2)
	}
}

func readAll(t *testing.T, c *esdb.Client, o esdb.ReadAllOptions) []*esdb.RecordedEvent {
	t.Helper()
	read, err := c.ReadAll(limited(t), o, 10000)
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	var got []*esdb.RecordedEvent
	for {
		ev, err := read.Recv()
		if errors.Is(err, io.EOF) {
			return got
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, ev.OriginalEvent())
	}
}

// follow collects what a subscription brings until there are n events, and
// counts the rest.
func follow(t *testing.T, sub *esdb.Subscription, n int) (evs []*esdb.RecordedEvent, checkpoints int, caughtUp bool) {
	t.Helper()
	for len(evs) < n || !caughtUp {
		m := sub.Recv()
		switch {
		case m.EventAppeared != nil:
			evs = append(evs, m.EventAppeared.OriginalEvent())
		case m.CheckPointReached != nil:
			checkpoints++
		case m.CaughtUp != nil:
			caughtUp = true
		case m.SubscriptionDropped != nil:
			t.Fatalf("dropped after %d events: %v", len(evs), m.SubscriptionDropped.Error)
		}
	}
	return evs, checkpoints, caughtUp
}

func subscribeFiltered(t *testing.T, c *esdb.Client) {
	t.Helper()
	for range 10 {
		write(t, c, "noise-1", esdb.Any{}, happened(20)...)
		write(t, c, "sub-1", esdb.Any{}, happened(2)...)
	}
	options := esdb.SubscribeToAllOptions{
		From:               esdb.Start{},
		Filter:             &esdb.SubscriptionFilter{Type: esdb.StreamFilterType, Prefixes: []string{"sub-"}},
		CheckpointInterval: 1,
	}
	sub, err := c.SubscribeToAll(limited(t), options)
	if err != nil {
		t.Fatal(err)
	}
	evs, checkpoints, _ := follow(t, sub, 20)
	if len(evs) != 20 || checkpoints < 6 {
		t.Errorf("%d events and %d checkpoints, want 20 and one for every 32 considered", len(evs), checkpoints)
	}
	live := write(t, c, "sub-2", esdb.NoStream{}, happened(1)...)
	for {
		m := sub.Recv()
		if m.SubscriptionDropped != nil {
			t.Fatal(m.SubscriptionDropped.Error)
		}
		if m.EventAppeared != nil {
			if p := m.EventAppeared.OriginalEvent().Position; p.Commit != live.CommitPosition {
				t.Errorf("live at %v, want %d", p, live.CommitPosition)
			}
			break
		}
	}
	if err := sub.Close(); err != nil {
		t.Error(err)
	}
	options.From = evs[17].Position
	again, err := c.SubscribeToAll(limited(t), options)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = again.Close() }()
	if got, _, _ := follow(t, again, 3); got[0].Position != evs[18].Position {
		t.Errorf("resumed at %v, want the event after %v", got[0].Position, evs[17].Position)
	}
}

func subscribeStream(t *testing.T, c *esdb.Client) {
	t.Helper()
	write(t, c, "follow-1", esdb.NoStream{}, happened(3)...)
	sub, err := c.SubscribeToStream(limited(t), "follow-1", esdb.SubscribeToStreamOptions{From: esdb.Revision(0)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sub.Close() }()
	if evs, _, _ := follow(t, sub, 2); evs[0].EventNumber != 1 || evs[1].EventNumber != 2 {
		t.Errorf("after revision 0 come %d, %d", evs[0].EventNumber, evs[1].EventNumber)
	}
}

func deleteAndTombstone(t *testing.T, c *esdb.Client) {
	t.Helper()
	write(t, c, "delete-1", esdb.NoStream{}, happened(3)...)
	if _, err := c.DeleteStream(limited(t), "delete-1", esdb.DeleteStreamOptions{ExpectedRevision: esdb.Revision(1)}); err == nil {
		t.Error("a deletion that expects another revision was taken")
	}
	res, err := c.DeleteStream(limited(t), "delete-1", esdb.DeleteStreamOptions{ExpectedRevision: esdb.Revision(2)})
	if err != nil || res.Position.Commit == 0 {
		t.Fatalf("got %+v, %v", res, err)
	}
	if _, err := revisions(t, c, "delete-1", esdb.ReadStreamOptions{}); code(err) != esdb.ErrorCodeResourceNotFound {
		t.Errorf("got %v, want not found", err)
	}
	if _, err := c.AppendToStream(limited(t), "delete-1", esdb.AppendToStreamOptions{ExpectedRevision: esdb.StreamExists{}}, happened(1)...); code(err) != esdb.ErrorCodeStreamDeleted {
		t.Errorf("an append to a deleted stream that expects one: %v, want stream deleted", err)
	}
	if res := write(t, c, "delete-1", esdb.NoStream{}, happened(1)...); res.NextExpectedVersion != 3 {
		t.Errorf("got %+v, want revision 3", res)
	}
	if got, err := revisions(t, c, "delete-1", esdb.ReadStreamOptions{}); err != nil || !slices.Equal(got, []uint64{3}) {
		t.Errorf("got %v, %v; want revision 3", got, err)
	}
	if _, err := c.TombstoneStream(limited(t), "delete-1", esdb.TombstoneStreamOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := revisions(t, c, "delete-1", esdb.ReadStreamOptions{}); code(err) != esdb.ErrorCodeStreamDeleted {
		t.Errorf("got %v, want stream deleted", err)
	}
	all := readAll(t, c, esdb.ReadAllOptions{})
	if last := all[len(all)-1]; last.EventType != "$streamDeleted" || last.StreamID != "delete-1" {
		t.Errorf("the log ends with %s of %s, want the tombstone", last.EventType, last.StreamID)
	}
}

func metadata(t *testing.T, c *esdb.Client) {
	t.Helper()
	write(t, c, "meta-1", esdb.NoStream{}, happened(5)...)
	var meta esdb.StreamMetadata
	meta.SetMaxCount(2)
	if _, err := c.SetStreamMetadata(limited(t), "meta-1", esdb.AppendToStreamOptions{}, meta); err != nil {
		t.Fatal(err)
	}
	got, err := c.GetStreamMetadata(limited(t), "meta-1", esdb.ReadStreamOptions{})
	if err != nil || got.MaxCount() == nil || *got.MaxCount() != 2 {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := revisions(t, c, "meta-1", esdb.ReadStreamOptions{}); err != nil || !slices.Equal(got, []uint64{3, 4}) {
		t.Errorf("got %v, %v; want the last two", got, err)
	}
}

func tooMuch(t *testing.T, c *esdb.Client) {
	t.Helper()
	ev := happened(1)[0]
	ev.Data = []byte(`"` + strings.Repeat("x", 2<<20) + `"`)
	if _, err := c.AppendToStream(limited(t), "big-1", esdb.AppendToStreamOptions{}, ev); err == nil {
		t.Error("an append of 2 MiB was taken")
	}
	if _, err := revisions(t, c, "big-1", esdb.ReadStreamOptions{}); code(err) != esdb.ErrorCodeResourceNotFound {
		t.Errorf("got %v, want not found", err)
	}
}
