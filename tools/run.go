package tools

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/chatkitd/chatkitd"
)

// maxCandidates is how many tasks an ambiguous name lists.
const maxCandidates = 10

func (b *Bound) add(ctx context.Context, c Call, a args) (result, error) {
	cmd := chatkitd.AddTask{
		Title: a.text("title"), Description: a.text("description"),
		Priority: chatkitd.Priority(a.text("priority")), Tags: cleanTags(a.list("tags")),
	}
	if due := a.text("due_at"); due != "" {
		t, err := ParseDue(due, c.Location)
		if err != nil {
			return result{}, err
		}
		cmd.DueAt = &t
	}
	res, err := b.do(ctx, c, cmd)
	if err != nil {
		return result{}, err
	}
	return about(res, "added", "added"), nil
}

func (b *Bound) list(ctx context.Context, _ Call, a args) (result, error) {
	f := chatkitd.TaskFilter{
		Query: a.text("query"), Tag: strings.TrimPrefix(a.text("tag"), "#"),
		Priority: chatkitd.Priority(a.text("priority")), Limit: MaxListed,
	}
	switch f.Status = a.text("status"); f.Status {
	case chatkitd.TaskPending:
		f.Sort = "due_at"
	case chatkitd.TaskCompleted:
		f.Sort = "-updated_at"
	default:
		f.Status, f.Sort = "", "-created_at"
	}
	var page chatkitd.TaskPage
	err := retry(ctx, func() (err error) {
		page, err = b.reader.Tasks(ctx, b.user, f)
		return err
	})
	if err != nil {
		return result{}, err
	}
	r := result{Tasks: page.Data, Total: &page.Total}
	switch {
	case page.Total == 0:
		r.Message = "no task matches"
		if page.Pending+page.Completed == 0 {
			r.Message = "there are no tasks yet"
		}
	case len(page.Data) < page.Total:
		r.Message = fmt.Sprintf("the first %d of %d tasks; narrow it down with query, tag or priority to see others", len(page.Data), page.Total)
	default:
		r.Message = count(page.Total, "task")
	}
	return r, nil
}

func (b *Bound) find(ctx context.Context, _ Call, a args) (result, error) {
	name := a.text("name")
	var found []chatkitd.Task
	err := retry(ctx, func() (err error) {
		found, err = b.reader.FindTasks(ctx, b.user, name, maxCandidates+1)
		return err
	})
	if err != nil {
		return result{}, err
	}
	switch len(found) {
	case 0:
		return result{code: string(chatkitd.CodeNotFound), Message: fmt.Sprintf("no task is called %q", clip(name, 60))}, nil
	case 1:
		return result{Task: &found[0], Message: fmt.Sprintf("found %q", clip(found[0].Title, 60))}, nil
	}
	more := ""
	if len(found) > maxCandidates {
		found, more = found[:maxCandidates], " or more"
	}
	titles := make([]string, len(found))
	for i, t := range found {
		titles[i] = fmt.Sprintf("%q (%s, %s)", clip(t.Title, 60), t.ID, t.Status)
	}
	return result{
		code: CodeAmbiguous, Tasks: found,
		Message: fmt.Sprintf("%d%s tasks match %q: %s; ask the user which one is meant", len(found), more, clip(name, 60), strings.Join(titles, ", ")),
	}, nil
}

func (b *Bound) complete(ctx context.Context, c Call, a args) (result, error) {
	id, err := idOf(a)
	if err != nil {
		return result{}, err
	}
	done, given := a["completed"].(bool)
	reopen := given && !done
	res, err := b.do(ctx, c, chatkitd.CompleteTask{Task: id, Reopen: reopen})
	if err != nil {
		return result{}, err
	}
	if reopen {
		return about(res, "reopened", "open"), nil
	}
	return about(res, "completed", "completed"), nil
}

func (b *Bound) delete(ctx context.Context, c Call, a args) (result, error) {
	id, err := idOf(a)
	if err != nil {
		return result{}, err
	}
	res, err := b.do(ctx, c, chatkitd.DeleteTask{Task: id})
	if err != nil {
		return result{}, err
	}
	return about(res, "deleted", "deleted"), nil
}

func (b *Bound) update(ctx context.Context, c Call, a args) (result, error) {
	id, err := idOf(a)
	if err != nil {
		return result{}, err
	}
	cmd := chatkitd.UpdateTask{Task: id, Title: a.change("title"), Description: a.change("description")}
	if p := a.change("priority"); p.Set {
		cmd.Priority = chatkitd.Change[chatkitd.Priority]{Set: true, Null: p.Null, Value: chatkitd.Priority(p.Value)}
	}
	if a.has("tags") {
		cmd.Tags = chatkitd.To(cleanTags(a.list("tags")))
		if len(cmd.Tags.Value) == 0 {
			cmd.Tags = chatkitd.Cleared[[]string]()
		}
	}
	if d := a.change("due_at"); d.Null {
		cmd.DueAt.Set, cmd.DueAt.Null = true, true
	} else if d.Set {
		t, err := ParseDue(d.Value, c.Location)
		if err != nil {
			return result{}, err
		}
		cmd.DueAt = chatkitd.To(t)
	}
	if done, given := a["completed"].(bool); given {
		cmd.Completed = chatkitd.To(done)
	}
	if len(a) == 1 {
		return result{}, invalid("update_task was given nothing to change")
	}
	res, err := b.do(ctx, c, cmd)
	if err != nil {
		return result{}, err
	}
	return about(res, "updated", "so"), nil
}

// idOf refuses an id that cannot be one before anything is asked.
func idOf(a args) (chatkitd.TaskID, error) {
	id := a.text("task_id")
	if !chatkitd.ValidID(id) {
		return "", chatkitd.Errorf(chatkitd.CodeNotFound, "no task has the id %q; find_task_by_name and list_tasks tell ids", clip(id, 40))
	}
	return chatkitd.TaskID(id), nil
}

// about tells what became of one task.
func about(res chatkitd.TaskResult, did, was string) result {
	r := result{Task: &res.Task, Changed: &res.Changed, Message: fmt.Sprintf("%s %q", did, res.Task.Title)}
	if !res.Changed {
		r.Message = fmt.Sprintf("%q was %s already", res.Task.Title, was)
	}
	return r
}

// cleanTags drops what people write around tags, empty ones and doubles.
func cleanTags(in []string) []string {
	var out []string
	for _, t := range in {
		t = strings.TrimSpace(strings.TrimLeft(strings.TrimSpace(t), "#"))
		if t != "" && !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	return out
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
