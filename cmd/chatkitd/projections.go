package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/mattn/go-isatty"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/config"
	"github.com/chatkitd/chatkitd/projections"
)

type projectionsCmd struct {
	List     listProjectionsCmd    `cmd:"" help:"How far each read model is."`
	Rebuild  rebuildProjectionsCmd `cmd:"" help:"Build read models anew from the log, beside the ones that serve."`
	Cancel   cancelProjectionCmd   `cmd:"" help:"Stop a rebuild and drop what it has built."`
	Pause    pauseProjectionCmd    `cmd:"" help:"Halt a rebuild, or, when none is under way, the read model."`
	Resume   resumeProjectionCmd   `cmd:"" help:"Go on after a pause."`
	Retry    retryProjectionCmd    `cmd:"" help:"Let a read model that failed try its blocking event again."`
	Skip     skipProjectionCmd     `cmd:"" help:"Pass the event that a failed read model cannot apply."`
	Rollback rollbackProjectionCmd `cmd:"" help:"Bring the tables of before the last rebuild back."`
}

// Help says what the commands work on.
func (projectionsCmd) Help() string {
	return "Projections: " + strings.Join(projections.Names(), ", ") + `.

The commands talk to the server that runs on the data folder (--data). list and
rebuild work without one, too.`
}

// checkName refuses a name that no projection has. all may be allowed.
func checkName(name string, all bool) error {
	if all && name == allNames || slices.Contains(projections.Names(), name) {
		return nil
	}
	known := strings.Join(projections.Names(), ", ")
	if all {
		known += ", or all"
	}
	return usageError{fmt.Errorf("there is no projection %q; there are %s", name, known)}
}

const allNames = "all"

type listProjectionsCmd struct {
	JSON  bool `help:"Print JSON for machines; with --watch, one line each time."`
	Watch bool `help:"Go on and show what changes, until it is interrupted."`
}

// Help shows examples.
func (listProjectionsCmd) Help() string {
	return `LAG is what the read model has not seen yet, BEHIND for how long that has been
there. Without a running server the files are read.

Examples:
  chatkitd projections list
  chatkitd projections list --watch
  chatkitd projections list --json | jq '.[] | select(.state != "running")'`
}

// Run prints the states of the projections.
func (c listProjectionsCmd) Run(p *program) error {
	server := newClient(p)
	defer server.close()
	if c.Watch {
		return c.watch(p, server)
	}
	states, err := server.states(p.ctx)
	if errors.Is(err, errNoServer) {
		states, err = inspect(p)
	}
	if err != nil {
		return err
	}
	if c.JSON {
		enc := json.NewEncoder(p.stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(states)
	}
	return writeStates(p.stdout, states)
}

// watch shows the states each time they change: a terminal shows one table, and
// everything else table after table.
func (c listProjectionsCmd) watch(p *program, server *client) error {
	clean := ""
	err := server.follow(p.ctx, func(states []chatkitd.ProjectionState) error {
		if c.JSON {
			return json.NewEncoder(p.stdout).Encode(states)
		}
		var b strings.Builder
		if err := writeStates(&b, states); err != nil {
			return err
		}
		_, err := fmt.Fprint(p.stdout, clean, b.String())
		if isTerminal(p.stdout) {
			clean = fmt.Sprintf("\x1b[%dA\x1b[J", strings.Count(b.String(), "\n"))
		} else {
			clean = "\n"
		}
		return err
	})
	switch {
	case p.ctx.Err() != nil:
		return nil
	case errors.Is(err, errNoServer):
		return fmt.Errorf("nothing changes: %w; leave --watch out", err)
	}
	return err
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

// writeStates writes a table for eyes, and below it what does not fit into one.
func writeStates(out io.Writer, states []chatkitd.ProjectionState) error {
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	_, _ = fmt.Fprintln(w, "NAME\tVERSION\tSTATE\tPOSITION\tHEAD\tLAG\tBEHIND\tRATE\tREBUILD")
	for _, st := range states {
		_, _ = fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", st.Name, st.Version, st.State, st.Position, st.Head,
			lag(st), seconds(st.LagSeconds), rate(st.Rate), rebuildText(st.Rebuild))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, st := range states {
		writeRemarks(out, st)
	}
	return nil
}

// lag says how many events are missing. Where they had to be counted, counting
// stops somewhere.
func lag(st chatkitd.ProjectionState) string {
	switch {
	case st.LagEvents == 1:
		return "1 event"
	case st.LagAtLeast:
		return fmt.Sprintf("%d events or more", st.LagEvents)
	}
	return fmt.Sprintf("%d events", st.LagEvents)
}

func seconds(s float64) string {
	d := time.Duration(s * float64(time.Second))
	if d < 10*time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

func rate(perSecond float64) string {
	if perSecond < 0.5 {
		return "-"
	}
	return fmt.Sprintf("%.0f/s", perSecond)
}

// rebuildText says in a few words how far a rebuild is, or how the last ended.
func rebuildText(r *chatkitd.RebuildState) string {
	if r == nil {
		return "-"
	}
	if rebuildOver(r) {
		return r.Phase
	}
	text := strings.ReplaceAll(r.Phase, "_", " ")
	if r.Paused {
		text = "paused in " + text
	}
	if r.Total > 0 {
		text += fmt.Sprintf(" %d %%", 100*r.Events/r.Total)
	}
	if r.Rate > 0 {
		text += ", " + rate(r.Rate)
	}
	if r.ETA >= 0.1 {
		text += ", " + seconds(r.ETA) + " left"
	}
	return text
}

// rebuildOver reports whether a rebuild has ended, one way or another.
func rebuildOver(r *chatkitd.RebuildState) bool {
	switch r.Phase {
	case chatkitd.RebuildDone, chatkitd.RebuildFailed, chatkitd.RebuildCanceled:
		return true
	}
	return false
}

// inspect reads the states from the files, when no server runs.
func inspect(p *program) (_ []chatkitd.ProjectionState, err error) {
	if !config.IsEventStoreDB(p.cfg.EventStore.Reveal()) { // else a database that is away is the first thing to say
		if err := checkReadModelsAreThere(p.cfg.Data); err != nil {
			return nil, err
		}
	}
	store, err := openForReading(p.ctx, p.cfg)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.close()) }()
	if err := checkReadModelsAreThere(p.cfg.Data); err != nil {
		return nil, err
	}
	if err := store.isOf(p.ctx, p.cfg.Data); err != nil {
		return nil, err
	}
	return projections.Inspect(p.ctx, p.cfg.Data, store, store.dense())
}

func checkReadModelsAreThere(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, readModelsFile)); errors.Is(err, fs.ErrNotExist) {
		return usageError{fmt.Errorf("there are no read models in %s; name the data folder with --data or CHATKITD_DATA, or start the server there first", dir)}
	}
	return nil
}
