package http

import (
	"encoding/json"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/chatkitd/chatkitd"
)

const maxTraceID = 256 // bytes of an id whose cause is looked for

const maxStepPage = 1000

// replay handles GET /api/v1/admin/replay: a user's tasks or a thread as they
// were, and a page of the steps that led there.
func (s *Server) replay(r *request) error {
	q := readQuery(r.c, "user", "thread", "at", "position", "revision", "steps", "newest", "order", "limit", "after")
	query := chatkitd.ReplayQuery{
		User: q.user("user"), Thread: q.thread("thread"), At: q.time("at"), Revision: q.number("revision"),
		Steps: q.flag("steps"), Newest: q.newest(), Limit: q.limit("limit", maxStepPage), After: q.number("after"),
	}
	if pos := q.position("position"); q.has("position") {
		query.Position = &pos
	}
	q.atMostOne("user", "thread")
	q.atMostOne("at", "position", "revision")
	if !query.Steps {
		q.none("is for steps: ask for them with steps=true", "newest", "order", "limit", "after")
	}
	if !q.has("user") && !q.has("thread") {
		q.fail("user or thread is required: say whose state is wanted")
	}
	if q.err != nil {
		return q.err
	}
	if err := s.record(r, whatReplay, q.asked()); err != nil {
		return err
	}
	state, err := s.opts.Auditor.Replay(r.ctx, query)
	switch {
	case query.After != nil: // a further page of steps, without the state
	case query.User != "" && state.Tasks == nil:
		state.Tasks = []chatkitd.Task{}
	case query.Thread != "" && state.Items == nil:
		state.Items = []json.RawMessage{}
	}
	if query.Steps && state.Steps == nil {
		state.Steps = []chatkitd.ReplayStep{}
	}
	return answer(r, state, err)
}

// getTrace handles GET /api/v1/admin/trace/{id}: what led to an event, and what
// it led to.
func (s *Server) getTrace(r *request) error {
	id, err := pathValue(r.c, "id")
	if err != nil {
		return err
	}
	if q := readQuery(r.c); q.err != nil {
		return q.err
	}
	if len(id) > maxTraceID || !utf8.ValidString(id) || strings.ContainsFunc(id, func(c rune) bool { return !unicode.IsPrint(c) }) {
		return invalid("the id must be that of an event, a request, a turn or a tool call")
	}
	if err := s.record(r, whatTrace, map[string]string{"id": id}); err != nil {
		return err
	}
	node, err := s.opts.Auditor.Trace(r.ctx, id)
	return answer(r, node, err)
}
