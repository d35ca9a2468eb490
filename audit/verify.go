package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

// The checks of [Auditor.Verify].
const (
	CheckStore  = "store"  // what the store itself says of its file
	CheckOrder  = "order"  // positions rise, revisions of a stream have no gap
	CheckDecode = "decode" // every event decodes, and is in a stream of its kind
	CheckIDs    = "ids"    // ids of events and idempotency keys are unique
	CheckTurns  = "turns"  // a turn ends before the next begins, and each tool call returns in its turn
	CheckModels = "models" // the read models are what the log says
)

// Checks are all checks, in the order of a report.
var Checks = []string{CheckStore, CheckOrder, CheckDecode, CheckIDs, CheckTurns, CheckModels}

// maxFindings is how many findings a report lists; the rest is counted.
const maxFindings = 200

// Finding is one thing that is not as it must be. Of a row of a read model, Want
// is what the log says and Got what is stored; one that is empty is missing.
type Finding struct {
	Check    string            `json:"check"`
	What     string            `json:"what"`
	Position chatkitd.Position `json:"position,omitzero"`
	Stream   string            `json:"stream,omitempty"`
	Revision *uint64           `json:"revision,omitempty"`
	Type     string            `json:"type,omitempty"`
	Table    string            `json:"table,omitempty"`
	Key      string            `json:"key,omitempty"`
	Want     json.RawMessage   `json:"want,omitempty"`
	Got      json.RawMessage   `json:"got,omitempty"`
}

// ModelReport is what became of one read model. The hashes are over all rows,
// in any order: they are equal when all rows are.
type ModelReport struct {
	Name     string            `json:"name"`
	Position chatkitd.Position `json:"position"` // up to which it holds the log
	Behind   bool              `json:"behind"`   // the log goes on after it
	Rows     int               `json:"rows"`     // stored
	Want     int               `json:"want"`     // that the log asks for
	Hash     string            `json:"hash"`
	WantHash string            `json:"want_hash"`
	Equal    bool              `json:"equal"`
}

// Report is the outcome of [Auditor.Verify].
type Report struct {
	OK        bool              `json:"ok"` // there are no findings
	Events    int               `json:"events"`
	Streams   int               `json:"streams"`
	Head      chatkitd.Position `json:"head"`
	OpenTurns int               `json:"open_turns"` // running, or cut off and not yet closed: no fault
	Models    []ModelReport     `json:"models"`     // none when there are no read models yet
	Findings  []Finding         `json:"findings"`
	More      int               `json:"more_findings,omitempty"` // that are not listed
	Seconds   float64           `json:"seconds"`
}

// ReadModels are the read models at one moment. Package projections has them.
type ReadModels interface {
	// Positions returns up to where each read model holds the log.
	Positions() map[string]chatkitd.Position
	// Each passes every row of a read model to yield, in no order. The bytes
	// are only good until yield returns.
	Each(ctx context.Context, name string, yield func(table, key string, row json.RawMessage, item []byte) error) error
}

// VerifyOptions say what to verify beside the log.
type VerifyOptions struct {
	Models   ReadModels // nil: there are none
	Progress func(done, total uint64)
}

// Verify reads the whole log once, as far as it goes at the call, and checks
// everything that Checks names but the store itself. It keeps some hundred bytes
// in memory for each event's id, item and task. An error means that it could not
// be done to the end, not that there are findings; the report then holds what was
// found so far.
func (a *Auditor) Verify(ctx context.Context, o VerifyOptions) (*Report, error) {
	head, err := a.store.Head(ctx)
	if err != nil {
		return nil, public(err)
	}
	v := &verifier{
		a: a, report: &Report{Head: head, Findings: []Finding{}, Models: []ModelReport{}},
		streams: map[string]*streamCheck{}, ids: map[uuid.UUID]struct{}{}, keys: map[keyID]keyUse{}, voids: map[keyID]keyUse{},
	}
	if o.Models != nil {
		v.models = newModelChecks(o.Models.Positions())
	}
	began := time.Now()
	if !head.IsZero() {
		for rec, err := range a.store.ReadAll(ctx, events.AllRead{}) {
			if err != nil {
				return v.report, public(err)
			}
			if rec.Position.Compare(head) > 0 {
				break
			}
			v.event(&rec)
			if v.report.Events++; o.Progress != nil && v.report.Events%progressEvery == 0 {
				o.Progress(rec.Position.Commit, head.Commit)
			}
		}
	}
	for _, s := range v.streams {
		if s.turn != "" {
			v.report.OpenTurns++
		}
	}
	v.report.Streams = len(v.streams)
	if o.Models != nil {
		if err := v.compare(ctx, o.Models); err != nil {
			return v.report, err
		}
	}
	v.report.OK = len(v.report.Findings) == 0
	v.report.Seconds = time.Since(began).Seconds()
	return v.report, nil
}

// Add puts a finding of another source into the report.
func (r *Report) Add(f Finding) {
	r.OK = false
	if len(r.Findings) == maxFindings {
		r.More++
		return
	}
	r.Findings = append(r.Findings, f)
}

// verifier follows the log.
type verifier struct {
	a       *Auditor
	report  *Report
	last    chatkitd.Position
	streams map[string]*streamCheck
	ids     map[uuid.UUID]struct{}
	keys    map[keyID]keyUse
	voids   map[keyID]keyUse // keys that must not be used any more
	models  *modelChecks     // nil: there are none
}

// streamCheck is what must be remembered of a stream.
type streamCheck struct {
	next     uint64
	commands int // with an idempotency key
	turn     chatkitd.TurnID
	asked    int             // how often the model was, in the open turn
	calls    map[string]bool // of the open turn: whether it has returned
	deleted  bool
}

func (v *verifier) find(check string, rec *events.Recorded, format string, args ...any) {
	revision := rec.Revision
	v.report.Add(Finding{
		Check: check, What: fmt.Sprintf(format, args...),
		Position: rec.Position, Stream: rec.Stream, Revision: &revision, Type: rec.Type,
	})
}

func (v *verifier) event(rec *events.Recorded) {
	s, ok := v.streams[rec.Stream]
	if !ok {
		s = &streamCheck{}
		v.streams[rec.Stream] = s
	}
	switch {
	case rec.Position.Compare(v.last) <= 0:
		v.find(CheckOrder, rec, "its position is not behind that of the event before it, %s", v.last)
	case v.a.o.Dense && rec.Position != dense(v.last.Commit+1):
		v.find(CheckOrder, rec, "the events between position %s and this one are missing", v.last)
	}
	if rec.Revision != s.next {
		v.find(CheckOrder, rec, "its revision is %d where %d is next", rec.Revision, s.next)
	}
	v.last, s.next = rec.Position, rec.Revision+1

	meta, err := events.DecodeMetadata(rec.Meta)
	if err != nil {
		v.find(CheckDecode, rec, "its metadata do not decode: %v", err)
	}
	v.unique(s, rec, meta)
	ev, err := events.Decode(rec.Type, rec.Data)
	if err != nil {
		v.find(CheckDecode, rec, "it does not decode: %v", err)
		return
	}
	if err := placed(rec.Stream, ev); err != nil {
		v.find(CheckDecode, rec, "%v", err)
		return
	}
	if thread, ok := ev.(events.Thread); ok {
		v.turns(s, rec, thread)
	}
	if void, ok := ev.(events.EffectVoided); ok {
		v.voided(rec, meta, void)
	}
	if v.models != nil {
		if err := v.models.fold(rec, ev); err != nil {
			v.find(CheckModels, rec, "it cannot be folded: %v", err)
		}
	}
}

// placed returns an error for an event in a stream of another kind, and for an
// item that is none.
func placed(stream string, ev events.Event) error {
	var ok bool
	switch ev := ev.(type) {
	case events.User:
		_, ok = events.UserOf(stream)
	case events.Thread:
		_, ok = events.ThreadOf(stream)
		if err := checkItem(ev); err != nil {
			return err
		}
	case events.Node:
		ok = len(stream) > len(events.NodePrefix) && stream[:len(events.NodePrefix)] == events.NodePrefix
	case events.Audit:
		ok = len(stream) > len(events.AuditPrefix) && stream[:len(events.AuditPrefix)] == events.AuditPrefix
	}
	if !ok {
		return errors.New("an event of this type has no place in this stream")
	}
	return nil
}
