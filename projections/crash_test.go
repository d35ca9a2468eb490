package projections

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/internal/embedded"
)

// The child process of TestKilledInEachPhase is this test binary again.
const (
	crashPhase = "CHATKITD_TEST_CRASH_PHASE"
	crashDir   = "CHATKITD_TEST_CRASH_DIR"
	crashReady = "the phase is reached"
)

// durable is a world on the embedded log.
func durable(tb testing.TB, dir string) *world {
	tb.Helper()
	store, err := embedded.Open(context.Background(), embedded.Options{Dir: dir})
	if err != nil {
		tb.Fatal(err)
	}
	w := &world{t: tb, store: store, dir: dir, list: all(), now: epoch}
	tb.Cleanup(func() {
		w.close()
		_ = w.store.Close()
	})
	return w
}

// TestCrashChild does nothing unless it is the child: then it halts in a phase,
// and waits to be killed.
func TestCrashChild(t *testing.T) {
	phase := os.Getenv(crashPhase)
	if phase == "" {
		t.Skip("it is the child of TestKilledInEachPhase")
	}
	w := durable(t, os.Getenv(crashDir))
	s := w.run()
	w.fill(100)
	w.caughtUp()
	if phase == "rollback" {
		if err := s.Rebuild(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, name := range Names() {
			w.rebuilt(name)
		}
		w.user("ann", task("tsk_a", "after the rebuild"), task("tsk_b", "as well"))
		w.caughtUp()
	}
	s.hook = func(now string) {
		if now == phase {
			_, _ = io.WriteString(os.Stdout, crashReady+"\n")
			_, _ = io.Copy(io.Discard, os.Stdin) // until the end
		}
	}
	w.user("ann", task("tsk_last", "acknowledged"))
	if phase == "rollback" {
		t.Fatalf("the rollback has ended: %v", s.Rollback(t.Context(), "tasks"))
	}
	if err := s.Rebuild(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// TestKilledInEachPhase kills a process in each phase of a rebuild and of a
// rollback: the next start serves what was acknowledged, from tables that equal a
// fold of the log, and leaves nothing of what was cut off.
func TestKilledInEachPhase(t *testing.T) {
	t.Parallel()
	for _, phase := range []string{
		chatkitd.RebuildFold, chatkitd.RebuildIndex, chatkitd.RebuildCatchUp, chatkitd.RebuildCompare,
		chatkitd.RebuildSwap, chatkitd.RebuildDone, "rollback",
	} {
		t.Run(phase, func(t *testing.T) {
			dir := t.TempDir()
			killAt(t, phase, dir)
			w := durable(t, dir)
			w.run()
			w.caughtUp()
			if _, err := w.s.Task(t.Context(), "ann", "tsk_last"); err != nil {
				t.Errorf("what was acknowledged: %v", err)
			}
			want := 1
			if w.state("tasks").Previous != nil {
				want = 2
			}
			if phase == "rollback" && want != 2 {
				t.Error("the previous generation is lost")
			}
			eventually(t, "what was cut off is dropped", func() bool { return w.tables("tasks") == want && w.idle() })
			if phase == "rollback" {
				if err := w.s.Rollback(t.Context(), "tasks"); err != nil {
					t.Error(err)
				}
			}
			live := w.dump()
			w.open()
			if err := w.s.RebuildOffline(t.Context(), nil, nil); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(live, w.dump()); diff != "" {
				t.Errorf("the tables differ from a fold (-served +folded):\n%s", diff)
			}
		})
	}
}

// killAt runs the child and kills it in a phase.
func killAt(t *testing.T, phase, dir string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	child := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestCrashChild$")
	child.Env = append(os.Environ(), crashPhase+"="+phase, crashDir+"="+dir)
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stdin.Close() }()
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	lines := bufio.NewScanner(stdout)
	for lines.Scan() && lines.Text() != crashReady {
		said.WriteString(lines.Text() + "\n")
	}
	reached := lines.Text() == crashReady
	if err := child.Process.Kill(); err != nil { // SIGKILL where there are signals
		t.Fatal(err)
	}
	_ = child.Wait() // it was killed
	if !reached {
		t.Fatalf("the child did not come to %s:\n%s", phase, said.String())
	}
}
