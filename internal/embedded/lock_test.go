package embedded_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/events/eventstest"
	"github.com/chatkitd/chatkitd/internal/embedded"
)

// hold opens a store, says so, appends one event for every line that it reads, and
// goes on until its input ends.
func hold(ctx context.Context, dir string, in io.Reader, out io.Writer) error {
	s, err := embedded.Open(ctx, embedded.Options{Dir: dir})
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(out, "open"); err != nil {
		return err
	}
	for lines := bufio.NewScanner(in); lines.Scan(); {
		last, err := s.Append(ctx, "test-1", events.Any, eventstest.Events(1)...)
		if _, err := fmt.Fprintln(out, last.Revision, err); err != nil {
			return err
		}
	}
	return s.Close()
}

func TestSecondProcess(t *testing.T) {
	dir := t.TempDir()
	cmd := child(t, envHoldDir, dir)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	answers := bufio.NewScanner(out)
	answer := func(want string) {
		t.Helper()
		if !answers.Scan() || answers.Text() != want {
			t.Fatalf("the other process says %q (%v), want %q", answers.Text(), answers.Err(), want)
		}
	}
	answer("open")

	_, err = embedded.Open(t.Context(), embedded.Options{Dir: dir})
	inUse, ok := errors.AsType[*embedded.InUseError](err)
	if !ok || inUse.PID != cmd.Process.Pid || inUse.Dir != dir {
		t.Fatalf("a second server: %v, want an InUseError of process %d", err, cmd.Process.Pid)
	}
	if !strings.Contains(err.Error(), strconv.Itoa(cmd.Process.Pid)) || !strings.Contains(err.Error(), dir) {
		t.Errorf("the message is %q", err)
	}

	ro, err := embedded.OpenReadOnly(t.Context(), embedded.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := ro.Close(); err != nil {
			t.Error(err)
		}
	}()
	sub, err := ro.Subscribe(t.Context(), chatkitd.Position{}, events.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sub.Close() }()
	if b, err := sub.Next(t.Context()); err != nil || !b.CaughtUp || len(b.Events) != 0 {
		t.Fatalf("the first batch is %+v, %v; want to be caught up", b, err)
	}
	for i := range 3 {
		if _, err := fmt.Fprintln(in); err != nil {
			t.Fatal(err)
		}
		answer(fmt.Sprint(i, " <nil>"))
		if head, err := ro.Head(t.Context()); err != nil || head.Commit != uint64(i)+1 {
			t.Errorf("Head = %v, %v; want %d", head, err, i+1)
		}
		if b, err := sub.Next(t.Context()); err != nil || len(b.Events) != 1 || b.Events[0].Revision != uint64(i) {
			t.Fatalf("batch %d is %+v, %v", i, b, err)
		}
	}
	if err := ro.Verify(t.Context(), nil); err != nil {
		t.Errorf("Verify beside the server: %v", err)
	}
	if _, err := ro.Append(t.Context(), "test-1", events.Any, eventstest.Events(1)...); !errors.Is(err, embedded.ErrReadOnly) {
		t.Errorf("Append = %v, want ErrReadOnly", err)
	}
	if err := ro.Delete(t.Context(), "test-1", events.Any); !errors.Is(err, embedded.ErrReadOnly) {
		t.Errorf("Delete = %v, want ErrReadOnly", err)
	}

	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("the other process: %v", err)
	}
	s := open(t, embedded.Options{Dir: dir}) // the lock is free again
	if n := len(eventstest.Collect(t, s.ReadAll(t.Context(), events.AllRead{}))); n != 3 {
		t.Errorf("%d events, want 3", n)
	}
}

func TestReadOnlyNeedsALog(t *testing.T) {
	if _, err := embedded.OpenReadOnly(t.Context(), embedded.Options{Dir: t.TempDir()}); !errors.Is(err, events.ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
}
