package actors

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/chatkit"
	"github.com/chatkitd/chatkitd/events"
)

func foldThread(given []events.Thread) *threadState {
	var s threadState
	for i, ev := range given {
		s.fold(fact[events.Thread]{Event: ev, ID: uuid.New(), Revision: uint64(i), Meta: events.Metadata{RecordedAt: noon, Correlation: "req_1"}})
	}
	return &s
}

func itemOf(it chatkit.Item) json.RawMessage {
	raw, err := chatkit.EncodeItem(it)
	if err != nil {
		panic(err)
	}
	return raw
}

func userSays(id, text string) chatkit.UserMessage {
	return chatkit.UserMessage{
		ItemBase: chatkit.ItemBase{ID: id, ThreadID: "thr_1", CreatedAt: noon},
		Content:  []chatkit.UserContent{{Type: chatkit.TypeInputText, Text: text}},
	}
}

func modelSays(id, text string) chatkit.AssistantMessage {
	return chatkit.AssistantMessage{
		ItemBase: chatkit.ItemBase{ID: id, ThreadID: "thr_1", CreatedAt: noon},
		Content:  []chatkit.OutputText{{Text: text}},
	}
}

// conversation is a thread of alice with n answered messages u1/a1 … un/an; each
// answer used one tool.
func conversation(n int) []events.Thread {
	evs := []events.Thread{events.ThreadCreated{ThreadID: "thr_1", UserID: "alice", Title: "t"}}
	for i := 1; i <= n; i++ {
		turn := chatkitd.TurnID(fmt.Sprintf("trn_%d", i))
		evs = append(
			evs,
			events.ItemAdded{Item: itemOf(userSays(fmt.Sprintf("u%d", i), "hello"))},
			events.TurnStarted{TurnID: turn},
			events.ToolCalled{TurnID: turn, CallID: "c", Name: "add_task", Arguments: json.RawMessage(`{}`)},
			events.ToolReturned{TurnID: turn, CallID: "c", Output: json.RawMessage(`{}`)},
			events.ItemAdded{Item: itemOf(modelSays(fmt.Sprintf("a%d", i), "hi"))},
			events.TurnCompleted{TurnID: turn},
		)
	}
	return evs
}

func TestThreadDecideTurn(t *testing.T) {
	message := userSays("u9", "hello there")
	added := events.ItemAdded{Item: itemOf(message)}
	started := events.TurnStarted{TurnID: "trn_9", Trigger: events.TriggerMessage, Model: "m", Instance: "srv_1"}
	retried := started
	retried.Trigger = events.TriggerRetry
	open := append(conversation(1), events.ItemAdded{Item: itemOf(userSays("u2", "x"))}, events.TurnStarted{TurnID: "trn_2"})

	tests := []struct {
		name     string
		given    []events.Thread
		user     chatkitd.UserID
		when     chatkitd.TurnCommand
		then     []events.Thread
		wantCode chatkitd.Code
	}{
		{"create", nil, "alice", chatkitd.CreateThread{}, []events.Thread{
			events.ThreadCreated{ThreadID: "thr_1", UserID: "alice", Title: "Hello there"}, added, started,
		}, ""},
		{"create twice", conversation(0), "alice", chatkitd.CreateThread{}, nil, chatkitd.CodeConflict},
		{"message", conversation(1), "alice", chatkitd.AddUserMessage{}, []events.Thread{added, started}, ""},
		{"message to an unknown thread", nil, "alice", chatkitd.AddUserMessage{}, nil, chatkitd.CodeNotFound},
		{"message to a foreign thread", conversation(1), "bob", chatkitd.AddUserMessage{}, nil, chatkitd.CodeNotFound},
		{"message to a deleted thread", append(conversation(1), events.ThreadDeleted{}), "alice", chatkitd.AddUserMessage{}, nil, chatkitd.CodeNotFound},
		{"message while a turn runs", open, "alice", chatkitd.AddUserMessage{}, nil, chatkitd.CodeBusy},
		{"foreign message while a turn runs", open, "bob", chatkitd.AddUserMessage{}, nil, chatkitd.CodeNotFound},
		{"message after an interrupted turn", append(open, events.TurnInterrupted{TurnID: "trn_2"}), "alice", chatkitd.AddUserMessage{}, []events.Thread{added, started}, ""},
		{"message to a locked thread", append(conversation(1), events.ThreadStatusChanged{Status: "locked", Reason: "audit"}), "alice", chatkitd.AddUserMessage{}, nil, chatkitd.CodeConflict},
		{"retry the last", conversation(2), "alice", chatkitd.RetryAfterItem{Item: "u2"}, []events.Thread{
			events.ItemRemoved{ItemID: "a2", Reason: "retried"}, retried,
		}, ""},
		{"retry an early one", conversation(2), "alice", chatkitd.RetryAfterItem{Item: "u1"}, []events.Thread{
			events.ItemRemoved{ItemID: "a1", Reason: "retried"},
			events.ItemRemoved{ItemID: "u2", Reason: "retried"},
			events.ItemRemoved{ItemID: "a2", Reason: "retried"},
			retried,
		}, ""},
		{"retry an answer", conversation(1), "alice", chatkitd.RetryAfterItem{Item: "a1"}, nil, chatkitd.CodeInvalid},
		{"retry an unknown item", conversation(1), "alice", chatkitd.RetryAfterItem{Item: "u7"}, nil, chatkitd.CodeNotFound},
		{"retry while a turn runs", open, "alice", chatkitd.RetryAfterItem{Item: "u1"}, nil, chatkitd.CodeBusy},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := foldThread(tt.given).decideTurn(turnOrder{
				meta: chatkitd.Meta{User: tt.user}, cmd: tt.when, thread: "thr_1", turn: "trn_9",
				message: message, model: "m", instance: "srv_1",
			})
			if code := chatkitd.CodeOf(err); code != tt.wantCode {
				t.Fatalf("decide error = %v, want code %q", err, tt.wantCode)
			}
			if diff := cmp.Diff(tt.then, got); diff != "" {
				t.Errorf("decide (-want +got):\n%s", diff)
			}
		})
	}
}

func TestThreadDecide(t *testing.T) {
	tests := []struct {
		name     string
		given    []events.Thread
		when     chatkitd.ThreadCommand
		then     []events.Thread
		wantCode chatkitd.Code
	}{
		{"rename", conversation(0), chatkitd.RenameThread{Title: " Rome\n"}, []events.Thread{events.ThreadRenamed{Title: "Rome", By: "user"}}, ""},
		{"rename to the same", conversation(0), chatkitd.RenameThread{Title: "t"}, nil, ""},
		{"rename to nothing", conversation(0), chatkitd.RenameThread{Title: " "}, nil, chatkitd.CodeInvalid},
		{"rename too long", conversation(0), chatkitd.RenameThread{Title: strings.Repeat("x", 201)}, nil, chatkitd.CodeInvalid},
		{"rename an unknown thread", nil, chatkitd.RenameThread{Title: "x"}, nil, chatkitd.CodeNotFound},
		{"delete", conversation(1), chatkitd.DeleteThread{}, []events.Thread{events.ThreadDeleted{}}, ""},
		{"delete twice", append(conversation(1), events.ThreadDeleted{}), chatkitd.DeleteThread{}, nil, chatkitd.CodeNotFound},
		{"delete while a turn runs", append(conversation(1), events.TurnStarted{TurnID: "trn_2"}), chatkitd.DeleteThread{}, nil, chatkitd.CodeBusy},
		{
			"feedback", conversation(1),
			chatkitd.GiveFeedback{Items: []chatkitd.ItemID{"a1"}, Kind: "positive"},
			[]events.Thread{events.FeedbackGiven{ItemIDs: []chatkitd.ItemID{"a1"}, Kind: "positive"}},
			"",
		},
		{"feedback on an unknown item", conversation(1), chatkitd.GiveFeedback{Items: []chatkitd.ItemID{"a1", "zz"}, Kind: "positive"}, nil, chatkitd.CodeNotFound},
		{"feedback of no kind", conversation(1), chatkitd.GiveFeedback{Items: []chatkitd.ItemID{"a1"}, Kind: "meh"}, nil, chatkitd.CodeInvalid},
		{"feedback on nothing", conversation(1), chatkitd.GiveFeedback{Kind: "positive"}, nil, chatkitd.CodeInvalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := foldThread(tt.given)
			got, err := s.decide("alice", tt.when)
			if code := chatkitd.CodeOf(err); code != tt.wantCode {
				t.Fatalf("decide error = %v, want code %q", err, tt.wantCode)
			}
			if diff := cmp.Diff(tt.then, got); diff != "" {
				t.Errorf("decide (-want +got):\n%s", diff)
			}
			if _, err := s.decide("bob", tt.when); chatkitd.CodeOf(err) != chatkitd.CodeNotFound {
				t.Errorf("the same by a stranger: %v, want CodeNotFound", err)
			}
		})
	}
}

// shape describes a history: ids of items, and "tool" for an exchange.
func shape(h []chatkitd.Entry) string {
	var out []string
	for _, e := range h {
		if e.Tool != nil {
			out = append(out, "tool")
		} else {
			out = append(out, e.Item.Base().ID)
		}
	}
	return strings.Join(out, " ")
}

func TestThreadHistory(t *testing.T) {
	retryOf := func(id string, n int) []events.Thread {
		evs := conversation(n)
		got, err := foldThread(evs).decideTurn(turnOrder{meta: chatkitd.Meta{User: "alice"}, cmd: chatkitd.RetryAfterItem{Item: chatkitd.ItemID(id)}})
		if err != nil {
			t.Fatal(err)
		}
		return append(evs, got...)
	}
	tests := []struct {
		name  string
		given []events.Thread
		n     int
		want  string
	}{
		{"all", conversation(2), 30, "u1 tool a1 u2 tool a2"},
		{"the last three items and the calls between them", conversation(3), 3, "a2 u3 tool a3"},
		{"a retry keeps the effects of the message that is answered anew", retryOf("u2", 2), 30, "u1 tool a1 u2 tool"},
		{"and drops those of the messages that are gone", retryOf("u1", 3), 30, "u1 tool"},
		{"a pending call is not shown", append(conversation(1), events.TurnStarted{TurnID: "trn_2"}, events.ToolCalled{TurnID: "trn_2", CallID: "c2"}), 30, "u1 tool a1"},
		{"a replaced item keeps its place", append(conversation(1), events.ItemReplaced{Item: itemOf(modelSays("u1", "x"))}), 30, "u1 tool a1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, _, err := foldThread(tt.given).history(tt.n)
			if err != nil {
				t.Fatal(err)
			}
			if s := shape(got); s != tt.want {
				t.Errorf("history = %q, want %q", s, tt.want)
			}
		})
	}
}

func TestTitleOf(t *testing.T) {
	tests := []struct{ in, want string }{
		{"Add buy milk", "Add buy milk"},
		{"  a\n\nb ", "A b"},
		{"Plan the whole trip to Rome with Anna and Peter in the spring, please", "Plan the whole trip to Rome with Anna and Peter in the…"},
		{strings.Repeat("x", 80), "X" + strings.Repeat("x", 59) + "…"},
		{strings.Repeat("世", 80), strings.Repeat("世", 60) + "…"},
	}
	for _, tt := range tests {
		if got := titleOf(userSays("m", tt.in)); got != tt.want {
			t.Errorf("titleOf(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestCheckInput(t *testing.T) {
	text := func(s string) chatkit.UserMessageInput {
		return chatkit.UserMessageInput{Content: []chatkit.UserContent{{Type: chatkit.TypeInputText, Text: s}}}
	}
	tests := []struct {
		name string
		in   chatkit.UserMessageInput
		ok   bool
	}{
		{"text", text("hi"), true},
		{"emoji", text("👍"), true},
		{"nothing", chatkit.UserMessageInput{}, false},
		{"blank", text(" \n\t"), false},
		{"a tag alone", chatkit.UserMessageInput{Content: []chatkit.UserContent{{Type: chatkit.TypeInputTag, ID: "1", Text: "Anna"}}}, true},
		{"the longest", text(strings.Repeat("é", chatkitd.MaxMessage)), true},
		{"too long", text(strings.Repeat("é", chatkitd.MaxMessage+1)), false},
		{"an attachment", chatkit.UserMessageInput{Content: text("hi").Content, Attachments: []string{"atc_1"}}, false},
	}
	for _, tt := range tests {
		if err := checkInput(tt.in); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
