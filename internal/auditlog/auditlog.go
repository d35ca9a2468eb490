// Package auditlog writes what operators do into the event log: one stream for
// each operator, which the tools of the audit read like any other.
package auditlog

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

// Log is a [chatkitd.AuditLog] on an event store. It is safe for concurrent use.
type Log struct {
	store events.Store
	now   func() time.Time
}

var _ chatkitd.AuditLog = (*Log)(nil)

// New returns a log on store. now is nil for [time.Now].
func New(store events.Store, now func() time.Time) *Log {
	if now == nil {
		now = time.Now
	}
	return &Log{store: store, now: now}
}

// Record implements [chatkitd.AuditLog].
func (l *Log) Record(ctx context.Context, m chatkitd.Meta, what string, query json.RawMessage) error {
	return l.write(ctx, m, events.AuditRead{What: what, Query: query})
}

// Changed implements [chatkitd.AuditLog].
func (l *Log) Changed(ctx context.Context, m chatkitd.Meta, name, action string, pos chatkitd.Position) error {
	return l.write(ctx, m, events.ProjectionChanged{Name: name, Action: action, Position: pos})
}

func (l *Log) write(ctx context.Context, m chatkitd.Meta, ev events.Audit) error {
	stream := events.AuditStream(m.User)
	meta := events.Metadata{
		Correlation: m.Request, Causation: m.Cause, User: m.User, TraceParent: m.TraceParent, RecordedAt: events.Timestamp(l.now()),
	}
	if meta.Causation == "" {
		meta.Causation = m.Request
	}
	// Not from the request's id: a caller chooses that, and a second read under
	// the id of the first would go unrecorded.
	evs, err := events.Prepare(stream, meta, chatkitd.NewID("aud_"), ev)
	if err != nil {
		return fmt.Errorf("auditlog: %w", err)
	}
	if _, err := l.store.Append(ctx, stream, events.Any, evs...); err != nil {
		return chatkitd.Errorf(chatkitd.CodeUnavailable, "what operators do is written down, and that is not possible right now: nothing was done; try again in a moment").
			Because(fmt.Errorf("append to %s: %w", stream, err))
	}
	return nil
}
