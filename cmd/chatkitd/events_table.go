package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/mattn/go-runewidth"
	"golang.org/x/term"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

// screen is what a command prints on: how wide, and whether in colours. Of what
// is no terminal the width is 0, and nothing is cut.
type screen struct {
	io.Writer
	width  int
	colour bool
}

func newScreen(w io.Writer) *screen {
	s := &screen{Writer: w}
	if f, ok := w.(*os.File); ok && isatty.IsTerminal(f.Fd()) {
		s.colour = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
		if width, _, err := term.GetSize(int(f.Fd())); err == nil { //nolint:gosec // a file descriptor is small
			s.width = width
		}
	}
	return s
}

// The colours, as ANSI codes.
const (
	bold    = "1"
	dim     = "2"
	red     = "31"
	green   = "32"
	yellow  = "33"
	blue    = "34"
	magenta = "35"
	cyan    = "36"
)

func (s *screen) paint(code, text string) string {
	if !s.colour || code == "" || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// fit cuts text to a width, if there is one.
func (s *screen) fit(text string, width int) string {
	if s.width == 0 || runewidth.StringWidth(text) <= width {
		return text
	}
	return runewidth.Truncate(text, max(width, 1), "…")
}

// shortID leaves of an id its kind and its last characters, which differ.
func shortID(id string) string {
	i := strings.LastIndexByte(id, '_')
	if i < 0 || len(id)-i <= 12 {
		return id
	}
	return id[:i+1] + "…" + id[len(id)-6:]
}

// eventTable prints events as a table. Columns are as wide as the first rows
// need; later ones that are wider push their line.
type eventTable struct {
	*screen
	zone    *time.Location
	rows    []eventRow
	columns []column // of the header that is out; nil before
}

type eventRow struct {
	cells  []string // by column of allColumns
	colour string
}

type column struct {
	n     int // in a row's cells
	width int
}

// The columns of the table.
const (
	colTime = iota
	colPosition
	colStream
	colRevision
	colType
	colSummary
	colCause
)

var columnNames = []string{"TIME", "POSITION", "STREAM", "REV", "TYPE", "WHAT", "CAUSE"}

// measured is how many rows the widths are taken from.
const measured = 1000

func newEventTable(w io.Writer, zone *time.Location) *eventTable {
	return &eventTable{screen: newScreen(w), zone: zone}
}

func (t *eventTable) event(v chatkitd.EventView) error {
	stream, cause := v.Stream, v.Cause
	if t.width > 0 {
		stream, cause = shortID(stream), shortID(cause)
	}
	t.rows = append(t.rows, eventRow{
		cells: []string{
			eventTime(v).In(t.zone).Format("2006-01-02 15:04:05"), v.Position.String(), printable(stream),
			strconv.FormatUint(v.Revision, 10), printable(v.Type), v.Summary, printable(cause),
		},
		colour: colourOf(v.Type),
	})
	if len(t.rows) >= measured {
		return t.flush()
	}
	return nil
}

// eventTime is the time that states and filters go by.
func eventTime(v chatkitd.EventView) time.Time {
	if m, err := events.DecodeMetadata(v.Metadata); err == nil && !m.RecordedAt.IsZero() {
		return m.RecordedAt
	}
	return v.Time
}

func colourOf(typ string) string {
	switch {
	case strings.HasPrefix(typ, "turn.failed"), strings.HasPrefix(typ, "turn.interrupted"), strings.HasPrefix(typ, "effect."):
		return red
	case strings.HasPrefix(typ, "task."):
		return green
	case strings.HasPrefix(typ, "turn."):
		return cyan
	case strings.HasPrefix(typ, "tool."), strings.HasPrefix(typ, "model."):
		return magenta
	case strings.HasPrefix(typ, "node."):
		return dim
	case strings.HasPrefix(typ, "thread."):
		return blue
	case strings.HasPrefix(typ, "audit."), strings.HasPrefix(typ, "projection."):
		return yellow
	}
	return ""
}

func (t *eventTable) flush() error {
	if t.columns == nil {
		t.layout()
		if err := t.row(eventRow{cells: columnNames, colour: bold}); err != nil {
			return err
		}
	}
	for _, r := range t.rows {
		if err := t.row(r); err != nil {
			return err
		}
	}
	t.rows = t.rows[:0]
	return nil
}

const (
	columnGap    = 2
	leastSummary = 24
	mostSummary  = 80 // where nothing is cut
)

// layout decides on the columns: on a narrow terminal the ones that can be done
// without go, and the summary takes what is left.
func (t *eventTable) layout() {
	widths := make([]int, len(columnNames))
	for i, name := range columnNames {
		widths[i] = len(name)
		for _, r := range t.rows {
			widths[i] = max(widths[i], runewidth.StringWidth(r.cells[i]))
		}
	}
	if t.width == 0 {
		widths[colSummary] = min(widths[colSummary], mostSummary) // what is longer pushes its line
	}
	keep := []int{colTime, colPosition, colStream, colRevision, colType, colSummary, colCause}
	rest := func() int {
		left := t.width
		for _, n := range keep {
			if n != colSummary {
				left -= widths[n] + columnGap
			}
		}
		return left
	}
	if t.width > 0 {
		for _, drop := range []int{colCause, colRevision, colType, colStream} {
			if rest() >= min(leastSummary, widths[colSummary]) {
				break
			}
			for i, n := range keep {
				if n == drop {
					keep = append(keep[:i], keep[i+1:]...)
					break
				}
			}
		}
		widths[colSummary] = min(widths[colSummary], max(rest(), leastSummary))
	}
	for _, n := range keep {
		t.columns = append(t.columns, column{n, widths[n]})
	}
}

func (t *eventTable) row(r eventRow) error {
	var b strings.Builder
	for i, c := range t.columns {
		text := t.fit(r.cells[c.n], c.width)
		if i < len(t.columns)-1 {
			gap := max(c.width-runewidth.StringWidth(text), 0)
			if c.n == colPosition || c.n == colRevision {
				text = strings.Repeat(" ", gap) + text
			} else {
				text += strings.Repeat(" ", gap)
			}
		}
		code := r.colour
		if code != bold && (c.n == colTime || c.n == colCause) {
			code = dim
		}
		b.WriteString(t.paint(code, text))
		if i < len(t.columns)-1 {
			b.WriteString(strings.Repeat(" ", columnGap))
		}
	}
	_, err := fmt.Fprintln(t, strings.TrimRight(b.String(), " "))
	return err
}
