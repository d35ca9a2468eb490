package actors

import (
	"encoding/json"
	"time"

	"github.com/chatkitd/chatkitd/chatkit"
)

var threadSchema = schemaOf[threadSnapshot]()

// snapshot returns s for keeping, or nothing while a turn is open or for what a
// snapshot cannot hold.
func (s *threadState) snapshot() ([]byte, error) {
	if s.turn != nil || s.owner == "" {
		return nil, nil
	}
	snap := threadSnapshot{
		ID: s.id, Owner: s.owner, Title: s.title, CreatedAt: s.createdAt.UnixNano(),
		Status: s.status.Type, Reason: s.status.Reason, Deleted: s.deleted, Ended: s.ended, Seen: s.seen, End: s.end,
		Entries: make([]entrySnapshot, len(s.entries)),
	}
	for _, r := range s.refs {
		if !plainID([]byte(r.id)) {
			return nil, nil // not one of our ids: it could hold the separator
		}
	}
	snap.Kinds, snap.Refs = joinRefs(s.refs)
	for i, e := range s.entries {
		snap.Entries[i] = entrySnapshot{Item: e.raw, Tool: e.tool}
	}
	return json.Marshal(snap)
}

// restore makes s what snapshot had seen, for the same window.
func (s *threadState) restore(data []byte) error {
	var snap threadSnapshot
	if err := json.Unmarshal(data, &snap); err != nil {
		return err
	}
	refs, err := splitRefs(snap.Kinds, snap.Refs)
	if err != nil {
		return err
	}
	*s = threadState{
		window: s.window, id: snap.ID, owner: snap.Owner, title: snap.Title, createdAt: time.Unix(0, snap.CreatedAt).UTC(),
		status: chatkit.Status{Type: snap.Status, Reason: snap.Reason}, deleted: snap.Deleted, ended: snap.Ended, seen: snap.Seen, end: snap.End, refs: refs,
		entries: make([]entry, 0, len(snap.Entries)),
	}
	for _, e := range snap.Entries {
		if e.Tool != nil {
			s.entries = append(s.entries, entry{tool: e.Tool})
			continue
		}
		s.entries = append(s.entries, itemEntry(e.Item))
		s.items++
	}
	return nil
}
