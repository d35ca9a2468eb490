package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"sync/atomic"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/bench/internal/rig"
)

// runLive has a server rebuild all read models while users write and read.
func (o *options) runLive(ctx context.Context, b *rig.Bench) error {
	binary, err := b.Binary(ctx)
	if err != nil {
		return err
	}
	data, n, err := b.Log(ctx, o.data, o.events)
	if err != nil {
		return err
	}
	p, err := b.Start(ctx, data, "--agent=offline")
	if err != nil {
		return err
	}
	defer p.Stop()
	began := time.Now()
	if err := p.Ready(ctx); err != nil {
		return err
	}
	first := time.Since(began)
	c := rig.NewClient(p.URL, o.clients)
	defer c.Close()
	var before, during rig.Times
	var rates, cpus []float64
	rows, equal := 0, true
	for range o.rounds {
		if err := o.live(ctx, c, &before, rig.For(o.before)); err != nil {
			return err
		}
		usage, err := p.Usage(ctx)
		if err != nil {
			return err
		}
		var over atomic.Bool
		var states []chatkitd.ProjectionState
		rebuilt := make(chan error, 1)
		go func() {
			defer over.Store(true)
			var err error
			states, err = rebuildAll(ctx, binary, data)
			rebuilt <- err
		}()
		err = o.live(ctx, c, &during, func(int) bool { return !over.Load() })
		if err := errors.Join(<-rebuilt, err); err != nil {
			return err
		}
		after, err := p.Usage(ctx)
		if err != nil {
			return err
		}
		count, took := 0, 0.0
		rows = 0
		for _, st := range states {
			r := st.Rebuild
			count, took = max(count, r.Events), max(took, r.Ended.Sub(r.Started).Seconds())
			equal = equal && r.Compare != nil && r.Compare.Equal
			rows += r.Compare.Rows
		}
		rates = append(rates, float64(count)/took)
		cpus = append(cpus, after.CPU-usage.CPU)
	}
	low, high := rig.Span(rates)
	b.Row("rebuild of all read models beside %d users who write and read every %s, log of %d events: %.0f events/s (%.0f to %.0f; goal 100000), %.1f s of the server's CPU with what the users ask; a write and a read of it p50 %s before, %s during; p99 %s before, %s during (goal 20ms), at most %s; %d and %d of them; %d rows, equal to the old ones: %v; ready after the start in %s; median of %d",
		o.clients, o.every, n, rig.Median(rates), low, high, rig.Median(cpus), before.At(.5), during.At(.5), before.At(.99), during.At(.99), during.At(1),
		before.Len(), during.Len(), rows, equal, first.Round(time.Millisecond), o.rounds)
	return nil
}

// live lets users add a task and read the list with it in it.
func (o *options) live(ctx context.Context, c *rig.Client, times *rig.Times, more func(int) bool) error {
	_, err := rig.Clients(ctx, o.clients, more, func(ctx context.Context, client, i int) error {
		user := fmt.Sprintf("live%d", client)
		title := fmt.Sprintf("task %d of %d", i, time.Now().UnixNano())
		began := time.Now()
		resp, err := c.Open(ctx, user, http.MethodPost, "/api/v1/tasks", fmt.Sprintf(`{"title":%q}`, title))
		if err != nil {
			return err
		}
		if err := resp.Body.Close(); err != nil {
			return err
		}
		list, err := c.Get(ctx, user, "/api/v1/tasks?limit=20")
		if err != nil {
			return err
		}
		took := time.Since(began)
		if !bytes.Contains(list, []byte(title)) {
			return fmt.Errorf("%s does not see %q", user, title)
		}
		times.Add(took)
		select {
		case <-time.After(max(0, o.every-took)):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	return err
}

// rebuildAll asks the server for a rebuild, waits for its end, and returns how it
// went.
func rebuildAll(ctx context.Context, binary, data string) ([]chatkitd.ProjectionState, error) {
	cmd := exec.CommandContext(ctx, binary, "projections", "rebuild", "all", "--json", "--data="+data, "--log-level=error")
	cmd.Env = append(cmd.Environ(), "ENVIRONMENT=development")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("rebuild: %w: %s", err, errs.Bytes())
	}
	lines := bytes.Split(bytes.TrimSpace(out.Bytes()), []byte("\n"))
	var states []chatkitd.ProjectionState
	err := json.Unmarshal(lines[len(lines)-1], &states)
	return states, err
}
