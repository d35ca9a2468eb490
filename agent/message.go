package agent

import (
	"fmt"
	"slices"
	"strings"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/chatkit"
)

// The bounds of an answer, against a provider that does not stop. An item must
// fit into one event of the store, which takes 1 MiB, with all that escaping adds.
const (
	maxParts       = 100
	maxText        = 256 << 10 // bytes of one message
	maxAnnotations = 500
	maxImage       = 768 << 10 // bytes of an image's URL
)

// message is an assistant's message that is not done.
type message struct {
	output int
	base   chatkit.ItemBase
	parts  []*part
	size   int
}

type part struct {
	key         int // the model's index; ours is dense, for not all of its parts are shown
	open        bool
	text        strings.Builder
	annotations []chatkit.Annotation
}

func (p *part) content() chatkit.OutputText {
	return chatkit.OutputText{Text: p.text.String(), Annotations: slices.Clone(p.annotations)}
}

// event turns one event of the model into ChatKit events.
func (t *turn) event(ev *Event) error {
	switch ev.Kind {
	case TextDelta:
		m, i, err := t.part(ev)
		if err != nil {
			return err
		}
		return t.grow(m, i, ev.Text)
	case MessageStarted:
		_, err := t.message(ev.Output)
		return err
	case PartStarted:
		_, _, err := t.part(ev)
		return err
	case TextDone:
		return t.textDone(ev)
	case Annotated:
		return t.annotate(ev)
	case MessageDone:
		return t.messageDone(ev.Output)
	case ReasoningStarted:
		return t.openReasoning()
	case ThoughtDelta, ThoughtDone:
		return t.thought(ev)
	case ImageStarted, ImagePartial, ImageDone:
		return t.image(ev)
	}
	return errUnknownEvent
}

// message returns the open message of an output item, or opens it.
func (t *turn) message(output int) (*message, error) {
	for _, m := range t.messages {
		if m.output == output {
			return m, nil
		}
	}
	if err := t.closeFlow(); err != nil {
		return nil, err
	}
	m := &message{output: output, base: t.base(chatkitd.PrefixMessage)}
	t.messages = append(t.messages, m)
	t.sink.Emit(chatkit.ItemAdded{Item: chatkit.AssistantMessage{ItemBase: m.base}})
	return m, nil
}

// part returns the part that an event is about, and its index, or opens it.
func (t *turn) part(ev *Event) (*message, int, error) {
	m, err := t.message(ev.Output)
	if err != nil {
		return nil, 0, err
	}
	for i, p := range m.parts {
		if p.key == ev.Part {
			return m, i, nil
		}
	}
	i := len(m.parts)
	if i == maxParts {
		return nil, 0, tooLarge("a message of more than %d parts", maxParts)
	}
	t.sink.Emit(chatkit.ItemUpdated{ItemID: m.base.ID, Update: chatkit.ContentPartAdded{ContentIndex: i}})
	m.parts = append(m.parts, &part{key: ev.Part, open: true})
	return m, i, nil
}

func (t *turn) grow(m *message, index int, text string) error {
	p := m.parts[index]
	if text == "" || !p.open {
		return nil
	}
	if m.size += len(text); m.size > maxText {
		return tooLarge("a message of more than %d bytes", maxText)
	}
	p.text.WriteString(text)
	t.sink.Emit(chatkit.ItemUpdated{ItemID: m.base.ID, Update: chatkit.TextDelta{ContentIndex: index, Delta: text}})
	return nil
}

// textDone closes a part. The provider's whole text is what counts: it may send
// no deltas, or fewer.
func (t *turn) textDone(ev *Event) error {
	m, i, err := t.part(ev)
	if err != nil || !m.parts[i].open {
		return err
	}
	p := m.parts[i]
	if rest, more := strings.CutPrefix(ev.Text, p.text.String()); more {
		if err := t.grow(m, i, rest); err != nil {
			return err
		}
	} else if ev.Text != "" {
		if len(ev.Text) > maxText {
			return tooLarge("a message of more than %d bytes", maxText)
		}
		p.text.Reset()
		p.text.WriteString(ev.Text)
	}
	t.closePart(m, i)
	return nil
}

func (t *turn) closePart(m *message, index int) {
	p := m.parts[index]
	if !p.open {
		return
	}
	p.open = false
	t.sink.Emit(chatkit.ItemUpdated{ItemID: m.base.ID, Update: chatkit.ContentPartDone{ContentIndex: index, Content: p.content()}})
}

func (t *turn) messageDone(output int) error {
	m, err := t.message(output)
	if err != nil {
		return err
	}
	return t.finish(m)
}

func (t *turn) finish(m *message) error {
	t.messages = slices.DeleteFunc(t.messages, func(o *message) bool { return o == m })
	item := chatkit.AssistantMessage{ItemBase: m.base, Content: make([]chatkit.OutputText, 0, len(m.parts))}
	for i, p := range m.parts {
		t.closePart(m, i)
		item.Content = append(item.Content, p.content())
	}
	return t.commit(chatkit.ItemDone{Item: item})
}

// finishItems finishes what the provider left open at the end of its answer.
func (t *turn) finishItems() error {
	for len(t.messages) > 0 {
		if err := t.finish(t.messages[0]); err != nil {
			return err
		}
	}
	for len(t.images) > 0 {
		if err := t.imageDone(t.images[0], ""); err != nil {
			return err
		}
	}
	return nil
}

// annotate adds a citation to a part, under a running index of our own: one
// that cannot be shown is dropped and leaves no gap.
func (t *turn) annotate(ev *Event) error {
	m, i, err := t.part(ev)
	if err != nil {
		return err
	}
	p := m.parts[i]
	src, ok := source(ev.Annotation)
	if !ok || len(p.annotations) >= maxAnnotations {
		return nil
	}
	index := max(ev.Annotation.Index, 0)
	a := chatkit.Annotation{Source: src, Index: &index}
	t.sink.Emit(chatkit.ItemUpdated{ItemID: m.base.ID, Update: chatkit.AnnotationAdded{
		ContentIndex: i, AnnotationIndex: len(p.annotations), Annotation: a,
	}})
	p.annotations = append(p.annotations, a)
	return nil
}

func source(a *Annotation) (chatkit.Source, bool) {
	if a == nil {
		return chatkit.Source{}, false
	}
	switch a.Kind {
	case CitesURL:
		if a.Title == "" {
			a.Title = a.URL
		}
		return chatkit.Source{Type: "url", URL: a.URL, Title: a.Title}, a.URL != ""
	case CitesFile, CitesContainerFile:
		return chatkit.Source{Type: "file", Filename: a.Filename, Title: a.Filename}, a.Filename != ""
	}
	return chatkit.Source{}, false
}

func tooLarge(format string, a ...any) error {
	return chatkitd.Errorf(chatkitd.CodeUnavailable, "The model's answer is too large to show.").
		Because(fmt.Errorf("model sent "+format, a...))
}
