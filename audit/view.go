package audit

import (
	"cmp"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

// view returns an event as an auditor sees it. One that cannot be read is shown
// too; its summary says why.
func (a *Auditor) view(rec *events.Recorded) chatkitd.EventView {
	meta, err := events.DecodeMetadata(rec.Meta)
	v := chatkitd.EventView{
		Position: rec.Position, Stream: rec.Stream, Revision: rec.Revision, Type: rec.Type, ID: rec.ID.String(),
		Time: rec.Time, Data: rec.Data, Metadata: rec.Meta, Cause: cmp.Or(meta.Causation, meta.Correlation),
	}
	if err != nil {
		v.Summary = "cannot be read: " + line(err.Error())
		return v
	}
	ev, err := events.Decode(rec.Type, rec.Data)
	if err != nil {
		v.Summary = "cannot be read: " + line(err.Error())
		return v
	}
	v.Summary = a.summary(ev, meta)
	return v
}
