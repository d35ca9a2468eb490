package audit_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
)

func revisions(steps []chatkitd.ReplayStep) []uint64 {
	out := []uint64{}
	for _, s := range steps {
		out = append(out, s.Event.Revision)
	}
	return out
}

// TestStepPages wants the pages of any size, in both orders, to be the steps of one
// pass, each with its difference.
func TestStepPages(t *testing.T) {
	w := newWorld(t)
	w.alice()
	for i := range 30 {
		w.task("alice", events.TaskUpdated{TaskID: "tsk_plants", Title: chatkitd.To(fmt.Sprint("title ", i))})
	}
	a := w.auditor(true)
	rapid.Check(t, func(rt *rapid.T) {
		q := chatkitd.ReplayQuery{User: "alice"}
		if rapid.Bool().Draw(rt, "bounded") {
			q.Revision = to(rapid.Uint64Range(0, 34).Draw(rt, "revision"))
		}
		var want []chatkitd.ReplayStep
		if err := a.Steps(t.Context(), q, func(s chatkitd.ReplayStep) error { want = append(want, s); return nil }); err != nil {
			rt.Fatal(err)
		}
		q.Steps, q.Newest, q.Limit = true, rapid.Bool().Draw(rt, "newest"), rapid.IntRange(1, 40).Draw(rt, "limit")
		if q.Newest {
			slices.Reverse(want)
		}
		var got []chatkitd.ReplayStep
		for page := 0; ; page++ {
			r, err := a.Replay(t.Context(), q)
			if err != nil || len(r.Steps) > q.Limit {
				rt.Fatal(err, len(r.Steps))
			}
			if (r.Tasks != nil) != (page == 0) {
				rt.Fatalf("page %d has %d tasks", page, len(r.Tasks))
			}
			got = append(got, r.Steps...)
			if !r.HasMore {
				break
			}
			if *r.After != r.Steps[len(r.Steps)-1].Event.Revision {
				rt.Fatalf("after %d, last %d", *r.After, r.Steps[len(r.Steps)-1].Event.Revision)
			}
			q.After = r.After
		}
		if !slices.Equal(revisions(got), revisions(want)) {
			rt.Fatalf("%v, want %v", revisions(got), revisions(want))
		}
		for i := range got {
			if string(got[i].Before) != string(want[i].Before) || string(got[i].After) != string(want[i].After) || got[i].Event.Summary != want[i].Event.Summary {
				rt.Fatalf("%+v, want %+v", got[i], want[i])
			}
		}
	})
}

// TestLargeSteps wants a page cut that would hold more than eight mebibytes, in both
// orders and without losing a step.
func TestLargeSteps(t *testing.T) {
	w := newWorld(t)
	large := strings.Repeat("x", 400_000)
	w.task("alice", events.TaskAdded{TaskID: "tsk_1", Title: "x"})
	for i := range 11 {
		w.task("alice", events.TaskUpdated{TaskID: "tsk_1", Description: chatkitd.To(fmt.Sprint(i, large))})
	}
	for _, newest := range []bool{false, true} {
		q := chatkitd.ReplayQuery{User: "alice", Steps: true, Newest: newest}
		n := 0
		for pages := 1; ; pages++ {
			r, err := w.auditor(true).Replay(t.Context(), q)
			if err != nil || len(r.Steps) == 0 {
				t.Fatal(err)
			}
			size := 0
			for _, s := range r.Steps {
				want := n
				if newest {
					want = 11 - n
				}
				if s.Event.Revision != uint64(want) {
					t.Fatalf("revision %d, want %d", s.Event.Revision, want)
				}
				n++
				size += len(s.Event.Data) + len(s.Before) + len(s.After)
			}
			if size > 8<<20 {
				t.Errorf("a page of %d bytes", size)
			}
			if q.After = r.After; !r.HasMore {
				break
			}
		}
		if n != 12 {
			t.Errorf("%d steps", n)
		}
	}
}

// TestNextPageIsCheap wants page after page of a stream, and what is new in it, to
// be read once; and a stream that begins anew to be read anew.
func TestNextPageIsCheap(t *testing.T) {
	w := newWorld(t)
	add := func(from, to int) {
		evs := []events.Event{}
		for i := from; i < to; i++ {
			evs = append(evs, events.TaskAdded{TaskID: chatkitd.TaskID(fmt.Sprint("t", i)), Title: fmt.Sprint(i)})
		}
		w.append("user-alice", events.Metadata{User: "alice", Correlation: "r"}, evs...)
	}
	add(0, 2000)
	a := w.auditor(true)
	q := chatkitd.ReplayQuery{User: "alice", Steps: true, After: to(uint64(9))}
	page := func(cost int) chatkitd.Replay {
		t.Helper()
		before := w.store.reads
		r, err := a.Replay(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if n := w.store.reads - before; n > cost {
			t.Errorf("after %d: %d events read, want %d at most", *q.After, n, cost)
		}
		return r
	}
	for r := page(120); r.HasMore; r = page(110) {
		q.After = r.After
	}
	add(2000, 2003)
	q.After = to(uint64(1999))
	if r := page(10); len(r.Steps) != 3 {
		t.Errorf("%d new steps", len(r.Steps))
	}
	if err := w.store.Delete(t.Context(), "user-alice", events.Exists); err != nil {
		t.Fatal(err)
	}
	add(5000, 5002)
	q.After = to(uint64(2002))
	r := page(10)
	if len(r.Steps) != 2 {
		t.Errorf("%d steps of a new begin", len(r.Steps))
	}
	whole, err := a.Replay(t.Context(), chatkitd.ReplayQuery{User: "alice"})
	if err != nil || len(whole.Tasks) != 2 {
		t.Errorf("%d tasks: those of before the deletion are gone, %v", len(whole.Tasks), err)
	}
}

func TestBadStepPages(t *testing.T) {
	w := newWorld(t)
	w.alice()
	for _, q := range []chatkitd.ReplayQuery{
		{Limit: 3}, {Newest: true}, {After: to(uint64(1))}, {Steps: true, Limit: -1}, {Steps: true, Limit: 1001},
	} {
		q.User = "alice"
		if _, err := w.auditor(true).Replay(t.Context(), q); chatkitd.CodeOf(err) != chatkitd.CodeInvalid {
			t.Errorf("%+v: %v", q, err)
		}
	}
	for _, after := range []uint64{4, 99, 1<<64 - 1} { // the last step, and behind it
		r, err := w.auditor(true).Replay(t.Context(), chatkitd.ReplayQuery{User: "alice", Steps: true, After: &after})
		if err != nil || len(r.Steps) > 0 || r.HasMore {
			t.Errorf("after %d: %+v %v", after, r, err)
		}
	}
	enough := errors.New("enough")
	n := 0
	err := w.auditor(true).Steps(t.Context(), chatkitd.ReplayQuery{User: "alice"}, func(chatkitd.ReplayStep) error { n++; return enough })
	if !errors.Is(err, enough) || n != 1 {
		t.Errorf("%d steps, %v", n, err)
	}
}

// TestClocksApart asks for states and events by time in a log whose servers'
// clocks were apart: the times of its events are in no order.
func TestClocksApart(t *testing.T) {
	w := newWorld(t)
	at := func(minute int, title string) { // the store's clock goes on as it should
		taken := w.now
		w.now = monday.Add(time.Duration(minute) * time.Minute)
		w.store.now = func() time.Time { return taken }
		w.append("user-alice", events.Metadata{User: "alice", Correlation: "r"}, events.TaskAdded{TaskID: chatkitd.TaskID(title), Title: title})
		w.now = taken.Add(10 * time.Minute)
	}
	at(0, "a")  // taken at 0
	at(25, "b") // taken at 10, by a clock that is fast
	at(15, "c") // taken at 20
	at(28, "d") // taken at 30
	at(20, "e") // taken at 40, by a clock that is slow
	at(60, "f")
	tests := []struct {
		minute  int
		want    string
		younger int
	}{
		{-1, "", 0}, {0, "a", 0}, {14, "a", 0}, {15, "c, b, a", 1}, {20, "e, d, c, b, a", 2}, {26, "e, d, c, b, a", 1}, {59, "e, d, c, b, a", 0}, {60, "f, e, d, c, b, a", 0},
	}
	for _, tt := range tests {
		r, err := w.auditor(true).Replay(t.Context(), chatkitd.ReplayQuery{User: "alice", At: monday.Add(time.Duration(tt.minute) * time.Minute)})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, task := range r.Tasks {
			got = append(got, task.Title)
		}
		slices.Sort(got)
		slices.Reverse(got)
		if strings.Join(got, ", ") != tt.want || r.Younger != tt.younger {
			t.Errorf("at minute %d: %v, %d of them younger", tt.minute, got, r.Younger)
		}
	}
	page, err := w.auditor(true).Events(t.Context(), chatkitd.EventQuery{Since: monday.Add(15 * time.Minute), Until: monday.Add(28 * time.Minute)})
	if err != nil || len(page.Data) != 3 {
		t.Errorf("%d events, %v", len(page.Data), err)
	}
}

// TestTimesOfACopy asks the same of a log and of one that was filled from exports
// of it, one user after the other: the store's times are all new there.
func TestTimesOfACopy(t *testing.T) {
	w := newWorld(t)
	for i := range 400 {
		w.now = monday.Add(time.Duration(i) * 10 * time.Minute)
		w.task(chatkitd.UserID([]string{"alice", "bob"}[i%2]), events.TaskAdded{TaskID: chatkitd.TaskID(fmt.Sprint("t", i)), Title: fmt.Sprint(i)})
	}
	copied := newWorld(t)
	copied.now = monday.Add(60 * 24 * time.Hour)
	for _, user := range []string{"user-bob", "user-alice"} {
		for rec, err := range w.store.ReadStream(t.Context(), user, events.StreamRead{}) {
			if err != nil {
				t.Fatal(err)
			}
			if _, err := copied.store.Append(t.Context(), user, events.Any, events.New{ID: rec.ID, Type: rec.Type, Data: rec.Data, Meta: rec.Meta}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := range 50 { // and it lives on
		copied.now = monday.Add(61*24*time.Hour + time.Duration(i)*time.Hour)
		copied.task("alice", events.TaskAdded{TaskID: chatkitd.TaskID(fmt.Sprint("n", i)), Title: "new"})
	}
	for _, hours := range [][2]int{{0, 1}, {10, 12}, {50, 66}, {0, 70}, {66, 24 * 80}, {-9, 0}} {
		for _, newest := range []bool{false, true} {
			q := chatkitd.EventQuery{Since: monday.Add(time.Duration(hours[0]) * time.Hour), Until: monday.Add(time.Duration(hours[1]) * time.Hour), Newest: newest, Limit: 1000}
			want := 0
			for i := range 400 {
				if at := time.Duration(i) * 10 * time.Minute; at >= time.Duration(hours[0])*time.Hour && at < time.Duration(hours[1])*time.Hour {
					want++
				}
			}
			for name, world := range map[string]*world{"log": w, "copy": copied} {
				page, err := world.auditor(true).Events(t.Context(), q)
				if err != nil {
					t.Fatal(err)
				}
				got := len(slices.DeleteFunc(page.Data, func(v chatkitd.EventView) bool { return strings.Contains(v.Summary, "new") }))
				if got != want {
					t.Errorf("%s, hours %v, newest %v: %d events, want %d", name, hours, newest, got, want)
				}
			}
		}
		at := monday.Add(time.Duration(hours[1])*time.Hour - time.Second)
		for _, user := range []chatkitd.UserID{"alice", "bob"} {
			want, err := w.auditor(true).Replay(t.Context(), chatkitd.ReplayQuery{User: user, At: at})
			if err != nil {
				t.Fatal(err)
			}
			got, err := copied.auditor(true).Replay(t.Context(), chatkitd.ReplayQuery{User: user, At: at})
			if err != nil {
				t.Fatal(err)
			}
			if hours[1] < 24*60 && titles(got.Tasks) != titles(want.Tasks) {
				t.Errorf("%s at %s: %d tasks, want %d", user, at, len(got.Tasks), len(want.Tasks))
			}
		}
	}
}
