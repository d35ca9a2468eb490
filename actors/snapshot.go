package actors

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/google/uuid"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

// snapshotEvery is how many events a stream grows by between two snapshots.
const snapshotEvery = 500

// foldVersion is part of every schema. Whoever changes what a fold makes of an
// event raises it, so that states of the old fold are not taken for new ones.
const foldVersion = 2

// schemaOf names the shape of a snapshot's data: it changes with the fields of T,
// with the set of events, and with foldVersion.
func schemaOf[T any]() string {
	h := sha256.New()
	fmt.Fprintln(h, foldVersion, events.Names())
	describe(h, reflect.TypeFor[T](), map[reflect.Type]bool{})
	return hex.EncodeToString(h.Sum(nil)[:12])
}

func describe(w interface{ Write([]byte) (int, error) }, t reflect.Type, seen map[reflect.Type]bool) {
	_, _ = fmt.Fprintln(w, t.String(), t.Kind()) // a hash takes everything
	if seen[t] {
		return
	}
	seen[t] = true
	switch t.Kind() { //nolint:exhaustive // the others have no parts
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			_, _ = fmt.Fprintln(w, f.Name, f.Tag)
			describe(w, f.Type, seen)
		}
	case reflect.Pointer, reflect.Slice, reflect.Array:
		describe(w, t.Elem(), seen)
	case reflect.Map:
		describe(w, t.Key(), seen)
		describe(w, t.Elem(), seen)
	}
}

// saver turns states into snapshots and back.
type saver struct {
	store   events.Snapshots // nil: none are kept
	schema  string
	encode  func() ([]byte, error) // nil data: not now
	restore func(data []byte) error
	last    uint64 // the revision of the last snapshot
	broken  func(error)
}

// resume restores the snapshot of a stream if there is one that can be used, and
// returns the revision to go on from.
func (s *saver) resume(ctx context.Context, store events.Store, stream string) (events.Snapshot, bool) {
	if s == nil || s.store == nil {
		return events.Snapshot{}, false
	}
	snap, ok, err := s.store.Load(ctx, stream)
	if err != nil {
		s.broken(fmt.Errorf("load the snapshot of %s: %w", stream, err))
	}
	if err != nil || !ok || snap.Schema != s.schema {
		return events.Snapshot{}, false
	}
	for rec, err := range store.ReadStream(ctx, stream, events.StreamRead{From: snap.Revision, Limit: 1}) {
		if err != nil || rec.Revision != snap.Revision || rec.ID != snap.EventID {
			return events.Snapshot{}, false // of another log, or the load will say what is wrong
		}
		if err := s.restore(snap.Data); err != nil {
			s.broken(fmt.Errorf("snapshot of %s: %w", stream, err))
			return events.Snapshot{}, false
		}
		s.last = snap.Revision
		return snap, true
	}
	return events.Snapshot{}, false
}

// consider saves a snapshot when the stream has grown by enough.
func (s *saver) consider(stream string, revision uint64, pos chatkitd.Position, id uuid.UUID) {
	if s == nil || s.store == nil || revision < s.last+snapshotEvery {
		return
	}
	data, err := s.encode()
	if err != nil {
		s.broken(fmt.Errorf("snapshot of %s: %w", stream, err))
		return
	}
	if data == nil {
		return
	}
	s.last = revision
	s.store.Save(stream, events.Snapshot{Schema: s.schema, Revision: revision, Position: pos, EventID: id, Data: data})
}

// userSnapshot is a userState as it is kept.
type userSnapshot struct {
	Tasks []chatkitd.Task `json:"tasks"`
	Keys  []keySnapshot   `json:"keys"`
	Voids []voidSnapshot  `json:"voids,omitempty"`
}

type voidSnapshot struct {
	Key string `json:"key"`
	At  int64  `json:"at"` // Unix time in nanoseconds
}

type keySnapshot struct {
	Key         string            `json:"key"`
	Fingerprint string            `json:"fingerprint"`
	At          int64             `json:"at"` // Unix time in nanoseconds
	Task        chatkitd.Task     `json:"task"`
	Revision    uint64            `json:"revision"`
	Position    chatkitd.Position `json:"position"`
}

// threadSnapshot is a threadState without an open turn as it is kept.
type threadSnapshot struct {
	ID        chatkitd.ThreadID `json:"id"`
	Owner     chatkitd.UserID   `json:"owner"`
	Title     string            `json:"title"`
	CreatedAt int64             `json:"created_at"` // Unix time in nanoseconds
	Status    string            `json:"status"`
	Reason    string            `json:"reason"`
	Deleted   bool              `json:"deleted"`
	Ended     chatkitd.TurnID   `json:"ended"`
	Seen      []uuid.UUID       `json:"seen,omitempty"` // the events of the ended turn,
	End       uuid.UUID         `json:"end,omitzero"`   // but for its last one
	Kinds     []string          `json:"kinds"`
	// Refs is every item, oldest first: a letter for its kind ("a" is the first of
	// Kinds) and its id, joined by "|". One string is read much faster than as
	// many objects.
	Refs    string          `json:"refs"`
	Entries []entrySnapshot `json:"entries"`
}

type entrySnapshot struct {
	Item json.RawMessage        `json:"item,omitempty"`
	Tool *chatkitd.ToolExchange `json:"tool,omitempty"`
}

var errSnapshot = errors.New("actors: the snapshot cannot be read")

func joinRefs(refs []itemRef) (kinds []string, joined string) {
	index := map[string]int{}
	var b strings.Builder
	b.Grow(len(refs) * 36)
	for i, r := range refs {
		k, ok := index[r.kind]
		if !ok {
			k = len(kinds)
			index[r.kind] = k
			kinds = append(kinds, r.kind)
		}
		if i > 0 {
			b.WriteByte('|')
		}
		b.WriteByte(byte('a' + k)) //nolint:gosec // there are a dozen kinds
		b.WriteString(string(r.id))
	}
	return kinds, b.String()
}

func splitRefs(kinds []string, joined string) ([]itemRef, error) {
	if joined == "" {
		return nil, nil
	}
	refs := make([]itemRef, 0, strings.Count(joined, "|")+1)
	for len(joined) > 0 {
		part, rest, _ := strings.Cut(joined, "|")
		joined = rest
		if len(part) < 2 || int(part[0]-'a') >= len(kinds) {
			return nil, errSnapshot
		}
		refs = append(refs, itemRef{id: chatkitd.ItemID(part[1:]), kind: kinds[part[0]-'a']})
	}
	return refs, nil
}
