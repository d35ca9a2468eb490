package projections

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/chatkit"
	"github.com/chatkitd/chatkitd/events"
)

// history makes valid histories, and folds them into plain maps and slices as it
// goes: the read models must say the same.
type history struct {
	users   []chatkitd.UserID
	tasks   map[chatkitd.UserID][]*chatkitd.Task // oldest first
	threads []*oracleThread                      // oldest first, deleted ones too
	next    int
	now     time.Time
}

type oracleThread struct {
	thread  chatkit.Thread
	user    chatkitd.UserID
	items   []oracleItem
	turn    chatkitd.TurnID
	deleted bool
}

type oracleItem struct {
	id, typ string
	json    json.RawMessage
}

func newHistory() *history {
	return &history{
		users: []chatkitd.UserID{"ann", "bob|x@y.z", "Ann"},
		tasks: map[chatkitd.UserID][]*chatkitd.Task{}, now: epoch,
	}
}

func (h *history) id(prefix string) string {
	h.next++
	return fmt.Sprintf("%s%04d", prefix, h.next)
}

var (
	titles   = []string{"Buy milk", "buy Milk", "Ärger", "ärGER", "call Anna", "100% _x_", "ſoup", "zzz"}
	tagNames = []string{"home", "Home", "work", "Büro"}
	types    = []string{chatkit.TypeUserMessage, chatkit.TypeAssistantMessage, chatkit.TypeHiddenContext, chatkit.TypeSDKHiddenContext}
)

// step returns one more event and its stream, and folds it.
func (h *history) step(t *rapid.T) (string, events.Event) {
	// Several events of one moment, now and then.
	h.now = h.now.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "seconds")) * time.Second)
	if rapid.Bool().Draw(t, "task") {
		user := rapid.SampledFrom(h.users).Draw(t, "user")
		return events.UserStream(user), h.task(t, user)
	}
	return h.thread(t)
}

func (h *history) task(t *rapid.T, user chatkitd.UserID) events.Event {
	tasks := h.tasks[user]
	kind := rapid.IntRange(0, 6).Draw(t, "kind")
	if len(tasks) == 0 || kind <= 2 {
		ev := events.TaskAdded{
			TaskID: chatkitd.TaskID(h.id("tsk_")), Title: rapid.SampledFrom(titles).Draw(t, "title"),
			Description: rapid.SampledFrom([]string{"", "milk", "Ölwechsel"}).Draw(t, "description"),
			Priority:    rapid.SampledFrom([]chatkitd.Priority{"", "low", "high"}).Draw(t, "priority"),
			Tags:        drawTags(t), DueAt: drawDue(t),
		}
		h.tasks[user] = append(tasks, &chatkitd.Task{
			ID: ev.TaskID, Title: ev.Title, Description: ev.Description, Status: chatkitd.TaskPending,
			Priority: ev.Priority, Tags: ev.Tags, DueAt: ev.DueAt, CreatedAt: h.now, UpdatedAt: h.now,
		})
		return ev
	}
	i := rapid.IntRange(0, len(tasks)-1).Draw(t, "which")
	task := tasks[i]
	if kind == 6 {
		h.tasks[user] = slices.Delete(tasks, i, i+1)
		return events.TaskDeleted{TaskID: task.ID}
	}
	task.UpdatedAt = h.now
	switch kind {
	case 3:
		if !task.Completed {
			at := h.now
			task.Completed, task.Status, task.CompletedAt = true, chatkitd.TaskCompleted, &at
		}
		return events.TaskCompleted{TaskID: task.ID}
	case 4:
		task.Completed, task.Status, task.CompletedAt = false, chatkitd.TaskPending, nil
		return events.TaskReopened{TaskID: task.ID}
	}
	ev := events.TaskUpdated{TaskID: task.ID}
	if rapid.Bool().Draw(t, "retitle") {
		ev.Title = chatkitd.To(rapid.SampledFrom(titles).Draw(t, "title"))
		task.Title = ev.Title.Value
	}
	if rapid.Bool().Draw(t, "retag") {
		ev.Tags = chatkitd.To(drawTags(t))
		task.Tags = ev.Tags.Value
		if task.Tags == nil {
			ev.Tags = chatkitd.Cleared[[]string]()
		}
	}
	if rapid.Bool().Draw(t, "redue") {
		ev.DueAt = chatkitd.Cleared[time.Time]()
		if task.DueAt = drawDue(t); task.DueAt != nil {
			ev.DueAt = chatkitd.To(*task.DueAt)
		}
	}
	return ev
}

func drawTags(t *rapid.T) []string {
	tags := rapid.SliceOfNDistinct(rapid.SampledFrom(tagNames), 0, 3, rapid.ID).Draw(t, "tags")
	if len(tags) == 0 {
		return nil
	}
	return tags
}

func drawDue(t *rapid.T) *time.Time {
	day := rapid.IntRange(-2, 4).Draw(t, "due")
	if day <= 0 {
		return nil
	}
	due := epoch.AddDate(0, 0, day).In(time.FixedZone("", 3600*day))
	return &due
}

func (h *history) thread(t *rapid.T) (string, events.Event) {
	var alive []*oracleThread
	for _, th := range h.threads {
		if !th.deleted || th.turn != "" {
			alive = append(alive, th)
		}
	}
	kind := rapid.IntRange(0, 13).Draw(t, "kind")
	if len(alive) == 0 || kind == 0 {
		id := chatkitd.ThreadID(h.id("thr_"))
		user := rapid.SampledFrom(h.users).Draw(t, "user")
		ev := events.ThreadCreated{ThreadID: id, UserID: user, Metadata: map[string]json.RawMessage{"a": json.RawMessage("1")}}
		h.threads = append(h.threads, &oracleThread{
			user: user, thread: chatkit.Thread{ID: string(id), CreatedAt: h.now, Status: chatkit.Status{Type: chatkit.StatusActive}},
		})
		return events.ThreadStream(id), ev
	}
	th := rapid.SampledFrom(alive).Draw(t, "thread")
	return events.ThreadStream(chatkitd.ThreadID(th.thread.ID)), h.threadEvent(t, th, kind)
}

func (h *history) threadEvent(t *rapid.T, th *oracleThread, kind int) events.Event {
	if th.turn != "" && (th.deleted || kind <= 2) {
		turn := th.turn
		th.turn = ""
		return rapid.SampledFrom([]events.Event{
			events.TurnCompleted{TurnID: turn, Usage: chatkitd.Usage{Input: 3, Output: 4}},
			events.TurnFailed{TurnID: turn},
			events.TurnCancelled{TurnID: turn},
			events.TurnInterrupted{TurnID: turn},
		}).Draw(t, "end")
	}
	switch {
	case kind <= 2:
		th.turn = chatkitd.TurnID(h.id("trn_"))
		return events.TurnStarted{TurnID: th.turn, Trigger: events.TriggerMessage}
	case kind == 3:
		th.thread.Title = rapid.SampledFrom(titles).Draw(t, "title")
		return events.ThreadRenamed{Title: th.thread.Title, By: "user"}
	case kind == 4:
		th.thread.Status = chatkit.Status{Type: chatkit.StatusLocked, Reason: "because"}
		return events.ThreadStatusChanged{Status: chatkit.StatusLocked, Reason: "because"}
	case kind == 5:
		th.deleted = true
		return events.ThreadDeleted{}
	case kind == 6:
		return events.ToolCalled{TurnID: "trn_x", CallID: "c", Name: "add_task", Arguments: json.RawMessage("{}")}
	case kind == 7 && len(th.items) > 0:
		i := rapid.IntRange(0, len(th.items)-1).Draw(t, "item")
		id := th.items[i].id
		th.items = slices.Delete(th.items, i, i+1)
		return events.ItemRemoved{ItemID: chatkitd.ItemID(id), Reason: "tool"}
	case kind == 8 && len(th.items) > 0:
		i := rapid.IntRange(0, len(th.items)-1).Draw(t, "item")
		typ := rapid.SampledFrom(types).Draw(t, "type")
		th.items[i].typ, th.items[i].json = typ, item(th.items[i].id, typ, h.id("again "))
		return events.ItemReplaced{Item: th.items[i].json}
	}
	typ := rapid.SampledFrom(types).Draw(t, "type")
	id := h.id("msg_")
	th.items = append(th.items, oracleItem{id, typ, item(id, typ, "hello <b>")})
	return events.ItemAdded{Item: th.items[len(th.items)-1].json}
}

// list is what Tasks must answer without limit, in order.
func (h *history) list(user chatkitd.UserID, f chatkitd.TaskFilter) []chatkitd.Task {
	out := []chatkitd.Task{}
	for _, task := range h.tasks[user] {
		query := strings.ToLower(f.Query)
		switch {
		case f.Status != "" && task.Status != f.Status,
			f.Priority != "" && task.Priority != f.Priority,
			f.Tag != "" && !slices.ContainsFunc(task.Tags, func(tag string) bool { return strings.EqualFold(tag, f.Tag) }),
			!strings.Contains(strings.ToLower(task.Title), query) && !strings.Contains(strings.ToLower(task.Description), query):
			continue
		}
		out = append(out, *task)
	}
	sort, desc := strings.CutPrefix(cmp.Or(f.Sort, "-created_at"), "-")
	if desc { // ties: the younger one first
		slices.Reverse(out)
	}
	slices.SortStableFunc(out, func(a, b chatkitd.Task) int {
		c := 0
		switch sort {
		case "created_at":
			c = a.CreatedAt.Compare(b.CreatedAt)
		case "updated_at":
			c = a.UpdatedAt.Compare(b.UpdatedAt)
		case "title":
			c = cmp.Compare(foldCase(a.Title), foldCase(b.Title))
		case "due_at":
			switch {
			case a.DueAt == nil && b.DueAt == nil:
				return 0
			case a.DueAt == nil:
				return 1
			case b.DueAt == nil:
				return -1
			}
			c = a.DueAt.Compare(*b.DueAt)
		}
		if desc {
			return -c
		}
		return c
	})
	return out
}

// visible are the items of a thread that a client may see.
func (th *oracleThread) visible() []json.RawMessage {
	out := []json.RawMessage{}
	for _, it := range th.items {
		if !chatkit.Hidden(it.typ) {
			out = append(out, it.json)
		}
	}
	return out
}

func (h *history) listThreads(user chatkitd.UserID) []chatkit.Thread {
	out := []chatkit.Thread{}
	for _, th := range h.threads {
		if th.user == user && !th.deleted {
			t := th.thread
			t.Items.Data = []json.RawMessage{}
			out = append(out, t)
		}
	}
	return out
}
