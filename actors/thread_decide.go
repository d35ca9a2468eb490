package actors

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/chatkit"
	"github.com/chatkitd/chatkitd/events"
)

var errNoThread = chatkitd.Errorf(chatkitd.CodeNotFound, "there is no thread with this id")

// checkOwner answers for unknown, deleted and foreign threads alike.
func (s *threadState) checkOwner(user chatkitd.UserID) error {
	if !s.exists() || s.owner != user {
		return errNoThread
	}
	return nil
}

// turnOrder is a turn command with what the caller put in: ids and encoded item.
type turnOrder struct {
	meta     chatkitd.Meta
	cmd      chatkitd.TurnCommand
	thread   chatkitd.ThreadID
	turn     chatkitd.TurnID
	message  chatkit.UserMessage // of a CreateThread or an AddUserMessage
	model    string
	instance string
	timezone string
}

// decideTurn returns the events that start a turn. It is pure.
func (s *threadState) decideTurn(o turnOrder) ([]events.Thread, error) {
	started := events.TurnStarted{
		TurnID: o.turn, Trigger: events.TriggerMessage, Model: o.model, Instance: o.instance, Timezone: o.timezone,
	}
	if cmd, ok := o.cmd.(chatkitd.CreateThread); ok {
		if s.owner != "" {
			return nil, chatkitd.Errorf(chatkitd.CodeConflict, "this thread exists already")
		}
		item, err := chatkit.EncodeItem(o.message)
		if err != nil {
			return nil, err
		}
		return []events.Thread{
			events.ThreadCreated{ThreadID: o.thread, UserID: o.meta.User, Title: titleOf(o.message), Metadata: cmd.Metadata},
			events.ItemAdded{Item: item},
			started,
		}, nil
	}
	if err := s.checkOwner(o.meta.User); err != nil {
		return nil, err
	}
	switch {
	case s.turn != nil:
		return nil, chatkitd.Errorf(chatkitd.CodeBusy, "this thread is still answering; wait for the end or cancel it")
	case s.status.Type != chatkit.StatusActive:
		msg := "this thread is " + s.status.Type + " and takes no message"
		if s.status.Reason != "" {
			msg += ": " + s.status.Reason
		}
		return nil, chatkitd.Errorf(chatkitd.CodeConflict, "%s", msg)
	}
	switch cmd := o.cmd.(type) {
	case chatkitd.CreateThread: // see above
	case chatkitd.AddUserMessage:
		item, err := chatkit.EncodeItem(o.message)
		if err != nil {
			return nil, err
		}
		return []events.Thread{events.ItemAdded{Item: item}, started}, nil
	case chatkitd.RetryAfterItem:
		i := s.find(cmd.Item)
		if i < 0 {
			return nil, chatkitd.Errorf(chatkitd.CodeNotFound, "there is no item with this id in the thread")
		}
		if s.refs[i].kind != chatkit.TypeUserMessage {
			return nil, chatkitd.Errorf(chatkitd.CodeInvalid, "params.item_id: only a user's message can be retried")
		}
		var evs []events.Thread
		for _, id := range s.after(i) {
			evs = append(evs, events.ItemRemoved{ItemID: id, Reason: "retried"})
		}
		started.Trigger = events.TriggerRetry
		return append(evs, started), nil
	}
	return nil, chatkitd.Errorf(chatkitd.CodeInvalid, "unknown command %T", o.cmd)
}

// decide returns the events of a command that is carried out at once. It is pure.
func (s *threadState) decide(user chatkitd.UserID, cmd chatkitd.ThreadCommand) ([]events.Thread, error) {
	if err := s.checkOwner(user); err != nil {
		return nil, err
	}
	switch cmd := cmd.(type) {
	case chatkitd.RenameThread:
		title, err := cleanThreadTitle(cmd.Title)
		if err != nil || title == s.title {
			return nil, err
		}
		return []events.Thread{events.ThreadRenamed{Title: title, By: "user"}}, nil
	case chatkitd.DeleteThread:
		if s.turn != nil {
			return nil, chatkitd.Errorf(chatkitd.CodeBusy, "this thread is still answering; wait for the end or cancel it")
		}
		return []events.Thread{events.ThreadDeleted{}}, nil
	case chatkitd.GiveFeedback:
		return s.feedback(cmd)
	case chatkitd.CancelTurn:
		return nil, nil // the system cancels; here only the owner is checked
	}
	return nil, chatkitd.Errorf(chatkitd.CodeInvalid, "unknown command %T", cmd)
}

func (s *threadState) feedback(cmd chatkitd.GiveFeedback) ([]events.Thread, error) {
	switch {
	case cmd.Kind != "positive" && cmd.Kind != "negative":
		return nil, chatkitd.Errorf(chatkitd.CodeInvalid, "params.kind: must be positive or negative")
	case len(cmd.Items) == 0:
		return nil, chatkitd.Errorf(chatkitd.CodeInvalid, "params.item_ids: name at least one item")
	case len(cmd.Items) > chatkitd.MaxFeedback:
		return nil, chatkitd.Errorf(chatkitd.CodeInvalid, "params.item_ids: at most %d items at once", chatkitd.MaxFeedback)
	}
	for _, id := range cmd.Items {
		if i := s.find(id); i < 0 || chatkit.Hidden(s.refs[i].kind) {
			return nil, chatkitd.Errorf(chatkitd.CodeNotFound, "there is no item with this id in the thread")
		}
	}
	return []events.Thread{events.FeedbackGiven{ItemIDs: slices.Clone(cmd.Items), Kind: cmd.Kind}}, nil
}

func cleanThreadTitle(s string) (string, error) {
	s = cleanLine(s)
	if s == "" {
		return "", chatkitd.Errorf(chatkitd.CodeInvalid, "params.title: a title has 1 to %d characters", chatkitd.MaxThreadTitle)
	}
	if n := utf8.RuneCountInString(s); n > chatkitd.MaxThreadTitle {
		return "", chatkitd.Errorf(chatkitd.CodeInvalid, "params.title: %d characters are too many, at most %d are allowed", n, chatkitd.MaxThreadTitle)
	}
	return s, nil
}

// titleLength is where a title taken from a first message is cut, in characters.
const titleLength = 60

// titleOf names a new thread after its first message, so that a list of threads
// can be read; the user may rename it.
func titleOf(m chatkit.UserMessage) string {
	var b strings.Builder
	for _, part := range m.Content {
		b.WriteString(part.Text)
		b.WriteByte(' ')
	}
	runes := []rune(cleanLine(b.String()))
	if len(runes) == 0 {
		return ""
	}
	runes[0] = unicode.ToUpper(runes[0])
	if len(runes) <= titleLength {
		return string(runes)
	}
	cut := string(runes[:titleLength])
	if i := strings.LastIndexByte(cut, ' '); i > titleLength/2 {
		cut = cut[:i]
	}
	return strings.TrimRight(cut, " ,;:.-") + "…"
}

// checkInput refuses a message that cannot be stored or answered.
func checkInput(in chatkit.UserMessageInput) error {
	if len(in.Attachments) > 0 {
		return chatkitd.Errorf(chatkitd.CodeInvalid, "params.input.attachments: this server does not take attachments yet")
	}
	n, blank := 0, true
	for _, part := range in.Content {
		n += utf8.RuneCountInString(part.Text)
		blank = blank && part.Type == chatkit.TypeInputText && cleanLine(part.Text) == ""
	}
	switch {
	case blank:
		return chatkitd.Errorf(chatkitd.CodeInvalid, "params.input.content: the message is empty")
	case n > chatkitd.MaxMessage:
		return chatkitd.Errorf(chatkitd.CodeInvalid, "params.input.content: %d characters are too many, a message has at most %d", n, chatkitd.MaxMessage)
	case len(in.Content) > maxParts:
		return chatkitd.Errorf(chatkitd.CodeInvalid, "params.input.content: %d parts are too many, a message has at most %d", len(in.Content), maxParts)
	case utf8.RuneCountInString(in.QuotedText) > chatkitd.MaxMessage:
		return chatkitd.Errorf(chatkitd.CodeInvalid, "params.input.quoted_text: too long, at most %d characters", chatkitd.MaxMessage)
	}
	return nil
}

// maxParts bounds the parts of one message.
const maxParts = 100
