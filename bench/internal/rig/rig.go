// Package rig is what the benchmark commands share: the program as a process of
// its own, a scripted model, clients that measure, and the figures.
package rig

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"time"
)

// Bench is one run of a benchmark command.
type Bench struct {
	Out    io.Writer // takes the rows
	Dir    string    // a folder that is gone when the run is over
	binary string
}

// Row prints a row.
func (b *Bench) Row(format string, args ...any) {
	fmt.Fprintf(b.Out, format+"\n", args...)
}

// Main is the main function of the command with this name: it parses the flags,
// measures, and returns the exit status. The run is bounded in time, and an
// interrupt ends it. The last line says how busy others kept the machine: that is
// how far the figures are to be trusted.
func Main(name string, measure func(context.Context, *Bench) error) int {
	limit := flag.Duration("timeout", 15*time.Minute, "the run is given up after this long")
	binary := flag.String("binary", "", "the program; empty builds it")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, *limit)
	defer cancel()
	if err := inFolder(ctx, &Bench{Out: os.Stdout, binary: *binary}, measure); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		return 1
	}
	return 0
}

func inFolder(ctx context.Context, b *Bench, measure func(context.Context, *Bench) error) (err error) {
	if b.Dir, err = os.MkdirTemp("", "chatkitd-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.Dir)) }()
	before := now()
	if err := measure(ctx, b); err != nil {
		return errors.Join(err, context.Cause(ctx))
	}
	after := now()
	others := max(0, (after.all-before.all)-(after.ours-before.ours)).Seconds() / after.at.Sub(before.at).Seconds()
	b.Row("# %s, %s/%s, %d processors, of which others used %.1f meanwhile", after.at.UTC().Format(time.DateOnly),
		runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), others)
	return nil
}
