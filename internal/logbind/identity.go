// Package logbind keeps what a data folder has made from one log (read models,
// snapshots) from being used with another. Positions are a log's own: read models
// that go on in a copy of their log would miss events or see them twice.
package logbind

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

// FileName is the name of the file in the data folder that says which log it
// belongs to. Without anything that was made from that log it means nothing.
const FileName = "log.json"

// The kinds of logs.
const (
	Embedded     = "embedded"
	EventStoreDB = "eventstoredb"
)

// Identity says which log is meant.
type Identity struct {
	Kind  string `json:"kind"`
	Where string `json:"where,omitempty"` // for people: its servers, without credentials
	First *First `json:"first,omitempty"` // nil while the log is empty
}

// First is the first event of a log as its store has it. A copy of the log has the
// same event with another time, and in another store with another position.
type First struct {
	ID       uuid.UUID         `json:"id"`
	Stream   string            `json:"stream"`
	Revision uint64            `json:"revision"`
	Position chatkitd.Position `json:"position"`
	Time     time.Time         `json:"time"`
}

func firstOf(rec *events.Recorded) *First {
	return &First{ID: rec.ID, Stream: rec.Stream, Revision: rec.Revision, Position: rec.Position, Time: rec.Time}
}

func (f *First) same(g *First) bool {
	return f.ID == g.ID && f.Stream == g.Stream && f.Position == g.Position && f.Time.Equal(g.Time)
}

// String describes a log to people.
func (i Identity) String() string {
	if i.First == nil {
		return i.name() + ", which is empty"
	}
	return fmt.Sprintf("%s that begins at %s with event %s", i.name(), i.First.Time.Format(time.RFC3339), i.First.ID)
}

// name says which log it is as far as its kind and place tell.
func (i Identity) name() string {
	if i.Kind == EventStoreDB {
		return "the log in EventStoreDB at " + i.Where
	}
	return "the embedded log"
}

// ErrOtherLog matches every [OtherLogError].
var ErrOtherLog = errors.New("logbind: another log")

// OtherLogError says that what a data folder holds was made from another log.
type OtherLogError struct {
	Dir      string
	Was, Now Identity
	Derived  []string // the files to delete to go on
}

func (e *OtherLogError) Error() string {
	was, now := e.Was.String(), e.Now.String()
	switch {
	case e.Was.First != nil:
	case e.Was.Kind == Embedded:
		was = "an embedded log" // of a folder from before there were others
	default:
		was = e.Was.name() // when nobody had seen an event of it
	}
	if e.Was.Kind != e.Now.Kind {
		now = e.Now.name() // it was not looked into
	}
	return fmt.Sprintf("the read models in %s were made from %s, and CHATKITD_EVENTSTORE now names %s. "+
		"If that is a mistake, mend the setting. If the log was moved on purpose, delete %s there, and they are built anew from the log; or take a new data folder",
		e.Dir, was, now, names(e.Derived))
}

// Is makes errors.Is(err, ErrOtherLog) true.
func (e *OtherLogError) Is(target error) bool { return target == ErrOtherLog }

func names(files []string) string {
	text := ""
	for i, f := range files {
		switch {
		case i > 0 && i == len(files)-1:
			text += " and "
		case i > 0:
			text += ", "
		}
		text += strings.TrimSuffix(f, ".db") + "*" // SQLite and projections have files beside it
	}
	return text
}

// Folder is a data folder and what it may hold that was made from a log.
type Folder struct {
	Dir     string
	Derived []string // names of files; those of SQLite have others beside them
}

// derived returns the files that are there, and not empty.
func (f Folder) derived() []string {
	var there []string
	for _, name := range f.Derived {
		if info, err := os.Stat(filepath.Join(f.Dir, name)); err == nil && info.Size() > 0 {
			there = append(there, name)
		}
	}
	return there
}

// CheckKind returns an [*OtherLogError] when the folder belongs to a log of
// another kind, as far as the folder alone can tell.
func (f Folder) CheckKind(is Identity) error {
	was, there, err := f.bound()
	if err != nil || len(there) == 0 || was.Kind == is.Kind {
		return err
	}
	return &OtherLogError{Dir: f.Dir, Was: was, Now: is, Derived: there}
}

// Claim is [Folder.CheckKind], and makes a folder that has nothing yet one of this
// kind of log: what is made in it while the log cannot be reached belongs to it.
// Whoever calls it has the folder.
func (f Folder) Claim(is Identity) error {
	if err := f.CheckKind(is); err != nil || len(f.derived()) > 0 {
		return err
	}
	is.First = nil
	return f.bind(is)
}

// check compares a log with the one that the folder belongs to. It returns whether
// the folder is bound to this very log already.
func (f Folder) check(is Identity) (bound bool, err error) {
	was, there, err := f.bound()
	switch {
	case err != nil || len(there) == 0:
		return false, err
	case was.Kind != is.Kind,
		was.First != nil && (is.First == nil || !was.First.same(is.First)):
		return false, &OtherLogError{Dir: f.Dir, Was: was, Now: is, Derived: there}
	}
	return was.First != nil, nil
}

// bound reads what the folder belongs to, and which files were made from it. A
// folder of before there was a choice belongs to an embedded log.
func (f Folder) bound() (was Identity, there []string, err error) {
	there = f.derived()
	raw, err := os.ReadFile(filepath.Join(f.Dir, FileName))
	if errors.Is(err, fs.ErrNotExist) {
		return Identity{Kind: Embedded}, there, nil
	}
	if err != nil {
		return was, nil, err
	}
	if err := json.Unmarshal(raw, &was); err != nil || was.Kind == "" {
		return was, nil, fmt.Errorf("%s is damaged: delete it and %s, and they are built anew from the log",
			filepath.Join(f.Dir, FileName), names(f.Derived))
	}
	return was, there, nil
}

// bind writes down which log the folder belongs to. The file appears whole or not
// at all, and is on disk before anything is made from the log.
func (f Folder) bind(is Identity) (err error) {
	raw, err := json.MarshalIndent(is, "", "  ")
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(f.Dir, FileName+".*") // mode 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", FileName, err)
	}
	_, err = tmp.Write(append(raw, '\n'))
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), filepath.Join(f.Dir, FileName))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", FileName, err), os.Remove(tmp.Name()))
	}
	d, err := os.Open(f.Dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// identify reads which log a store holds.
func identify(ctx context.Context, store events.Store, kind, where string) (Identity, error) {
	is := Identity{Kind: kind, Where: where}
	for rec, err := range store.ReadAll(ctx, events.AllRead{Limit: 1}) {
		if err != nil {
			return is, fmt.Errorf("read the first event of the log: %w", err)
		}
		is.First = firstOf(&rec)
	}
	return is, nil
}

// holds reports whether a log has the event that the folder is bound to. It reads
// that event alone, where the first one of a database that is shared with others
// may have to be looked for. No is not certain.
func (f Folder) holds(ctx context.Context, store events.Store, kind string) (bool, error) {
	was, there, err := f.bound()
	if err != nil || len(there) == 0 || was.Kind != kind || was.First == nil {
		return false, err
	}
	for rec, err := range store.ReadStream(ctx, was.First.Stream, events.StreamRead{From: was.First.Revision, Limit: 1}) {
		switch {
		case errors.Is(err, events.ErrStreamNotFound), errors.Is(err, events.ErrStreamDeleted):
			return false, nil
		case err != nil:
			return false, fmt.Errorf("read the first event of the log: %w", err)
		}
		return was.First.same(firstOf(&rec)), nil
	}
	return false, nil
}

// Verify returns an [*OtherLogError] when the folder belongs to another log than
// store holds, and changes nothing. It is for a process that only reads.
func (f Folder) Verify(ctx context.Context, store events.Store, kind, where string) error {
	if ok, err := f.holds(ctx, store, kind); ok || err != nil {
		return err
	}
	is, err := identify(ctx, store, kind, where)
	if err != nil {
		return err
	}
	_, err = f.check(is)
	return err
}
