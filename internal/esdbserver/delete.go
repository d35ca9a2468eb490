package esdbserver

import (
	"context"
	"encoding/json"
	"math"
	"strings"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

const (
	// metaPrefix begins the name of a stream of metadata.
	metaPrefix   = "$$"
	typeMetadata = "$metadata"
	// tombstones is the stream of the engine that keeps tombstones at their place
	// in the log. The data of each is the name of the stream where clients see it.
	tombstones    = "$esdbserver-tombstones"
	typeTombstone = "$streamDeleted"
)

// deletedBefore is the truncation that a soft deletion writes.
const deletedBefore = math.MaxInt64

// streamMeta is what of a stream's metadata bears on reads.
type streamMeta struct {
	MaxCount       uint64 `json:"$maxCount,omitempty"`
	MaxAge         uint64 `json:"$maxAge,omitempty"` // seconds
	TruncateBefore uint64 `json:"$tb,omitempty"`
}

// bootstrap writes the system events that a new database begins with.
func (s *Server) bootstrap(ctx context.Context) error {
	head, err := s.engine.Head(ctx)
	if err != nil || !head.IsZero() {
		return err
	}
	for _, ev := range []struct{ stream, typ, data string }{
		{"$$$settings", typeMetadata, `{"$acl":{"$r":"$all"}}`},
		{"$user-admin", "$UserCreated", `{"loginName":"admin","groups":["$admins"]}`},
		{"$users", "$User", `"admin"`},
	} {
		if _, err := s.system(ctx, ev.stream, ev.typ, []byte(ev.data)); err != nil {
			return err
		}
	}
	return nil
}

// system appends an event of the server's own.
func (s *Server) system(ctx context.Context, stream, typ string, data []byte) (events.Appended, error) {
	return s.engine.Append(ctx, stream, events.Any, events.New{ID: uuid.New(), Type: typ, Data: data})
}

// Delete implements the rpc: the stream reads as missing.
func (s *Server) Delete(ctx context.Context, req *streams.DeleteReq) (*streams.DeleteResp, error) {
	stream := nameOf(req.GetOptions().GetStreamIdentifier())
	expected := events.Any
	switch r := req.GetOptions().GetExpectedStreamRevision().(type) {
	case *streams.DeleteReq_Options_Revision:
		expected = events.At(r.Revision)
	case *streams.DeleteReq_Options_NoStream:
		expected = events.NoStream
	case *streams.DeleteReq_Options_StreamExists:
		expected = events.Exists
	}
	data, err := json.Marshal(streamMeta{TruncateBefore: deletedBefore})
	if err != nil {
		return nil, err
	}
	p, err := s.remove(ctx, func(ctx context.Context) error { return s.engine.Delete(ctx, stream, expected) }, metaPrefix+stream, typeMetadata, data)
	if err != nil {
		return nil, s.explain(ctx, stream, err)
	}
	return &streams.DeleteResp{PositionOption: &streams.DeleteResp_Position_{Position: &streams.DeleteResp_Position{
		CommitPosition: p.Commit, PreparePosition: p.Prepare,
	}}}, nil
}

// Tombstone implements the rpc: the stream is deleted for good.
func (s *Server) Tombstone(ctx context.Context, req *streams.TombstoneReq) (*streams.TombstoneResp, error) {
	stream := nameOf(req.GetOptions().GetStreamIdentifier())
	expected := events.Any
	switch r := req.GetOptions().GetExpectedStreamRevision().(type) {
	case *streams.TombstoneReq_Options_Revision:
		expected = events.At(r.Revision)
	case *streams.TombstoneReq_Options_NoStream:
		expected = events.NoStream
	case *streams.TombstoneReq_Options_StreamExists:
		expected = events.Exists
	}
	p, err := s.remove(ctx, func(ctx context.Context) error { return s.engine.Tombstone(ctx, stream, expected) }, tombstones, typeTombstone, []byte(stream))
	if err != nil {
		return nil, s.explain(ctx, stream, err)
	}
	return &streams.TombstoneResp{PositionOption: &streams.TombstoneResp_Position_{Position: &streams.TombstoneResp_Position{
		CommitPosition: p.Commit, PreparePosition: p.Prepare,
	}}}, nil
}

// remove carries a deletion out and writes its system event. A caller that goes
// away in between does not separate the two.
func (s *Server) remove(ctx context.Context, do func(context.Context) error, stream, typ string, data []byte) (chatkitd.Position, error) {
	s.removing.Lock()
	defer s.removing.Unlock()
	if err := ctx.Err(); err != nil {
		return chatkitd.Position{}, err
	}
	ctx = context.WithoutCancel(ctx)
	if err := do(ctx); err != nil {
		return chatkitd.Position{}, err
	}
	last, err := s.system(ctx, stream, typ, data)
	return last.Position, err
}

// metaOf returns the metadata of a stream.
func (s *Server) metaOf(ctx context.Context, stream string) (meta streamMeta, err error) {
	if strings.HasPrefix(stream, metaPrefix) {
		return streamMeta{MaxCount: 1}, nil
	}
	for rec, err := range s.engine.ReadStream(ctx, metaPrefix+stream, events.StreamRead{Backwards: true, FromEnd: true, Limit: 1}) {
		if err != nil {
			break // none, or deleted with its stream
		}
		if json.Unmarshal(rec.Data, &meta) != nil {
			return streamMeta{}, nil // as the real server: what is not metadata is none
		}
	}
	return meta, ctx.Err()
}

// wasDeleted reports whether a stream was deleted softly.
func (s *Server) wasDeleted(ctx context.Context, stream string) bool {
	meta, err := s.metaOf(ctx, stream)
	return err == nil && meta.TruncateBefore == deletedBefore
}
