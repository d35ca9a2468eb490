package http

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"

	"github.com/chatkitd/chatkitd"
)

const (
	maxTaskPage  = 100
	maxTaskQuery = 200 // characters of q and of tag
)

// listTasks handles GET /api/v1/tasks: a page, or, with Accept:
// text/event-stream, the list and then what changes.
func (s *Server) listTasks(r *request) error {
	r.c.Append(fiber.HeaderVary, fiber.HeaderAccept)
	if strings.Contains(r.c.Get(fiber.HeaderAccept), "text/event-stream") {
		return s.followTasks(r)
	}
	f, err := taskFilter(r.c)
	if err != nil {
		return err
	}
	page, err := s.opts.TaskReader.Tasks(r.ctx, r.user, f)
	if page.Data == nil {
		page.Data = []chatkitd.Task{}
	}
	return answer(r, page, err)
}

// taskFilter reads the query of a list. A limit over the maximum is cut to it.
func taskFilter(c *fiber.Ctx) (chatkitd.TaskFilter, error) {
	f := chatkitd.TaskFilter{
		Status:   c.Query("status"),
		Query:    c.Query("q"),
		Tag:      c.Query("tag"),
		Priority: chatkitd.Priority(c.Query("priority")),
		Sort:     c.Query("sort"),
		After:    chatkitd.TaskID(c.Query("after")),
	}
	if f.Status == "all" {
		f.Status = ""
	}
	switch {
	case f.Status != "" && f.Status != chatkitd.TaskPending && f.Status != chatkitd.TaskCompleted:
		return f, invalid("status must be all, pending or completed")
	case f.Priority != "" && f.Priority != chatkitd.PriorityLow && f.Priority != chatkitd.PriorityMedium && f.Priority != chatkitd.PriorityHigh:
		return f, invalid("priority must be low, medium or high")
	case f.Sort != "" && !slices.Contains(chatkitd.TaskSorts, f.Sort):
		return f, invalid("sort must be one of %s", strings.Join(chatkitd.TaskSorts, ", "))
	case f.After != "" && !chatkitd.ValidID(string(f.After)):
		return f, invalid("after must be the id of a task")
	case !utf8.ValidString(f.Query) || utf8.RuneCountInString(f.Query) > maxTaskQuery:
		return f, invalid("q must be at most %d characters of UTF-8", maxTaskQuery)
	case !utf8.ValidString(f.Tag) || utf8.RuneCountInString(f.Tag) > maxTaskQuery:
		return f, invalid("tag must be at most %d characters of UTF-8", maxTaskQuery)
	}
	if given := c.Query("limit"); given != "" {
		n, err := strconv.Atoi(given)
		if err != nil || n < 1 {
			return f, invalid("limit must be a number from 1 to %d", maxTaskPage)
		}
		f.Limit = min(n, maxTaskPage)
	}
	return f, nil
}

// taskBody is the body of POST and PATCH. An absent field and, in POST, a null
// one leaves the field as it is.
type taskBody struct {
	Title       chatkitd.Change[string]            `json:"title"`
	Description chatkitd.Change[string]            `json:"description"`
	Priority    chatkitd.Change[chatkitd.Priority] `json:"priority"`
	Tags        chatkitd.Change[[]string]          `json:"tags"`
	DueAt       chatkitd.Change[string]            `json:"due_at"`
	Completed   chatkitd.Change[bool]              `json:"completed"`
	Status      chatkitd.Change[string]            `json:"status"`
}

// due returns the due date. Other formats than RFC 3339 are refused rather than
// guessed: a time without a zone means another moment elsewhere.
func (b *taskBody) due() (chatkitd.Change[time.Time], error) {
	if !b.DueAt.Set || b.DueAt.Null {
		return chatkitd.Change[time.Time]{Set: b.DueAt.Set, Null: b.DueAt.Null}, nil
	}
	t, err := time.Parse(time.RFC3339, b.DueAt.Value)
	if err != nil {
		return chatkitd.Change[time.Time]{}, invalid("due_at must be a time such as 2026-11-24T09:00:00Z")
	}
	return chatkitd.To(t), nil
}

// done returns the one meaning of completed and status.
func (b *taskBody) done() (chatkitd.Change[bool], error) {
	done := b.Completed
	if done.Null {
		return done, invalid("completed must be true or false, not null")
	}
	if !b.Status.Set {
		return done, nil
	}
	if b.Status.Value != chatkitd.TaskPending && b.Status.Value != chatkitd.TaskCompleted {
		return done, invalid("status must be pending or completed")
	}
	completed := b.Status.Value == chatkitd.TaskCompleted
	if done.Set && done.Value != completed {
		return done, invalid("completed and status contradict each other")
	}
	return chatkitd.To(completed), nil
}

// addTask handles POST /api/v1/tasks.
func (s *Server) addTask(r *request) error {
	var b taskBody
	key, err := readChange(r, &b)
	if err != nil {
		return err
	}
	due, err := b.due()
	switch {
	case err != nil:
		return err
	case !b.Title.Set || b.Title.Null:
		return invalid("title is required")
	case b.Completed.Value, b.Status.Value != "" && b.Status.Value != chatkitd.TaskPending:
		return invalid("a new task is pending: complete it with PATCH")
	}
	cmd := chatkitd.AddTask{Title: b.Title.Value, Description: b.Description.Value, Priority: b.Priority.Value, Tags: b.Tags.Value}
	if due.Set && !due.Null {
		cmd.DueAt = &due.Value
	}
	res, err := s.doTask(r, key, cmd)
	if err != nil {
		return err
	}
	r.c.Set(fiber.HeaderLocation, "/api/v1/tasks/"+string(res.Task.ID))
	return writeJSON(r.c, fiber.StatusCreated, res.Task)
}

// getTask handles GET /api/v1/tasks/{id}.
func (s *Server) getTask(r *request) error {
	id, err := taskID(r.c)
	if err != nil {
		return err
	}
	task, err := s.opts.TaskReader.Task(r.ctx, r.user, id)
	return answer(r, task, err)
}

// updateTask handles PATCH /api/v1/tasks/{id}: an absent field stays as it is,
// null clears one.
func (s *Server) updateTask(r *request) error {
	id, err := taskID(r.c)
	if err != nil {
		return err
	}
	var b taskBody
	key, err := readChange(r, &b)
	if err != nil {
		return err
	}
	if b.Title.Null {
		return invalid("title must be a string, not null")
	}
	due, err := b.due()
	if err != nil {
		return err
	}
	done, err := b.done()
	if err != nil {
		return err
	}
	res, err := s.doTask(r, key, chatkitd.UpdateTask{
		Task: id, Title: b.Title, Description: b.Description, Priority: b.Priority, Tags: b.Tags, DueAt: due, Completed: done,
	})
	return answer(r, res.Task, err)
}

// deleteTask handles DELETE /api/v1/tasks/{id}.
func (s *Server) deleteTask(r *request) error {
	id, err := taskID(r.c)
	if err != nil {
		return err
	}
	key, err := idempotencyKey(r.c)
	if err != nil {
		return err
	}
	if _, err := s.doTask(r, key, chatkitd.DeleteTask{Task: id}); err != nil {
		return err
	}
	r.c.Status(fiber.StatusNoContent)
	return nil
}

func (s *Server) doTask(r *request, key string, cmd chatkitd.TaskCommand) (chatkitd.TaskResult, error) {
	res, err := s.opts.Tasks.DoTask(r.ctx, r.meta(key), cmd)
	if err == nil {
		r.tellPosition(res.Receipt.Position)
	}
	return res, err
}

func taskID(c *fiber.Ctx) (chatkitd.TaskID, error) {
	id := c.Params("id")
	if !chatkitd.ValidID(id) {
		return "", errNoSuch("task")
	}
	return chatkitd.TaskID(id), nil
}

// readChange reads the body of a change and its idempotency key.
func readChange(r *request, v any) (key string, err error) {
	if key, err = idempotencyKey(r.c); err != nil {
		return "", err
	}
	raw, err := body(r.c)
	if err != nil {
		return "", err
	}
	return key, decode(raw, v)
}

// idempotencyKey returns the Idempotency-Key header, or "".
func idempotencyKey(c *fiber.Ctx) (string, error) {
	key := c.Get("Idempotency-Key")
	if len(key) > chatkitd.MaxKey {
		return "", invalid("the Idempotency-Key must be at most %d bytes", chatkitd.MaxKey)
	}
	for i := range len(key) {
		if key[i] < ' ' || key[i] > '~' {
			return "", invalid("the Idempotency-Key must be printable ASCII")
		}
	}
	return key, nil
}

func invalid(format string, args ...any) error {
	return chatkitd.Errorf(chatkitd.CodeInvalid, format, args...)
}
