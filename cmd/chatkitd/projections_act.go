package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/projections"
)

// target is the projection that a command acts on.
type target struct {
	Name string `arg:"" help:"The projection."`
}

// act asks the server and says what came of it. then is a format for the name.
func (t target) act(p *program, action string, body any, then string) error {
	server := newClient(p)
	defer server.close()
	if err := server.act(p.ctx, t.Name, action, body); err != nil {
		if errors.Is(err, errNoServer) {
			return fmt.Errorf("%w: start it first, with chatkitd serve", err)
		}
		return err
	}
	_, err := fmt.Fprintln(p.stdout, strings.ReplaceAll(then, "NAME", t.Name))
	return err
}

func examples(lines ...string) string {
	return "Projections: " + strings.Join(projections.Names(), ", ") + ".\n\nExamples:\n  chatkitd projections " + strings.Join(lines, "\n  chatkitd projections ")
}

type cancelProjectionCmd struct {
	Name string `arg:"" default:"all" help:"The projection, or all."`
}

// Help shows examples.
func (cancelProjectionCmd) Help() string {
	return "A rebuild of several projections is stopped as a whole. What serves goes on serving.\n\n" + examples("cancel", "cancel tasks")
}

// Run cancels a rebuild.
func (c cancelProjectionCmd) Run(p *program) error {
	if err := checkName(c.Name, true); err != nil {
		return err
	}
	return target(c).act(p, "cancel", nil, "The rebuild is cancelled; what served goes on serving.")
}

type pauseProjectionCmd struct{ target }

// Help shows examples.
func (pauseProjectionCmd) Help() string {
	return "While a read model is paused, queries do not see what is written, and readiness says degraded.\n\n" + examples("pause tasks")
}

// Run pauses a projection.
func (c pauseProjectionCmd) Run(p *program) error {
	if err := checkName(c.Name, false); err != nil {
		return err
	}
	return c.act(p, "pause", nil, "NAME is paused. Go on: chatkitd projections resume NAME")
}

type resumeProjectionCmd struct{ target }

// Help shows examples.
func (resumeProjectionCmd) Help() string { return examples("resume tasks") }

// Run resumes a projection.
func (c resumeProjectionCmd) Run(p *program) error {
	if err := checkName(c.Name, false); err != nil {
		return err
	}
	return c.act(p, "resume", nil, "NAME goes on.")
}

type retryProjectionCmd struct{ target }

// Help shows examples.
func (retryProjectionCmd) Help() string { return examples("retry tasks") }

// retryPatience is how long retry waits to see how it goes: longer than the
// attempts take.
const retryPatience = 10 * time.Second

// Run lets a failed projection try again, and says whether it goes on.
func (c retryProjectionCmd) Run(p *program) error {
	if err := checkName(c.Name, false); err != nil {
		return err
	}
	server := newClient(p)
	defer server.close()
	var was chatkitd.ProjectionState
	if all, err := server.states(p.ctx); err == nil { // else act says what is the matter
		was = c.of(all)
	}
	if err := server.act(p.ctx, c.Name, "retry", nil); err != nil {
		if errors.Is(err, errNoServer) {
			return fmt.Errorf("%w: start it first, with chatkitd serve", err)
		}
		return err
	}
	ctx, cancel := context.WithTimeout(p.ctx, retryPatience)
	defer cancel()
	over := errors.New("it is decided")
	var now chatkitd.ProjectionState
	err := server.follow(ctx, func(all []chatkitd.ProjectionState) error {
		now = c.of(all)
		stands := was.Failure != nil && now.Position.Compare(was.Failure.Position) < 0
		if now.State == chatkitd.PhaseFailed || !stands && now.State == chatkitd.PhaseRunning && now.Failure == nil {
			return over
		}
		return nil
	})
	switch {
	case !errors.Is(err, over):
		_, err = fmt.Fprintf(p.stdout, "%s tries again. See how it goes: chatkitd projections list\n", c.Name)
		return err
	case now.State == chatkitd.PhaseFailed:
		var b strings.Builder
		writeRemarks(&b, now)
		return fmt.Errorf("it failed again\n%s", strings.TrimSuffix(b.String(), "\n"))
	}
	_, err = fmt.Fprintf(p.stdout, "%s goes on, from position %s.\n", c.Name, now.Position)
	return err
}

func (t target) of(all []chatkitd.ProjectionState) chatkitd.ProjectionState {
	i := slices.IndexFunc(all, func(st chatkitd.ProjectionState) bool { return st.Name == t.Name })
	if i < 0 {
		return chatkitd.ProjectionState{}
	}
	return all[i]
}

type skipProjectionCmd struct {
	target
	Position string `arg:"" help:"The position of the event that blocks, as projections list tells it."`
}

// Help shows examples.
func (skipProjectionCmd) Help() string {
	return "The read model lacks what the event says from then on; the log keeps the event, and\nwho skipped it.\n\n" + examples("skip tasks 4711")
}

// Run skips the event that blocks a projection.
func (c skipProjectionCmd) Run(p *program) error {
	if err := checkName(c.Name, false); err != nil {
		return err
	}
	pos, err := chatkitd.ParsePosition(c.Position)
	if err != nil {
		return usageError{fmt.Errorf("%w; projections list tells which one blocks", err)}
	}
	body := map[string]chatkitd.Position{"position": pos}
	return c.act(p, "skip", body, "NAME passes the event at "+pos.String()+" and goes on.")
}

type rollbackProjectionCmd struct{ target }

// Help shows examples.
func (rollbackProjectionCmd) Help() string {
	return "The tables of before the last rebuild are kept until the next one. They first catch up\nwith the log.\n\n" + examples("rollback tasks")
}

// Run brings the tables of before the last rebuild back.
func (c rollbackProjectionCmd) Run(p *program) error {
	if err := checkName(c.Name, false); err != nil {
		return err
	}
	return c.act(p, "rollback", nil, "NAME goes back to its tables of before the last rebuild. See: chatkitd projections list")
}
