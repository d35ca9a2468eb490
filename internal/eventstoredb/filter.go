package eventstoredb

import (
	"slices"
	"strings"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"

	"github.com/chatkitd/chatkitd/events"
)

const (
	// system begins the names of the server's own streams and types.
	system = "$"
	// notSystem is the expression of the official clients for all other types.
	notSystem = `^[^\$].*`
	// The server looks at this many events at a time, and tells after so many of
	// these windows how far it has come.
	window     = 32
	perWindows = 32
)

func noFilter() *streams.ReadReq_Options_NoFilter {
	return &streams.ReadReq_Options_NoFilter{NoFilter: &shared.Empty{}}
}

// wireFilter returns what of a filter the server can apply. It takes either
// streams or types; streams are the better choice, since they are fewer.
func (s *Store) wireFilter(f events.Filter) *streams.ReadReq_Options_Filter {
	o := &streams.ReadReq_Options_FilterOptions{
		Window:                       &streams.ReadReq_Options_FilterOptions_Max{Max: window},
		CheckpointIntervalMultiplier: perWindows,
	}
	switch {
	case len(f.StreamPrefixes) > 0:
		o.Filter = byStream(f.StreamPrefixes)
	case len(s.o.Prefixes) > 0:
		o.Filter = byStream(s.o.Prefixes)
	case len(f.Types) > 0:
		o.Filter = &streams.ReadReq_Options_FilterOptions_EventType{
			EventType: &streams.ReadReq_Options_FilterOptions_Expression{Prefix: f.Types},
		}
	default:
		o.Filter = &streams.ReadReq_Options_FilterOptions_EventType{
			EventType: &streams.ReadReq_Options_FilterOptions_Expression{Regex: notSystem},
		}
	}
	return &streams.ReadReq_Options_Filter{Filter: o}
}

func byStream(prefixes []string) *streams.ReadReq_Options_FilterOptions_StreamIdentifier {
	return &streams.ReadReq_Options_FilterOptions_StreamIdentifier{
		StreamIdentifier: &streams.ReadReq_Options_FilterOptions_Expression{Prefix: prefixes},
	}
}

// shows reports whether an event is one of this store's and passes a filter: what
// the server does of that is not enough, a tombstone is an event of its stream.
func (s *Store) shows(f events.Filter, rec *events.Recorded) bool {
	if strings.HasPrefix(rec.Stream, system) || strings.HasPrefix(rec.Type, system) || rec.Revision == maxRevision {
		return false
	}
	ours := len(s.o.Prefixes) == 0 || slices.ContainsFunc(s.o.Prefixes, func(p string) bool { return strings.HasPrefix(rec.Stream, p) })
	return ours && f.Match(rec.Stream, rec.Type)
}
