package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/chatkitd/chatkitd/audit"
	"github.com/chatkitd/chatkitd/config"
	"github.com/chatkitd/chatkitd/internal/embedded"
	"github.com/chatkitd/chatkitd/internal/logcopy"
)

type importCmd struct {
	File string `arg:"" name:"file" help:"JSON lines of an export, or of events --json; - is the standard input."`
}

// Help has examples.
func (importCmd) Help() string {
	return `Puts an export into a data folder without events, all of it or nothing: positions
are new, revisions, ids, data and metadata are kept, the time of each event among
them. The log is made beside the folder's own, verified, and then put in its place.
No server may have the folder.

With an EventStoreDB (CHATKITD_EVENTSTORE) the log is made and verified in the data
folder and then copied into it, event by event; the database must be without events
of this program, or hold what an import of the same file left that was cut off.

Examples:
  chatkitd import alice.jsonl --data ./alice
  gunzip -c alice.jsonl.gz | chatkitd import - --data ./alice`
}

// Run imports.
func (c importCmd) Run(p *program) (err error) {
	in := io.Reader(os.Stdin)
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return usageError{err}
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		in = f
	}
	ownerOnly()
	remote := config.IsEventStoreDB(p.cfg.EventStore.Reveal())
	if !remote {
		if err := checkLogIsThere(p.cfg.Data); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(p.cfg.Data, 0o700); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	lock, err := embedded.Lock(p.cfg.Data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if !remote {
		if err := mustBeEmpty(p); err != nil {
			return err
		}
	}
	dir, err := os.MkdirTemp(p.cfg.Data, ".import-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	report, err := fill(p, dir, in)
	if err != nil {
		if p.ctx.Err() != nil {
			return errors.New("stopped; nothing was imported")
		}
		return err
	}
	into := p.cfg.Data
	if remote {
		into, err = send(p, dir)
	} else {
		err = takePlace(dir, p.cfg.Data)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.stdout, "Imported %s in %s into %s. A server builds the read models when it starts.\n",
		counted(report.Events, "event"), counted(report.Streams, "stream"), into)
	return err
}

// send copies the log in a folder into the EventStoreDB of the settings and
// compares, and returns which that is.
func send(p *program, dir string) (into string, err error) {
	to, err := openForReading(p.ctx, p.cfg) // nothing of it is for reading only
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, to.close()) }()
	from, err := embedded.OpenReadOnly(p.ctx, embedded.Options{Dir: dir, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	show := &copyWatch{p: p, counts: true}
	defer show.end()
	if _, err = logcopy.Copy(p.ctx, from, to, show.see); err == nil {
		_, err = logcopy.Compare(p.ctx, from, to, show.see)
	}
	switch {
	case errors.As(err, new(*logcopy.TargetError)):
		return "", usageError{fmt.Errorf("an import needs a database without events of this program: %w", err)}
	case err != nil && p.ctx.Err() != nil:
		return "", errors.New("stopped half-way; the same import goes on where it stopped")
	case err != nil:
		return "", fmt.Errorf("%w; the same import goes on where it stopped", err)
	}
	return "EventStoreDB at " + to.where, nil
}

// mustBeEmpty refuses a folder whose log has events.
func mustBeEmpty(p *program) (err error) {
	if _, err := os.Stat(filepath.Join(p.cfg.Data, embedded.FileName)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	store, err := embedded.OpenReadOnly(p.ctx, embedded.Options{Dir: p.cfg.Data, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	head, err := store.Head(p.ctx)
	if err != nil || head.IsZero() {
		return err
	}
	return usageError{fmt.Errorf("the log in %s has events up to position %s; an import needs a folder without: name a new one with --data", p.cfg.Data, head)}
}

// fill makes the log in a folder of its own and verifies it.
func fill(p *program, dir string, in io.Reader) (_ *audit.Report, err error) {
	store, err := embedded.Open(p.ctx, embedded.Options{Dir: dir, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	bar := newBar(p.stderr, "importing", true)
	n, err := audit.Import(p.ctx, store, in, func(done uint64) { bar.set(done, done) })
	bar.end()
	if errors.As(err, new(*audit.LineError)) {
		return nil, usageError{fmt.Errorf("%w; nothing was imported", err)}
	}
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, usageError{errors.New("there are no events in the input; nothing was imported")}
	}
	report, err := audit.New(store, audit.Options{Dense: true}).Verify(p.ctx, audit.VerifyOptions{})
	if err != nil {
		return nil, err
	}
	if !report.OK {
		f := report.Findings[0]
		return nil, fmt.Errorf("the events do not make a log: %s (%s, revision %d), and %s in all; nothing was imported",
			f.What, f.Stream, *f.Revision, counted(len(report.Findings)+report.More, "finding"))
	}
	return report, nil
}

// takePlace puts a new log in the place of an empty one. The caller has the lock
// of the folder. The file goes last: until then the folder is as it was.
func takePlace(from, to string) error {
	if wal, err := os.Stat(filepath.Join(from, embedded.FileName+"-wal")); err == nil && wal.Size() > 0 {
		return fmt.Errorf("%s is not in its log yet; nothing was imported", wal.Name())
	}
	for _, suffix := range []string{"-wal", "-shm"} {
		if err := os.Remove(filepath.Join(to, embedded.FileName+suffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := os.Rename(filepath.Join(from, embedded.FileName), filepath.Join(to, embedded.FileName)); err != nil {
		return err
	}
	d, err := os.Open(to)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
