package esdbserver

import (
	"regexp"
	"strings"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/chatkitd/chatkitd/events"
)

// defaultWindow is how many events the real server considers at a time when a
// filter does not say.
const defaultWindow = 32

// filter is the filter of a call; its zero value lets everything through.
type filter struct {
	set      bool
	byType   bool // else by the stream's name
	prefixes []string
	regex    *regexp.Regexp
	interval uint32 // events considered between two checkpoints
}

func newFilter(o *streams.ReadReq_Options) (filter, error) {
	f := o.GetFilter()
	if f == nil {
		return filter{}, nil
	}
	made := filter{set: true, interval: defaultWindow}
	expression := f.GetStreamIdentifier()
	if expression == nil {
		expression, made.byType = f.GetEventType(), true
	}
	if made.prefixes = expression.GetPrefix(); len(made.prefixes) == 0 {
		regex, err := regexp.Compile(expression.GetRegex())
		if err != nil {
			return filter{}, status.Error(codes.InvalidArgument, err.Error())
		}
		made.regex = regex
	}
	if m, ok := f.GetWindow().(*streams.ReadReq_Options_FilterOptions_Max); ok {
		made.interval = max(1, m.Max)
	}
	made.interval *= max(1, f.GetCheckpointIntervalMultiplier())
	return made, nil
}

func (f filter) match(rec events.Recorded) bool {
	if !f.set {
		return true
	}
	what := rec.Stream
	switch {
	case f.byType:
		what = rec.Type
	case rec.Stream == tombstones:
		what = string(rec.Data)
	}
	if f.regex != nil {
		return f.regex.MatchString(what)
	}
	for _, p := range f.prefixes {
		if strings.HasPrefix(what, p) {
			return true
		}
	}
	return false
}
