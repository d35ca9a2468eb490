package actors_test

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/actors"
	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/internal/memstore"
)

// slow gives every call of a store the time that one over a network takes, so
// that processes meet in the middle of each other's appends; and it loses the
// answer to some.
type slow struct {
	events.Store
	lose int // one in so many answers to an append; 0 for none
	lost atomic.Int64
}

func (s *slow) rest() { time.Sleep(time.Duration(rand.IntN(300)) * time.Microsecond) }

func (s *slow) Append(ctx context.Context, stream string, expected events.Revision, evs ...events.New) (events.Appended, error) {
	s.rest()
	at, err := s.Store.Append(ctx, stream, expected, evs...)
	s.rest()
	if err == nil && s.lose > 0 && rand.IntN(s.lose) == 0 && !strings.HasPrefix(stream, events.NodePrefix) {
		s.lost.Add(1)
		return events.Appended{}, fmt.Errorf("the answer is lost: %w", events.ErrUnavailable)
	}
	return at, err
}

func (s *slow) ReadStream(ctx context.Context, stream string, o events.StreamRead) iter.Seq2[events.Recorded, error] {
	s.rest()
	return s.Store.ReadStream(ctx, stream, o)
}

// TestHammerTasks has three processes carry out commands of the same users, each
// command through two of them with the same key, and checks every answer against
// the log: each effect is there once.
func TestHammerTasks(t *testing.T) {
	for name, lose := range map[string]int{"quiet": 0, "answers are lost": 20} {
		t.Run(name, func(t *testing.T) {
			store := memstore.New()
			net := &slow{Store: store, lose: lose}
			nodes := []*member{join(t, net, "node_a", answers("hi")), join(t, net, "node_b", answers("hi")), join(t, net, "node_c", answers("hi"))}
			const users, writers, each = 3, 6, 25
			var unavailable, done atomic.Int64
			var mu sync.Mutex
			added := map[chatkitd.UserID]map[chatkitd.TaskID]string{}
			completed := map[chatkitd.TaskID]bool{}
			try := func(user chatkitd.UserID, key string, cmd chatkitd.TaskCommand) chatkitd.TaskResult {
				for i := 0; ; i++ {
					m := nodes[rand.IntN(len(nodes))]
					res, err := m.DoTask(t.Context(), chatkitd.Meta{User: user, Key: key}, cmd)
					switch {
					case err == nil:
						done.Add(1)
						return res
					case chatkitd.CodeOf(err) == chatkitd.CodeUnavailable && lose > 0 && i < 100:
						unavailable.Add(1) // whether it was done is unknown: repeat it
					default:
						t.Errorf("%s %T: %v", user, cmd, err)
						return res
					}
				}
			}
			var all sync.WaitGroup
			for u := range users {
				user := chatkitd.UserID(fmt.Sprint("user", u))
				mine := map[chatkitd.TaskID]string{}
				mu.Lock()
				added[user] = mine
				mu.Unlock()
				for w := range writers {
					all.Go(func() {
						for i := range each {
							key := fmt.Sprintf("%d-%d", w, i)
							cmd := chatkitd.AddTask{Title: "task " + key}
							var twins [2]chatkitd.TaskResult
							var both sync.WaitGroup
							for twin := range twins {
								both.Go(func() { twins[twin] = try(user, key, cmd) })
							}
							both.Wait()
							id := twins[0].Task.ID
							if id != twins[1].Task.ID {
								t.Errorf("%s: one key added %s and %s", user, id, twins[1].Task.ID)
							}
							mu.Lock()
							mine[id] = cmd.Title
							mu.Unlock()
							if i%3 == 0 {
								res := try(user, key+"-done", chatkitd.CompleteTask{Task: id})
								mu.Lock()
								completed[res.Task.ID] = true
								mu.Unlock()
							}
						}
					})
				}
			}
			all.Wait()
			lost, doubled := 0, 0
			for user, tasks := range added {
				var r actors.UserReplay
				seen := map[string]int{}
				for rec, err := range store.ReadStream(t.Context(), events.UserStream(user), events.StreamRead{}) {
					if err != nil {
						t.Fatal(err)
					}
					if err := r.Apply(rec); err != nil {
						t.Fatal(err)
					}
					meta, err := events.DecodeMetadata(rec.Meta)
					if err != nil {
						t.Fatal(err)
					}
					if seen[meta.Key]++; seen[meta.Key] > 1 {
						doubled++
					}
				}
				if len(r.Tasks()) != len(tasks) || len(tasks) != writers*each {
					t.Errorf("%s has %d tasks, %d were answered, want %d", user, len(r.Tasks()), len(tasks), writers*each)
				}
				for id, title := range tasks {
					if task, ok := r.Task(id); !ok || task.Title != title || task.Completed != completed[id] {
						lost++
					}
				}
				for _, m := range nodes { // each answers what the log says
					for id := range tasks {
						if _, err := m.DoTask(t.Context(), chatkitd.Meta{User: user}, chatkitd.CompleteTask{Task: id, Reopen: !completed[id]}); err != nil && chatkitd.CodeOf(err) != chatkitd.CodeUnavailable {
							t.Errorf("%s does not know %s: %v", user, id, err)
						}
					}
				}
			}
			if lost+doubled > 0 {
				t.Errorf("%d effects are lost, %d doubled", lost, doubled)
			}
			t.Logf("%d answers, %d lost on the way, %d asked again: %d effects lost, %d doubled", done.Load(), net.lost.Load(), unavailable.Load(), lost, doubled)
		})
	}
}

// TestHammerThread has three processes send messages to one thread, rename it and
// cancel its turns, all at once. There is one turn at a time, and each that began
// has one end.
func TestHammerThread(t *testing.T) {
	store := memstore.New()
	net := &slow{Store: store}
	nodes := []*member{join(t, net, "node_a", answers("hi")), join(t, net, "node_b", answers("hi")), join(t, net, "node_c", answers("hi"))}
	st, id := create(t, nodes[0].System, "alice", "hello")
	collect(t, st)
	var started, busy, cancels, renamed, read atomic.Int64
	started.Store(1)
	var all sync.WaitGroup
	for i, m := range nodes {
		all.Go(func() {
			for range 40 {
				st, err := m.StartTurn(t.Context(), by("alice"), chatkitd.AddUserMessage{Thread: id, Input: says("more")})
				switch chatkitd.CodeOf(err) {
				case "":
					started.Add(1)
					collect(t, st)
				case chatkitd.CodeBusy:
					busy.Add(1)
				default:
					t.Errorf("a message: %v", err)
				}
			}
		})
		all.Go(func() {
			for n := range 40 {
				if _, err := m.DoThread(t.Context(), by("alice"), chatkitd.RenameThread{Thread: id, Title: fmt.Sprint("title ", i, n)}); err != nil {
					t.Errorf("a rename: %v", err)
				}
				renamed.Add(1)
				if n%4 == 0 {
					if _, err := m.DoThread(t.Context(), by("alice"), chatkitd.CancelTurn{Thread: id}); err != nil {
						t.Errorf("a cancel: %v", err)
					}
					cancels.Add(1)
				}
				st, err := m.AttachTurn(t.Context(), "alice", id)
				if err != nil {
					t.Errorf("an attach: %v", err)
				}
				if st != nil {
					collect(t, st)
					read.Add(1)
				}
			}
		})
	}
	all.Wait()
	count := map[string]int64{}
	open := 0
	for _, typ := range stored(t, store, events.ThreadStream(id)) {
		count[typ]++
		switch typ {
		case "turn.started":
			if open++; open > 1 {
				t.Error("two turns run at once")
			}
		case "turn.completed", "turn.cancelled", "turn.failed", "turn.interrupted":
			if open--; open < 0 {
				t.Error("a turn ends twice")
			}
		}
	}
	if count["turn.started"] != started.Load() || count["turn.completed"]+count["turn.cancelled"] != started.Load() || open != 0 {
		t.Errorf("%d turns were answered; the log has %v", started.Load(), count)
	}
	if count["thread.renamed"] != renamed.Load() {
		t.Errorf("%d renames were answered, the log has %d", renamed.Load(), count["thread.renamed"])
	}
	t.Logf("%d turns, %d refused as busy, %d cancels, %d read elsewhere or here: %v", started.Load(), busy.Load(), cancels.Load(), read.Load(), count)
}

// TestNobodyIsStarved has one process write to a stream without a pause. The
// commands of the other one must get through.
func TestNobodyIsStarved(t *testing.T) {
	net := &slow{Store: memstore.New()}
	a, b := join(t, net, "node_a", answers("hi")), join(t, net, "node_b", answers("hi"))
	ctx, stop := context.WithCancel(t.Context())
	var greedy sync.WaitGroup
	var theirs atomic.Int64
	for range 8 {
		greedy.Go(func() {
			for ctx.Err() == nil {
				if _, err := a.DoTask(context.WithoutCancel(ctx), by("alice"), chatkitd.AddTask{Title: "x"}); err == nil {
					theirs.Add(1)
				}
			}
		})
	}
	begun := time.Now()
	var longest time.Duration
	const ours = 60
	for range ours {
		at := time.Now()
		if _, err := b.DoTask(t.Context(), by("alice"), chatkitd.AddTask{Title: "y"}); err != nil {
			t.Error(err)
		}
		longest = max(longest, time.Since(at))
	}
	took := time.Since(begun)
	stop()
	greedy.Wait()
	t.Logf("%d commands against %d of a process that never rests: %s each, %s at most", ours, theirs.Load(), took/ours, longest)
}
