package logbind_test

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/events/eventstest"
	"github.com/chatkitd/chatkitd/internal/logbind"
	"github.com/chatkitd/chatkitd/internal/memstore"
)

// log is a log in memory that can be away.
type log struct {
	*memstore.Store
	away atomic.Bool
}

func (l *log) Ready(ctx context.Context) error {
	_, err := l.Head(ctx)
	return err
}

func (l *log) ReadAll(ctx context.Context, o events.AllRead) iter.Seq2[events.Recorded, error] {
	if l.away.Load() {
		return func(yield func(events.Recorded, error) bool) { yield(events.Recorded{}, events.ErrUnavailable) }
	}
	return l.Store.ReadAll(ctx, o)
}

func newLog(t *testing.T, n int) *log {
	t.Helper()
	l := &log{Store: memstore.New()}
	t.Cleanup(func() { _ = l.Close() })
	if n > 0 {
		eventstest.Append(t, l, "user-a", events.NoStream, eventstest.Events(n)...)
	}
	return l
}

const model = "model.db"

func newFolder(t *testing.T, derived bool) logbind.Folder {
	t.Helper()
	f := logbind.Folder{Dir: t.TempDir(), Derived: []string{model, "other.db"}}
	if derived {
		write(t, f, model, "rows")
	}
	return f
}

func write(t *testing.T, f logbind.Folder, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(f.Dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// look binds a folder to a log, as a start of the server does.
func look(t *testing.T, l *log, f logbind.Folder, kind string) error {
	t.Helper()
	return logbind.New(l, f, kind, "db:2113").Look(t.Context())
}

func TestContract(t *testing.T) {
	t.Parallel()
	eventstest.Run(t, func(t *testing.T) events.Store {
		t.Helper()
		s := logbind.New(newLog(t, 0), newFolder(t, false), logbind.EventStoreDB, "db:2113")
		if err := s.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
		return s
	})
}

func TestWhichLog(t *testing.T) {
	t.Parallel()
	one, two, empty := newLog(t, 3), newLog(t, 3), newLog(t, 0)
	const esdb, embedded = logbind.EventStoreDB, logbind.Embedded
	tests := []struct {
		name    string
		first   *log // that the folder is bound to before, if any
		kind    string
		derived bool
		then    *log
		now     string
		refused bool
	}{
		{"a new folder", nil, "", false, one, esdb, false},
		{"a folder of before there was a choice", nil, "", true, one, embedded, false},
		{"the same, and another kind", nil, "", true, one, esdb, true},
		{"the same log again", one, esdb, true, one, esdb, false},
		{"another log", one, esdb, true, two, esdb, true},
		{"another log of the other kind", one, esdb, true, two, embedded, true},
		{"the same log in another store", one, embedded, true, one, esdb, true},
		{"the log is empty now", one, esdb, true, empty, esdb, true},
		{"it was empty and has events now", empty, esdb, true, one, esdb, false},
		{"it was empty and is of another kind", empty, esdb, true, one, embedded, true},
		{"nothing is left of the other log", one, embedded, false, two, esdb, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFolder(t, false)
			if tt.first != nil {
				if err := look(t, tt.first, f, tt.kind); err != nil {
					t.Fatal(err)
				}
			}
			if tt.derived {
				write(t, f, model, "rows")
			}
			readOnly := f.Verify(t.Context(), tt.then, tt.now, "db:2113")
			err := look(t, tt.then, f, tt.now)
			if errors.Is(err, logbind.ErrOtherLog) != tt.refused || errors.Is(readOnly, logbind.ErrOtherLog) != tt.refused {
				t.Fatalf("refused = %v and %v, want %v", err, readOnly, tt.refused)
			}
			if tt.refused {
				for _, want := range []string{f.Dir, "delete model*", "CHATKITD_EVENTSTORE"} {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("%v: it does not name %s", err, want)
					}
				}
				if again := look(t, tt.then, f, tt.now); !errors.Is(again, logbind.ErrOtherLog) {
					t.Errorf("the second time: %v", again)
				}
				return
			}
			if err := look(t, tt.then, f, tt.now); err != nil {
				t.Errorf("the second time: %v", err)
			}
		})
	}
}

// TestBoundBeforeTheFirstEvent lets the first event of an empty log come out in
// every way: by then the folder belongs to it.
func TestBoundBeforeTheFirstEvent(t *testing.T) {
	t.Parallel()
	ways := map[string]func(t *testing.T, s events.Store, add func()){
		"ReadAll": func(t *testing.T, s events.Store, add func()) {
			t.Helper()
			seq := s.ReadAll(t.Context(), events.AllRead{})
			add()
			eventstest.Collect(t, seq)
		},
		"ReadStream": func(t *testing.T, s events.Store, add func()) {
			t.Helper()
			seq := s.ReadStream(t.Context(), "user-a", events.StreamRead{})
			add()
			eventstest.Collect(t, seq)
		},
		"Subscribe": func(t *testing.T, s events.Store, add func()) {
			t.Helper()
			sub, err := s.Subscribe(t.Context(), chatkitd.Position{}, events.Filter{})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = sub.Close() }()
			add()
			for {
				b, err := sub.Next(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if len(b.Events) > 0 {
					return
				}
			}
		},
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			l, f := newLog(t, 0), newFolder(t, true)
			write(t, f, logbind.FileName, `{"kind": "eventstoredb"}`)
			s := logbind.New(l, f, logbind.EventStoreDB, "db:2113")
			if err := s.Look(t.Context()); err != nil {
				t.Fatal(err)
			}
			way(t, s, func() { eventstest.Append(t, s, "user-a", events.NoStream, eventstest.Events(1)...) })
			if err := look(t, newLog(t, 1), f, logbind.EventStoreDB); !errors.Is(err, logbind.ErrOtherLog) {
				t.Errorf("another log: %v", err)
			}
		})
	}
}

func TestAway(t *testing.T) {
	t.Parallel()
	l, f := newLog(t, 2), newFolder(t, true)
	write(t, f, logbind.FileName, `{"kind": "eventstoredb"}`)
	l.away.Store(true)
	s := logbind.New(l, f, logbind.EventStoreDB, "db:2113")
	calls := map[string]func() error{
		"Append": func() error {
			_, err := s.Append(t.Context(), "user-b", events.Any, eventstest.Events(1)...)
			return err
		},
		"Head":      func() error { _, err := s.Head(t.Context()); return err },
		"Subscribe": func() error { _, err := s.Subscribe(t.Context(), chatkitd.Position{}, events.Filter{}); return err },
		"ReadStream": func() error {
			for _, err := range s.ReadStream(t.Context(), "user-a", events.StreamRead{}) {
				return err
			}
			return nil
		},
		"Delete": func() error { return s.Delete(t.Context(), "user-a", events.Any) },
		"Ready":  func() error { return s.Ready(t.Context()) },
	}
	for name, call := range calls {
		if err := call(); !errors.Is(err, events.ErrUnavailable) {
			t.Errorf("%s while the log is away: %v", name, err)
		}
	}
	done := make(chan error, 1)
	go func() { done <- s.Await(t.Context(), slog.New(slog.DiscardHandler)) }()
	select {
	case err := <-done:
		t.Fatalf("await while it is away: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	l.away.Store(false)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for name, call := range calls {
		if err := call(); err != nil && name != "ReadStream" && name != "Delete" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestBeginningThatIsHardToFind binds a folder again without looking for the first
// event of a database that others fill, too.
func TestBeginningThatIsHardToFind(t *testing.T) {
	t.Parallel()
	l, f := newLog(t, 3), newFolder(t, false)
	if err := look(t, l, f, logbind.EventStoreDB); err != nil {
		t.Fatal(err)
	}
	write(t, f, model, "rows")
	l.away.Store(true) // reads of all streams fail
	if err := look(t, l, f, logbind.EventStoreDB); err != nil {
		t.Error(err)
	}
	if err := f.Verify(t.Context(), l, logbind.EventStoreDB, "db:2113"); err != nil {
		t.Error(err)
	}
	l.away.Store(false)
	if err := l.Delete(t.Context(), "user-a", events.Any); err != nil {
		t.Fatal(err)
	}
	if err := look(t, l, f, logbind.EventStoreDB); err != nil { // it is still in the log
		t.Error(err)
	}
}

func TestAwaitAnotherLog(t *testing.T) {
	t.Parallel()
	f := newFolder(t, true)
	write(t, f, logbind.FileName, `{"kind": "embedded"}`)
	s := logbind.New(newLog(t, 1), f, logbind.EventStoreDB, "db:2113")
	if err := s.Await(t.Context(), slog.New(slog.DiscardHandler)); !errors.Is(err, logbind.ErrOtherLog) {
		t.Errorf("await: %v", err)
	}
	if _, err := s.Append(t.Context(), "user-b", events.Any, eventstest.Events(1)...); !errors.Is(err, events.ErrUnavailable) {
		t.Errorf("an append to another log: %v", err)
	}
}

// TestClaim makes read models in a new folder while the log is away: they are of
// that log, whichever it turns out to be.
func TestClaim(t *testing.T) {
	t.Parallel()
	f := newFolder(t, false)
	is := logbind.Identity{Kind: logbind.EventStoreDB, Where: "db:2113"}
	if err := f.Claim(is); err != nil {
		t.Fatal(err)
	}
	write(t, f, model, "tables without rows")
	// Neither log was looked into, so nothing is said of what they hold.
	if err := f.Claim(logbind.Identity{Kind: logbind.Embedded}); !errors.Is(err, logbind.ErrOtherLog) || strings.Contains(err.Error(), "empty") {
		t.Errorf("as another kind: %v", err)
	}
	if err := f.Claim(is); err != nil {
		t.Error(err)
	}
	one := newLog(t, 1)
	for range 2 {
		if err := look(t, one, f, logbind.EventStoreDB); err != nil {
			t.Error(err)
		}
	}
	if err := f.Claim(is); err != nil { // says nothing less than before
		t.Error(err)
	}
	if err := look(t, newLog(t, 1), f, logbind.EventStoreDB); !errors.Is(err, logbind.ErrOtherLog) {
		t.Errorf("another log: %v", err)
	}
}

func TestDamagedBinding(t *testing.T) {
	t.Parallel()
	f := newFolder(t, true)
	write(t, f, logbind.FileName, `{"ki`)
	if err := look(t, newLog(t, 1), f, logbind.Embedded); err == nil || !strings.Contains(err.Error(), "delete it") {
		t.Errorf("a damaged file: %v", err)
	}
}
