// Package toolstest has a task service in memory, for tests of the tools and of
// agents.
package toolstest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/chatkitd/chatkitd"
)

// Tasks is a task service in memory: commands and queries as the contracts of
// package chatkitd say, without events behind them. It is safe for concurrent
// use.
type Tasks struct {
	mu    sync.Mutex
	now   func() time.Time
	ids   int
	users map[chatkitd.UserID][]chatkitd.Task
	done  map[string]chatkitd.TaskResult // by user and key
	metas []chatkitd.Meta
	// Fail, if set, is asked before each command; an error is returned in its
	// place. With after the command has had its effect nevertheless.
	Fail func(cmd chatkitd.TaskCommand, attempt int) (err error, after bool)
	// attempts counts the commands by key.
	attempts map[string]int
}

var (
	_ chatkitd.Tasks      = (*Tasks)(nil)
	_ chatkitd.TaskReader = (*Tasks)(nil)
)

// NewTasks returns an empty service. A nil now is time.Now.
func NewTasks(now func() time.Time) *Tasks {
	if now == nil {
		now = time.Now
	}
	return &Tasks{now: now, users: map[chatkitd.UserID][]chatkitd.Task{}, done: map[string]chatkitd.TaskResult{}, attempts: map[string]int{}}
}

// All returns a user's tasks in the order in which they were added.
func (s *Tasks) All(user chatkitd.UserID) []chatkitd.Task {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.users[user])
}

// Metas returns the metadata of all commands so far.
func (s *Tasks) Metas() []chatkitd.Meta {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.metas)
}

// DoTask implements [chatkitd.Tasks].
func (s *Tasks) DoTask(ctx context.Context, m chatkitd.Meta, cmd chatkitd.TaskCommand) (chatkitd.TaskResult, error) {
	if err := ctx.Err(); err != nil {
		return chatkitd.TaskResult{}, chatkitd.Errorf(chatkitd.CodeCanceled, "canceled").Because(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.metas = append(s.metas, m)
	key := string(m.User) + "\x00" + m.Key
	s.attempts[key]++
	if s.Fail != nil {
		if err, after := s.Fail(cmd, s.attempts[key]); err != nil {
			if after {
				_, _ = s.once(key, m, cmd)
			}
			return chatkitd.TaskResult{}, err
		}
	}
	return s.once(key, m, cmd)
}

func (s *Tasks) once(key string, m chatkitd.Meta, cmd chatkitd.TaskCommand) (chatkitd.TaskResult, error) {
	if res, ok := s.done[key]; ok && m.Key != "" {
		res.Changed = false
		return res, nil
	}
	res, err := s.do(m.User, cmd)
	if err == nil {
		s.done[key] = res
	}
	return res, err
}

func (s *Tasks) do(user chatkitd.UserID, cmd chatkitd.TaskCommand) (chatkitd.TaskResult, error) {
	now := s.now().UTC()
	if c, ok := cmd.(chatkitd.AddTask); ok {
		s.ids++
		t := chatkitd.Task{
			ID: chatkitd.TaskID(fmt.Sprintf("tsk_%04d", s.ids)), Title: c.Title, Description: c.Description, Priority: c.Priority,
			Tags: c.Tags, DueAt: c.DueAt, Status: chatkitd.TaskPending, CreatedAt: now, UpdatedAt: now,
		}
		s.users[user] = append(s.users[user], t)
		return chatkitd.TaskResult{Task: t, Changed: true}, nil
	}
	var id chatkitd.TaskID
	switch c := cmd.(type) {
	case chatkitd.AddTask:
	case chatkitd.CompleteTask:
		id = c.Task
	case chatkitd.DeleteTask:
		id = c.Task
	case chatkitd.UpdateTask:
		id = c.Task
	}
	i := slices.IndexFunc(s.users[user], func(t chatkitd.Task) bool { return t.ID == id })
	if i < 0 {
		return chatkitd.TaskResult{}, chatkitd.Errorf(chatkitd.CodeNotFound, "no such task")
	}
	before := s.users[user][i]
	t := before
	switch c := cmd.(type) {
	case chatkitd.AddTask:
	case chatkitd.CompleteTask:
		setCompleted(&t, !c.Reopen, now)
	case chatkitd.DeleteTask:
		s.users[user] = slices.Delete(slices.Clone(s.users[user]), i, i+1)
		return chatkitd.TaskResult{Task: t, Changed: true}, nil
	case chatkitd.UpdateTask:
		apply(&t, c, now)
	}
	changed := fmt.Sprint(t) != fmt.Sprint(before) || !sameTime(t.DueAt, before.DueAt)
	if changed {
		t.UpdatedAt = now
	}
	s.users[user] = slices.Clone(s.users[user])
	s.users[user][i] = t
	return chatkitd.TaskResult{Task: t, Changed: changed}, nil
}

func sameTime(a, b *time.Time) bool { return a == b || a != nil && b != nil && a.Equal(*b) }

func setCompleted(t *chatkitd.Task, done bool, now time.Time) {
	if t.Completed == done {
		return
	}
	t.Completed, t.Status, t.CompletedAt = done, chatkitd.TaskPending, nil
	if done {
		t.Status, t.CompletedAt = chatkitd.TaskCompleted, &now
	}
}

func apply(t *chatkitd.Task, c chatkitd.UpdateTask, now time.Time) {
	if c.Title.Set {
		t.Title = c.Title.Value
	}
	if c.Description.Set {
		t.Description = c.Description.Value
	}
	if c.Priority.Set {
		t.Priority = c.Priority.Value
	}
	if c.Tags.Set {
		t.Tags = c.Tags.Value
	}
	if c.DueAt.Set {
		t.DueAt = nil
		if !c.DueAt.Null {
			due := c.DueAt.Value
			t.DueAt = &due
		}
	}
	if c.Completed.Set {
		setCompleted(t, c.Completed.Value, now)
	}
}

// TaskEffect implements [chatkitd.Tasks].
func (s *Tasks) TaskEffect(_ context.Context, user chatkitd.UserID, key string) (chatkitd.TaskResult, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	res, ok := s.done[string(user)+"\x00"+key]
	return res, ok && res.Changed, nil
}

// Tasks implements [chatkitd.TaskReader]. After is not supported.
func (s *Tasks) Tasks(_ context.Context, user chatkitd.UserID, f chatkitd.TaskFilter) (chatkitd.TaskPage, error) {
	page := chatkitd.TaskPage{Data: []chatkitd.Task{}}
	for _, t := range s.All(user) {
		if t.Completed {
			page.Completed++
		} else {
			page.Pending++
		}
		if f.Status != "" && t.Status != f.Status || f.Tag != "" && !slices.Contains(t.Tags, f.Tag) || f.Priority != "" && t.Priority != f.Priority ||
			!contains(t.Title+"\n"+t.Description, f.Query) {
			continue
		}
		page.Data = append(page.Data, t)
	}
	page.Total = len(page.Data)
	switch f.Sort {
	case "due_at":
		slices.SortStableFunc(page.Data, func(a, b chatkitd.Task) int { return due(a).Compare(due(b)) })
	case "-updated_at":
		slices.SortStableFunc(page.Data, func(a, b chatkitd.Task) int { return b.UpdatedAt.Compare(a.UpdatedAt) })
	default:
		slices.SortStableFunc(page.Data, func(a, b chatkitd.Task) int { return cmp.Compare(b.ID, a.ID) })
	}
	if limit := cmp.Or(f.Limit, 50); len(page.Data) > limit {
		page.Data, page.HasMore = page.Data[:limit], true
	}
	return page, nil
}

func due(t chatkitd.Task) time.Time {
	if t.DueAt == nil {
		return time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	return *t.DueAt
}

func contains(s, part string) bool {
	return strings.Contains(strings.ToLower(s), strings.ToLower(part))
}

// Task implements [chatkitd.TaskReader].
func (s *Tasks) Task(_ context.Context, user chatkitd.UserID, id chatkitd.TaskID) (chatkitd.Task, error) {
	for _, t := range s.All(user) {
		if t.ID == id {
			return t, nil
		}
	}
	return chatkitd.Task{}, chatkitd.Errorf(chatkitd.CodeNotFound, "no such task")
}

// FindTasks implements [chatkitd.TaskReader].
func (s *Tasks) FindTasks(_ context.Context, user chatkitd.UserID, name string, limit int) ([]chatkitd.Task, error) {
	var same, part []chatkitd.Task
	for _, t := range s.All(user) {
		if strings.EqualFold(t.Title, name) {
			same = append(same, t)
		}
		if contains(t.Title, name) {
			part = append(part, t)
		}
	}
	if len(same) == 0 {
		same = part
	}
	return same[:min(len(same), limit)], nil
}

// WatchTasks implements [chatkitd.TaskReader]; there is nothing to watch.
func (s *Tasks) WatchTasks(context.Context, chatkitd.UserID, chatkitd.Position) (chatkitd.TaskWatch, error) {
	return chatkitd.TaskWatch{}, chatkitd.Errorf(chatkitd.CodeUnsupported, "not supported")
}
