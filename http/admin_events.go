package http

import (
	"strconv"

	"github.com/chatkitd/chatkitd"
)

const (
	maxEventPage  = 1000
	maxStreamName = 3*chatkitd.MaxUserID + len("thread-") // an id, each byte of it escaped
)

// listEvents handles GET /api/v1/admin/events: a page of the log, or, with
// Accept: text/event-stream, the log and then what is appended.
func (s *Server) listEvents(r *request) error {
	q := readQuery(r.c, "stream", "user", "thread", "type", "from", "to", "since", "until", "newest", "order", "limit", "after")
	query := chatkitd.EventQuery{
		Stream: q.text("stream"), User: q.user("user"), Thread: q.thread("thread"), Types: q.list("type"),
		From: q.position("from"), To: q.position("to"), Since: q.time("since"), Until: q.time("until"),
		Newest: q.newest(), Limit: q.limit("limit", maxEventPage), After: q.position("after"),
	}
	q.atMostOne("stream", "user", "thread")
	if len(query.Stream) > maxStreamName {
		q.fail("stream must be the name of a stream, such as user-alice")
	}
	if q.has("from") && q.has("to") && query.From.Compare(query.To) > 0 {
		q.fail("from %s lies behind to %s: swap them", query.From, query.To)
	}
	if q.has("since") && q.has("until") && !query.Since.Before(query.Until) {
		q.fail("since must lie before until, which is not part of the range: swap them, or move one of them")
	}
	if wantsStream(r) {
		return s.followEvents(r, q, query)
	}
	if q.err != nil {
		return q.err
	}
	if err := s.record(r, whatEvents, q.asked()); err != nil {
		return err
	}
	page, err := s.opts.Auditor.Events(r.ctx, query)
	return answerEvents(r, page, err)
}

// listStream handles GET /api/v1/admin/streams/{stream}: the events of one
// stream, in pages by revision.
func (s *Server) listStream(r *request) error {
	stream, err := pathValue(r.c, "stream")
	if err != nil {
		return err
	}
	q := readQuery(r.c, "newest", "order", "limit", "after")
	query := chatkitd.EventQuery{Stream: stream, Newest: q.newest(), Limit: q.limit("limit", maxEventPage), AfterRevision: q.number("after")}
	switch {
	case q.err != nil:
		return q.err
	case stream == "" || len(stream) > maxStreamName:
		return chatkitd.Errorf(chatkitd.CodeNotFound, "there is no such stream: a stream has a name such as user-alice or thread-thr_06f…")
	}
	asked := q.asked()
	asked["stream"] = stream
	if err := s.record(r, whatStream, asked); err != nil {
		return err
	}
	page, err := s.opts.Auditor.Events(r.ctx, query)
	if n := len(page.Data); n > 0 {
		page.After = strconv.FormatUint(page.Data[n-1].Revision, 10)
	}
	return answerEvents(r, page, err)
}

func answerEvents(r *request, page chatkitd.EventPage, err error) error {
	if page.Data == nil {
		page.Data = []chatkitd.EventView{}
	}
	return answer(r, page, err)
}
