package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/chatkitd/chatkitd/audit"
	"github.com/chatkitd/chatkitd/internal/embedded"
	"github.com/chatkitd/chatkitd/internal/logbind"
	"github.com/chatkitd/chatkitd/internal/sqlite"
	"github.com/chatkitd/chatkitd/projections"
)

type verifyCmd struct {
	JSON bool `help:"Print JSON for machines."`
}

// Help says what is checked.
func (verifyCmd) Help() string {
	return `Reads the whole log once and checks that
  store    the file is sound: its structures and the checksum of every event (of an
           embedded log; an EventStoreDB looks after its own files)
  order    positions and the revisions of each stream have no gap
  decode   every event decodes, old versions too, and is in a stream of its kind
  ids      ids of events, and idempotency keys within a stream, are unique
  turns    a turn ends before the next begins, and each tool call returns in it
  models   the read models equal a fresh fold of the log, row by row
Works beside a running server and without one. The exit status is 1 if anything is
found. What is wrong with read models alone is put right by
"chatkitd projections rebuild all"; the log is restored from a backup.

Examples:
  chatkitd verify
  chatkitd verify --json | jq .findings`
}

// Run verifies everything.
func (c verifyCmd) Run(p *program) (err error) {
	log, err := openLog(p, audit.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.close()) }()
	bar := newCountBar(p, "verifying")
	if c.JSON {
		bar = &countBar{}
	}
	report, err := verify(p, log, bar)
	bar.end()
	if err != nil {
		if p.ctx.Err() != nil {
			return errors.New("stopped; nothing was changed")
		}
		return err
	}
	if c.JSON {
		enc := json.NewEncoder(p.stdout)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		err = enc.Encode(report)
	} else {
		text := &verifyText{screen: newScreen(p.stdout), file: log.store.dense()}
		err = text.print(report)
	}
	if err == nil && !report.OK {
		err = fmt.Errorf("%s; see above", counted(len(report.Findings)+report.More, "finding"))
	}
	return err
}

// verify has damage of the file among its findings.
func verify(p *program, log *openedLog, bar *countBar) (_ *audit.Report, err error) {
	head, err := log.store.Head(p.ctx)
	if err != nil {
		return nil, err
	}
	bar.set(0, head.Commit) // the file comes first, which takes a while
	var damage error
	if file, ok := log.store.Log.(*embedded.Store); ok { // EventStoreDB looks after its own files
		damage = file.Integrity(p.ctx)
	}
	if _, ok := errors.AsType[*embedded.CorruptError](damage); damage != nil && !ok {
		return nil, damage
	}
	o := audit.VerifyOptions{Progress: bar.set}
	foreign := log.store.isOf(p.ctx, p.cfg.Data)
	switch {
	case damage != nil: // it may be why
		foreign = nil
	case foreign != nil && !errors.Is(foreign, logbind.ErrOtherLog):
		return nil, foreign
	}
	var models *projections.Snapshot
	var unreadable error
	closeModels := func() error { return nil }
	if foreign == nil {
		models, closeModels, unreadable = openSnapshot(p)
	}
	if models != nil {
		o.Models = models
	}
	defer func() { err = errors.Join(err, closeModels()) }()
	report, err := log.audit.Verify(p.ctx, o)
	if _, ok := errors.AsType[*embedded.CorruptError](err); ok {
		damage = err
	} else if sqlite.IsCorrupt(err) {
		unreadable = err
	} else if err != nil {
		return nil, err
	}
	if damage != nil {
		report.Add(audit.Finding{Check: audit.CheckStore, What: damage.Error() + "; what is behind it was not looked at"})
	}
	if foreign != nil {
		report.Add(audit.Finding{Check: audit.CheckModels, What: foreign.Error()})
	}
	if unreadable != nil {
		report.Add(audit.Finding{Check: audit.CheckModels, What: "they cannot be read: " + unreadable.Error()})
	}
	return report, nil
}

// openSnapshot opens the read models, nil when there are none, and returns what
// closes them.
func openSnapshot(p *program) (_ *projections.Snapshot, closeModels func() error, err error) {
	closeModels = func() error { return nil }
	if info, err := os.Stat(filepath.Join(p.cfg.Data, readModelsFile)); err != nil || info.Size() == 0 {
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return nil, closeModels, err
	}
	models, err := projections.OpenSnapshot(p.ctx, p.cfg.Data)
	if err != nil {
		return nil, closeModels, err
	}
	return models, models.Close, nil
}

// verifyText prints a report for eyes.
type verifyText struct {
	*screen
	file bool // of the log was checked
}

var checked = map[string]string{
	audit.CheckStore:  "the file is sound, and so is every checksum",
	audit.CheckOrder:  "positions and revisions have no gap",
	audit.CheckDecode: "every event decodes",
	audit.CheckIDs:    "ids and idempotency keys are unique",
	audit.CheckTurns:  "turns end, and tool calls return in them",
	audit.CheckModels: "the read models equal a fresh fold",
}

func (t *verifyText) print(r *audit.Report) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s in %s up to position %s, read in %s\n\n", counted(r.Events, "event"), counted(r.Streams, "stream"),
		r.Head, time.Duration(r.Seconds*float64(time.Second)).Round(time.Millisecond))
	for _, check := range audit.Checks {
		n := 0
		for _, f := range r.Findings {
			if f.Check == check {
				n++
			}
		}
		switch {
		case n > 0:
			fmt.Fprintf(&b, "%s %-7s %s\n", t.paint(red, "✗"), check, t.paint(red, counted(n, "finding")))
		case check == audit.CheckStore && !t.file:
			fmt.Fprintf(&b, "%s %-7s EventStoreDB looks after its own files\n", t.paint(yellow, "-"), check)
		case check == audit.CheckModels && len(r.Models) == 0:
			fmt.Fprintf(&b, "%s %-7s there are none yet; a server builds them when it starts\n", t.paint(yellow, "-"), check)
		default:
			fmt.Fprintf(&b, "%s %-7s %s\n", t.paint(green, "✓"), check, checked[check])
		}
	}
	for _, m := range r.Models {
		line := fmt.Sprintf("          %-12s %s, hash %s", m.Name, counted(m.Rows, "row"), m.Hash)
		if !m.Equal {
			line += fmt.Sprintf("; the log asks for %s, hash %s", counted(m.Want, "row"), m.WantHash)
		}
		if m.Behind {
			line += fmt.Sprintf("; as of position %s", m.Position)
		}
		b.WriteString(line + "\n")
	}
	if r.OpenTurns > 0 {
		fmt.Fprintf(&b, "\n%s open: running, or cut off and closed when the thread is used again.\n", counted(r.OpenTurns, "turn is", "turns are"))
	}
	for i, f := range r.Findings {
		t.finding(&b, i+1, f)
	}
	if r.More > 0 {
		fmt.Fprintf(&b, "\n… and %s more.\n", counted(r.More, "finding"))
	}
	if r.OK {
		b.WriteString("\nNothing was found.\n")
	}
	_, err := fmt.Fprint(t, b.String())
	return err
}

func (t *verifyText) finding(b *strings.Builder, n int, f audit.Finding) {
	fmt.Fprintf(b, "\n%s %s\n", t.paint(bold, fmt.Sprintf("%d. %s:", n, f.Check)), t.paint(red, printable(f.What)))
	if f.Stream != "" {
		fmt.Fprintf(b, "   %s, position %s, %s revision %d\n", printable(f.Type), f.Position, printable(f.Stream), *f.Revision)
	}
	if f.Table == "" {
		return
	}
	fmt.Fprintf(b, "   table %s, %s  %s\n", f.Table, printable(f.Key), t.paint(dim, "(- what the log says, + what is stored)"))
	for _, d := range diff(f.Want, f.Got) {
		code := green
		if d[0] == '-' {
			code = red
		}
		b.WriteString("   " + t.paint(code, t.fit(d, t.width-3)) + "\n")
	}
}

// counted is a number with its noun, whose plural may be given.
func counted(n int, noun string, plural ...string) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	switch {
	case n == 1:
		return digits + " " + noun
	case len(plural) > 0:
		return digits + " " + plural[0]
	}
	return digits + " " + noun + "s"
}
