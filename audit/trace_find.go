package audit

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

// progressEvery is how many events a search passes between two reports.
const progressEvery = 16_384

// find returns the first event of the log that id names: as its own id or
// position, or as that of its request, turn, call, answer of a model, item or task. There is no
// index of these. Most ids tell when they were made, and what they name was
// recorded soon after: the minute and then the hour around that time are looked
// at first. What is not found there, because the id is of another kind or the log
// was put together from others, costs one pass over the log, and nothing more.
// An event is only decoded when its bytes hold the id.
func (a *Auditor) find(ctx context.Context, id string) (*events.Recorded, error) {
	head, err := a.store.Head(ctx)
	if err != nil {
		return nil, err
	}
	if p, err := chatkitd.ParsePosition(id); err == nil {
		return a.findPosition(ctx, p, head)
	}
	is := func(rec *events.Recorded) bool { return names(rec, id) }
	if own, err := uuid.Parse(id); err == nil {
		is = func(rec *events.Recorded) bool { return rec.ID == own }
	}
	if made, ok := minted(id); ok && a.o.Dense {
		for _, around := range []time.Duration{time.Minute, time.Hour} {
			found, err := a.search(ctx, head, bounds{
				early: func(r *events.Recorded) bool { return timeOf(r).Before(made.Add(-around)) },
				late:  func(r *events.Recorded) bool { return timeOf(r).After(made.Add(around)) },
			}, is)
			if found != nil || err != nil {
				return found, err
			}
		}
	}
	return a.search(ctx, head, bounds{}, is)
}

func (a *Auditor) search(ctx context.Context, head chatkitd.Position, b bounds, is func(*events.Recorded) bool) (found *events.Recorded, err error) {
	n := 0
	err = a.readLog(ctx, events.Filter{}, b, false, func(rec *events.Recorded) (bool, error) {
		if is(rec) {
			found = rec
			return false, nil
		}
		if n++; n%progressEvery == 0 {
			a.o.Progress(rec.Position, head)
		}
		return true, nil
	})
	return found, err
}

func (a *Auditor) findPosition(ctx context.Context, p, head chatkitd.Position) (*events.Recorded, error) {
	if p.IsZero() {
		return nil, invalid("position 0 is before the first event")
	}
	if err := checkPosition("id", p, head); err != nil {
		return nil, err
	}
	return a.search(ctx, head, bounds{
		early: func(r *events.Recorded) bool { return r.Position.Compare(p) < 0 },
		late:  func(r *events.Recorded) bool { return r.Position.Compare(p) > 0 },
	}, func(r *events.Recorded) bool { return r.Position == p })
}

// names reports whether an event belongs to what an id names. That a text only
// mentions the id is not enough.
func names(rec *events.Recorded, id string) bool {
	needle := []byte(id)
	if bytes.Contains(rec.Meta, needle) {
		if m, err := events.DecodeMetadata(rec.Meta); err == nil && (m.Correlation == id || m.Causation == id) {
			return true
		}
	}
	if !bytes.Contains(rec.Data, needle) {
		return false
	}
	ev, err := events.Decode(rec.Type, rec.Data)
	if err != nil {
		return false
	}
	switch ev := ev.(type) {
	case events.User:
		return string(taskOf(ev)) == id
	case events.TurnStarted:
		return string(ev.TurnID) == id
	case events.ModelCalled:
		return ev.ResponseID == id
	case events.ToolCalled:
		return ev.CallID == id
	case events.TurnCompleted: // of before each call was recorded
		return slices.Contains(ev.ResponseIDs, id)
	case events.ItemAdded:
		return string(itemOf(ev)) == id
	}
	return false
}

// checkTraceable refuses what cannot be the id of anything that has a cause.
func checkTraceable(id string) error {
	switch {
	case id == "":
		return invalid("name an event, request, turn, tool call, item or task")
	case strings.HasPrefix(id, chatkitd.PrefixThread):
		return invalid("%s is a thread, which has many causes: list its events and trace one of them", id)
	case len(id) > chatkitd.MaxID:
		return notFound("the log knows nothing with the id %.64q…: it is longer than any id", id)
	}
	return nil
}
