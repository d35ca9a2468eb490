package http

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"time"

	"github.com/chatkitd/chatkitd"
)

// maxSnapshot is how many tasks a live list begins with; its has_more tells
// whether there are others.
const maxSnapshot = 1000

// The events of a live list of tasks. The id of each is a position in the log.
const (
	eventSnapshot = "snapshot" // data: a page of tasks, the newest first
	eventChanged  = "changed"  // data: a task that is new or not what it was
	eventRemoved  = "removed"  // data: {"id": …}
)

// taskSource follows a user's tasks.
type taskSource struct {
	watch chatkitd.TaskWatch
	queue []byte // what goes out first: the snapshot
	next  *chatkitd.TaskChange
	ended bool
}

// followTasks answers GET /api/v1/tasks with Accept: text/event-stream. It
// begins with the whole list, or behind the position in Last-Event-ID if all
// that happened since is still known. A list is not filtered: the parameters of
// the plain list are refused.
//
// The stream ends when the client reads too slowly for what changes; it then
// comes back with Last-Event-ID.
func (s *Server) followTasks(r *request) error {
	for _, name := range []string{"status", "q", "tag", "priority", "sort", "limit", "after"} {
		if r.c.Query(name) != "" {
			return invalid("%s is not for the live list, which is always the whole list", name)
		}
	}
	var after chatkitd.Position
	if last := r.c.Get("Last-Event-ID"); last != "" {
		// One that is no position is from elsewhere: begin with the list.
		after, _ = chatkitd.ParsePosition(last)
	}
	st, err := s.openStream(r)
	if err != nil {
		return err
	}
	// The watch lives as long as the stream; to begin it has a request's time.
	inTime := context.AfterFunc(r.ctx, func() { st.cancel(context.DeadlineExceeded) })
	src, err := s.watchTasks(chatkitd.WithPosition(st.ctx, chatkitd.PositionOf(r.ctx)), r, after)
	if !inTime() {
		if err == nil {
			src.close()
		}
		err = context.DeadlineExceeded
	}
	if err != nil {
		st.abandon()
		return err
	}
	return r.send(st, src)
}

// watchTasks opens the source of a live list. ctx is the life of the stream; to
// begin it has the time of a request.
func (s *Server) watchTasks(ctx context.Context, r *request, after chatkitd.Position) (*taskSource, error) {
	w, err := s.opts.TaskReader.WatchTasks(ctx, r.user, after)
	if err != nil {
		return nil, err
	}
	src := &taskSource{watch: w}
	if w.Resumed && !after.IsZero() {
		return src, nil
	}
	at := src.skip()
	page, err := s.snapshot(r.ctx, r.user) //nolint:contextcheck // of the request: the stream may last for hours, its beginning not
	if err == nil {
		src.queue, err = appendEvent(nil, eventSnapshot, at, page)
	}
	if err != nil {
		w.Stop()
		return nil, err
	}
	return src, nil
}

// snapshot reads the list up to maxSnapshot. What changes meanwhile comes
// through the watch, which began before. When the task that a page begins behind
// is gone by then, the reading begins anew.
func (s *Server) snapshot(ctx context.Context, user chatkitd.UserID) (chatkitd.TaskPage, error) {
	const tries = 5
	for try := 1; ; try++ {
		page, err := s.readTasks(ctx, user)
		switch {
		case chatkitd.CodeOf(err) != chatkitd.CodeInvalid:
			return page, err
		case try == tries:
			return page, chatkitd.Errorf(chatkitd.CodeUnavailable, "the list changes faster than it can be read").Because(err)
		}
	}
}

func (s *Server) readTasks(ctx context.Context, user chatkitd.UserID) (chatkitd.TaskPage, error) {
	all, err := s.opts.TaskReader.Tasks(ctx, user, chatkitd.TaskFilter{Limit: maxTaskPage})
	for err == nil && all.HasMore && len(all.Data) > 0 && len(all.Data) < maxSnapshot {
		var next chatkitd.TaskPage
		next, err = s.opts.TaskReader.Tasks(ctx, user, chatkitd.TaskFilter{Limit: maxTaskPage, After: all.Data[len(all.Data)-1].ID})
		all.Data = append(all.Data, next.Data...)
		all.HasMore, all.After = next.HasMore && len(next.Data) > 0, next.After
	}
	if all.Data == nil {
		all.Data = []chatkitd.Task{}
	}
	return all, err
}

func (s *taskSource) fill(dst []byte) (out []byte, frames int, ended bool) {
	if s.queue != nil {
		dst, s.queue = append(dst, s.queue...), nil
		frames++
	}
	for !s.ended {
		if s.next == nil && !s.poll() {
			break
		}
		line, err := appendChange(nil, *s.next)
		if err != nil {
			panic(err) // a task is always JSON
		}
		if len(dst) > 0 && len(dst)+len(line) > cap(dst) {
			return dst, frames, false
		}
		dst, s.next = append(dst, line...), nil
		frames++
	}
	return dst, frames, s.ended
}

// poll takes the next change if there is one.
func (s *taskSource) poll() bool {
	select {
	case c, ok := <-s.watch.Changes:
		return s.take(c, ok)
	default:
		return false
	}
}

func (s *taskSource) take(c chatkitd.TaskChange, ok bool) bool {
	if !ok {
		s.ended = true
		return false
	}
	s.next = &c
	return true
}

// skip drops the changes that the watch has told of already, since a list that
// is read now has them, and returns where the list begins.
func (s *taskSource) skip() chatkitd.Position {
	at := s.watch.At
	for s.poll() {
		at, s.next = s.next.Position, nil
	}
	return at
}

func (s *taskSource) wait(stop <-chan struct{}, tick <-chan time.Time) wake {
	select {
	case c, ok := <-s.watch.Changes:
		s.take(c, ok)
		return wakeReady
	case <-tick:
		return wakeTick
	case <-stop:
		return wakeStop
	}
}

func (s *taskSource) atStop() error { return io.EOF }

func (s *taskSource) close() { s.watch.Stop() }

func appendChange(dst []byte, c chatkitd.TaskChange) ([]byte, error) {
	if c.Task == nil {
		return appendEvent(dst, eventRemoved, c.Position, struct {
			ID chatkitd.TaskID `json:"id"`
		}{c.ID})
	}
	return appendEvent(dst, eventChanged, c.Position, c.Task)
}

// appendEvent writes a named event of SSE whose id is a position.
func appendEvent(dst []byte, name string, at chatkitd.Position, data any) ([]byte, error) {
	return appendNamed(dst, name, at.String(), data)
}

// appendNamed writes a named event of SSE; id may be empty.
func appendNamed(dst []byte, name, id string, data any) ([]byte, error) {
	b := bytes.NewBuffer(dst)
	b.WriteString("event: " + name + "\n")
	if id != "" {
		b.WriteString("id: " + id + "\n")
	}
	b.WriteString("data: ")
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(data); err != nil { // ends with a line break
		return nil, err
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}
