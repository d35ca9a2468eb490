package audit

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

const (
	defaultLimit = 100
	maxLimit     = 1000
	// maxPageBytes bounds the data and metadata of a page: an event may have a
	// mebibyte.
	maxPageBytes = 8 << 20
)

// Events implements [chatkitd.Auditor]. Types may be given without their version
// ("task.added") or by their first part alone ("task"). A user's events are those
// of the user's own stream: the tasks. A question about a stream reads that
// stream alone.
func (a *Auditor) Events(ctx context.Context, q chatkitd.EventQuery) (chatkitd.EventPage, error) {
	s, err := a.selection(ctx, q)
	if err != nil {
		return chatkitd.EventPage{}, err
	}
	limit := q.Limit
	switch {
	case limit == 0:
		limit = defaultLimit
	case limit < 0 || limit > maxLimit:
		return chatkitd.EventPage{}, invalid("limit: %d is not within 1 to %d", limit, maxLimit)
	}
	page := chatkitd.EventPage{Data: []chatkitd.EventView{}, Head: s.head}
	var decoded []events.Event // beside page.Data
	size := 0
	take := func(rec *events.Recorded) (bool, error) {
		if !s.match(rec) {
			return true, nil
		}
		size += len(rec.Data) + len(rec.Meta)
		if n := len(page.Data); n == limit || n > 0 && size > maxPageBytes {
			page.HasMore = true
			return false, nil
		}
		if q.Bare {
			page.Data = append(page.Data, bare(rec))
			return true, nil
		}
		v, ev := a.read(rec)
		page.Data, decoded = append(page.Data, v), append(decoded, ev)
		return true, nil
	}
	if s.subject.count() > 0 {
		err = s.subject.missing(a.readStream(ctx, s.subject.name(), s.bounds(), q.Newest, take))
	} else {
		err = public(a.readLog(ctx, events.Filter{Types: s.types}, s.bounds(), q.Newest, take))
	}
	if err != nil {
		return chatkitd.EventPage{}, err
	}
	if n := len(page.Data); n > 0 {
		page.After = page.Data[n-1].Position.String()
	}
	if q.Bare {
		return page, nil
	}
	return page, public(a.entitle(ctx, s, page.Data, decoded))
}

// entitle puts titles into the summaries of a page.
func (a *Auditor) entitle(ctx context.Context, s *selection, page []chatkitd.EventView, decoded []events.Event) error {
	t := a.titlesFor(s)
	for i := range page {
		if s.q.Newest {
			i = len(page) - 1 - i
		}
		t.see(page[i].Stream, page[i].Revision, decoded[i], &page[i].Summary)
	}
	return t.find(ctx)
}

// Follow implements [chatkitd.Auditor]. It starts at From or Since, behind After,
// or at the begin of the log, and goes on until ctx ends, whose error it returns.
func (a *Auditor) Follow(ctx context.Context, q chatkitd.EventQuery, yield func(chatkitd.EventView) error) error {
	if !q.To.IsZero() || !q.Until.IsZero() || q.Newest || q.Limit != 0 {
		return invalid("who follows the log cannot name its end: leave to, until, newest and limit away")
	}
	s, err := a.selection(ctx, q)
	if err != nil {
		return err
	}
	after, err := a.start(ctx, s)
	if err != nil {
		return public(err)
	}
	f := events.Filter{Types: s.types}
	if s.subject.count() > 0 {
		f.StreamPrefixes = []string{s.subject.name()}
	}
	sub, err := a.store.Subscribe(ctx, after, f)
	if err != nil {
		return public(err)
	}
	defer func() { _ = sub.Close() }() // nothing was written through it
	t := a.titlesFor(s)
	for {
		batch, err := sub.Next(ctx)
		if err != nil {
			return public(err)
		}
		views, err := a.followed(ctx, s, t, batch.Events)
		if err != nil {
			return public(err)
		}
		for _, v := range views {
			if err := yield(v); err != nil {
				return err
			}
		}
	}
}

// followed returns what a follower sees of a batch.
func (a *Auditor) followed(ctx context.Context, s *selection, t *titles, batch []events.Recorded) ([]chatkitd.EventView, error) {
	views := make([]chatkitd.EventView, 0, len(batch)) // with room for all: titles point into it
	for i := range batch {
		rec := &batch[i]
		switch {
		case s.subject.count() > 0 && rec.Stream != s.subject.name() || !s.match(rec):
		case s.q.Bare:
			views = append(views, bare(rec))
		default:
			v, ev := a.read(rec)
			views = append(views, v)
			t.see(rec.Stream, rec.Revision, ev, &views[len(views)-1].Summary)
		}
	}
	return views, t.find(ctx)
}

// start returns a position behind which all events of a selection are.
func (a *Auditor) start(ctx context.Context, s *selection) (chatkitd.Position, error) {
	if !s.q.After.IsZero() {
		return s.q.After, nil
	}
	early := s.bounds().early
	if early == nil {
		return chatkitd.Position{}, nil
	}
	if a.o.Dense {
		n, err := bisect(s.head.Commit, a.logAt(ctx), early)
		return dense(n), err
	}
	if s.q.From.IsZero() {
		return chatkitd.Position{}, nil
	}
	rec, _, err := one(a.store.ReadAll(ctx, events.AllRead{Before: s.q.From, Backwards: true, Limit: 1}))
	return rec.Position, err
}

// selection is a query that has been looked at.
type selection struct {
	q       chatkitd.EventQuery
	subject subject
	types   []string
	head    chatkitd.Position
}

func (a *Auditor) selection(ctx context.Context, q chatkitd.EventQuery) (*selection, error) {
	s := &selection{q: q, subject: subject{q.Stream, q.User, q.Thread}}
	if s.subject.count() > 1 {
		return nil, invalid("name at most one of stream, user and thread")
	}
	if q.AfterRevision != nil && s.subject.count() == 0 {
		return nil, invalid("revisions count the events of one stream: name the stream as well")
	}
	var err error
	if s.types, err = expandTypes(q.Types); err != nil {
		return nil, err
	}
	if s.head, err = a.store.Head(ctx); err != nil {
		return nil, public(err)
	}
	for _, err := range []error{
		checkPosition("from", q.From, s.head), checkPosition("to", q.To, s.head), checkPosition("after", q.After, s.head),
	} {
		if err != nil {
			return nil, err
		}
	}
	if !q.To.IsZero() && q.From.Compare(q.To) > 0 {
		return nil, invalid("the range of positions runs backwards, from %s to %s: swap them", q.From, q.To)
	}
	if !q.Since.IsZero() && !q.Until.IsZero() && !q.Since.Before(q.Until) {
		return nil, invalid("the range of times runs backwards, since %s until %s: swap them",
			q.Since.Format(time.RFC3339), q.Until.Format(time.RFC3339))
	}
	return s, nil
}

// expandTypes returns the wire names behind names and beginnings of names.
func expandTypes(given []string) ([]string, error) {
	var types []string
	for _, g := range given {
		g = strings.TrimSuffix(g, ".*")
		n := len(types)
		for _, name := range events.Names() {
			if name == g || strings.HasPrefix(name, g+".") {
				types = append(types, name)
			}
		}
		if g == "" || len(types) == n {
			return nil, invalid("there are no events of type %q; the types are %s", g, strings.Join(events.Names(), ", "))
		}
	}
	slices.Sort(types)
	return slices.Compact(types), nil
}

// match reports whether an event of the right stream is asked for.
func (s *selection) match(rec *events.Recorded) bool {
	q := &s.q
	switch {
	case len(s.types) > 0 && !slices.Contains(s.types, rec.Type),
		!q.From.IsZero() && rec.Position.Compare(q.From) < 0,
		!q.To.IsZero() && rec.Position.Compare(q.To) > 0,
		!q.After.IsZero() && !q.Newest && rec.Position.Compare(q.After) <= 0,
		!q.After.IsZero() && q.Newest && rec.Position.Compare(q.After) >= 0,
		q.AfterRevision != nil && !q.Newest && rec.Revision <= *q.AfterRevision,
		q.AfterRevision != nil && q.Newest && rec.Revision >= *q.AfterRevision:
		return false
	case q.Since.IsZero() && q.Until.IsZero():
		return true
	}
	t := timeOf(rec)
	return (q.Since.IsZero() || !t.Before(q.Since)) && (q.Until.IsZero() || t.Before(q.Until))
}

// bounds are what need not be read.
func (s *selection) bounds() (b bounds) {
	q := &s.q
	older, younger := since(q.Since), until(q.Until)
	if !q.From.IsZero() || !q.Since.IsZero() || !q.Newest && (!q.After.IsZero() || q.AfterRevision != nil) {
		b.early = func(rec *events.Recorded) bool {
			return rec.Position.Compare(q.From) < 0 ||
				!q.Newest && q.AfterRevision != nil && rec.Revision <= *q.AfterRevision ||
				!q.Newest && rec.Position.Compare(q.After) <= 0 ||
				!q.Since.IsZero() && older(rec)
		}
	}
	if !q.To.IsZero() || !q.Until.IsZero() || q.Newest && (!q.After.IsZero() || q.AfterRevision != nil) {
		b.late = func(rec *events.Recorded) bool {
			return !q.To.IsZero() && rec.Position.Compare(q.To) > 0 ||
				q.Newest && q.AfterRevision != nil && rec.Revision >= *q.AfterRevision ||
				q.Newest && !q.After.IsZero() && rec.Position.Compare(q.After) >= 0 ||
				!q.Until.IsZero() && younger(rec)
		}
	}
	return b
}
