package projections

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/internal/memstore"
	"github.com/chatkitd/chatkitd/internal/sqlite"
)

// world is a log and a service on it.
type world struct {
	t       testing.TB
	store   events.Store
	dir     string // of the read models
	options Options
	list    []projection
	now     time.Time // of the next event
	sparse  bool      // the positions of the store do not count its events

	s    *Service
	stop func()
}

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newWorld(tb testing.TB) *world {
	tb.Helper()
	w := &world{t: tb, store: memstore.New(), dir: memoryDir(tb), list: all(), now: epoch}
	tb.Cleanup(func() {
		w.close()
		_ = w.store.Close()
	})
	return w
}

// memoryDir returns a folder where a sync costs nothing, if the system has one: most
// of what tests would wait for is the disk. Those that kill a process use a real one.
func memoryDir(tb testing.TB) string {
	tb.Helper()
	const memory = "/dev/shm"
	dir, err := os.MkdirTemp(memory, "chatkitd-test-") //nolint:usetesting // TempDir is on a disk
	if err != nil {
		return tb.TempDir()
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// open opens the service without running it.
func (w *world) open() *Service {
	w.t.Helper()
	w.close()
	o := w.options
	o.Dir, o.Dense = w.dir, !w.sparse
	if o.Store == nil {
		o.Store = w.store
	}
	var err error
	if w.s, err = open(context.Background(), o, w.list); err != nil {
		w.t.Fatal(err)
	}
	w.s.retry = time.Millisecond
	return w.s
}

// run opens and runs the service; close stops it.
func (w *world) run() *Service {
	w.t.Helper()
	s := w.open()
	w.start(s)
	return s
}

// start runs a service that is open.
func (w *world) start(s *Service) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	w.stop = func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("Run: %v", err)
		}
	}
	eventually(w.t, "it runs", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.base != nil
	})
}

// close stops and closes the service; the log and the file stay.
func (w *world) close() {
	if w.stop != nil {
		w.stop()
		w.stop = nil
	}
	if w.s != nil {
		if err := w.s.Close(); err != nil {
			w.t.Errorf("Close: %v", err)
		}
		w.s = nil
	}
}

// append adds events to a stream, a second apart, and returns the last position.
func (w *world) append(stream string, evs ...events.Event) chatkitd.Position {
	w.t.Helper()
	var at chatkitd.Position
	for _, ev := range evs {
		w.now = w.now.Add(time.Second)
		at = appendAt(w.t, w.store, stream, w.now, ev)
	}
	return at
}

func appendAt(t interface {
	Helper()
	Fatalf(string, ...any)
}, store events.Store, stream string, at time.Time, evs ...events.Event,
) chatkitd.Position {
	t.Helper()
	batch, err := events.Prepare(stream, events.Metadata{RecordedAt: at}, uuid.NewString(), evs...)
	if err != nil {
		t.Fatalf("prepare: %v", err)
	}
	done, err := store.Append(context.Background(), stream, events.Any, batch...)
	if err != nil {
		t.Fatalf("append: %v", err)
	}
	return done.Position
}

func (w *world) user(user chatkitd.UserID, evs ...events.Event) chatkitd.Position {
	w.t.Helper()
	return w.append(events.UserStream(user), evs...)
}

func (w *world) thread(id chatkitd.ThreadID, evs ...events.Event) chatkitd.Position {
	w.t.Helper()
	return w.append(events.ThreadStream(id), evs...)
}

// caughtUp waits until the service has seen the log.
func (w *world) caughtUp() *Service {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := w.s.CaughtUp(ctx); err != nil {
		w.t.Fatalf("CaughtUp: %v", err)
	}
	return w.s
}

func (w *world) states() []State {
	w.t.Helper()
	states, err := w.s.States(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	return states
}

func item(id, typ, text string) json.RawMessage {
	raw, err := json.Marshal(map[string]any{
		"id": id, "type": typ, "thread_id": "thr_1", "created_at": epoch, "content": text,
	})
	if err != nil {
		panic(err)
	}
	return raw
}

// dump returns every row of the tables of all projections as text, without their
// generation.
func (w *world) dump() string {
	w.t.Helper()
	var b strings.Builder
	for _, m := range w.s.models {
		for _, t := range m.Tables() {
			fmt.Fprintf(&b, "# %s\n", t.name)
			rows, err := m.view.db.QueryContext(context.Background(), "SELECT * FROM "+t.name+" ORDER BY 1, 2, 3")
			if err != nil {
				w.t.Fatal(err)
			}
			columns, err := rows.Columns()
			if err != nil {
				w.t.Fatal(err)
			}
			values := make([]any, len(columns))
			dest := make([]any, len(columns))
			for i := range values {
				dest[i] = &values[i]
			}
			for rows.Next() {
				if err := rows.Scan(dest...); err != nil {
					w.t.Fatal(err)
				}
				fmt.Fprintln(&b, values...)
			}
			if err := rows.Err(); err != nil {
				w.t.Fatal(err)
			}
			_ = rows.Close()
		}
	}
	return b.String()
}

// file is what a projection is read from.
func (w *world) file(name string) string {
	w.t.Helper()
	return generation(w.state(name).Generation).path(w.dir, name)
}

// sql changes a file behind the back of the service.
func (w *world) sql(file string, texts ...string) {
	w.t.Helper()
	conn, err := sqlite.Connect(context.Background(), file, sqlite.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, text := range texts {
		if err := conn.Exec(text); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := conn.Close(); err != nil {
		w.t.Fatal(err)
	}
}

func eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			tb.Fatalf("still not: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}
