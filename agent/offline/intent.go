package offline

import (
	"time"

	"github.com/chatkitd/chatkitd"
)

// action is what a person wants.
type action int

const (
	unclear action = iota
	add
	list
	complete
	reopen
	remove
	update
	greet
	thank
	bye
	help
	choose // nothing but a reference: the answer to "which one?"
)

// intent is one thing that a person wants.
type intent struct {
	do      action
	text    string // the words it was read from
	details details
	ref     ref
	filter  filter
	change  change
}

// details are what is said of a task besides its title.
type details struct {
	title    string
	due      *time.Time
	priority chatkitd.Priority
	tags     []string
	notes    string
}

// change is what an update does, besides setting what details hold.
type change struct {
	shift                                          time.Duration // by which the due date moves
	shiftDays                                      int
	addTags, dropTags                              []string
	clearDue, clearPriority, clearTags, clearNotes bool
	incomplete                                     string // what is missing: a question to ask
}

// ref says which tasks are meant.
type ref struct {
	names   []string // by name: tried in this order until one is found
	parts   []ref    // if no name was found: each of these
	numbers []int    // by place in the list: 1 is the first, -1 the last
	first   int      // the first so many
	final   int      // the last so many
	all     bool     // those that the filter selects
	it      bool     // the one that was spoken of last
	filter  filter
}

// filter selects tasks of a list.
type filter struct {
	status     string // "", pending or completed
	everything bool   // pending and completed
	tag        string
	priority   chatkitd.Priority
	query      string
	when       when
	count      bool // only how many
	first      bool // only the next one
}

// when selects by due date.
type when struct {
	words    string    // "today"; empty is any time
	from, to time.Time // from inclusive, to exclusive; both zero with words: no due date
	undated  bool
}
