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
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/audit"
	"github.com/chatkitd/chatkitd/config"
	"github.com/chatkitd/chatkitd/internal/embedded"
)

type eventsCmd struct {
	Stream *string           `placeholder:"NAME" xor:"about" help:"Events of one stream, such as user-alice, thread-thr_… or audit-root."`
	User   *string           `placeholder:"ID" xor:"about" help:"Events of a user's tasks."`
	Thread *string           `placeholder:"ID" xor:"about" help:"Events of a thread."`
	Type   []string          `placeholder:"TYPE" help:"Events of this type, or whose type begins so: task.added.v1, task.added, task. May be repeated."`
	From   chatkitd.Position `placeholder:"POSITION" help:"Events from this position on."`
	To     chatkitd.Position `placeholder:"POSITION" help:"Events up to this position, itself included."`
	Since  moment            `placeholder:"TIME" help:"Events from this time on."`
	Until  moment            `placeholder:"TIME" help:"Events before this time."`
	Follow bool              `short:"f" help:"Go on with every new event until stopped."`
	Limit  *int              `placeholder:"N" help:"The last N of them; 0 is all. Not set means 100, and all with --json."`
	JSON   bool              `help:"Print JSON lines for machines."`
	UTC    bool              `name:"utc" help:"Times are in UTC, those given and those shown. Else in the zone of this machine."`
}

// Help has examples.
func (eventsCmd) Help() string {
	return `The log, oldest first: as a table that fits the terminal, or as JSON lines of
position, stream, revision, type, id, time, data and metadata. Works beside a
running server and without one.

` + timeHelp + `

Examples:
  chatkitd events                                   the last 100 events
  chatkitd events --user alice --since "monday 9:00"
  chatkitd events --type turn.failed --since -24h
  chatkitd events --thread thr_06h0… --json | jq .data
  chatkitd events --type task --follow`
}

// defaultEvents is how many events a table shows unless it is told otherwise.
const defaultEvents = 100

// Run lists events.
func (c eventsCmd) Run(p *program) (err error) {
	q, zone, err := c.query(time.Now())
	if err != nil {
		return usageError{err}
	}
	limit := defaultEvents
	switch {
	case c.Limit != nil && *c.Limit < 0:
		return usageError{fmt.Errorf("--limit %d: give the number of events to show, or 0 for all", *c.Limit)}
	case c.Limit != nil:
		limit = *c.Limit
	case c.JSON:
		limit = 0
	}
	log, err := openLog(p, audit.Options{Location: zone})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.close()) }()

	var show eventPrinter = newEventTable(p.stdout, zone)
	if c.JSON {
		show = newEventLines(p.stdout)
	}
	if c.Follow {
		return c.follow(p, log, q, limit, show)
	}
	more, _, err := log.list(p, q, limit, show)
	if err != nil {
		return asked(err)
	}
	if more {
		_, _ = fmt.Fprintf(p.stderr, "These are the last %d; --limit 0 shows all.\n", limit)
	}
	return nil
}

func (c eventsCmd) query(now time.Time) (q chatkitd.EventQuery, zone *time.Location, err error) {
	zone = zoneOf(c.UTC)
	q = chatkitd.EventQuery{Types: c.Type, From: c.From, To: c.To, Bare: c.JSON}
	for flag, about := range map[string]struct {
		given *string
		take  func(string)
	}{
		"--stream": {c.Stream, func(s string) { q.Stream = s }},
		"--user":   {c.User, func(s string) { q.User = chatkitd.UserID(s) }},
		"--thread": {c.Thread, func(s string) { q.Thread = chatkitd.ThreadID(s) }},
	} {
		switch {
		case about.given == nil:
		case *about.given == "": // an empty variable of a script must not ask for the whole log
			return q, zone, fmt.Errorf("%s is empty: give it a name, or leave it away", flag)
		default:
			about.take(*about.given)
		}
	}
	if q.Since, err = c.Since.at("--since", now, zone); err != nil {
		return q, zone, err
	}
	q.Until, err = c.Until.at("--until", now, zone)
	return q, zone, err
}

// follow shows what there is, and then what comes, without a gap between them.
func (c eventsCmd) follow(p *program, log *openedLog, q chatkitd.EventQuery, limit int, show eventPrinter) error {
	if !q.To.IsZero() || !q.Until.IsZero() {
		return usageError{errors.New("--follow has no end: leave --to and --until away")}
	}
	_, head, err := log.list(p, q, limit, show)
	if err != nil {
		return asked(err)
	}
	q.From, q.Since, q.After = chatkitd.Position{}, time.Time{}, head
	err = log.audit.Follow(p.ctx, q, func(v chatkitd.EventView) error {
		if err := show.event(v); err != nil {
			return err
		}
		return show.flush()
	})
	if p.ctx.Err() != nil {
		return nil // stopped, as a follower is
	}
	return asked(err)
}

// openedLog is the log, open for reading beside a server.
type openedLog struct {
	store *opened
	audit *audit.Auditor
}

func (l *openedLog) close() error { return l.store.close() }

// openLog opens the log for reading: that of the data folder, or of an
// EventStoreDB.
func openLog(p *program, o audit.Options) (*openedLog, error) {
	if !config.IsEventStoreDB(p.cfg.EventStore.Reveal()) {
		if _, err := os.Stat(filepath.Join(p.cfg.Data, embedded.FileName)); errors.Is(err, fs.ErrNotExist) {
			return nil, usageError{fmt.Errorf("there is no event log in %s; name the data folder with --data or CHATKITD_DATA, or start the server there first", p.cfg.Data)}
		}
	}
	store, err := openForReading(p.ctx, p.cfg)
	if err != nil {
		return nil, err
	}
	o.Dense = store.dense()
	return &openedLog{store, audit.New(store, o)}, nil
}

// list shows the last events that match, oldest first, and returns whether there
// are more before them and how far the log went.
func (l *openedLog) list(p *program, q chatkitd.EventQuery, limit int, show eventPrinter) (more bool, head chatkitd.Position, err error) {
	if limit > 0 {
		return l.last(p, q, limit, show)
	}
	for q.Limit = pageLimit; ; {
		page, err := l.audit.Events(p.ctx, q)
		if err != nil {
			return false, head, err
		}
		head = page.Head
		for _, v := range page.Data {
			if err := show.event(v); err != nil {
				return false, head, err
			}
		}
		if !page.HasMore {
			return false, head, show.flush()
		}
		q.After = page.Data[len(page.Data)-1].Position
	}
}

// pageLimit is the largest page of an auditor.
const pageLimit = 1000

func (l *openedLog) last(p *program, q chatkitd.EventQuery, limit int, show eventPrinter) (more bool, head chatkitd.Position, err error) {
	var found []chatkitd.EventView
	q.Newest = true
	for {
		q.Limit = min(limit-len(found), pageLimit)
		page, err := l.audit.Events(p.ctx, q)
		if err != nil {
			return false, head, err
		}
		if head.IsZero() {
			head = page.Head
		}
		found = append(found, page.Data...)
		if more = page.HasMore; !more || len(found) == limit {
			break
		}
		q.After = page.Data[len(page.Data)-1].Position
	}
	for _, v := range slices.Backward(found) {
		if err := show.event(v); err != nil {
			return false, head, err
		}
	}
	return more, head, show.flush()
}

// asked marks what the caller could have asked better.
func asked(err error) error {
	if e, ok := errors.AsType[*chatkitd.Error](err); ok && (e.Code == chatkitd.CodeInvalid || e.Code == chatkitd.CodeNotFound) {
		return usageError{errors.New(e.Message)}
	}
	return err
}

// eventPrinter shows events.
type eventPrinter interface {
	event(v chatkitd.EventView) error
	flush() error
}

// eventLine is an event as a JSON line: what is stored, and nothing else.
type eventLine struct {
	Position json.RawMessage `json:"position"` // a number, or a string of two
	Stream   string          `json:"stream"`
	Revision uint64          `json:"revision"`
	Type     string          `json:"type"`
	ID       string          `json:"id"`
	Time     time.Time       `json:"time"`
	Data     json.RawMessage `json:"data"`
	Metadata json.RawMessage `json:"metadata"`
}

func lineOf(v chatkitd.EventView) eventLine {
	position := v.Position.String()
	if v.Position.Commit != v.Position.Prepare {
		position = `"` + position + `"`
	}
	return eventLine{json.RawMessage(position), v.Stream, v.Revision, v.Type, v.ID, v.Time, v.Data, v.Metadata}
}

// eventLines prints events as JSON lines.
type eventLines struct{ enc *json.Encoder }

func newEventLines(w io.Writer) *eventLines {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return &eventLines{enc}
}

func (l *eventLines) event(v chatkitd.EventView) error { return l.enc.Encode(lineOf(v)) }
func (l *eventLines) flush() error                     { return nil }
