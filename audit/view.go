package audit

import (
	"cmp"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

// view returns an event as an auditor sees it. One that cannot be read is shown
// too; its summary says why.
func (a *Auditor) view(rec *events.Recorded) chatkitd.EventView {
	v, _ := a.read(rec)
	return v
}

// read returns an event as an auditor sees it, and decoded: nil if it cannot be.
func (a *Auditor) read(rec *events.Recorded) (chatkitd.EventView, events.Event) {
	v := bare(rec)
	meta, err := events.DecodeMetadata(rec.Meta)
	v.Cause = cmp.Or(meta.Causation, meta.Correlation)
	if err != nil {
		v.Summary = "cannot be read: " + line(err.Error())
		return v, nil
	}
	ev, err := events.Decode(rec.Type, rec.Data)
	if err != nil {
		v.Summary = "cannot be read: " + line(err.Error())
		return v, nil
	}
	v.Summary = a.summary(ev, meta)
	return v, ev
}

// bare returns what is stored of an event.
func bare(rec *events.Recorded) chatkitd.EventView {
	return chatkitd.EventView{
		Position: rec.Position, Stream: rec.Stream, Revision: rec.Revision, Type: rec.Type, ID: rec.ID.String(),
		Time: rec.Time, Data: rec.Data, Metadata: rec.Meta,
	}
}
