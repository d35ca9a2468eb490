package audit

import (
	"bytes"
	"context"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

// Export passes all that is stored of a user to yield, in the order of the log:
// the user's own stream and every thread that the user opened, deleted ones too.
// It is one pass over the log as it is at the call. It returns CodeNotFound for a
// user of whom nothing is stored.
func (a *Auditor) Export(ctx context.Context, user chatkitd.UserID, yield func(chatkitd.EventView) error) error {
	head, err := a.store.Head(ctx)
	if err != nil {
		return public(err)
	}
	own := map[string]bool{events.UserStream(user): true}
	// The name is looked for as JSON has it before anything is decoded.
	name, err := encode(user)
	if err != nil {
		return err
	}
	f := events.Filter{StreamPrefixes: []string{events.UserStream(user), events.ThreadPrefix}}
	found, seen := false, 0
	for rec, err := range a.store.ReadAll(ctx, events.AllRead{Filter: f}) {
		if err != nil {
			return public(err)
		}
		if rec.Position.Compare(head) > 0 {
			break
		}
		if seen++; seen%progressEvery == 0 {
			a.o.Progress(rec.Position, head)
		}
		if rec.Type == createdName && (bytes.Contains(rec.Data, name) || bytes.IndexByte(rec.Data, '\\') >= 0) {
			ev, err := events.Decode(rec.Type, rec.Data)
			if err != nil {
				return err
			}
			if c, ok := ev.(events.ThreadCreated); ok && c.UserID == user {
				own[rec.Stream] = true
			}
		}
		if !own[rec.Stream] {
			continue
		}
		found = true
		if err := yield(a.view(&rec)); err != nil {
			return err
		}
	}
	if !found {
		return notFound("nothing is stored of a user %q; ids of users are spelled as in their tokens, case included", user)
	}
	return nil
}

var createdName = events.MustName(events.ThreadCreated{})
