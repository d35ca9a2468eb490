package projections

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/chatkit"
	"github.com/chatkitd/chatkitd/internal/memstore"
)

// TestHistories checks random valid histories: read models that follow the log in
// batches of any size, with restarts, rebuilds beside them, rollbacks, pauses and
// events that are skipped, say what a plain fold says, and a rebuild gives the same
// rows.
func TestHistories(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		defer w.close()
		w.store = memstore.New()
		if w.sparse = rapid.Bool().Draw(rt, "sparse"); w.sparse {
			w.store = sparse{w.store}
		}
		w.list[0] = fragile{version: 1, bug: onPoison(func() error { return errors.New("cannot be folded") })}
		w.options.BatchSize = rapid.IntRange(1, 7).Draw(rt, "batch")
		h := newHistory()
		w.run()
		for range rapid.IntRange(1, 60).Draw(rt, "events") {
			stream, ev := h.step(rt)
			appendAt(rt, w.store, stream, h.now, ev)
			w.operate(rt, h)
		}
		w.settle()
		h.check(rt, w.s)
		live := w.dump()
		w.open()
		if err := w.s.RebuildOffline(context.Background(), nil, nil); err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(live, w.dump()); diff != "" {
			rt.Fatalf("a rebuild differs (-live +rebuilt):\n%s", diff)
		}
		h.check(rt, w.s)
		w.run()
		w.settle()
		if diff := cmp.Diff(live, w.dump()); diff != "" {
			rt.Fatalf("after a rebuild and a start (-live +now):\n%s", diff)
		}
	})
}

// operate does, now and then, what an operator may do at any time. What the state
// does not allow is refused, and that is no failure.
func (w *world) operate(t *rapid.T, h *history) {
	ctx := context.Background()
	name := rapid.SampledFrom(Names()).Draw(t, "name")
	var err error
	switch rapid.IntRange(0, 39).Draw(t, "operation") {
	case 0:
		w.run()
	case 1:
		w.settle()
		w.run()
	case 2:
		err = w.s.Rebuild(ctx, name)
	case 3:
		err = w.s.Rebuild(ctx)
	case 4:
		err = w.s.Rollback(ctx, name)
	case 5:
		err = w.s.CancelRebuild(ctx)
	case 6:
		err = w.s.Pause(ctx, name)
	case 7:
		err = w.s.Resume(ctx, name)
	case 8:
		appendAt(t, w.store, "user-ann", h.now, task(h.id("tsk_"), "poison"))
	}
	if err != nil && chatkitd.CodeOf(err) != chatkitd.CodeConflict {
		t.Fatal(err)
	}
}

// settle resumes what is paused, skips what is in the way, and waits until the
// service has seen the log.
func (w *world) settle() {
	w.t.Helper()
	ctx := context.Background()
	eventually(w.t, "all have caught up", func() bool {
		done := true
		for _, name := range Names() {
			st := w.state(name) //nolint:contextcheck // it takes the background's
			if st.Rebuild != nil && st.Rebuild.Ended.IsZero() && st.Rebuild.Paused || st.State == Paused {
				_ = w.s.Resume(ctx, name) // or later
			}
			if st.State == Failed && st.Failure != nil {
				_ = w.s.Skip(ctx, name, st.Failure.Position) // or later
			}
			done = done && st.State == Running && st.LagEvents == 0
		}
		return done && w.idle()
	})
}

// check compares every answer with the plain fold's.
func (h *history) check(t *rapid.T, s *Service) {
	t.Helper()
	ctx := context.Background()
	for _, user := range append(slices.Clone(h.users), "nobody") {
		f := chatkitd.TaskFilter{
			Status: rapid.SampledFrom([]string{"", "", "pending", "completed"}).Draw(t, "status"),
			Query:  rapid.SampledFrom([]string{"", "", "", "MILK", "öl", "%"}).Draw(t, "q"),
			Tag:    rapid.SampledFrom([]string{"", "", "", "hoMe", "büro"}).Draw(t, "tag"),
		}
		f.Sort = rapid.SampledFrom(append(slices.Clone(chatkitd.TaskSorts), "")).Draw(t, "sort")
		h.checkTasks(t, s, user, f)
		for _, task := range h.tasks[user] {
			got, err := s.Task(ctx, user, task.ID)
			must(t, err)
			equal(t, "task", *task, got)
			for _, other := range h.users {
				if other != user {
					_, err := s.Task(ctx, other, task.ID)
					code(t, "foreign task", err, chatkitd.CodeNotFound)
				}
			}
		}
		h.checkThreads(t, s, user)
	}
	for _, th := range h.threads {
		h.checkItems(t, s, th)
	}
	var open []chatkitd.ThreadID
	for _, th := range h.threads {
		if th.turn != "" && !th.deleted {
			open = append(open, chatkitd.ThreadID(th.thread.ID))
		}
	}
	got, err := s.OpenTurns(ctx)
	must(t, err)
	equal(t, "open turns", open, got)
}

func (h *history) checkTasks(t *rapid.T, s *Service, user chatkitd.UserID, f chatkitd.TaskFilter) {
	t.Helper()
	want := h.list(user, f)
	pending := 0
	for _, task := range h.tasks[user] {
		if !task.Completed {
			pending++
		}
	}
	f.Limit = rapid.IntRange(1, 5).Draw(t, "limit")
	got := []chatkitd.Task{}
	for {
		page, err := s.Tasks(context.Background(), user, f)
		must(t, err)
		equal(t, "counts", [3]int{len(want), pending, len(h.tasks[user]) - pending}, [3]int{page.Total, page.Pending, page.Completed})
		got = append(got, page.Data...)
		if len(page.Data) > 0 && page.After != string(page.Data[len(page.Data)-1].ID) {
			t.Fatalf("after is %q", page.After)
		}
		if page.HasMore != (len(got) < len(want)) {
			t.Fatalf("%+v: has_more is %v after %d of %d", f, page.HasMore, len(got), len(want))
		}
		if !page.HasMore {
			break
		}
		f.After = chatkitd.TaskID(page.After)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%s %+v (-want +got):\n%s", user, f, diff)
	}
}

func (h *history) checkThreads(t *rapid.T, s *Service, user chatkitd.UserID) {
	t.Helper()
	want := h.listThreads(user)
	asc := rapid.Bool().Draw(t, "asc")
	q := chatkitd.PageQuery{Limit: rapid.IntRange(1, 4).Draw(t, "limit"), Order: "asc"}
	if !asc {
		slices.Reverse(want)
		q.Order = ""
	}
	got := []chatkit.Thread{}
	for {
		page, err := s.Threads(context.Background(), user, q)
		must(t, err)
		got = append(got, page.Data...)
		if !page.HasMore {
			break
		}
		q.After = page.After
	}
	equal(t, "threads", want, got)
}

func (h *history) checkItems(t *rapid.T, s *Service, th *oracleThread) {
	t.Helper()
	ctx := context.Background()
	id := chatkitd.ThreadID(th.thread.ID)
	for _, user := range h.users {
		got, err := s.Thread(ctx, user, id)
		_, ierr := s.Items(ctx, user, id, chatkitd.PageQuery{})
		if user != th.user || th.deleted {
			code(t, "foreign or deleted thread", err, chatkitd.CodeNotFound)
			code(t, "foreign or deleted items", ierr, chatkitd.CodeNotFound)
			continue
		}
		must(t, err)
		must(t, ierr)
		want := th.thread
		want.Items.Data = th.visible()
		if want.Items.HasMore = len(want.Items.Data) > chatkit.DefaultLimit; want.Items.HasMore {
			want.Items.Data = want.Items.Data[:chatkit.DefaultLimit]
		}
		want.Items.After = got.Items.After
		equal(t, "thread", want, got)
	}
	if th.deleted {
		return
	}
	want := th.visible()
	q := chatkitd.PageQuery{Limit: rapid.IntRange(1, 4).Draw(t, "limit"), Order: "asc"}
	if rapid.Bool().Draw(t, "desc") {
		slices.Reverse(want)
		q.Order = "desc"
	}
	got := []json.RawMessage{}
	for {
		page, err := s.Items(ctx, th.user, id, q)
		must(t, err)
		got = append(got, page.Data...)
		if !page.HasMore {
			break
		}
		q.After = page.After
	}
	equal(t, "items", want, got)
}

func must(t *rapid.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal(t *rapid.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

func code(t *rapid.T, what string, err error, want chatkitd.Code) {
	t.Helper()
	if got := chatkitd.CodeOf(err); got != want {
		t.Fatalf("%s: %v", what, err)
	}
}

// TestFoldCase checks that folded strings are equal exactly when they are equal
// without regard to case.
func TestFoldCase(t *testing.T) {
	t.Parallel()
	pairs := rapid.SampledFrom([]rune("aAkK\u212asSſßẞäÄςσΣıIiİǅǆǄ_0語"))
	rapid.Check(t, func(t *rapid.T) {
		a := string(rapid.SliceOfN(pairs, 0, 3).Draw(t, "a"))
		b := string(rapid.SliceOfN(pairs, 0, 3).Draw(t, "b"))
		if got, want := foldCase(a) == foldCase(b), strings.EqualFold(a, b); got != want {
			t.Fatalf("%q and %q: folded equal is %v, EqualFold %v", a, b, got, want)
		}
	})
	for r := rune(0); r < 0x20000; r++ {
		if f := foldRune(r); f != foldRune(f) || !strings.EqualFold(string(r), string(f)) && r < 0xd800 {
			t.Fatalf("%U folds to %U", r, f)
		}
	}
}
