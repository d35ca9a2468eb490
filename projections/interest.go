package projections

import (
	"strings"

	"github.com/chatkitd/chatkitd/events"
)

// interest is what each projection folds. An event that no projection folds is not
// decoded.
type interest struct {
	kinds      map[string]kind // by wire name
	categories []string        // of all projections
}

// kind is what an event is to the projections.
type kind struct {
	folds    mask
	category string // of those that fold it
	old      bool   // a version of before: what it is today shows when it is decoded
}

// mask is a set of projections, a bit for each.
type mask uint32

const everybody = ^mask(0)

// interestOf takes the projections in the order of their bits.
func interestOf(ps []projection) *interest {
	in := &interest{kinds: map[string]kind{}}
	for _, name := range events.Names() {
		ev, err := events.Decode(name, []byte("{}"))
		in.kinds[name] = kind{old: err != nil || events.MustName(ev) != name}
	}
	for i, p := range ps {
		in.categories = append(in.categories, p.Category())
		for _, ev := range p.Events() {
			name := events.MustName(ev)
			in.kinds[name] = kind{folds: in.kinds[name].folds | 1<<i, category: p.Category()}
		}
	}
	return in
}

// of returns who has to do something with an event, and whether it has come to a
// stream of another category. One that this program does not know is everybody's:
// it may matter.
func (in *interest) of(rec *events.Recorded) (m mask, stray bool) {
	category := ""
	for _, c := range in.categories {
		if strings.HasPrefix(rec.Stream, c) {
			category = c
			break
		}
	}
	if category == "" {
		return 0, false
	}
	k, known := in.kinds[rec.Type]
	switch {
	case !known, k.old:
		return everybody, false
	case k.folds != 0 && k.category != category:
		return everybody, true
	}
	return k.folds, false
}
