package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/config"
	"github.com/chatkitd/chatkitd/internal/embedded"
	"github.com/chatkitd/chatkitd/internal/logbind"
	"github.com/chatkitd/chatkitd/internal/logcopy"
)

type copyCmd struct {
	// Addresses may hold passwords.
	From   config.Secret `required:"" placeholder:"LOG" help:"The log to copy."`
	To     config.Secret `required:"" placeholder:"LOG" help:"Where to: an empty log, or what a run that was cut off left."`
	Verify bool          `help:"Compare only, and copy nothing."`
	JSON   bool          `help:"Print progress and result as JSON lines."`
}

// Help has examples.
func (copyCmd) Help() string {
	return `A LOG is
  embedded           the embedded log in the data folder (--data)
  embedded:DIR       the one in that folder
  esdb://…           an EventStoreDB or KurrentDB
  env:NAME           what the environment variable NAME says of these: a password
                     in a flag shows in the list of processes

The order of the log is kept, and of each event its stream, revision, id, type, data
and metadata with the time that lists, states and replays go by. New are positions
and the time at which the store took it. Streams that were deleted in the source are
deleted in the target, and their events are copied, too: they are part of the log.

Then both logs are read from begin to end and every event is compared. The exit
status is 1 if anything differs. A run that was stopped or killed goes on where it
was: give the same command again. A target that holds anything else is refused and
left alone. Stop the servers of both logs first; an embedded log in use is refused.

Read models and snapshots are not copied: a server builds them from the log. In the
data folder of a server that is moved, delete readmodels* and snapshots*.

Examples:
  chatkitd copy --from embedded --to esdb://db1,db2,db3 --data /var/lib/chatkitd
  chatkitd copy --from env:ESDB --to embedded:./backup
  chatkitd copy --from embedded --to env:ESDB --verify --json | tail -1 | jq .equal`
}

// Run copies and compares.
func (c copyCmd) Run(p *program) (err error) {
	from, err := c.place(p, "--from", c.From)
	if err != nil {
		return err
	}
	to, err := c.place(p, "--to", c.To)
	if err != nil {
		return err
	}
	if from.dir != "" && sameFolder(from.dir, to.dir) {
		return usageError{fmt.Errorf("--from and --to are the same log, in %s", from.dir)}
	}
	ownerOnly()
	source, err := from.openSource(p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.close()) }()
	target, err := to.openTarget(p, !c.Verify)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, target.close()) }()

	began := time.Now()
	show := &copyWatch{p: p, json: c.JSON, counts: source.dense()}
	defer show.end()
	var copied logcopy.Result
	if !c.Verify {
		if copied, err = logcopy.Copy(p.ctx, source, target, show.see); err != nil {
			return c.explain(p, err)
		}
	}
	took := time.Since(began)
	compared, err := logcopy.Compare(p.ctx, source, target, show.see)
	if err != nil {
		return c.explain(p, err)
	}
	show.end()
	compared.There, compared.Copied = copied.There, copied.Copied
	if c.JSON {
		return json.NewEncoder(p.stdout).Encode(copyResult{
			Phase: "done", Equal: true, There: compared.There, Copied: compared.Copied, Events: compared.Events,
			Streams: compared.Streams, Deleted: compared.Deleted, Seconds: time.Since(began).Seconds(), CopySeconds: took.Seconds(),
		})
	}
	return c.say(p, from, to, compared, took)
}

// copyResult is the last line of --json.
type copyResult struct {
	Phase       string  `json:"phase"`
	Equal       bool    `json:"equal"`
	There       int     `json:"there"`
	Copied      int     `json:"copied"`
	Events      int     `json:"events"`
	Streams     int     `json:"streams"`
	Deleted     int     `json:"deleted_streams"`
	Seconds     float64 `json:"seconds"`
	CopySeconds float64 `json:"copy_seconds"`
}

func (c copyCmd) say(p *program, from, to place, r logcopy.Result, took time.Duration) error {
	var b strings.Builder
	if !c.Verify {
		fmt.Fprintf(&b, "Copied %s from %s to %s in %s (%.0f/s)", counted(r.Copied, "event"), from, to, took.Round(time.Millisecond),
			float64(r.Copied)/max(took.Seconds(), 1e-9))
		if r.There > 0 {
			fmt.Fprintf(&b, "; %s there already", counted(r.There, "event was", "events were"))
		}
		b.WriteString(".\n")
	}
	fmt.Fprintf(&b, "Both logs have %s in %s, and every one is equal.\n", counted(r.Events, "event"), counted(r.Streams, "stream"))
	if r.Deleted > 0 {
		fmt.Fprintf(&b, "%s deleted in both.\n", counted(r.Deleted, "stream is", "streams are"))
	}
	_, err := fmt.Fprint(p.stdout, b.String())
	return err
}

// explain says what to do about an error.
func (c copyCmd) explain(p *program, err error) error {
	switch {
	case errors.As(err, new(*logcopy.TargetError)):
		return usageError{fmt.Errorf("%w; name an empty log, or one that a copy of this source was cut off in", err)}
	case errors.As(err, new(*logcopy.SourceError)):
		return usageError{err}
	case errors.As(err, new(*logcopy.DifferenceError)):
		return err
	case p.ctx.Err() != nil:
		err = errors.New("stopped")
	}
	if c.Verify {
		return err
	}
	return fmt.Errorf("%w; the same command goes on where it was", err)
}

// place is where a log is.
type place struct {
	flag    string
	dir     string // of an embedded log
	address string // of an EventStoreDB
}

// String names a place without a password.
func (l place) String() string {
	if l.dir != "" {
		return l.dir
	}
	_, rest, _ := strings.Cut(l.address, "://")
	rest, _, _ = strings.Cut(rest, "?")
	return "EventStoreDB at " + rest[strings.LastIndexByte(rest, '@')+1:]
}

func (c copyCmd) place(p *program, flag string, given config.Secret) (place, error) {
	text := given.Reveal()
	if name, ok := strings.CutPrefix(text, "env:"); ok {
		flag += " env:" + name
		if text, ok = os.LookupEnv(name); !ok || text == "" {
			return place{}, usageError{fmt.Errorf("%s: the variable is not set", flag)}
		}
	}
	l := place{flag: flag}
	dir, named := strings.CutPrefix(text, config.EventStoreEmbedded+":")
	switch {
	case text == config.EventStoreEmbedded:
		l.dir = p.cfg.Data
	case named && dir != "":
		l.dir = dir
	case config.IsEventStoreDB(text):
		l.address = text
	default:
		return place{}, usageError{fmt.Errorf("%s: a log is embedded, embedded:DIR, esdb://…, or env:NAME", flag)}
	}
	return l, nil
}

func sameFolder(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB) || b != "" && filepath.Clean(a) == filepath.Clean(b)
}

// openSource opens a log that stays as it is: no server may write to an embedded
// one meanwhile.
func (l place) openSource(p *program) (*opened, error) {
	if l.address != "" {
		return openEventStoreDB(p.ctx, l.flag, l.address)
	}
	if info, err := os.Stat(filepath.Join(l.dir, embedded.FileName)); err != nil || info.Size() == 0 {
		return nil, usageError{fmt.Errorf("%s: there is no event log in %s; name the data folder of a server that has stopped", l.flag, l.dir)}
	}
	lock, err := embedded.Lock(l.dir)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", l.flag, err)
	}
	store, err := embedded.OpenReadOnly(p.ctx, embedded.Options{Dir: l.dir, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", l.flag, err), lock.Close())
	}
	return &opened{Log: store, kind: logbind.Embedded, lock: lock}, nil
}

// openTarget opens a log to be written to, if write, and takes an embedded one for
// itself.
func (l place) openTarget(p *program, write bool) (*opened, error) {
	if !write || l.address != "" {
		return l.openSource(p)
	}
	if err := folderOf(l.dir).CheckKind(logbind.Identity{Kind: logbind.Embedded}); err != nil {
		return nil, usageError{fmt.Errorf("%s: %s is the data folder of a server on EventStoreDB, whose read models are there; name a new folder", l.flag, l.dir)}
	}
	if err := checkLogIsThere(l.dir); err != nil {
		return nil, err
	}
	store, err := embedded.Open(p.ctx, embedded.Options{Dir: l.dir, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", l.flag, err)
	}
	return &opened{Log: store, kind: logbind.Embedded}, nil
}

// copyWatch shows how far a copy is.
type copyWatch struct {
	p      *program
	json   bool
	counts bool // the positions of the source count events
	phase  string
	bar    *countBar
}

// copyProgress is a line of --json.
type copyProgress struct {
	Phase    string            `json:"phase"`
	Events   int               `json:"events"`
	Position chatkitd.Position `json:"position"`
	Head     chatkitd.Position `json:"head"`
}

func (w *copyWatch) see(at logcopy.Progress) {
	if w.json {
		// What cannot be told stops nothing; the result is not printed either then.
		_ = json.NewEncoder(w.p.stdout).Encode(copyProgress(at))
		return
	}
	if at.Phase != w.phase {
		w.end()
		w.phase, w.bar = at.Phase, newBar(w.p.stderr, at.Phase, w.counts)
	}
	w.bar.set(at.Position.Commit, at.Head.Commit)
}

func (w *copyWatch) end() {
	if w.bar != nil {
		w.bar.end()
	}
	w.bar = nil
}
