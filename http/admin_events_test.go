package http_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/chatkit"
	chatkitdhttp "github.com/chatkitd/chatkitd/http"
)

func view(n uint64) chatkitd.EventView {
	return chatkitd.EventView{
		Position: pos(n), Stream: "user-alice", Revision: n + 100, Type: "task.added.v1", ID: fmt.Sprintf("id-%d", n),
		Time: time.Date(2026, 11, 23, 10, 0, int(n%60), 0, time.UTC), Data: json.RawMessage("{\n\"title\": \"<b>\"}"), Metadata: json.RawMessage("{}"), Summary: "added", Cause: "req_1",
	}
}

func TestListEvents(t *testing.T) {
	ten := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	tests := []struct {
		query  string
		want   chatkitd.EventQuery
		logged string
	}{
		{"", chatkitd.EventQuery{}, "{}"},
		{
			"user=%C3%9Cnal&type=task.added.v1&type=task.deleted.v1&from=3&to=9%2F8&since=2026-11-23T10:00:00Z&until=2026-11-23T12:00:00%2B01:00&newest=true&limit=7&after=5",
			chatkitd.EventQuery{
				User: "Ünal", Types: []string{"task.added.v1", "task.deleted.v1"}, From: pos(3), To: chatkitd.Position{Commit: 9, Prepare: 8},
				Since: ten, Until: ten.Add(time.Hour), Newest: true, Limit: 7, After: pos(5),
			},
			`{"after":"5","from":"3","limit":"7","newest":"true","since":"2026-11-23T10:00:00Z","to":"9/8","type":["task.added.v1","task.deleted.v1"],"until":"2026-11-23T12:00:00+01:00","user":"Ünal"}`,
		},
		{"stream=user-a%2540b&order=desc&limit=5000", chatkitd.EventQuery{Stream: "user-a%40b", Newest: true, Limit: 1000}, `{"limit":"5000","order":"desc","stream":"user-a%40b"}`},
		{"thread=thr_1&order=asc&newest=false", chatkitd.EventQuery{Thread: "thr_1"}, `{"newest":"false","order":"asc","thread":"thr_1"}`},
	}
	for _, tt := range tests {
		var got chatkitd.EventQuery
		o := &office{events: func(q chatkitd.EventQuery) (chatkitd.EventPage, error) {
			got = q
			return chatkitd.EventPage{Data: []chatkitd.EventView{view(1)}, HasMore: true, After: "1", Head: pos(99)}, nil
		}}
		resp := o.open(t).operator(t, "eve").Do(t, "GET", "/api/v1/admin/events?"+tt.query, nil, "X-Request-Id", "req_eve")
		const want = `{"data":[{"position":"1","stream":"user-alice","revision":101,"type":"task.added.v1","id":"id-1","time":"2026-11-23T10:00:01Z",` +
			`"data":{"title":"<b>"},"metadata":{},"summary":"added","cause":"req_1"}],"has_more":true,"after":"1","head":"99"}`
		if resp.Status != http.StatusOK || string(resp.Body) != want {
			t.Errorf("%s: got %d\n%s, want\n%s", tt.query, resp.Status, resp.Body, want)
		}
		if resp.Header.Get("Cache-Control") != "no-store" || resp.Header.Get("Vary") == "" || resp.Header.Get("Content-Type") != "application/json" {
			t.Errorf("headers %v", resp.Header)
		}
		if !sameQuery(got, tt.want) {
			t.Errorf("%s: asked for %+v, want %+v", tt.query, got, tt.want)
		}
		if log, _ := o.taken(); len(log) != 1 || log[0] != "eve req_eve read events "+tt.logged {
			t.Errorf("%s: written: %q", tt.query, log)
		}
	}
}

// sameQuery compares times by their moment.
func sameQuery(a, b chatkitd.EventQuery) bool {
	same := a.Since.Equal(b.Since) && a.Until.Equal(b.Until)
	a.Since, a.Until, b.Since, b.Until = time.Time{}, time.Time{}, time.Time{}, time.Time{}
	return same && reflect.DeepEqual(a, b)
}

// TestBadQuestions asks what cannot be answered: 400, which names the parameter
// and says what to do, and nothing is read or written.
func TestBadQuestions(t *testing.T) {
	o := &office{}
	s := o.open(t)
	c := s.operator(t, "eve")
	long := strings.Repeat("x", 300)
	for path, says := range map[string]string{
		"events?usr=alice":                    `"usr"`,
		"events?user=alice&user=bob":          "user is given 2 times",
		"events?user=":                        "user is empty",
		"events?type=":                        "type is empty",
		"events?user=alice&thread=thr_1":      "user and thread exclude",
		"events?stream=s&user=alice":          "stream and user exclude",
		"events?user=%20alice":                "user must",
		"events?user=" + long:                 "user must",
		"events?thread=a/b":                   "thread must",
		"events?stream=" + long + long + long: "stream must",
		"events?from=x":                       "from must",
		"events?to=-1":                        "to must",
		"events?after=18446744073709551616":   "after must",
		"events?from=9&to=3":                  "from 9 lies behind to 3",
		"events?since=yesterday":              "since must be a time such as 2026-11-23T10:00:00Z",
		"events?until=2026-11-23":             "until must be",
		"events?since=2026-11-23T10:00:00+01": "since must be",
		"events?since=2026-11-23T10:00:00Z&until=2026-11-23T10:00:00Z": "since must lie before until",
		"events?newest=perhaps":                   "newest must be",
		"events?order=down":                       "order must be asc",
		"events?order=asc&newest=true":            "order and newest contradict",
		"events?limit=0":                          "limit must be a number from 1 to 1000",
		"events?limit=ten":                        "limit must be",
		"streams/user-alice?after=-1":             "after must",
		"streams/user-alice?user=alice":           `"user"`,
		"replay":                                  "user or thread is required",
		"replay?user=alice&thread=thr_1":          "user and thread exclude",
		"replay?user=alice&at=noon":               "at must be a time",
		"replay?user=alice&position=x":            "position must",
		"replay?user=alice&revision=1.5":          "revision must",
		"replay?user=alice&revision=1&position=2": "position and revision exclude",
		"replay?user=alice&steps=maybe":           "steps must be",
		"replay?user=alice&limit=5":               "steps=true",
		"replay?user=alice&after=5":               "steps=true",
		"replay?user=alice&steps=true&limit=0":    "limit must be a number from 1 to 1000",
		"replay?user=alice&steps=true&after=-1":   "after must be a whole number",
		"replay?user=alice&steps=true&order=up":   "order must be",
		"trace/" + long:                           "the id must be",
		"trace/a%0ab":                             "the id must be",
		"trace/trn_1?depth=3":                     `"depth"`,
		"projections?name=tasks":                  `"name"`,
	} {
		resp := c.Do(t, "GET", "/api/v1/admin/"+path, nil)
		if resp.Status != http.StatusBadRequest || resp.Code() != "invalid_request" || !strings.Contains(messageOf(t, resp.Body), says) {
			t.Errorf("%s: got %d %s, want %q", path, resp.Status, resp.Body, says)
		}
	}
	for query, says := range map[string]string{"to=3": "to is not for the live log", "until=2026-11-23T10:00:00Z": "until is", "order=desc": "order is", "limit=3": "limit is", "newest=false": "newest is", "from=x": "from must"} {
		resp := c.Do(t, "GET", "/api/v1/admin/events?"+query, nil, "Accept", eventStream)
		if resp.Status != http.StatusBadRequest || !strings.Contains(messageOf(t, resp.Body), says) {
			t.Errorf("live %s: got %d %s", query, resp.Status, resp.Body)
		}
	}
	if resp := c.Do(t, "GET", "/api/v1/admin/events", nil, "Accept", eventStream, "Last-Event-ID", "trn_1:7"); resp.Status != http.StatusBadRequest || !strings.Contains(messageOf(t, resp.Body), "Last-Event-ID") {
		t.Errorf("a foreign Last-Event-ID: got %d %s", resp.Status, resp.Body)
	}
	for _, line := range []string{"GET /api/v1/admin/streams/user-%zz", "GET /api/v1/admin/trace/%", "POST /api/v1/admin/projections/t%zz/pause"} {
		if resp := s.raw(t, line+" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nAuthorization: Bearer "+c.Token+"\r\n\r\n"); resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: got %d", line, resp.StatusCode)
		}
	}
	if log, done := o.taken(); len(log)+len(done) > 0 {
		t.Errorf("written %v, done %v", log, done)
	}
}

func messageOf(t *testing.T, body []byte) string {
	t.Helper()
	var b struct{ Error struct{ Message string } }
	if err := json.Unmarshal(body, &b); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return b.Error.Message
}

func TestAuditorErrors(t *testing.T) {
	for _, tt := range []struct {
		err    error
		status int
		says   string
	}{
		{chatkitd.Errorf(chatkitd.CodeNotFound, "there is no stream user-al: see chatkitd events"), 404, "there is no stream user-al: see chatkitd events"},
		{chatkitd.Errorf(chatkitd.CodeInvalid, "position 99 is past the end, which is 7"), 400, "past the end"},
		{chatkitd.Errorf(chatkitd.CodeUnavailable, "the log cannot be read").Because(errBroken), 503, "the log cannot be read"},
		{errBroken, 500, "internal error"},
	} {
		o := &office{
			events: func(chatkitd.EventQuery) (chatkitd.EventPage, error) { return chatkitd.EventPage{}, tt.err },
			replay: func(chatkitd.ReplayQuery) (chatkitd.Replay, error) { return chatkitd.Replay{}, tt.err },
			trace:  func(string) (chatkitd.TraceNode, error) { return chatkitd.TraceNode{}, tt.err },
		}
		c := o.open(t).operator(t, "eve")
		for _, path := range []string{"events", "streams/user-al", "replay?user=al", "trace/al"} {
			resp := c.Do(t, "GET", "/api/v1/admin/"+path, nil)
			if got := messageOf(t, resp.Body); resp.Status != tt.status || !strings.Contains(got, tt.says) || strings.Contains(got, "disk") {
				t.Errorf("%s: got %d %s, want %d %s", path, resp.Status, resp.Body, tt.status, tt.says)
			}
		}
	}
}

func TestListStream(t *testing.T) {
	var got chatkitd.EventQuery
	o := &office{events: func(q chatkitd.EventQuery) (chatkitd.EventPage, error) {
		got = q
		return chatkitd.EventPage{Data: []chatkitd.EventView{view(1), view(2)}, HasMore: true, After: "2", Head: pos(99)}, nil
	}}
	c := o.open(t).operator(t, "eve")
	resp := c.Do(t, "GET", "/api/v1/admin/streams/"+url.PathEscape("user-a%2Fb c%25")+"?after=100&limit=2&order=desc", nil, "X-Request-Id", "req_1")
	var page struct {
		Data    []chatkitd.EventView
		HasMore bool `json:"has_more"`
		After   string
	}
	resp.Decode(t, &page)
	if resp.Status != http.StatusOK || len(page.Data) != 2 || !page.HasMore || page.After != "102" {
		t.Errorf("got %d %s", resp.Status, resp.Body)
	}
	after := uint64(100)
	if want := (chatkitd.EventQuery{Stream: "user-a%2Fb c%25", AfterRevision: &after, Limit: 2, Newest: true}); !reflect.DeepEqual(got, want) {
		t.Errorf("asked for %+v, want %+v", got, want)
	}
	if log, _ := o.taken(); len(log) != 1 || log[0] != `eve req_1 read stream {"after":"100","limit":"2","order":"desc","stream":"user-a%2Fb c%25"}` {
		t.Errorf("written: %q", log)
	}
	o.events = func(chatkitd.EventQuery) (chatkitd.EventPage, error) { return chatkitd.EventPage{Head: pos(9)}, nil }
	if resp := c.Do(t, "GET", "/api/v1/admin/streams/user-alice?after=7", nil); string(resp.Body) != `{"data":[],"has_more":false,"head":"9"}` {
		t.Errorf("an empty page: got %s", resp.Body)
	}
	if resp := c.Do(t, "GET", "/api/v1/admin/streams/"+strings.Repeat("x", 1000), nil); resp.Status != http.StatusNotFound {
		t.Errorf("got %d %s", resp.Status, resp.Body)
	}
}

func TestReplay(t *testing.T) {
	seven, rev := pos(7), uint64(0)
	none := chatkitd.Position{}
	for _, tt := range []struct {
		query  string
		state  chatkitd.Replay
		want   chatkitd.ReplayQuery
		answer string
	}{
		{"user=alice", chatkitd.Replay{Stream: "user-alice"}, chatkitd.ReplayQuery{User: "alice"}, `{"stream":"user-alice","position":"0","tasks":[]}`},
		{"user=alice&position=0", chatkitd.Replay{}, chatkitd.ReplayQuery{User: "alice", Position: &none}, `"tasks":[]`},
		{
			"user=alice&position=7&steps=true",
			chatkitd.Replay{Stream: "user-alice", Position: seven, Tasks: []chatkitd.Task{{ID: "tsk_1", Title: "milk"}}},
			chatkitd.ReplayQuery{User: "alice", Position: &seven, Steps: true},
			`"steps":[]`,
		},
		{
			"user=alice&steps=true&after=0&order=desc&limit=5000",
			chatkitd.Replay{Stream: "user-alice", Steps: []chatkitd.ReplayStep{{Subject: "tsk_1", Before: json.RawMessage("null"), After: json.RawMessage("null")}}, HasMore: true, After: &rev},
			chatkitd.ReplayQuery{User: "alice", Steps: true, Newest: true, Limit: 1000, After: &rev},
			`"subject":"tsk_1","before":null,"after":null}],"has_more":true,"after":0}`,
		},
		{
			"thread=thr_1&revision=0",
			chatkitd.Replay{Stream: "thread-thr_1", Thread: &chatkit.Thread{ID: "thr_1"}},
			chatkitd.ReplayQuery{Thread: "thr_1", Revision: &rev},
			`"items":[]`,
		},
		{
			"thread=thr_1&at=2026-11-23T10:00:00.5Z",
			chatkitd.Replay{Items: []json.RawMessage{json.RawMessage(`{"id":"msg_1"}`)}},
			chatkitd.ReplayQuery{Thread: "thr_1", At: time.Date(2026, 11, 23, 10, 0, 0, 5e8, time.UTC)},
			`"items":[{"id":"msg_1"}]`,
		},
	} {
		var got chatkitd.ReplayQuery
		o := &office{replay: func(q chatkitd.ReplayQuery) (chatkitd.Replay, error) { got = q; return tt.state, nil }}
		resp := o.open(t).operator(t, "eve").Do(t, "GET", "/api/v1/admin/replay?"+tt.query, nil)
		if resp.Status != http.StatusOK || !strings.Contains(string(resp.Body), tt.answer) {
			t.Errorf("%s: got %d %s, want %s", tt.query, resp.Status, resp.Body, tt.answer)
		}
		if !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: asked for %+v, want %+v", tt.query, got, tt.want)
		}
		if log, _ := o.taken(); len(log) != 1 || !strings.Contains(log[0], " read replay {") {
			t.Errorf("%s: written: %q", tt.query, log)
		}
	}
}

func TestTrace(t *testing.T) {
	var got string
	o := &office{trace: func(id string) (chatkitd.TraceNode, error) {
		got = id
		return chatkitd.TraceNode{Kind: "request", ID: "req_1", Title: "POST", Children: []chatkitd.TraceNode{{Kind: "turn", ID: "trn_1"}}}, nil
	}}
	resp := o.open(t).operator(t, "eve").Do(t, "GET", "/api/v1/admin/trace/call%2F1", nil)
	if resp.Status != http.StatusOK || got != "call/1" || string(resp.Body) != `{"kind":"request","id":"req_1","title":"POST","children":[{"kind":"turn","id":"trn_1","title":""}]}` {
		t.Errorf("asked for %q, got %d %s", got, resp.Status, resp.Body)
	}
	if log, _ := o.taken(); len(log) != 1 || !strings.HasSuffix(log[0], `read trace {"id":"call/1"}`) {
		t.Errorf("written: %q", log)
	}
}

func TestFollowEvents(t *testing.T) {
	asked := make(chan chatkitd.EventQuery, 1)
	feed := make(chan chatkitd.EventView)
	ended := make(chan struct{})
	o := &office{follow: func(ctx context.Context, q chatkitd.EventQuery, yield func(chatkitd.EventView) error) error {
		defer close(ended)
		asked <- q
		for {
			select {
			case ev := <-feed:
				if err := yield(ev); err != nil {
					return err
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}}
	s := o.open(t, func(o *chatkitdhttp.Options) { o.Heartbeat = 20 * time.Millisecond })
	st := s.operator(t, "eve").Stream(t, "GET", "/api/v1/admin/events?user=alice&type=task.added.v1&from=3", nil, "Accept", eventStream, "X-Request-Id", "req_1", "Last-Event-ID", "5")
	if got := st.Header.Get("Content-Type"); got != eventStream {
		t.Errorf("content type %q", got)
	}
	if got, want := <-asked, (chatkitd.EventQuery{User: "alice", Types: []string{"task.added.v1"}, From: pos(3), After: pos(5)}); !reflect.DeepEqual(got, want) {
		t.Errorf("asked for %+v, want %+v", got, want)
	}
	for range 2 {
		if ev, err := st.Next(); err != nil || ev.Comment != "ping" {
			t.Errorf("heartbeat: got %+v, %v", ev, err)
		}
	}
	feed <- view(6)
	feed <- view(7)
	for n := uint64(6); n <= 7; n++ {
		ev := st.Event(t)
		var got chatkitd.EventView
		if err := json.Unmarshal([]byte(ev.Data), &got); err != nil || ev.Name != "event" || ev.ID != fmt.Sprint(n) || got.Position != pos(n) || got.Revision != n+100 || got.Summary != "added" {
			t.Errorf("got %+v, %v", ev, err)
		}
	}
	if log, _ := o.taken(); len(log) != 1 || log[0] != `eve req_1 read events {"after":"5","follow":true,"from":"3","type":"task.added.v1","user":"alice"}` {
		t.Errorf("written: %q", log)
	}
	st.Close()
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.Error("the log is still followed after the client has gone")
	}
	eventually(t, "the slot is free", func() bool { return s.metric(t, "chatkitd_http_open_streams", "") == 0 })
}

// TestFollowEventsSlowly has a client that does not read: the log is read a
// bounded number of events ahead, and nothing is lost once it reads.
func TestFollowEventsSlowly(t *testing.T) {
	const n, size = 250, 100 << 10
	sent := make(chan int, 1)
	sent <- 0
	o := &office{follow: func(ctx context.Context, _ chatkitd.EventQuery, yield func(chatkitd.EventView) error) error {
		for i := range uint64(n) {
			ev := view(i + 1)
			ev.Data = json.RawMessage(`"` + strings.Repeat("x", size) + `"`)
			if err := yield(ev); err != nil {
				return err
			}
			sent <- <-sent + 1
		}
		<-ctx.Done()
		return ctx.Err()
	}}
	s := o.open(t)
	st := s.operator(t, "eve").Stream(t, "GET", "/api/v1/admin/events", nil, "Accept", eventStream)
	last := -1
	eventually(t, "the reading stands still", func() bool {
		now := <-sent
		sent <- now
		still := now > 0 && now == last
		last = now
		time.Sleep(20 * time.Millisecond) // longer than an event takes
		return still
	})
	if last > n/2 {
		t.Errorf("%d events of %d bytes were read for a client that does not", last, size)
	}
	for i := range uint64(n) {
		if ev := st.Event(t); ev.ID != fmt.Sprint(i+1) || len(ev.Data) < size {
			t.Fatalf("event %d is %s of %d bytes", i+1, ev.ID, len(ev.Data))
		}
	}
}

func TestFollowEventsFails(t *testing.T) {
	for name, tt := range map[string]struct {
		end  func(chatkitd.EventQuery) error
		code string
		says string
	}{
		"refused": {func(chatkitd.EventQuery) error { return chatkitd.Errorf(chatkitd.CodeInvalid, "no such type") }, "invalid_request", "no such type"},
		"outage": {func(chatkitd.EventQuery) error {
			return chatkitd.Errorf(chatkitd.CodeUnavailable, "try later").Because(errBroken)
		}, "unavailable", "try later"},
		"a fault":  {func(chatkitd.EventQuery) error { return errBroken }, "internal", "internal error"},
		"a panic":  {func(chatkitd.EventQuery) error { panic("the disk is broken") }, "internal", "internal error"},
		"it ended": {func(chatkitd.EventQuery) error { return nil }, "unavailable", "resume"},
	} {
		t.Run(name, func(t *testing.T) {
			o := &office{follow: func(_ context.Context, q chatkitd.EventQuery, yield func(chatkitd.EventView) error) error {
				if err := yield(view(1)); err != nil {
					return err
				}
				return tt.end(q)
			}}
			all := o.open(t).operator(t, "eve").Stream(t, "GET", "/api/v1/admin/events", nil, "Accept", eventStream).All(t)
			if len(all) != 2 || all[0].Name != "event" || all[1].Name != "error" || all[1].ID != "" ||
				!strings.Contains(all[1].Data, `"code":"`+tt.code+`"`) || !strings.Contains(all[1].Data, tt.says) || strings.Contains(all[1].Data, "disk") {
				t.Errorf("got %+v", all)
			}
		})
	}
	o := &office{follow: func(_ context.Context, _ chatkitd.EventQuery, yield func(chatkitd.EventView) error) error {
		ev := view(1)
		ev.Data = json.RawMessage("{broken")
		return yield(ev)
	}}
	all := o.open(t).operator(t, "eve").Stream(t, "GET", "/api/v1/admin/events", nil, "Accept", eventStream).All(t)
	if len(all) != 1 || all[0].Name != "error" {
		t.Errorf("an event that is no JSON: got %+v", all)
	}
}

// TestFollowEventsAtShutdown ends the stream properly, so that a client resumes.
func TestFollowEventsAtShutdown(t *testing.T) {
	o := &office{follow: func(ctx context.Context, _ chatkitd.EventQuery, yield func(chatkitd.EventView) error) error {
		if err := yield(view(1)); err != nil {
			return err
		}
		<-ctx.Done()
		return ctx.Err()
	}}
	s := o.open(t)
	st := s.operator(t, "eve").Stream(t, "GET", "/api/v1/admin/events", nil, "Accept", eventStream)
	st.Event(t)
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if rest := st.All(t); len(rest) != 0 {
		t.Errorf("got %+v", rest)
	}
}
