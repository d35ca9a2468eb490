package http_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chatkitd/chatkitd"
	chatkitdhttp "github.com/chatkitd/chatkitd/http"
)

// live is a chatkitd.TaskReader's watch that a test feeds.
type live struct {
	at      chatkitd.Position
	resumed bool
	changes chan chatkitd.TaskChange

	mu      sync.Mutex
	asked   []chatkitd.Position
	stopped int
}

func newLive(at uint64) *live {
	return &live{at: pos(at), changes: make(chan chatkitd.TaskChange, 64)}
}

func pos(n uint64) chatkitd.Position { return chatkitd.Position{Commit: n, Prepare: n} }

func (l *live) watch(_ chatkitd.UserID, after chatkitd.Position) (chatkitd.TaskWatch, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked = append(l.asked, after)
	at := l.at
	if l.resumed {
		at = after
	}
	return chatkitd.TaskWatch{At: at, Resumed: l.resumed, Changes: l.changes, Stop: func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.stopped++
	}}, nil
}

func (l *live) stops() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stopped
}

const eventStream = "text/event-stream"

func TestFollowTasks(t *testing.T) {
	l := newLive(10)
	s := start(t, &fake{watchTasks: l.watch, tasks: func(u chatkitd.UserID, _ chatkitd.TaskFilter) (chatkitd.TaskPage, error) {
		return chatkitd.TaskPage{Data: []chatkitd.Task{{ID: "tsk_1", Title: string(u)}}, Total: 1, Pending: 1}, nil
	}}, func(o *chatkitdhttp.Options) { o.Heartbeat = 20 * time.Millisecond })
	st := s.client(t, "alice").Stream(t, "GET", "/api/v1/tasks", nil, "Accept", eventStream)
	if got := st.Header.Get("Content-Type"); got != eventStream {
		t.Errorf("content type %q", got)
	}
	first := st.Event(t)
	var page chatkitd.TaskPage
	if err := json.Unmarshal([]byte(first.Data), &page); err != nil || first.Name != "snapshot" || first.ID != "10" || len(page.Data) != 1 || page.Data[0].Title != "alice" || page.Total != 1 {
		t.Fatalf("got %+v, %v", first, err)
	}
	if ev, err := st.Next(); err != nil || ev.Comment != "ping" {
		t.Errorf("heartbeat: got %+v, %v", ev, err)
	}
	l.changes <- chatkitd.TaskChange{Position: pos(11), ID: "tsk_2", Task: &chatkitd.Task{ID: "tsk_2", Title: "line\nbreak & <b>"}}
	l.changes <- chatkitd.TaskChange{Position: pos(12), ID: "tsk_1"}
	ev := st.Event(t)
	var task chatkitd.Task
	if err := json.Unmarshal([]byte(ev.Data), &task); err != nil || ev.Name != "changed" || ev.ID != "11" || task.ID != "tsk_2" || task.Title != "line\nbreak & <b>" {
		t.Errorf("got %+v", ev)
	}
	if ev := st.Event(t); ev.Name != "removed" || ev.ID != "12" || ev.Data != `{"id":"tsk_1"}` {
		t.Errorf("got %+v", ev)
	}
	close(l.changes) // the watcher was too slow: the stream ends, the client resumes
	if rest := st.All(t); len(rest) != 0 {
		t.Errorf("got %+v", rest)
	}
	eventually(t, "the watch is stopped", func() bool { return l.stops() == 1 })
}

func TestFollowTasksResumes(t *testing.T) {
	tests := []struct {
		name, last string
		resumed    bool
		asked      uint64
		snapshot   bool
	}{
		{"first time", "", false, 0, true},
		{"known", "7", true, 7, false},
		{"no longer known", "7", false, 7, true},
		{"not a position", "trn_1:7", true, 0, true},
		{"the reader knows all from the start", "", true, 0, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := newLive(10)
			l.resumed = tt.resumed
			l.changes <- chatkitd.TaskChange{Position: pos(11), ID: "tsk_1", Task: &chatkitd.Task{ID: "tsk_1"}}
			s := start(t, &fake{watchTasks: l.watch, tasks: func(chatkitd.UserID, chatkitd.TaskFilter) (chatkitd.TaskPage, error) {
				return chatkitd.TaskPage{}, nil
			}})
			var headers []string
			if tt.last != "" {
				headers = []string{"Last-Event-ID", tt.last}
			}
			st := s.client(t, "alice").Stream(t, "GET", "/api/v1/tasks", nil, append(headers, "Accept", eventStream)...)
			ev := st.Event(t)
			if l.asked[0] != pos(tt.asked) {
				t.Errorf("asked for what is after %v", l.asked[0])
			}
			if tt.snapshot {
				// What the watch told before the list was read is in the list.
				if ev.Name != "snapshot" || ev.ID != "11" || !strings.HasPrefix(ev.Data, `{"data":[],`) {
					t.Errorf("got %+v, want a snapshot at 11", ev)
				}
				l.changes <- chatkitd.TaskChange{Position: pos(12), ID: "tsk_1"}
				ev = st.Event(t)
			}
			if want := map[bool]string{true: "removed 12", false: "changed 11"}[tt.snapshot]; ev.Name+" "+ev.ID != want {
				t.Errorf("got %+v, want %s", ev, want)
			}
			close(l.changes)
		})
	}
}

func TestFollowTasksSnapshot(t *testing.T) {
	const have = 1234
	l := newLive(10)
	gone := 2 // times that the list changes while it is read
	s := start(t, &fake{watchTasks: l.watch, tasks: func(_ chatkitd.UserID, f chatkitd.TaskFilter) (chatkitd.TaskPage, error) {
		from := 0
		if f.After != "" {
			if gone > 0 {
				gone--
				return chatkitd.TaskPage{}, chatkitd.Errorf(chatkitd.CodeInvalid, "after is gone")
			}
			if _, err := fmt.Sscanf(string(f.After), "tsk_%d", &from); err != nil {
				return chatkitd.TaskPage{}, err
			}
			from++
		}
		p := chatkitd.TaskPage{Total: have}
		for i := from; i < min(from+f.Limit, have); i++ {
			p.Data = append(p.Data, chatkitd.Task{ID: chatkitd.TaskID(fmt.Sprintf("tsk_%d", i))})
		}
		p.HasMore = from+len(p.Data) < have
		p.After = string(p.Data[len(p.Data)-1].ID)
		return p, nil
	}})
	c := s.client(t, "alice")
	var page chatkitd.TaskPage
	if err := json.Unmarshal([]byte(c.Stream(t, "GET", "/api/v1/tasks", nil, "Accept", eventStream).Event(t).Data), &page); err != nil {
		t.Fatal(err)
	}
	if len(page.Data) != 1000 || !page.HasMore || page.After != "tsk_999" || page.Total != have {
		t.Errorf("got %d tasks, more %t, after %s, total %d", len(page.Data), page.HasMore, page.After, page.Total)
	}
	for i, task := range page.Data {
		if want := chatkitd.TaskID(fmt.Sprintf("tsk_%d", i)); task.ID != want {
			t.Fatalf("task %d is %s", i, task.ID)
		}
	}
	gone = 100
	if resp := c.Do(t, "GET", "/api/v1/tasks", nil, "Accept", eventStream); resp.Status != 503 {
		t.Errorf("a list that never holds still: got %d %s", resp.Status, resp.Body)
	}
	if l.stops() != 1 {
		t.Errorf("the watch was stopped %d times, want once", l.stops())
	}
	if got := s.metric(t, "chatkitd_http_open_streams", ""); got != 1 {
		t.Errorf("%v streams are open, want 1", got)
	}
}

func TestFollowTasksRefusals(t *testing.T) {
	l := newLive(10)
	s := start(t, &fake{watchTasks: func(u chatkitd.UserID, p chatkitd.Position) (chatkitd.TaskWatch, error) {
		if u == "bob" {
			return chatkitd.TaskWatch{}, errors.New("dsn=secret")
		}
		return l.watch(u, p)
	}})
	c := s.client(t, "alice")
	if resp := c.Do(t, "GET", "/api/v1/tasks?status=pending", nil, "Accept", eventStream); resp.Status != 400 || !strings.Contains(string(resp.Body), "status") {
		t.Errorf("a filter: got %d %s", resp.Status, resp.Body)
	}
	if resp := c.As("test-token-bob").Do(t, "GET", "/api/v1/tasks", nil, "Accept", eventStream); resp.Status != 500 {
		t.Errorf("a failure: got %d %s", resp.Status, resp.Body)
	}
	if got := s.metric(t, "chatkitd_http_open_streams", ""); got != 0 {
		t.Errorf("%v streams are open", got)
	}
}
