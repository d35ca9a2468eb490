package embedded_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/events/eventstest"
	"github.com/chatkitd/chatkitd/internal/embedded"
)

// The environment of the child process of these tests.
const (
	envCrashDir = "CHATKITD_TEST_CRASH_DIR"
	envHoldDir  = "CHATKITD_TEST_HOLD_DIR"
)

func TestMain(m *testing.M) {
	var err error
	switch ctx := context.Background(); {
	case os.Getenv(envCrashDir) != "":
		err = appendForEver(ctx, os.Getenv(envCrashDir), os.Stdout)
	case os.Getenv(envHoldDir) != "":
		err = hold(ctx, os.Getenv(envHoldDir), os.Stdin, os.Stdout)
	default:
		m.Run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
	}
}

// child returns this test binary as another program.
func child(t *testing.T, env, dir string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), env+"="+dir)
	cmd.Stderr = t.Output()
	return cmd
}

// An ack is what an append was told.
type ack struct {
	id       uuid.UUID
	stream   string
	revision uint64
	position string
}

// appendForEver appends with 64 writers until it is killed, and prints every
// acknowledgement after it came.
func appendForEver(ctx context.Context, dir string, out io.Writer) error {
	s, err := embedded.Open(ctx, embedded.Options{Dir: dir})
	if err != nil {
		return err
	}
	var mu sync.Mutex // guards out
	var wg sync.WaitGroup
	errs := make(chan error, 64)
	for w := range 64 {
		wg.Go(func() {
			stream := fmt.Sprintf("test-%d-%d", os.Getpid(), w)
			expected := events.NoStream
			for {
				evs := eventstest.Events(1 + w%3)
				last, err := s.Append(ctx, stream, expected, evs...)
				if err != nil {
					errs <- err
					return
				}
				expected = events.At(last.Revision)
				mu.Lock()
				_, err = fmt.Fprintf(out, "%s %s %d %s\n", evs[len(evs)-1].ID, stream, last.Revision, last.Position)
				mu.Unlock()
				if err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	return <-errs
}

func TestKilledAtRandomLosesNothing(t *testing.T) {
	rounds := 3
	if v := os.Getenv("CHATKITD_TEST_CRASH_ROUNDS"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			t.Fatal(err)
		}
		rounds = n
	}
	dir := t.TempDir()
	var acked []ack
	for round := range rounds {
		acked = append(acked, killedChild(t, dir)...)
		found := findAll(t, dir)
		t.Logf("round %d: %d acknowledged appends, %d events in the log", round+1, len(acked), len(found))
		for _, a := range acked {
			switch recs := found[a.id]; {
			case len(recs) != 1:
				t.Fatalf("round %d: event %s was acknowledged and is there %d times", round+1, a.id, len(recs))
			case recs[0] != a:
				t.Fatalf("round %d: acknowledged %+v, found %+v", round+1, a, recs[0])
			}
		}
	}
	if len(acked) == 0 {
		t.Error("no append was acknowledged")
	}
}

// killedChild runs a child, kills it at random and returns what it acknowledged.
func killedChild(t *testing.T, dir string) []ack {
	t.Helper()
	cmd := child(t, envCrashDir, dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	var acked []ack
	var timer *time.Timer
	for {
		line, err := lines.ReadString('\n')
		if err != nil { // the line that was cut off is not an acknowledgement we got
			if !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
			break
		}
		if timer == nil { // from the first acknowledgement on
			timer = time.AfterFunc(time.Duration(rand.IntN(400)+20)*time.Millisecond, func() { _ = cmd.Process.Kill() })
		}
		var a ack
		var id string
		if _, err := fmt.Sscan(line, &id, &a.stream, &a.revision, &a.position); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		a.id = uuid.MustParse(id)
		acked = append(acked, a)
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the child ended with %v, it should have been killed", err)
	}
	return acked
}

// findAll opens the store, checks all of it, and returns its events by id.
func findAll(t *testing.T, dir string) map[uuid.UUID][]ack {
	t.Helper()
	s, err := embedded.Open(t.Context(), embedded.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := s.Verify(t.Context(), nil); err != nil { // no gap in positions and revisions
		t.Fatal(err)
	}
	found := map[uuid.UUID][]ack{}
	for _, rec := range eventstest.Collect(t, s.ReadAll(t.Context(), events.AllRead{})) {
		found[rec.ID] = append(found[rec.ID], ack{rec.ID, rec.Stream, rec.Revision, rec.Position.String()})
	}
	return found
}
