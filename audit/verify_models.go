package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/actors"
	"github.com/chatkitd/chatkitd/chatkit"
	"github.com/chatkitd/chatkitd/events"
)

// The read models that a fold is compared with.
const (
	modelTasks   = "tasks"
	modelThreads = "threads"
	modelItems   = "thread_items"
)

// modelChecks fold the log anew, each read model as far as it has come. They use
// the actors' folds. To hold a whole log, these are given lean events: of an item
// only its digest, and no idempotency keys.
type modelChecks struct {
	at      map[string]chatkitd.Position
	users   map[string]*userModel   // by stream
	threads map[string]*threadModel // by stream
	items   map[string]*itemsModel  // by stream
}

type userModel struct {
	id     chatkitd.UserID
	owner  uint64 // the position of the first event
	replay actors.UserReplay
	added  map[chatkitd.TaskID]uint64 // the revision of task.added
}

type threadModel struct {
	num                  uint64 // the position of thread.created
	replay               actors.ThreadReplay
	metadata             json.RawMessage
	turns, input, output int64
}

type itemsModel struct {
	num    uint64
	replay actors.ThreadReplay
}

// digest stands for an item in a lean event. Type and ID come first, as in an
// item: so the fold reads them.
type digest struct {
	Type string          `json:"type"`
	ID   chatkitd.ItemID `json:"id"`
	Seq  uint64          `json:"seq"` // the revision of item.added
	At   uint64          `json:"at"`  // the revision that wrote the item as it is
	Sum  string          `json:"sum"`
}

func newModelChecks(at map[string]chatkitd.Position) *modelChecks {
	return &modelChecks{at: at, users: map[string]*userModel{}, threads: map[string]*threadModel{}, items: map[string]*itemsModel{}}
}

// holds reports whether a read model should know an event.
func (m *modelChecks) holds(model string, rec *events.Recorded) bool {
	at, ok := m.at[model]
	return ok && rec.Position.Compare(at) <= 0
}

func (m *modelChecks) fold(rec *events.Recorded, ev events.Event) error {
	switch ev := ev.(type) {
	case events.User:
		if m.holds(modelTasks, rec) {
			return m.foldTask(rec, ev)
		}
	case events.Thread:
		if m.holds(modelThreads, rec) {
			if err := m.foldThread(rec, ev); err != nil {
				return err
			}
		}
		if m.holds(modelItems, rec) {
			return m.foldItem(rec, ev)
		}
	}
	return nil
}

// lean returns an event with other data, and of its metadata the time alone.
func lean(rec *events.Recorded, data []byte) (events.Recorded, error) {
	meta, err := json.Marshal(events.Metadata{RecordedAt: timeOf(rec)})
	out := *rec
	out.Data, out.Meta = data, meta
	return out, err
}

func (m *modelChecks) foldTask(rec *events.Recorded, ev events.User) error {
	if _, ok := ev.(events.EffectVoided); ok {
		return nil // of no task
	}
	u, ok := m.users[rec.Stream]
	if !ok {
		id, _ := events.UserOf(rec.Stream) // placed looked
		u = &userModel{id: id, owner: rec.Position.Commit, added: map[chatkitd.TaskID]uint64{}}
		m.users[rec.Stream] = u
	}
	id := taskOf(ev)
	switch _, there := u.replay.Task(id); ev.(type) {
	case events.TaskAdded:
		if there {
			return fmt.Errorf("task %s is added twice", id)
		}
		u.added[id] = rec.Revision
	default:
		if !there {
			return fmt.Errorf("there is no task %s", id)
		}
	}
	short, err := lean(rec, rec.Data)
	if err != nil {
		return err
	}
	return u.replay.Apply(short)
}

func (m *modelChecks) foldThread(rec *events.Recorded, ev events.Thread) error {
	t, ok := m.threads[rec.Stream]
	if !ok {
		t = &threadModel{}
		m.threads[rec.Stream] = t
	}
	switch ev := ev.(type) {
	case events.ItemAdded, events.ItemReplaced, events.ItemRemoved, events.ToolCalled, events.ToolReturned, events.FeedbackGiven,
		events.TurnCancelRequested, events.ModelCalled:
		return nil
	case events.ThreadCreated:
		*t = threadModel{num: rec.Position.Commit}
		if len(ev.Metadata) > 0 {
			var err error
			if t.metadata, err = json.Marshal(ev.Metadata); err != nil {
				return err
			}
		}
	case events.TurnStarted:
		t.turns++
	case events.TurnCompleted:
		t.input += ev.Usage.Input
		t.output += ev.Usage.Output
	case events.ThreadRenamed, events.ThreadStatusChanged, events.ThreadDeleted, events.TurnFailed, events.TurnCancelled, events.TurnInterrupted:
	}
	short, err := lean(rec, rec.Data)
	if err != nil {
		return err
	}
	return t.replay.Apply(short)
}

func (m *modelChecks) foldItem(rec *events.Recorded, ev events.Thread) error {
	t, ok := m.items[rec.Stream]
	if !ok {
		t = &itemsModel{}
		m.items[rec.Stream] = t
	}
	data := rec.Data
	var err error
	switch ev := ev.(type) {
	case events.ThreadCreated:
		t.num = rec.Position.Commit
	case events.ItemAdded:
		data, err = t.digest(rec, ev.Item)
	case events.ItemReplaced:
		data, err = t.digest(rec, ev.Item)
	case events.ItemRemoved, events.ThreadDeleted:
	case events.ThreadRenamed, events.ThreadStatusChanged, events.FeedbackGiven, events.TurnStarted, events.TurnCancelRequested, events.ModelCalled,
		events.ToolCalled, events.ToolReturned, events.TurnCompleted, events.TurnFailed, events.TurnCancelled, events.TurnInterrupted:
		return nil
	}
	if err != nil {
		return err
	}
	short, err := lean(rec, data)
	if err != nil {
		return err
	}
	return t.replay.Apply(short)
}

// digest returns the lean data of an item event. An item that is replaced keeps
// its place.
func (t *itemsModel) digest(rec *events.Recorded, item json.RawMessage) ([]byte, error) {
	d := digest{Seq: rec.Revision, At: rec.Revision, Sum: sumOf(item)}
	if err := json.Unmarshal(item, &d); err != nil { // type and id
		return nil, err
	}
	d.Seq, d.At, d.Sum = rec.Revision, rec.Revision, sumOf(item) // an item may have fields of these names
	if old, ok := t.replay.Item(d.ID); ok {
		var was digest
		if err := json.Unmarshal(old, &was); err != nil {
			return nil, err
		}
		d.Seq = was.Seq
	}
	return json.Marshal(struct {
		Item digest `json:"item"`
	}{d})
}

func sumOf(item []byte) string {
	sum := sha256.Sum256(item)
	return hex.EncodeToString(sum[:16])
}

// wanted is a row that the log asks for.
type wanted struct {
	row  json.RawMessage
	item string // its digest
	at   uint64 // for an item: the revision that wrote it
}

// rowKey names a row.
type rowKey struct{ table, key string }

// want passes every row that the log asks for to yield.
func (m *modelChecks) want(model string, yield func(rowKey, wanted) error) error {
	switch model {
	case modelTasks:
		for _, u := range m.users {
			if err := u.want(yield); err != nil {
				return err
			}
		}
	case modelThreads:
		for stream, t := range m.threads {
			if err := t.want(stream, yield); err != nil {
				return err
			}
		}
	case modelItems:
		for stream, t := range m.items {
			if err := t.want(stream, yield); err != nil {
				return err
			}
		}
	}
	return nil
}

func (u *userModel) want(yield func(rowKey, wanted) error) error {
	count := struct {
		Owner     uint64 `json:"owner"`
		Pending   int    `json:"pending"`
		Completed int    `json:"completed"`
	}{Owner: u.owner}
	for _, task := range u.replay.Tasks() {
		if task.Completed {
			count.Completed++
		} else {
			count.Pending++
		}
		row, err := json.Marshal(struct {
			Revision uint64        `json:"revision"`
			Task     chatkitd.Task `json:"task"`
		}{u.added[task.ID], task})
		if err != nil {
			return err
		}
		if err := yield(rowKey{"tasks", string(u.id) + " " + string(task.ID)}, wanted{row: row}); err != nil {
			return err
		}
	}
	row, err := json.Marshal(count)
	if err != nil {
		return err
	}
	return yield(rowKey{"task_users", string(u.id)}, wanted{row: row})
}

func (t *threadModel) want(stream string, yield func(rowKey, wanted) error) error {
	if !t.replay.Exists() {
		return nil
	}
	id, _ := events.ThreadOf(stream) // placed looked
	thread := t.replay.Thread()
	row, err := json.Marshal(struct {
		Num       uint64          `json:"num"`
		User      chatkitd.UserID `json:"user"`
		Title     string          `json:"title"`
		Status    chatkit.Status  `json:"status"`
		Metadata  json.RawMessage `json:"metadata"`
		CreatedAt time.Time       `json:"created_at"`
		Turn      chatkitd.TurnID `json:"turn"`
		Turns     int64           `json:"turns"`
		Input     int64           `json:"input_tokens"`
		Output    int64           `json:"output_tokens"`
	}{t.num, t.replay.Owner(), thread.Title, thread.Status, t.metadata, thread.CreatedAt.UTC(), t.replay.OpenTurn(), t.turns, t.input, t.output})
	if err != nil {
		return err
	}
	return yield(rowKey{"threads", string(id)}, wanted{row: row})
}

func (t *itemsModel) want(stream string, yield func(rowKey, wanted) error) error {
	if !t.replay.Exists() {
		return nil
	}
	id, _ := events.ThreadOf(stream) // placed looked
	row, err := json.Marshal(struct {
		Num  uint64          `json:"num"`
		User chatkitd.UserID `json:"user"`
	}{t.num, t.replay.Owner()})
	if err != nil {
		return err
	}
	if err := yield(rowKey{"item_threads", string(id)}, wanted{row: row}); err != nil {
		return err
	}
	for _, raw := range t.replay.Items() {
		var d digest
		if err := json.Unmarshal(raw, &d); err != nil {
			return err
		}
		row, err := json.Marshal(struct {
			Seq    uint64 `json:"seq"`
			Type   string `json:"type"`
			Hidden bool   `json:"hidden"`
		}{d.Seq, d.Type, chatkit.Hidden(d.Type)})
		if err != nil {
			return err
		}
		if err := yield(rowKey{"thread_items", string(id) + " " + string(d.ID)}, wanted{row, d.Sum, d.At}); err != nil {
			return err
		}
	}
	return nil
}
