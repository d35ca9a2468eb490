package actors_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/actors"
	"github.com/chatkitd/chatkitd/chatkit"
	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/internal/memstore"
)

// worker is an agent that takes its time, calls tools, and answers.
func worker(tasks chatkitd.Tasks) agent {
	return func(ctx context.Context, in chatkitd.TurnInput, sink chatkitd.TurnSink) (chatkitd.TurnResult, error) {
		think := func() error {
			select {
			case <-time.After(time.Duration(rand.IntN(12_000)) * time.Millisecond):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		for n := range rand.IntN(4) {
			if err := think(); err != nil {
				return chatkitd.TurnResult{}, err
			}
			call := chatkitd.ToolCall{ID: "tc_" + strconv.Itoa(n), Name: "add_task", Arguments: json.RawMessage(`{}`)}
			if err := sink.ToolsCalled(ctx, call); err != nil {
				return chatkitd.TurnResult{}, err
			}
			if rand.IntN(4) == 0 { // a tool that takes long, and does not look whether it is still wanted
				time.Sleep(time.Duration(rand.IntN(90)) * time.Second)
			} else if err := think(); err != nil {
				return chatkitd.TurnResult{}, err
			}
			m := chatkitd.Meta{User: in.User, Request: in.Request, Cause: call.ID, Key: chatkitd.EffectKey(in.Turn, call.ID)}
			out := chatkitd.ToolOutput{ID: call.ID, Output: json.RawMessage(`{"success":true}`)}
			if _, err := tasks.DoTask(context.WithoutCancel(ctx), m, chatkitd.AddTask{Title: "x"}); err != nil {
				return chatkitd.TurnResult{}, err // whether it was done is for the end of the turn to find out
			}
			if err := sink.ToolsReturned(ctx, out); err != nil {
				return chatkitd.TurnResult{}, err
			}
		}
		if err := think(); err != nil {
			return chatkitd.TurnResult{}, err
		}
		return answers("done")(ctx, in, sink)
	}
}

// TestChaos lets three processes work on a few threads while each of them is
// paused, cut off and made mute at random. Afterwards the log must make sense.
func TestChaos(t *testing.T) {
	rounds := 60
	if testing.Short() {
		rounds = 20
	}
	total := map[string]int{}
	for seed := range rounds {
		t.Run(strconv.Itoa(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { chaos(t, total) })
		})
		if t.Failed() {
			break
		}
	}
	t.Logf("%d rounds: %v", rounds, total)
}

func chaos(t *testing.T, total map[string]int) {
	t.Helper()
	store := memstore.New()
	agent := func(o *actors.Options) {
		o.Agent = func(tasks chatkitd.Tasks) chatkitd.Agent { return worker(tasks) }
	}
	nodes := make([]*member, 3)
	for i := range nodes {
		nodes[i] = join(t, store, fmt.Sprint("node_", i), nil, agent)
	}
	var threads []chatkitd.ThreadID
	for range 3 {
		_, id := create(t, nodes[rand.IntN(3)].System, "alice", "hello")
		threads = append(threads, id)
	}
	for _, m := range nodes {
		m.wire.setLossy(30)
	}
	var readers sync.WaitGroup
	var mu sync.Mutex
	shown := map[string]bool{} // ids of items that somebody has seen as done
	read := func(m *member, st chatkitd.TurnStream) {
		readers.Go(func() {
			var n uint64
			limit := time.After(time.Hour)
			for {
				frames, ended, more := st.After(n)
				mu.Lock()
				for _, f := range frames {
					n = f.N
					if found := doneItem.FindSubmatch(f.Data); found != nil {
						shown[string(found[1])] = true
					}
				}
				mu.Unlock()
				if ended {
					return
				}
				select {
				case <-more:
				case <-m.killed: // and its readers with it
					return
				case <-limit:
					t.Errorf("the stream of %s does not end", st.Turn())
					return
				}
			}
		})
	}
	var commands sync.WaitGroup
	for range 60 {
		at := rand.IntN(3)
		m, id := nodes[rand.IntN(3)], threads[len(threads)-1-at]
		act := rand.IntN(14)
		switch act {
		case 0:
			m.wire.set(false, true)
		case 1:
			m.wire.set(true, false)
		case 2:
			m.wire.setMute(true)
		case 3:
			m.wire.setDeaf(true)
		case 4, 5:
			m.wire.set(false, false)
			m.wire.setMute(false)
			m.wire.setDeaf(false)
		case 12: // kill -9, and a restart
			m.gone()
			close(m.killed)
			again := join(t, store, fmt.Sprint("node_", slices.Index(nodes, m)), nil, agent)
			nodes[slices.Index(nodes, m)] = again
			again.wire.setLossy(30)
			again.Recover(t.Context(), threads)
			total["killed"]++
		default:
			commands.Go(func() {
				var err error
				var st chatkitd.TurnStream
				switch act {
				case 6, 7, 8:
					st, err = m.StartTurn(context.Background(), by("alice"), chatkitd.AddUserMessage{Thread: id, Input: says("more")})
				case 9:
					st, err = m.AttachTurn(context.Background(), "alice", id)
				case 10:
					_, err = m.DoThread(context.Background(), by("alice"), chatkitd.CancelTurn{Thread: id})
				case 11:
					_, err = m.DoThread(context.Background(), by("alice"), chatkitd.RenameThread{Thread: id, Title: chatkitd.NewID("")})
				case 13:
					_, err = m.DoThread(context.Background(), by("alice"), chatkitd.DeleteThread{Thread: id})
				}
				switch chatkitd.CodeOf(err) {
				case "", chatkitd.CodeNotFound, chatkitd.CodeBusy, chatkitd.CodeUnavailable, chatkitd.CodeTimeout, chatkitd.CodeConflict:
				default:
					t.Errorf("command %d: %v", act, err)
				}
				if err == nil && st != nil {
					read(m, st)
				}
			})
		}
		time.Sleep(time.Duration(rand.IntN(10_000)) * time.Millisecond)
		if act == 13 {
			m := nodes[rand.IntN(3)]
			if st, err := m.StartTurn(t.Context(), by("alice"), chatkitd.CreateThread{Input: says("hello")}); err == nil {
				threads = append(threads, threadOf(t, st))
				read(m, st)
			}
		}
	}
	for _, m := range nodes {
		m.wire.set(false, false)
		m.wire.setMute(false)
		m.wire.setDeaf(false)
		m.wire.setLossy(0)
	}
	commands.Wait()
	time.Sleep(5 * time.Minute)
	readers.Wait()
	for _, m := range nodes {
		if len(m.ended) > 0 {
			t.Errorf("Run has ended: %v", <-m.ended)
		}
		if running := m.Turns(); running > 0 {
			t.Errorf("%d turns still run", running)
		}
	}
	effects, voided := map[string]int{}, map[string]bool{}
	for rec, err := range store.ReadStream(t.Context(), events.UserStream("alice"), events.StreamRead{}) {
		if errors.Is(err, events.ErrStreamNotFound) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		ev, meta := decoded(t, rec)
		if v, ok := ev.(events.EffectVoided); ok {
			voided[v.Key] = true
			total["voided"]++
			continue
		}
		effects[meta.Key]++
		total["effects"]++
		if voided[meta.Key] || effects[meta.Key] > 1 {
			t.Errorf("%s: %d effects, voided %t", meta.Key, effects[meta.Key], voided[meta.Key])
		}
	}
	items := map[string]bool{}
	for _, id := range threads {
		history(t, store, id, effects, items, total)
	}
	for id := range shown {
		if total["shown"]++; !items[id] {
			t.Errorf("item %s was shown as done and is not in the log", id)
		}
	}
}

var doneItem = regexp.MustCompile(`"thread.item.done","item":\{"type":"[a-z_]+","id":"([a-z0-9_]+)"`)

func decoded(t *testing.T, rec events.Recorded) (events.Event, events.Metadata) {
	t.Helper()
	ev, err := events.Decode(rec.Type, rec.Data)
	if err != nil {
		t.Fatal(err)
	}
	meta, err := events.DecodeMetadata(rec.Meta)
	if err != nil {
		t.Fatal(err)
	}
	return ev, meta
}

// history checks a thread's stream: one turn at a time, each with an end; each
// call with one answer, which says whether there was an effect.
func history(t *testing.T, store events.Store, id chatkitd.ThreadID, effects map[string]int, items map[string]bool, total map[string]int) {
	t.Helper()
	var turn chatkitd.TurnID
	deleted := false
	calls := map[string]bool{}
	end := func(which chatkitd.TurnID, how string) {
		if which != turn {
			t.Errorf("%s ends while %q runs", which, turn)
		}
		turn = ""
		total[how]++
		for call, answered := range calls {
			if !answered {
				t.Errorf("%s ended and its call %s has no answer", which, call)
			}
		}
	}
	for rec, err := range store.ReadStream(t.Context(), events.ThreadStream(id), events.StreamRead{}) {
		if err != nil {
			t.Fatal(err)
		}
		ev, _ := decoded(t, rec)
		if deleted {
			t.Errorf("a %s follows the thread's end", rec.Type)
		}
		switch ev := ev.(type) {
		case events.ThreadDeleted:
			deleted = true
			total["deleted"]++
		case events.TurnStarted:
			if turn != "" {
				t.Errorf("%s begins while %s runs", ev.TurnID, turn)
			}
			turn, calls = ev.TurnID, map[string]bool{}
			total["turns"]++
		case events.ItemAdded:
			it, err := chatkit.DecodeItem(ev.Item)
			if err != nil {
				t.Fatal(err)
			}
			if items[it.Base().ID] {
				t.Errorf("item %s is there twice", it.Base().ID)
			}
			items[it.Base().ID] = true
		case events.ToolCalled:
			calls[ev.CallID] = false
		case events.ToolReturned:
			if calls[ev.CallID] {
				t.Errorf("%s has two answers", ev.CallID)
			}
			calls[ev.CallID] = true
			key := chatkitd.EffectKey(ev.TurnID, ev.CallID)
			if none := strings.Contains(ev.Error, "it had no effect"); none == (effects[key] > 0) {
				t.Errorf("%s is said to have no effect: %t; it has %d", key, none, effects[key])
			}
		case events.TurnCompleted:
			end(ev.TurnID, "completed")
		case events.TurnFailed:
			end(ev.TurnID, "failed")
		case events.TurnCancelled:
			end(ev.TurnID, "cancelled")
		case events.TurnInterrupted:
			end(ev.TurnID, "interrupted")
		case events.TurnCancelRequested:
			total["asked to cancel"]++
			if ev.TurnID != turn {
				t.Errorf("%s is to be cancelled while %q runs", ev.TurnID, turn)
			}
		}
	}
	if turn != "" {
		t.Errorf("%s never ends", turn)
	}
}
