package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/audit"
)

type exportCmd struct {
	User   string `required:"" placeholder:"ID" help:"Whose data."`
	Output string `short:"o" default:"-" placeholder:"FILE" help:"Where to; - is the standard output."`
}

// Help has examples.
func (exportCmd) Help() string {
	return `All that is stored of a user, as the JSON lines of "chatkitd events --json": the
user's tasks and every thread of the user, deleted ones too, in the order of the
log. What operators looked at is theirs and not in it. Works beside a running
server and without one. The file appears when it is complete.

Examples:
  chatkitd export --user alice -o alice.jsonl
  chatkitd export --user alice | gzip > alice.jsonl.gz`
}

// Run exports a user.
func (c exportCmd) Run(p *program) (err error) {
	bar := newCountBar(p, "exporting")
	log, err := openLog(p, audit.Options{Progress: func(at, head chatkitd.Position) { bar.set(at.Commit, head.Commit) }})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.close()) }()
	n := 0
	write := func(w io.Writer) error {
		buffered := bufio.NewWriter(w)
		lines := newEventLines(buffered)
		err := log.audit.Export(p.ctx, chatkitd.UserID(c.User), func(v chatkitd.EventView) error {
			n++
			return lines.event(v)
		})
		bar.end()
		return errors.Join(asked(err), buffered.Flush())
	}
	if c.Output == "-" {
		return write(p.stdout)
	}
	if err := writeWhole(c.Output, write); err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.stdout, "Wrote %s to %s.\n", counted(n, "event"), c.Output)
	return err
}

// writeWhole writes a file that is complete as soon as it has its name. It holds
// what a user wrote, so only its owner may read it.
func writeWhole(name string, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	if err := errors.Join(write(f), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
