package projections

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/internal/sqlite"
)

// spoil overwrites the second half of a file but for its last page, where the
// header and what the checkpoint needs are not.
func spoil(t *testing.T, file string) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	const page = 4096
	from := info.Size() / 2 / page * page
	junk := bytes.Repeat([]byte{0xff}, int(info.Size()-from-page))
	if _, err := f.WriteAt(junk, from); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestDamagedFileIsBuiltAnew spoils the pages of a read model behind a good header:
// whoever reads them is refused for a moment, and then served from another file.
func TestDamagedFileIsBuiltAnew(t *testing.T) {
	t.Parallel()
	for _, running := range []bool{false, true} {
		t.Run(fmt.Sprintf("running %v", running), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.run()
			const count = 300
			var evs []events.Event
			for i := range count {
				evs = append(evs, task(fmt.Sprintf("tsk_%d", i), strings.Repeat("long title ", 30)))
			}
			appendAt(t, w.store, "user-ann", w.now, evs...)
			w.caughtUp()
			was := w.state("tasks").Generation
			file := w.file("tasks")
			if running {
				w.sql(file, "PRAGMA wal_checkpoint(TRUNCATE)")
				spoil(t, file)
			} else {
				w.close()
				spoil(t, file)
				w.run()
			}
			refused := 0
			eventually(t, "all tasks are there", func() bool {
				for i := range count {
					_, err := w.s.Task(t.Context(), "ann", chatkitd.TaskID(fmt.Sprintf("tsk_%d", i)))
					switch chatkitd.CodeOf(err) {
					case "":
						continue
					case chatkitd.CodeUnavailable:
						refused++
					case chatkitd.CodeNotFound: // of a page that can still be read
					default:
						t.Fatal(err)
					}
					return false
				}
				return true
			})
			st := w.state("tasks")
			if refused == 0 || st.Generation <= was || st.State != Running || st.Failure != nil {
				t.Errorf("after %d refusals: %+v", refused, st)
			}
			if other := w.state("threads"); other.Generation > 2 {
				t.Errorf("another projection was built anew: %+v", other)
			}
			eventually(t, "the damaged file is gone", func() bool {
				_, err := os.Stat(file)
				return errors.Is(err, os.ErrNotExist)
			})
		})
	}
}

// TestDamagedAgain checks that a disk that goes on failing does not make the
// service build without end.
func TestDamagedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.run()
	w.user("ann", task("tsk_1", "one"))
	w.caughtUp()
	first := w.state("tasks").Generation
	bad := errors.New("database disk image is malformed")
	s.damaged(s.tasks, generation(first), bad)
	s.damaged(s.tasks, generation(first), bad) // another query, at the same time
	eventually(t, "it is built anew", func() bool {
		st := w.state("tasks")
		return st.Generation > first && st.State == Running && st.LagEvents == 0 && w.idle()
	})
	if _, err := s.Task(t.Context(), "ann", "tsk_1"); err != nil {
		t.Error(err)
	}
	s.damaged(s.tasks, generation(first), bad) // a query that had the old file
	if st := w.state("tasks"); st.State != Running {
		t.Errorf("a file that is gone: %+v", st)
	}
	second := w.state("tasks").Generation
	s.damaged(s.tasks, generation(second), bad)
	st := w.state("tasks")
	if st.State != Failed || !strings.Contains(st.Failure.Reason, "look after the disk") || s.Halted() == nil {
		t.Errorf("damaged again: %+v %+v", st, st.Failure)
	}
	s.tasks.mu.Lock()
	wait := time.Until(s.tasks.retryAt)
	s.tasks.mu.Unlock()
	if wait < firstRepair/2 || wait > lastRepair {
		t.Errorf("it is built anew in %s", wait)
	}
	w.thread("thr_1", events.ThreadCreated{ThreadID: "thr_1", UserID: "ann"})
	eventually(t, "the others go on", func() bool { return w.state("threads").LagEvents == 0 })
	if st := w.state("tasks"); st.Generation != second {
		t.Errorf("it was built too soon: %+v", st)
	}
	if err := s.Retry(t.Context(), "tasks"); err != nil {
		t.Error(err)
	}
	eventually(t, "it is built anew at once when an operator says so", func() bool {
		st := w.state("tasks")
		return st.Generation > second && st.State == Running && st.LagEvents == 0
	})
}

// TestEarlierLayout has the one file of before there was a file for each
// generation: the read models are built anew, and what an operator has decided
// holds.
func TestEarlierLayout(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.list[0] = fragile{version: 1, bug: onPoison(func() error { return errors.New("cannot be folded") })}
	poison := w.user("ann", task("tsk_1", "poison"))
	w.user("ann", task("tsk_2", "two"))
	w.thread("thr_1", events.ThreadCreated{ThreadID: "thr_1", UserID: "ann"})
	file := w.dir + "/" + CatalogFile
	conn, err := sqlite.Connect(t.Context(), file, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		`CREATE TABLE projections (name TEXT PRIMARY KEY, version INTEGER NOT NULL, generation INTEGER NOT NULL,
			commit_position INTEGER NOT NULL, prepare_position INTEGER NOT NULL, stream TEXT NOT NULL, revision INTEGER NOT NULL,
			event_id TEXT NOT NULL, failure TEXT, layout INTEGER NOT NULL DEFAULT 1, paused INTEGER NOT NULL DEFAULT 0,
			previous TEXT, rebuild TEXT) WITHOUT ROWID`,
		`CREATE TABLE projection_skips (name TEXT NOT NULL, commit_position INTEGER NOT NULL, prepare_position INTEGER NOT NULL,
			failure TEXT NOT NULL, PRIMARY KEY (name, commit_position, prepare_position)) WITHOUT ROWID`,
		`INSERT INTO projections VALUES ('tasks', 1, 1, 3, 3, 'user-ann', 1, 'x', NULL, 1, 0, NULL, NULL),
			('threads', 1, 1, 3, 3, 'user-ann', 1, 'x', NULL, 1, 1, NULL, NULL)`,
		fmt.Sprintf(`INSERT INTO projection_skips VALUES ('tasks', %d, %d, '{"reason":"bad","position":"%s","type":"task.added.v1"}')`,
			poison.Commit, poison.Prepare, poison),
		"CREATE TABLE tasks_1 (owner INTEGER)", "PRAGMA user_version = 2",
	} {
		if err := conn.Exec(text); err != nil {
			t.Fatal(err)
		}
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	s := w.run()
	eventually(t, "tasks are built", func() bool {
		st := w.state("tasks")
		return st.State == Running && st.LagEvents == 0
	})
	if _, err := s.Task(t.Context(), "ann", "tsk_2"); err != nil {
		t.Error(err)
	}
	if st := w.state("tasks"); len(st.Skipped) != 1 || st.Skipped[0].Position != poison {
		t.Errorf("skipped: %+v", st)
	}
	if st := w.state("threads"); st.State != Paused {
		t.Errorf("paused: %+v", st)
	}
	if err := s.Resume(t.Context(), "threads"); err != nil {
		t.Fatal(err)
	}
	w.caughtUp()
	if _, err := s.Thread(t.Context(), "ann", "thr_1"); err != nil {
		t.Error(err)
	}
}

// TestRebuildOfDamagedTables checks that an operator who rebuilds a read model that
// is damaged, before anybody else has noticed, gets a good one.
func TestRebuildOfDamagedTables(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.run()
	var evs []events.Event
	for i := range 300 {
		evs = append(evs, task(fmt.Sprintf("tsk_%d", i), strings.Repeat("long title ", 30)))
	}
	appendAt(t, w.store, "user-ann", w.now, evs...)
	w.caughtUp()
	file := w.file("tasks")
	w.sql(file, "PRAGMA wal_checkpoint(TRUNCATE)")
	spoil(t, file)
	if err := s.Rebuild(t.Context(), "tasks"); err != nil {
		t.Fatal(err)
	}
	if rb := w.rebuilt("tasks"); rb.Phase != chatkitd.RebuildDone || rb.Compare != nil {
		t.Errorf("rebuilt: %+v", rb)
	}
	if st := w.state("tasks"); st.State != Running || st.Previous != nil || w.tables("tasks") != 1 {
		t.Errorf("state: %+v", st)
	}
	if page, err := s.Tasks(t.Context(), "ann", chatkitd.TaskFilter{Limit: 100}); err != nil || page.Total != 300 {
		t.Errorf("tasks: %d, %v", page.Total, err)
	}
}
