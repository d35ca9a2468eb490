package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/projections"
)

type rebuildProjectionsCmd struct {
	Name   string `arg:"" help:"The projection to rebuild, or all."`
	JSON   bool   `help:"Print the states of what is rebuilt as JSON lines, the last one when it is done."`
	Detach bool   `help:"Do not wait for the end."`
}

// Help lists the names.
func (rebuildProjectionsCmd) Help() string {
	return "Projections: " + strings.Join(projections.Names(), ", ") + `, or all.

The new tables are built beside the old ones, compared with them, and take their
place in one step; stopped half-way, the old ones stay. A server that runs does it
while it serves, and goes on when this command is interrupted. Without a server
this command does it itself.

Examples:
  chatkitd projections rebuild all
  chatkitd projections rebuild tasks --detach
  chatkitd projections rebuild tasks --json | tail -1 | jq '.[0].rebuild.compare'`
}

// Run rebuilds.
func (c rebuildProjectionsCmd) Run(p *program) error {
	if err := checkName(c.Name, true); err != nil {
		return err
	}
	names := []string{c.Name}
	if c.Name == allNames {
		names = projections.Names()
	}
	w := &rebuildWatch{p: p, names: names, json: c.JSON}
	server := newClient(p)
	defer server.close()
	err := c.beside(p, server, w)
	if errors.Is(err, errNoServer) && !w.asked {
		if c.Detach {
			return fmt.Errorf("%w that could go on by itself: leave --detach out", err)
		}
		err = c.alone(p, w)
	}
	return err
}

// beside has the server rebuild, and shows how far it is.
func (c rebuildProjectionsCmd) beside(p *program, server *client, w *rebuildWatch) error {
	before, err := server.states(p.ctx)
	if err != nil {
		return err
	}
	w.begin(before)
	const hints = "watch it with chatkitd projections list --watch, stop it with chatkitd projections cancel"
	detached := errors.New("detached; what the server has begun goes on: " + hints)
	if err := server.act(p.ctx, c.Name, "rebuild", nil); err != nil {
		if p.ctx.Err() != nil { // before the answer, perhaps not before the beginning
			return detached
		}
		return err
	}
	w.asked = true
	if c.Detach {
		_, err := fmt.Fprintf(p.stdout, "The server rebuilds %s; %s.\n", c.Name, hints)
		return err
	}
	err = server.follow(p.ctx, w.see)
	w.endBar()
	switch {
	case errors.Is(err, errRebuilt):
		return w.result()
	case p.ctx.Err() != nil:
		return detached
	case errors.Is(err, errNoServer):
		return fmt.Errorf("the server has stopped before the end; once it runs again, chatkitd projections list tells what became of the rebuild: %w", err)
	}
	return err
}

// alone rebuilds without a server.
func (c rebuildProjectionsCmd) alone(p *program, w *rebuildWatch) (err error) {
	if _, err := os.Stat(p.cfg.Data); err != nil {
		return fmt.Errorf("there is no data folder %s; set --data or CHATKITD_DATA: %w", p.cfg.Data, err)
	}
	d, err := openData(p.ctx, p.cfg, newLog(p.cfg, p.stderr), nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	if err := d.store.Ready(p.ctx); err != nil { // an EventStoreDB that is away
		return fmt.Errorf("%s: %w", eventStoreSetting, err)
	}
	before, err := d.views.States(p.ctx)
	if err != nil {
		return err
	}
	w.begin(before)
	var names []string
	if c.Name != allNames {
		names = []string{c.Name}
	}
	built := make(chan error, 1)
	go func() { built <- d.views.RebuildOffline(p.ctx, names, nil) }()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			_ = w.look(p.ctx, d) // the end is told by built
			continue
		case err = <-built:
		}
		break
	}
	w.endBar()
	if p.ctx.Err() != nil {
		return errors.New("stopped; the read models are as they were")
	}
	if lookErr := w.look(p.ctx, d); !errors.Is(lookErr, errRebuilt) {
		return errors.Join(err, lookErr)
	}
	return w.result()
}

// errRebuilt says that every projection of a rebuild has come to its end.
var errRebuilt = errors.New("the rebuild has ended")

// rebuildWatch shows how far a rebuild is: a bar on a terminal, JSON lines for
// machines, nothing elsewhere.
type rebuildWatch struct {
	p     *program
	names []string
	json  bool
	asked bool                 // the server has taken it on
	old   map[string]time.Time // when the rebuild before this one began
	bar   *progressbar.ProgressBar
	last  []chatkitd.ProjectionState // of names
}

// begin remembers what was there before, so that it is not taken for this
// rebuild.
func (w *rebuildWatch) begin(before []chatkitd.ProjectionState) {
	w.old = make(map[string]time.Time)
	for _, st := range before {
		if st.Rebuild != nil {
			w.old[st.Name] = st.Rebuild.Started
		}
	}
	if isTerminal(w.p.stderr) && !w.json {
		w.bar = progressbar.NewOptions64(-1, progressbar.OptionSetWriter(w.p.stderr), progressbar.OptionShowCount(),
			progressbar.OptionSetPredictTime(false), progressbar.OptionClearOnFinish())
	}
}

func (w *rebuildWatch) look(ctx context.Context, d *dataFolder) error {
	all, err := d.views.States(ctx)
	if err != nil {
		return err
	}
	return w.see(all)
}

// see shows states. It returns errRebuilt once all have ended.
func (w *rebuildWatch) see(all []chatkitd.ProjectionState) error {
	w.last = w.last[:0]
	var slowest *chatkitd.ProjectionState
	for _, st := range all {
		if !slices.Contains(w.names, st.Name) {
			continue
		}
		w.last = append(w.last, st)
		if st.Rebuild == nil || st.Rebuild.Started.Equal(w.old[st.Name]) {
			return nil // it has not begun
		}
		if !rebuildOver(st.Rebuild) && (slowest == nil || st.Rebuild.Events < slowest.Rebuild.Events) {
			slowest = &st
		}
	}
	if w.json {
		if err := json.NewEncoder(w.p.stdout).Encode(w.last); err != nil {
			return err
		}
	}
	if slowest == nil {
		return errRebuilt
	}
	if w.bar != nil {
		r := slowest.Rebuild
		if r.Total > 0 {
			w.bar.ChangeMax(r.Total)
		}
		w.bar.Describe(slowest.Name + ": " + rebuildText(r))
		_ = w.bar.Set(r.Events) // it may stand past an end that was guessed
	}
	return nil
}

func (w *rebuildWatch) endBar() {
	if w.bar != nil {
		_ = w.bar.Finish() // nothing is lost with it
	}
}

// result says how the rebuild of each projection ended, and returns an error if
// one did not end well.
func (w *rebuildWatch) result() error {
	var failed []string
	for _, st := range w.last {
		r := st.Rebuild
		if r.Phase != chatkitd.RebuildDone {
			why := r.Phase
			if r.Error != "" {
				why += ": " + r.Error
			}
			failed = append(failed, fmt.Sprintf("the rebuild of %s %s; what served goes on serving", st.Name, why))
			continue
		}
		if !w.json {
			w.say(st.Name, r)
			for _, f := range st.Skipped {
				_, _ = fmt.Fprintf(w.p.stdout, "  passed again: %s, which still cannot be applied\n", eventOf(&f))
			}
		}
	}
	if len(failed) > 0 {
		return errors.New(strings.Join(failed, "\n"))
	}
	return nil
}

func (w *rebuildWatch) say(name string, r *chatkitd.RebuildState) {
	out := w.p.stdout
	took := r.Ended.Sub(r.Started)
	_, _ = fmt.Fprintf(out, "Rebuilt %s from %d events in %s (%.0f events/s)", name, r.Events, took.Round(time.Millisecond), float64(r.Events)/max(took.Seconds(), 1e-9))
	c := r.Compare
	switch {
	case c == nil:
		_, _ = fmt.Fprintln(out, "; there was nothing to compare with.")
		return
	case c.Equal:
		_, _ = fmt.Fprintf(out, ": %d rows, equal to the old ones (hash %s).\n", c.Rows, c.Hash)
		return
	}
	_, _ = fmt.Fprintf(out, ": %d rows, which differ from the old ones:\n", c.Rows)
	for _, d := range c.Differences {
		_, _ = fmt.Fprintf(out, "  %s %s\n    old %s\n    new %s\n", d.Table, d.Key, orNone(d.Old), orNone(d.New))
	}
	if c.More > 0 {
		_, _ = fmt.Fprintf(out, "  and %d more\n", c.More)
	}
	_, _ = fmt.Fprintf(out, "  to go back to the old ones: chatkitd projections rollback %s\n", name)
}

func orNone(row string) string {
	if row == "" {
		return "none"
	}
	return row
}
