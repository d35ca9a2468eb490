package audit

import (
	"slices"

	"github.com/chatkitd/chatkitd"
)

// stepPage gathers a page of steps, which come oldest first.
type stepPage struct {
	newest   bool
	end      uint64 // the revision behind the last step of all
	from, to uint64 // the revisions that are wanted: from, and before
	steps    []chatkitd.ReplayStep
	size     int
	full     bool
}

// stepLimit returns how many steps are wanted.
func stepLimit(q chatkitd.ReplayQuery) (uint64, error) {
	switch {
	case !q.Steps && (q.Newest || q.Limit != 0 || q.After != nil):
		return 0, invalid("an order, a limit, and a step to go on behind are for steps: ask for steps as well")
	case q.Limit < 0 || q.Limit > maxLimit:
		return 0, invalid("limit: %d is not within 1 to %d", q.Limit, maxLimit)
	case q.Limit == 0:
		return defaultLimit, nil
	}
	return uint64(q.Limit), nil
}

// newStepPage chooses the revisions of the page among those before end.
func newStepPage(q chatkitd.ReplayQuery, end, limit uint64) *stepPage {
	p := &stepPage{newest: q.Newest, end: end}
	if q.Newest {
		p.to = end
		if q.After != nil {
			p.to = min(end, *q.After)
		}
		p.from = p.to - min(p.to, limit)
		return p
	}
	if q.After != nil {
		p.from = end
		if *q.After < end {
			p.from = *q.After + 1
		}
	}
	p.to = p.from + min(end-p.from, limit)
	return p
}

// add takes the next step. A page that grows too large is cut: behind what fits,
// or, when the newest come first, before it.
func (p *stepPage) add(s chatkitd.ReplayStep) error {
	n := stepSize(&s)
	if p.full = p.full || !p.newest && len(p.steps) > 0 && p.size+n > maxPageBytes; p.full {
		return nil
	}
	p.steps = append(p.steps, s)
	for p.size += n; p.size > maxPageBytes && len(p.steps) > 1; p.steps = p.steps[1:] {
		p.size -= stepSize(&p.steps[0])
		p.steps[0] = chatkitd.ReplayStep{} // or the array would hold it
	}
	return nil
}

func stepSize(s *chatkitd.ReplayStep) int {
	n := len(s.Event.Data) + len(s.Event.Metadata) + len(s.Before) + len(s.After)
	if s.Cause != nil {
		n += len(s.Cause.Text)
	}
	return n
}

// into puts the page into an answer.
func (p *stepPage) into(r *chatkitd.Replay) {
	r.Steps = []chatkitd.ReplayStep{}
	if len(p.steps) == 0 {
		return
	}
	first, last := p.steps[0].Event.Revision, p.steps[len(p.steps)-1].Event.Revision
	r.Steps, r.After, r.HasMore = p.steps, &last, last+1 < p.end
	if p.newest {
		slices.Reverse(r.Steps)
		r.After, r.HasMore = &first, first > 0
	}
}
