package http

import (
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/chatkitd/chatkitd"
)

// turnSource reads a turn's stream.
type turnSource struct {
	turn   chatkitd.TurnStream
	id     string            // what the ids of its events begin with
	n      uint64            // the last frame that was sent
	told   chatkitd.Position // the last one that was sent
	frames []chatkitd.Frame  // fetched and not sent yet
	more   <-chan struct{}
	ended  bool // frames are the last
}

func newTurnSource(t chatkitd.TurnStream, n uint64) *turnSource {
	return &turnSource{turn: t, id: eventIDs(t), n: n}
}

// eventIDs returns what the ids of a stream's events have before their number: the
// turn, and the epoch where the numbers are not those of the turn itself.
func eventIDs(t chatkitd.TurnStream) string {
	if epoch := t.Epoch(); epoch != "" {
		return string(t.Turn()) + ":" + epoch
	}
	return string(t.Turn())
}

func (s *turnSource) fill(dst []byte) (out []byte, frames int, ended bool) {
	if len(s.frames) == 0 && !s.ended {
		s.frames, s.ended, s.more = s.turn.After(s.n)
	}
	for len(s.frames) > 0 {
		f := s.frames[0]
		if size := len(s.id) + len(f.Data) + frameOverhead; len(dst) > 0 && len(dst)+size > cap(dst) {
			break
		}
		dst = appendFrame(dst, s.id, f)
		s.n, s.frames = f.N, s.frames[1:]
		frames++
	}
	if len(s.frames) > 0 {
		return dst, frames, false
	}
	// Asked for behind the frames, it covers them all.
	if pos := s.turn.Position(); pos.Compare(s.told) > 0 {
		if len(dst) > 0 && len(dst)+positionOverhead > cap(dst) {
			return dst, frames, false
		}
		dst, s.told = appendPosition(dst, pos), pos
	}
	return dst, frames, s.ended
}

func (s *turnSource) wait(stop <-chan struct{}, tick <-chan time.Time) wake {
	select {
	case <-s.more:
		return wakeReady
	case <-tick:
		return wakeTick
	case <-stop:
		return wakeStop
	}
}

// atStop is an error: a turn that has not ended goes on in another process, and the
// proper end of the body is the end of the turn.
func (s *turnSource) atStop() error { return errGoesOn }

func (s *turnSource) close() { s.frames = nil }

// frameOverhead is what a frame is longer by than its data and its turn's id,
// at most.
const frameOverhead = len("id: :18446744073709551615\ndata: \n\n")

// appendFrame writes a frame as an event of SSE.
func appendFrame(dst []byte, turn string, f chatkitd.Frame) []byte {
	dst = append(dst, "id: "...)
	dst = append(dst, turn...)
	dst = append(dst, ':')
	dst = strconv.AppendUint(dst, f.N, 10)
	dst = append(dst, "\ndata: "...)
	dst = append(dst, f.Data...)
	return append(dst, "\n\n"...)
}

// startTurn starts a turn and streams it. Until it has started, every failure
// is a plain answer.
func (s *Server) startTurn(r *request, cmd chatkitd.TurnCommand) error {
	st, err := s.openStream(r) // first: a turn that no one can read must not start
	if err != nil {
		return err
	}
	turn, err := s.opts.Threads.StartTurn(r.ctx, r.meta(""), cmd)
	if err != nil {
		st.abandon()
		return err
	}
	r.tellPosition(turn.Position())
	return r.send(st, newTurnSource(turn, 0))
}

// resumeTurn handles GET /api/v1/chatkit/threads/{id}/stream: the running turn
// from its start, or behind the event that Last-Event-ID names; 204 when none
// runs.
func (s *Server) resumeTurn(r *request) error {
	id := r.c.Params("id")
	if !chatkitd.ValidID(id) {
		return errNoSuch("thread")
	}
	st, err := s.openStream(r)
	if err != nil {
		return err
	}
	turn, err := s.opts.Threads.AttachTurn(r.ctx, r.user, chatkitd.ThreadID(id))
	if err != nil || turn == nil {
		st.abandon()
		if err == nil {
			r.c.Status(fiber.StatusNoContent)
		}
		return err
	}
	r.tellPosition(turn.Position())
	return r.send(st, newTurnSource(turn, resumeAt(r.c.Get("Last-Event-ID"), turn)))
}

// resumeAt returns the number of the last frame that a client has seen of a
// stream: 0 if it names another turn, another epoch, whose numbers mean other
// frames, or a frame that does not exist yet. The client then gets the stream from
// its start.
func resumeAt(last string, turn chatkitd.TurnStream) uint64 {
	cut := max(0, strings.LastIndexByte(last, ':'))
	id, number := last[:cut], strings.TrimPrefix(last[cut:], ":")
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil || id != eventIDs(turn) {
		return 0
	}
	all, _, _ := turn.After(0)
	if len(all) == 0 || n > all[len(all)-1].N {
		return 0
	}
	return n
}

// cancelTurn handles POST /api/v1/chatkit/threads/{id}/cancel. It answers when
// the turn has ended, also if none ran.
func (s *Server) cancelTurn(r *request) error {
	id := r.c.Params("id")
	if !chatkitd.ValidID(id) {
		return errNoSuch("thread")
	}
	key, err := idempotencyKey(r.c)
	if err != nil {
		return err
	}
	receipt, err := s.opts.Threads.DoThread(r.ctx, r.meta(key), chatkitd.CancelTurn{Thread: chatkitd.ThreadID(id)})
	if err != nil {
		return err
	}
	r.tellPosition(receipt.Position)
	return writeJSON(r.c, fiber.StatusOK, struct{}{})
}

// errNoSuch is the error for an id that cannot be one. It is told to a caller
// in the same words as any other CodeNotFound.
func errNoSuch(what string) error {
	return chatkitd.Errorf(chatkitd.CodeNotFound, "no such %s: the id is malformed", what)
}
