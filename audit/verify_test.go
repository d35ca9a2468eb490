package audit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/audit"
	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/internal/memstore"
	"github.com/chatkitd/chatkitd/internal/sqlite"
	"github.com/chatkitd/chatkitd/projections"
)

func findings(r *audit.Report) string {
	var b strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%s at %s: %s %s %s\n", f.Check, f.Position, f.What, f.Table, f.Key)
	}
	return b.String()
}

// TestVerifyFindsFaults plants one fault after the other.
func TestVerifyFindsFaults(t *testing.T) {
	thread := events.ThreadStream("thr_1")
	opened := events.ThreadCreated{ThreadID: "thr_1", UserID: "alice"}
	started := events.TurnStarted{TurnID: "trn_1", Model: "m"}
	called := events.ToolCalled{TurnID: "trn_1", CallID: "c", Name: "x", Arguments: json.RawMessage(`{}`)}
	returned := events.ToolReturned{TurnID: "trn_1", CallID: "c", Output: json.RawMessage(`{}`)}
	completed := events.TurnCompleted{TurnID: "trn_1"}
	add := func(id string) events.Event { return events.TaskAdded{TaskID: chatkitd.TaskID(id), Title: "x"} }
	log := func(evs ...events.Event) func(*world) {
		return func(w *world) { w.append(thread, events.Metadata{}, evs...) }
	}
	tests := []struct {
		name  string
		plant func(w *world)
		want  []string // parts of findings; none means that there are none
	}{
		{"nothing", func(w *world) { w.alice() }, nil},
		{"a turn that still runs", log(opened, started, called), nil},
		{"an event of an unknown type", func(w *world) { w.raw("user-alice", "task.eaten.v1", `{}`) }, []string{"decode at 1: it does not decode"}},
		{"data that are no JSON", func(w *world) { w.raw("user-alice", "task.added.v1", `{"task_id":`) }, []string{"decode at 1"}},
		{"an item that is none", func(w *world) { w.raw(thread, "item.added.v1", `{"item":{"type":"lizard","id":"x"}}`) }, []string{"lizard"}},
		{"an event in a stream of another kind", func(w *world) { w.append("user-alice", events.Metadata{}, opened) }, []string{"no place"}},
		{"a thread in another one's stream", func(w *world) { w.append("thread-thr_2", events.Metadata{}, opened) }, []string{"holds a thread thr_1"}},
		{"a call that never returns", log(opened, started, called, completed), []string{"turns at 4: tool call c has not returned when turn trn_1 ends"}},
		{"a return without a call", log(opened, started, returned, completed), []string{"c returns and was not made"}},
		{"a call that returns twice", log(opened, started, called, returned, returned, completed), []string{"c returns twice"}},
		{"a call that is made twice", log(opened, started, called, called, returned, completed), []string{"c is made twice"}},
		{"a call outside of a turn", log(opened, called), []string{"trn_1 does not run: none does"}},
		{"a turn in a turn", log(opened, started, events.TurnStarted{TurnID: "trn_2"}), []string{"trn_2 begins before trn_1 has ended"}},
		{"an end without a turn", log(opened, completed), []string{"trn_1 does not run"}},
		{"an item after the deletion", log(opened, events.ThreadDeleted{}, events.ThreadRenamed{Title: "x"}), []string{"was deleted before"}},
		{"an idempotency key again", func(w *world) {
			for i := range 2 {
				w.append("user-alice", events.Metadata{Key: "k"}, add(fmt.Sprint(i)), add(fmt.Sprint("b", i)))
				w.pass(1)
				w.task("bob", events.TaskAdded{TaskID: chatkitd.TaskID(fmt.Sprint(i)), Title: "x"})
				w.pass(24*60*60*1e9 - 1000*1e3)
			}
		}, []string{`ids at 4: the idempotency key "k" was used by the command at revision 1`}},
		{"a call of the model that is missing", log(opened, started, events.ModelCalled{TurnID: "trn_1", N: 1}, events.ModelCalled{TurnID: "trn_1", N: 3}, completed), []string{"number 3 comes where 2 is next"}},
		{"a call of the model outside of a turn", log(opened, events.ModelCalled{TurnID: "trn_1", N: 1}), []string{"trn_1 does not run: none does"}},
		{"an effect that was voided", func(w *world) {
			w.append("user-alice", events.Metadata{}, events.EffectVoided{Key: "call:trn_1:c"})
			w.append("user-bob", events.Metadata{Key: "call:trn_1:c"}, add("1"))
			w.append("user-alice", events.Metadata{Key: "call:trn_1:d"}, add("2"))
			w.append("user-alice", events.Metadata{Key: "call:trn_1:c"}, add("3"))
		}, []string{`ids at 4: its idempotency key "call:trn_1:c" was voided at revision 0`}},
		{"a void behind the effect", func(w *world) {
			w.append("user-alice", events.Metadata{Key: "call:trn_1:c"}, add("1"))
			w.append("user-alice", events.Metadata{}, events.EffectVoided{Key: "call:trn_1:c"}, events.EffectVoided{Key: "call:trn_1:d"})
		}, []string{`ids at 2: the idempotency key "call:trn_1:c" that it voids was used by the command at revision 0`}},
		{"nodes, voids and requests to cancel as they are", func(w *world) {
			w.append(events.NodeStream("a"), events.Metadata{}, events.NodeStarted{Instance: "a", Boot: "b"}, events.NodeAlive{Instance: "a", Boot: "b"})
			w.append("user-alice", events.Metadata{}, events.EffectVoided{Key: "call:trn_1:c"})
			w.append(thread, events.Metadata{}, opened, started, called, events.TurnCancelRequested{TurnID: "trn_1"}, returned, events.TurnInterrupted{TurnID: "trn_1"})
		}, nil},
		{"a node's event in a user's stream", func(w *world) {
			w.append("user-alice", events.Metadata{}, events.NodeStarted{Instance: "a", Boot: "b"})
		}, []string{"no place"}},
		{"an event's id again", func(w *world) {
			w.appendAs("k", "user-alice", events.Metadata{}, add("1"))
			w.appendAs("other", "user-alice", events.Metadata{}, add("2"))
			w.store.Append(w.t.Context(), "user-alice", events.At(1), twin(w, "")) //nolint:errcheck // the findings tell
		}, []string{"ids at 3: another event has its id"}},
		{"an event's id again, under another idempotency key", func(w *world) {
			w.appendAs("k", "user-alice", events.Metadata{Key: "a"}, add("1"))
			w.appendAs("other", "user-alice", events.Metadata{Key: "b"}, add("2"))
			w.store.Append(w.t.Context(), "user-alice", events.At(1), twin(w, "c")) //nolint:errcheck // the findings tell
		}, []string{"ids at 3: another event has its id"}},
		{"an idempotency key of another day, and of another user", func(w *world) {
			w.append("user-alice", events.Metadata{Key: "k"}, add("1"))
			w.append("user-bob", events.Metadata{Key: "k"}, add("1"))
			w.pass(24 * 60 * 60 * 1e9)
			w.append("user-alice", events.Metadata{Key: "k"}, add("2"))
		}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			tt.plant(w)
			r, err := w.auditor(true).Verify(t.Context(), audit.VerifyOptions{})
			if err != nil {
				t.Fatal(err)
			}
			got := findings(r)
			if r.OK != (len(tt.want) == 0) || len(r.Findings) != len(tt.want) {
				t.Errorf("found %v:\n%s", r.OK, got)
			}
			for _, want := range tt.want {
				if !strings.Contains(got, want) {
					t.Errorf("no %q in\n%s", want, got)
				}
			}
		})
	}
}

// twin is a new event with the id of the first one.
func twin(w *world, key string) events.New {
	recs, err := events.Prepare("user-alice", events.Metadata{Key: key}, "k", events.TaskAdded{TaskID: "3", Title: "x"})
	if err != nil {
		w.t.Fatal(err)
	}
	return recs[0]
}

// models builds the read models of a log and returns them as verify reads them.
func models(t *testing.T, w *world, fault string) *projections.Snapshot {
	t.Helper()
	dir := t.TempDir()
	s, err := projections.Open(t.Context(), projections.Options{Dir: dir, Store: w.store, Dense: true})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- s.Run(ctx) }()
	if err := s.CaughtUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	stop()
	if err := <-ran; err != nil && ctx.Err() == nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for table, model := range map[string]string{
		"tasks": "tasks", "task_users": "tasks", "task_tags": "tasks",
		"threads": "threads", "thread_items": "thread_items", "item_threads": "thread_items",
	} {
		if before, _, _ := strings.Cut(fault, "WHERE"); !strings.Contains(before, "{"+table+"}") {
			continue
		}
		plant(t, dir, model, strings.NewReplacer("{", "", "}", "").Replace(fault))
		break
	}
	snapshot, err := projections.OpenSnapshot(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = snapshot.Close() })
	return snapshot
}

// plant changes the tables of a read model behind its back.
func plant(t *testing.T, dir, model, fault string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "readmodels-"+model+"-*.db"))
	if err != nil || len(files) == 0 {
		t.Fatalf("files of %s: %v, %v", model, files, err)
	}
	db, err := sqlite.Open(t.Context(), files[len(files)-1], sqlite.Options{MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), fault); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestVerifyComparesReadModels changes one row of a read model each time.
func TestVerifyComparesReadModels(t *testing.T) {
	tests := []struct{ name, fault, want, wantRow, gotRow string }{
		{name: "as they are"},
		{"a title", "UPDATE {tasks} SET title = 'hacked', title_folded = 'hacked' WHERE title = 'buy milk'", "the row is not as the log says tasks alice tsk_", `"title":"buy milk"`, `"title":"hacked"`},
		{"a completion", "UPDATE {tasks} SET done = 0 WHERE done = 1", "the row is not as the log says tasks alice", `"completed":true`, `"completed":false`},
		{"what is searched", "UPDATE {tasks} SET title_folded = 'x' WHERE title = 'buy milk'", "tasks alice", "buy milk", `title_folded is x`},
		{"what is sorted by", "UPDATE {tasks} SET due = 7 WHERE title = 'buy milk'", "tasks alice", "buy milk", `due is`},
		{"a tag too many", "INSERT INTO {task_tags} SELECT owner, 'home', id FROM {tasks} WHERE title = 'buy milk'", "tasks alice", "buy milk", `task_tags is home`},
		{"a tag of nothing", "INSERT INTO {task_tags} VALUES (99, 'home', 'tsk_9')", "does not ask for this row task_tags", "", "home"},
		{"a count", "UPDATE {task_users} SET pending = 7 WHERE user = 'bob'", "task_users bob", `"pending":1`, `"pending":7`},
		{"a task that is missing", "DELETE FROM {tasks} WHERE title = 'buy milk'", "the row is missing tasks alice", "buy milk", ""},
		{"tokens", "UPDATE {threads} SET input_tokens = 1 WHERE user = 'bob'", "not as the log says threads thr_", `"input_tokens":120`, `"input_tokens":1`},
		{"a thread of nobody's log", "INSERT INTO {threads} SELECT 999, 'thr_z', user, title, status, reason, metadata, created, turn, turns, 0, 0 FROM {threads} LIMIT 1", "does not ask for this row threads thr_z", "", "user"},
		{"an owner", "UPDATE {item_threads} SET user = 'eve' WHERE user = 'bob'", "item_threads thr_", `"user":"bob"`, `"user":"eve"`},
		{"a text", "UPDATE {thread_items} SET item = replace(item, 'done with', 'eat') WHERE item LIKE '%done with%'", "thread_items thr_", "done with the milk", "eat the milk"},
		{"an order", "UPDATE {thread_items} SET seq = 4242 WHERE seq = 1 AND thread = 1", "thread_items thr_", `"seq":1`, `"seq":4242`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			a := w.alice()
			w.append(events.ThreadStream(a.add.thread), events.Metadata{}, events.ItemReplaced{Item: w.replaced(a.add)})
			r, err := w.auditor(true).Verify(t.Context(), audit.VerifyOptions{Models: models(t, w, tt.fault)})
			if err != nil {
				t.Fatal(err)
			}
			if tt.want == "" {
				if !r.OK || len(r.Models) != 3 || r.Models[0].Rows != 6 || r.Models[2].Rows != 10 || r.Models[0].Hash != r.Models[0].WantHash {
					t.Errorf("%+v\n%s", r.Models, findings(r))
				}
				return
			}
			if len(r.Findings) != 1 || r.OK {
				t.Fatalf("%d findings:\n%s", len(r.Findings), findings(r))
			}
			f := r.Findings[0]
			if f.Check != audit.CheckModels || !strings.Contains(findings(r), tt.want) || !strings.Contains(string(f.Want), tt.wantRow) || !strings.Contains(string(f.Got), tt.gotRow) {
				t.Errorf("%s want %s\n got %s", findings(r), f.Want, f.Got)
			}
			for _, m := range r.Models {
				if m.Equal != (m.Hash == m.WantHash) {
					t.Errorf("%+v", m)
				}
			}
		})
	}
}

// replaced is the answer of a turn, said in another way.
func (w *world) replaced(of turn) json.RawMessage {
	w.t.Helper()
	r, err := w.auditor(true).Replay(w.t.Context(), chatkitd.ReplayQuery{Thread: of.thread})
	if err != nil {
		w.t.Fatal(err)
	}
	return bytes.Replace(r.Items[1], []byte("Done."), []byte("All done."), 1)
}

// TestExportImport moves a user into another log.
func TestExportImport(t *testing.T) {
	w := newWorld(t)
	a := w.alice()
	var lines bytes.Buffer
	err := w.auditor(true).Export(t.Context(), "alice", func(v chatkitd.EventView) error { return json.NewEncoder(&lines).Encode(v) })
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(lines.String(), "bob") {
		t.Error("the export holds what is bob’s")
	}
	other := newWorld(t)
	other.now = monday.Add(30 * 24 * time.Hour) // when the import is made
	n, err := audit.Import(t.Context(), other.store, &lines, nil)
	if err != nil || n != 26 {
		t.Fatalf("%d events, %v", n, err)
	}
	for _, q := range []chatkitd.ReplayQuery{{User: "alice"}, {Thread: a.add.thread}, {User: "alice", At: monday.Add(1e9 * 3600)}} {
		want, err := w.auditor(true).Replay(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		got, err := other.auditor(true).Replay(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		want.Position, got.Position = position(0), position(0) // new ones
		one, _ := json.Marshal(want)
		two, _ := json.Marshal(got)
		if !bytes.Equal(one, two) {
			t.Errorf("%s\n%s", one, two)
		}
	}
	if r, err := other.auditor(true).Verify(t.Context(), audit.VerifyOptions{}); err != nil || !r.OK {
		t.Errorf("%s %v", findings(r), err)
	}
	if err := w.auditor(true).Export(t.Context(), "zoe", nil); chatkitd.CodeOf(err) != chatkitd.CodeNotFound {
		t.Errorf("nobody: %v", err)
	}
}

func TestBadImports(t *testing.T) {
	const good = `{"stream":"user-a","revision":0,"type":"task.added.v1","id":"963aa507-bf03-559c-8b3c-b935b1ad754a","data":{"task_id":"t","title":"x"},"metadata":{}}`
	tests := []struct{ name, in, want string }{
		{"no JSON", "hello", "line 1: it is not an event"},
		{"a gap", good + "\n\n" + strings.Replace(good, `"revision":0`, `"revision":2`, 1), "line 3: stream user-a: revision 2 where 1 is next"},
		{"an unknown type", strings.Replace(good, "added.v1", "eaten.v1", 1), "line 1: events: unknown event"},
		{"no id", strings.Replace(good, "963aa507-bf03-559c-8b3c-b935b1ad754a", "00000000-0000-0000-0000-000000000000", 1), "it needs stream"},
		{"no revision", strings.Replace(good, `"revision":0,`, "", 1), "it needs stream"},
		{"an endless line", strings.Repeat("x", 3<<20), "longer than"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := audit.Import(t.Context(), memstore.New(), strings.NewReader(tt.in), nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v", err)
			}
		})
	}
}
