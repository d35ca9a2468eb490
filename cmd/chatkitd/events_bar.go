package main

import (
	"io"
	"math"
	"os"

	"github.com/mattn/go-isatty"
	"github.com/schollz/progressbar/v3"
)

// countBar shows how far work on the log is: a bar on a terminal, nothing
// elsewhere.
type countBar struct {
	w    io.Writer
	name string
	bar  *progressbar.ProgressBar // nil until there is something to show
}

func newCountBar(w io.Writer, name string) *countBar {
	if f, ok := w.(*os.File); !ok || !isatty.IsTerminal(f.Fd()) {
		return &countBar{}
	}
	return &countBar{w: w, name: name}
}

func (c *countBar) set(done, total uint64) {
	if c.w == nil {
		return
	}
	if c.bar == nil {
		c.bar = progressbar.NewOptions64(
			-1, progressbar.OptionSetWriter(c.w), progressbar.OptionSetDescription(c.name), progressbar.OptionShowCount(),
			progressbar.OptionShowIts(), progressbar.OptionSetItsString("events"), progressbar.OptionSetPredictTime(true),
			progressbar.OptionClearOnFinish(),
		)
	}
	c.bar.ChangeMax64(int64(min(total, math.MaxInt64))) //nolint:gosec // no more than that
	_ = c.bar.Set64(int64(min(done, math.MaxInt64)))    //nolint:gosec // as above; a bar that fails stops nothing
}

func (c *countBar) end() {
	if c.bar != nil {
		_ = c.bar.Finish() // as above
	}
}
