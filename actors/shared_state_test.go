package actors

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/chatkit"
	"github.com/chatkitd/chatkitd/events"
)

// TestVoidedEffects: given what happened under a key, a command with it is carried
// out, a repeat, or refused.
func TestVoidedEffects(t *testing.T) {
	const key, print = "call:trn_1:tc_1", "f"
	add := chatkitd.AddTask{Title: "buy milk"}
	happened := fact[events.User]{Event: events.TaskAdded{TaskID: "t1", Title: "buy milk"}, Meta: events.Metadata{RecordedAt: noon, Key: key, Fingerprint: print}}
	voided := func(key string, at time.Time) fact[events.User] {
		return fact[events.User]{Event: events.EffectVoided{Key: key}, Meta: events.Metadata{RecordedAt: at}}
	}
	tests := []struct {
		name      string
		given     []fact[events.User]
		key       string
		after     time.Duration
		wantTask  chatkitd.TaskID // of a repeat
		wantAdded bool
		wantCode  chatkitd.Code
	}{
		{"nothing", nil, key, 0, "", true, ""},
		{"the effect", []fact[events.User]{happened}, key, 0, "t1", false, ""},
		{"a void", []fact[events.User]{voided(key, noon)}, key, 0, "", false, chatkitd.CodeConflict},
		{"a void, hours ago", []fact[events.User]{voided(key, noon)}, key, 23 * time.Hour, "", false, chatkitd.CodeConflict},
		{"a void, longer ago than a turn can take", []fact[events.User]{voided(key, noon)}, key, 24 * time.Hour, "", true, ""},
		{"a void of another call", []fact[events.User]{voided("call:trn_1:tc_2", noon)}, key, 0, "", true, ""},
		{"a void, and a command of the person", []fact[events.User]{voided(key, noon)}, "", 0, "", true, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var s userState
			for _, f := range tt.given {
				s.fold(f)
			}
			data, err := s.snapshot()
			if err != nil {
				t.Fatal(err)
			}
			var restored userState
			if err := restored.restore(data); err != nil {
				t.Fatal(err)
			}
			for _, s := range []*userState{&s, &restored} {
				d, err := s.decide(taskOrder{meta: chatkitd.Meta{User: "alice", Key: tt.key}, cmd: add, newID: "new", fingerprint: print, now: noon.Add(tt.after)})
				if chatkitd.CodeOf(err) != tt.wantCode || d.result.Task.ID != tt.wantTask && !tt.wantAdded || (len(d.events) > 0) != tt.wantAdded {
					t.Errorf("decide = %+v, %v", d, err)
				}
				if settled := tt.wantTask != "" || tt.wantCode != ""; d.known != settled {
					t.Errorf("known = %t: only what can never change needs no look at the log", d.known)
				}
			}
		})
	}
}

// Voided keys are bounded as idempotency keys are.
func TestVoidsAreBounded(t *testing.T) {
	var s userState
	for i := range maxKeys + 100 {
		s.fold(fact[events.User]{Event: events.EffectVoided{Key: chatkitd.EffectKey("trn_1", string(rune('a'+i%26))+time.Duration(i).String())}, Meta: events.Metadata{RecordedAt: noon}})
	}
	if n := len(s.voids.byKey); n != maxKeys {
		t.Errorf("%d are kept, want %d", n, maxKeys)
	}
	s.fold(fact[events.User]{Event: events.EffectVoided{Key: "k"}, Meta: events.Metadata{RecordedAt: noon.Add(keyLifetime)}})
	if n := len(s.voids.byKey); n != 1 {
		t.Errorf("after %s %d are kept, want 1", keyLifetime, n)
	}
}

// TestCancelRequest: a process is asked once for each turn, and only when it is
// another one.
func TestCancelRequest(t *testing.T) {
	created := events.ThreadCreated{ThreadID: "thr_1", UserID: "alice", Title: "t"}
	started := events.TurnStarted{TurnID: "trn_1", Instance: "b"}
	asked := events.TurnCancelRequested{TurnID: "trn_1"}
	elsewhere := runs{elsewhere: &distant{turn: "trn_1"}}
	tests := []struct {
		name  string
		given []events.Thread
		runs  runs
		then  []events.Thread
	}{
		{"no turn", []events.Thread{created}, runs{}, nil},
		{"a turn that runs here", []events.Thread{created, started}, runs{here: &turn{}}, nil},
		{"a turn elsewhere", []events.Thread{created, started}, elsewhere, []events.Thread{asked}},
		{"asked already", []events.Thread{created, started, asked}, elsewhere, nil},
		{"asked about another turn", []events.Thread{created, started, events.TurnCancelRequested{TurnID: "trn_0"}}, elsewhere, []events.Thread{asked}},
		{
			"asked about the turn before",
			[]events.Thread{created, events.TurnStarted{TurnID: "trn_0"}, events.TurnCancelRequested{TurnID: "trn_0"}, events.TurnCancelled{TurnID: "trn_0"}, started},
			elsewhere,
			[]events.Thread{asked},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.then, foldThread(tt.given).decideCancel(tt.runs)); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}

// TestOpenTurn: the fold knows who runs a turn, where it began, and, when it has
// ended, which events were its own.
func TestOpenTurn(t *testing.T) {
	var s threadState
	var ids []uuid.UUID
	for i, ev := range []events.Thread{
		events.ThreadCreated{ThreadID: "thr_1", UserID: "alice", Title: "before"},
		events.TurnStarted{TurnID: "trn_1", Instance: "b"},
		events.ThreadRenamed{Title: "after", By: "agent"},
	} {
		ids = append(ids, uuid.New())
		s.fold(fact[events.Thread]{Event: ev, ID: ids[i], Revision: uint64(i), Meta: events.Metadata{RecordedAt: noon}})
	}
	if open := s.turn; open.instance != "b" || open.revision != 1 || open.title != "before" || open.status.Type != chatkit.StatusActive {
		t.Errorf("the open turn is %+v", *open)
	}
	end := uuid.New()
	s.fold(fact[events.Thread]{Event: events.TurnInterrupted{TurnID: "trn_1"}, ID: end, Revision: 3})
	if s.turn != nil || s.ended != "trn_1" || s.wasOf(ids[0]) || !s.wasOf(ids[1]) || !s.wasOf(ids[2]) || !s.wasOf(end) {
		t.Errorf("after the end: %v, %s, %v", s.turn, s.ended, s.seen)
	}
	data, err := s.snapshot()
	if err != nil {
		t.Fatal(err)
	}
	var back threadState
	if err := back.restore(data); err != nil || !back.wasOf(ids[1]) || !back.wasOf(end) {
		t.Errorf("restored: %v, %v", back.seen, err)
	}
}
