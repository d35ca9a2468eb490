package http

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/chatkitd/chatkitd"
)

// allProjections stands for all of them where a name is wanted.
const allProjections = "all"

// projectionActions are what can be done to a projection.
var projectionActions = []string{"rebuild", "cancel", "pause", "resume", "retry", "skip", "rollback"}

// states is the body of a list of projections.
type states struct {
	Data []chatkitd.ProjectionState `json:"data"`
}

// listProjections handles GET /api/v1/admin/projections: how each is doing, or,
// with Accept: text/event-stream, that and then what changes.
func (s *Server) listProjections(r *request) error {
	if q := readQuery(r.c); q.err != nil {
		return q.err
	}
	if wantsStream(r) {
		return s.followProjections(r)
	}
	all, err := s.opts.Projections.States(r.ctx)
	if err == nil {
		// Last: else every look would find the projections behind by its own event.
		err = s.record(r, whatProjections, struct{}{})
	}
	return answer(r, states{all}, err)
}

// changeProjection handles POST /api/v1/admin/projections/{name}/{action}. What
// takes long goes on after the answer: the list tells how far it is.
func (s *Server) changeProjection(r *request) error {
	name, err := pathValue(r.c, "name")
	if err != nil {
		return err
	}
	action := r.c.Params("action")
	if !slices.Contains(projectionActions, action) {
		return chatkitd.Errorf(chatkitd.CodeNotFound, "there is no such action: use %s", strings.Join(projectionActions, ", "))
	}
	var pos chatkitd.Position
	if action == "skip" {
		if pos, err = skipPosition(r.c); err != nil {
			return err
		}
	}
	if err := s.checkProjection(r.ctx, name, action); err != nil {
		return err
	}
	if err := s.opts.AuditLog.Changed(r.ctx, r.meta(""), name, action, pos); err != nil {
		return err
	}
	if err := s.act(r.ctx, name, action, pos); err != nil {
		s.noteRefused(r, name, action, pos, err)
		return err
	}
	status := fiber.StatusOK
	if action == "rebuild" {
		status = fiber.StatusAccepted
		r.c.Set(fiber.HeaderLocation, "/api/v1/admin/projections")
	}
	return writeJSON(r.c, status, struct{}{})
}

// checkProjection finds out what can be known to be wrong beforehand, so that it
// is not in the log as if it had been done.
func (s *Server) checkProjection(ctx context.Context, name, action string) error {
	all, err := s.opts.Projections.States(ctx)
	if err != nil {
		return err
	}
	if name == allProjections {
		if action != "rebuild" && action != "cancel" {
			return invalid("name one projection to %s: all is for rebuild and cancel", action)
		}
		return nil
	}
	i := slices.IndexFunc(all, func(st chatkitd.ProjectionState) bool { return st.Name == name })
	if i < 0 {
		names := make([]string, len(all))
		for i := range all {
			names[i] = all[i].Name
		}
		return chatkitd.Errorf(chatkitd.CodeNotFound, "there is no projection of that name: there are %s", strings.Join(names, ", "))
	}
	if action == "cancel" && !rebuilds(all[i]) {
		return chatkitd.Errorf(chatkitd.CodeConflict, "no rebuild of %s is under way: there is nothing to cancel", name)
	}
	return nil
}

// rebuilds reports whether a rebuild is under way.
func rebuilds(st chatkitd.ProjectionState) bool {
	if st.Rebuild == nil {
		return false
	}
	switch st.Rebuild.Phase {
	case chatkitd.RebuildDone, chatkitd.RebuildFailed, chatkitd.RebuildCanceled:
		return false
	}
	return true
}

func (s *Server) act(ctx context.Context, name, action string, pos chatkitd.Position) error {
	p := s.opts.Projections
	switch action {
	case "rebuild":
		if name == allProjections {
			return p.Rebuild(ctx)
		}
		return p.Rebuild(ctx, name)
	case "cancel":
		return p.CancelRebuild(ctx)
	case "pause":
		return p.Pause(ctx, name)
	case "resume":
		return p.Resume(ctx, name)
	case "retry":
		return p.Retry(ctx, name)
	case "skip":
		return p.Skip(ctx, name, pos)
	default: // the last of projectionActions
		return p.Rollback(ctx, name)
	}
}

// noteRefused puts right what the log says of an action that was not taken. That
// the log takes no more is no reason to answer otherwise.
func (s *Server) noteRefused(r *request, name, action string, pos chatkitd.Position, why error) {
	switch chatkitd.CodeOf(why) { //nolint:exhaustive // after the others it may have been taken
	case chatkitd.CodeConflict, chatkitd.CodeNotFound, chatkitd.CodeInvalid:
	default:
		return
	}
	if err := s.opts.AuditLog.Changed(r.ctx, r.meta(""), name, action+"_refused", pos); err != nil {
		s.log.LogAttrs(r.ctx, slog.LevelError, "refusal is not in the audit log", slog.String("projection", name),
			slog.String("action", action), slog.Any("error", err), slog.String("request_id", r.id))
	}
}

// skipPosition reads the body of a skip: the position as a string, as the API
// shows it, or as a number.
func skipPosition(c *fiber.Ctx) (chatkitd.Position, error) {
	raw, err := body(c)
	if err != nil {
		return chatkitd.Position{}, err
	}
	var b struct {
		Position json.RawMessage `json:"position"`
	}
	if err := decode(raw, &b); err != nil {
		return chatkitd.Position{}, err
	}
	pos, err := chatkitd.ParsePosition(string(bytes.Trim(b.Position, `"`)))
	if err != nil || pos.IsZero() {
		return chatkitd.Position{}, invalid(`position must be that of the event that blocks, as in {"position": "4711"}: the list of projections tells it`)
	}
	return pos, nil
}

const eventStates = "states" // data: the list of projections

// statesSource looks at the projections again and again, and tells what it sees
// when that is not what it saw last.
type statesSource struct {
	srv  *Server
	rec  *record
	ctx  context.Context //nolint:containedctx // the life of the stream
	tick *time.Ticker
	due  bool
	seen []byte
	line []byte // what goes out next
}

func (s *Server) followProjections(r *request) error {
	st, err := s.openStream(r)
	if err != nil {
		return err
	}
	src := &statesSource{srv: s, rec: r.record, ctx: st.ctx}
	src.line, err = src.look(r.ctx) // so that what is wrong now is an answer
	if err == nil {
		src.seen = src.line
		err = s.record(r, whatProjections, map[string]bool{"follow": true})
	}
	if err != nil {
		st.abandon()
		return err
	}
	src.tick = time.NewTicker(s.opts.StatesInterval)
	return r.send(st, src)
}

func (s *statesSource) look(ctx context.Context) ([]byte, error) {
	all, err := s.srv.opts.Projections.States(ctx)
	if err != nil {
		return nil, err
	}
	return appendNamed(nil, eventStates, "", states{all})
}

func (s *statesSource) fill(dst []byte) (out []byte, frames int, ended bool) {
	if s.due {
		s.due = false
		ctx, cancel := context.WithTimeout(s.ctx, s.srv.opts.RequestTimeout)
		line, err := s.look(ctx)
		cancel()
		key := line
		if err != nil {
			key = []byte(err.Error())
		}
		if !bytes.Equal(key, s.seen) {
			if err != nil {
				line = s.srv.appendError(nil, s.rec, err)
			}
			s.seen, s.line = key, line
		}
	}
	if s.line == nil {
		return dst, 0, false
	}
	dst, s.line = append(dst, s.line...), nil
	return dst, 1, false
}

func (s *statesSource) wait(stop <-chan struct{}, tick <-chan time.Time) wake {
	select {
	case <-s.tick.C:
		s.due = true
		return wakeReady
	case <-tick:
		return wakeTick
	case <-stop:
		return wakeStop
	}
}

func (s *statesSource) atStop() error { return io.EOF }

func (s *statesSource) close() { s.tick.Stop() }
