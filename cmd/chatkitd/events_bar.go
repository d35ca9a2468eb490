package main

import (
	"io"
	"math"
	"os"

	"github.com/mattn/go-isatty"
	"github.com/schollz/progressbar/v3"

	"github.com/chatkitd/chatkitd/config"
)

// countBar shows how far work on the log is: a bar on a terminal, nothing
// elsewhere.
type countBar struct {
	w      io.Writer
	name   string
	counts bool                     // events, and not places in the files of a server
	bar    *progressbar.ProgressBar // nil until there is something to show
}

// newCountBar is for positions of the log that the settings name.
func newCountBar(p *program, name string) *countBar {
	return newBar(p.stderr, name, !config.IsEventStoreDB(p.cfg.EventStore.Reveal()))
}

func newBar(w io.Writer, name string, counts bool) *countBar {
	if f, ok := w.(*os.File); !ok || !isatty.IsTerminal(f.Fd()) {
		return &countBar{}
	}
	return &countBar{w: w, name: name, counts: counts}
}

func (c *countBar) set(done, total uint64) {
	if c.w == nil {
		return
	}
	if c.bar == nil {
		o := []progressbar.Option{
			progressbar.OptionSetWriter(c.w), progressbar.OptionSetDescription(c.name),
			progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish(),
		}
		if c.counts {
			o = append(o, progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString("events"))
		}
		c.bar = progressbar.NewOptions64(-1, o...)
	}
	c.bar.ChangeMax64(int64(min(total, math.MaxInt64))) //nolint:gosec // no more than that
	_ = c.bar.Set64(int64(min(done, math.MaxInt64)))    //nolint:gosec // as above; a bar that fails stops nothing
}

func (c *countBar) end() {
	if c.bar != nil {
		_ = c.bar.Finish() // as above
	}
}
