package http

import (
	"encoding/json"
	"fmt"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/chatkit"
)

// chatkit handles POST /api/v1/chatkit. The type of the request alone decides
// whether the answer is a stream or one JSON object.
func (s *Server) chatkit(r *request) error {
	raw, err := body(r.c)
	if err != nil {
		return err
	}
	req, err := chatkit.DecodeRequest(raw)
	if err != nil {
		return err
	}
	zone := s.zones.name(req.Metadata)
	switch p := req.Params.(type) {
	case chatkit.ThreadsCreate:
		return s.startTurn(r, chatkitd.CreateThread{Input: p.Input, Metadata: req.Metadata, Timezone: zone})
	case chatkit.ThreadsAddUserMessage:
		if !chatkitd.ValidID(p.ThreadID) {
			return errNoSuch("thread")
		}
		return s.startTurn(r, chatkitd.AddUserMessage{Thread: chatkitd.ThreadID(p.ThreadID), Input: p.Input, Timezone: zone})
	case chatkit.ThreadsRetryAfterItem:
		if !chatkitd.ValidID(p.ThreadID) || !chatkitd.ValidID(p.ItemID) {
			return errNoSuch("thread or item")
		}
		return s.startTurn(r, chatkitd.RetryAfterItem{Thread: chatkitd.ThreadID(p.ThreadID), Item: chatkitd.ItemID(p.ItemID), Timezone: zone})
	case chatkit.ThreadsList:
		if err := checkAfter(p.After); err != nil {
			return err
		}
		page, err := s.opts.ThreadReader.Threads(r.ctx, r.user, chatkitd.PageQuery{Limit: p.Limit, Order: p.Order, After: p.After})
		return answer(r, page, err)
	case chatkit.ThreadsGetByID:
		return s.getThread(r, p.ThreadID)
	case chatkit.ItemsList:
		if !chatkitd.ValidID(p.ThreadID) {
			return errNoSuch("thread")
		}
		if err := checkAfter(p.After); err != nil {
			return err
		}
		page, err := s.opts.ThreadReader.Items(r.ctx, r.user, chatkitd.ThreadID(p.ThreadID), chatkitd.PageQuery{Limit: p.Limit, Order: p.Order, After: p.After})
		return answer(r, page, err)
	case chatkit.ThreadsUpdate:
		if err := s.doThread(r, chatkitd.RenameThread{Thread: chatkitd.ThreadID(p.ThreadID), Title: p.Title}); err != nil {
			return err
		}
		return s.getThread(r, p.ThreadID)
	case chatkit.ThreadsDelete:
		err := s.doThread(r, chatkitd.DeleteThread{Thread: chatkitd.ThreadID(p.ThreadID)})
		return answer(r, struct{}{}, err)
	case chatkit.ItemsFeedback:
		items := make([]chatkitd.ItemID, len(p.ItemIDs))
		for i, id := range p.ItemIDs {
			if !chatkitd.ValidID(id) {
				return errNoSuch("item")
			}
			items[i] = chatkitd.ItemID(id)
		}
		err := s.doThread(r, chatkitd.GiveFeedback{Thread: chatkitd.ThreadID(p.ThreadID), Items: items, Kind: p.Kind})
		return answer(r, struct{}{}, err)
	}
	return fmt.Errorf("request type %s is decoded but not served", req.Params.RequestType())
}

func (s *Server) getThread(r *request, id string) error {
	if !chatkitd.ValidID(id) {
		return errNoSuch("thread")
	}
	thread, err := s.opts.ThreadReader.Thread(r.ctx, r.user, chatkitd.ThreadID(id))
	return answer(r, thread, err)
}

// doThread carries out a command.
func (s *Server) doThread(r *request, cmd chatkitd.ThreadCommand) error {
	if !chatkitd.ValidID(string(cmd.Target())) {
		return errNoSuch("thread")
	}
	receipt, err := s.opts.Threads.DoThread(r.ctx, r.meta(""), cmd)
	if err == nil {
		r.tellPosition(receipt.Position)
	}
	return err
}

func checkAfter(id string) error {
	if id != "" && !chatkitd.ValidID(id) {
		return invalid("params.after must be the id of the last element of the page before")
	}
	return nil
}

func answer(r *request, v any, err error) error {
	if err != nil {
		return err
	}
	return writeJSON(r.c, fiber.StatusOK, v)
}

// zones remembers which names of time zones are known; the zero value knows
// none. Unknown names are not remembered, so that it stays as small as the
// database of zones.
type zones struct{ known sync.Map }

const maxZoneName = 64

// name returns the time zone that a request's metadata names, or "" when it
// names none that is known here.
func (z *zones) name(metadata map[string]json.RawMessage) string {
	var name string
	if json.Unmarshal(metadata["timezone"], &name) != nil || name == "" || len(name) > maxZoneName || strings.EqualFold(name, "local") {
		return ""
	}
	if path.Clean(name) != name { // "Europe/./Berlin" is the same file, and so on without end
		return ""
	}
	if _, ok := z.known.Load(name); ok {
		return name
	}
	if _, err := time.LoadLocation(name); err != nil {
		return ""
	}
	z.known.Store(name, struct{}{})
	return name
}
