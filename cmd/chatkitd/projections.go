package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/schollz/progressbar/v3"

	"github.com/chatkitd/chatkitd/internal/embedded"
	"github.com/chatkitd/chatkitd/projections"
)

type projectionsCmd struct {
	List    listProjectionsCmd    `cmd:"" help:"How far each read model is. Works beside a running server."`
	Rebuild rebuildProjectionsCmd `cmd:"" help:"Build read models anew from the log, while no server runs."`
}

type listProjectionsCmd struct {
	JSON bool `help:"Print JSON for machines."`
}

// Run prints the states of the projections.
func (c listProjectionsCmd) Run(p *program) error {
	states, err := inspect(p)
	if err != nil {
		return err
	}
	if c.JSON {
		enc := json.NewEncoder(p.stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(states)
	}
	w := tabwriter.NewWriter(p.stdout, 0, 0, 3, ' ', 0)
	_, _ = fmt.Fprintln(w, "NAME\tVERSION\tSTATE\tPOSITION\tHEAD\tLAG\tBEHIND\tLAST ERROR")
	for _, st := range states {
		failure := "-"
		if st.Failure != nil {
			failure = st.Failure.Error()
		}
		_, _ = fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\n", st.Name, st.Version, st.State, st.Position, st.Head,
			lag(st.LagEvents), time.Duration(st.LagSeconds*float64(time.Second)).Round(time.Millisecond), failure)
	}
	return w.Flush()
}

func lag(n int) string {
	if n >= projections.MaxLag {
		return fmt.Sprintf("%d events or more", n)
	}
	return fmt.Sprintf("%d events", n)
}

// inspect reads the states from the files, beside a server that may be running.
func inspect(p *program) (_ []projections.State, err error) {
	store, err := embedded.OpenReadOnly(p.ctx, embedded.Options{Dir: p.cfg.Data, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	db, err := openReadModels(p.ctx, p.cfg)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return projections.Inspect(p.ctx, db, store)
}

type rebuildProjectionsCmd struct {
	Names []string `arg:"" name:"name" help:"The projections to rebuild, or all."`
	JSON  bool     `help:"Print progress as JSON lines."`
}

// Help lists the names.
func (rebuildProjectionsCmd) Help() string {
	return "Projections: " + strings.Join(projections.Names(), ", ") + `, or all.

The new tables are built beside the old ones and take their place in one step;
stopped half-way, the old ones stay.

Examples:
  chatkitd projections rebuild all
  chatkitd projections rebuild tasks threads`
}

// Run rebuilds.
func (c rebuildProjectionsCmd) Run(p *program) (err error) {
	names := c.Names
	if slices.Contains(names, "all") {
		names = nil
	}
	for _, n := range names {
		if !slices.Contains(projections.Names(), n) {
			return usageError{fmt.Errorf("there is no projection %q; there are %s, or all", n, strings.Join(projections.Names(), ", "))}
		}
	}
	if _, err := os.Stat(p.cfg.Data); err != nil {
		return fmt.Errorf("there is no data folder %s; set --data or CHATKITD_DATA: %w", p.cfg.Data, err)
	}
	d, err := openData(p.ctx, p.cfg, newLog(p.cfg, p.stderr), nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	show := newProgress(p.stderr, c.JSON, p.stdout)
	last := projections.Progress{}
	if err := d.views.Rebuild(p.ctx, names, func(pr projections.Progress) { last = pr; show.update(pr) }); err != nil {
		show.end()
		if errors.Is(err, context.Canceled) {
			return errors.New("stopped; the read models are as they were")
		}
		return err
	}
	show.end()
	if c.JSON {
		return nil
	}
	_, err = fmt.Fprintf(p.stdout, "Rebuilt from %d events in %s (%.0f events/s).\n", last.Events,
		last.Elapsed.Round(time.Millisecond), float64(last.Events)/max(last.Elapsed.Seconds(), 1e-9))
	return err
}

// progress shows how far long work is: a bar on a terminal, JSON lines for
// machines, nothing elsewhere.
type progress struct {
	bar  *progressbar.ProgressBar
	json *json.Encoder
}

func newProgress(w io.Writer, asJSON bool, stdout io.Writer) *progress {
	if asJSON {
		return &progress{json: json.NewEncoder(stdout)}
	}
	if f, ok := w.(*os.File); ok && isatty.IsTerminal(f.Fd()) {
		return &progress{bar: progressbar.NewOptions64(
			-1, progressbar.OptionSetWriter(w), progressbar.OptionShowCount(), progressbar.OptionShowIts(),
			progressbar.OptionSetItsString("events"), progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish(),
		)}
	}
	return &progress{}
}

func (s *progress) update(pr projections.Progress) {
	switch {
	case s.json != nil:
		_ = s.json.Encode(pr) // a reader that went away does not stop the work
	case s.bar != nil:
		s.bar.ChangeMax64(int64(pr.Head.Commit)) //nolint:gosec // positions of the embedded log count events
		s.bar.Describe(pr.Phase)
		_ = s.bar.Set64(int64(pr.Position.Commit)) //nolint:gosec // as above
	}
}

func (s *progress) end() {
	if s.bar != nil {
		_ = s.bar.Finish()
	}
}
