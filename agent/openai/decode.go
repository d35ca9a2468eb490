package openai

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/agent"
)

// maxItems bounds the output items of one answer.
const maxItems = 500

// slot is one output item of the answer. Providers number items by output_index;
// their ids are no help, for some give all items the same.
type slot struct {
	kind  string
	index int // the provider's
	raw   json.RawMessage
	done  bool
	call  agent.Call
	args  strings.Builder // as they stream
}

// decoder turns a provider's events into the agent's.
type decoder struct {
	emit  func(*agent.Event) error
	slots []*slot
	at    map[int]int // newest slot of an output_index
	ended bool
	final final
	ev    agent.Event // reused: an event is valid during the call only
}

// final is the response in a terminal event.
type final struct {
	ID     string            `json:"id"`
	Model  string            `json:"model"`
	Status string            `json:"status"`
	Output []json.RawMessage `json:"output"`
	Error  json.RawMessage   `json:"error"`
	Reason *struct {
		Reason string `json:"reason"`
	} `json:"incomplete_details"`
	Usage *struct {
		Input   int64 `json:"input_tokens"`
		Details *struct {
			Cached int64 `json:"cached_tokens"`
		} `json:"input_tokens_details"`
		Output    int64 `json:"output_tokens"`
		OutDetail *struct {
			Reasoning int64 `json:"reasoning_tokens"`
		} `json:"output_tokens_details"`
	} `json:"usage"`
}

func newDecoder(emit func(*agent.Event) error) *decoder {
	return &decoder{emit: emit, at: map[int]int{}}
}

// fields are what is needed of any event but a terminal one.
type fields struct {
	kind                   string
	delta, text, part      string // part is JSON
	item, annotation       string // JSON
	image                  string
	output, content, index int // index is that of a thought
	hasOutput              bool
	failed                 bool // there is an "error"
}

// read takes the fields out of an event in one pass.
func (f *fields) read(s string) {
	f.output = -1
	gjson.Parse(s).ForEach(func(k, v gjson.Result) bool {
		switch k.Str {
		case "type":
			f.kind = v.Str
		case "delta":
			f.delta = v.Str
		case "text", "refusal", "arguments":
			f.text = v.Str
		case "output_index":
			f.output, f.hasOutput = int(v.Num), true
		case "content_index":
			f.content = int(v.Num)
		case "summary_index":
			f.index = int(v.Num)
		case "item":
			f.item = v.Raw
		case "part":
			f.part = v.Raw
		case "annotation":
			f.annotation = v.Raw
		case "partial_image_b64":
			f.image = v.Str
		case "error":
			f.failed = v.Type != gjson.Null
		}
		return true
	})
}

var errMalformed = errors.New("openai: an event is not JSON")

// event takes one event. A *providerError is the provider's failure; any other
// error is one of emit, or of a stream that makes no sense.
func (d *decoder) event(data []byte) error {
	s := string(data)
	if !gjson.Valid(s) {
		return &providerError{message: errMalformed.Error()}
	}
	var f fields
	f.read(s)
	switch f.kind {
	case "response.output_text.delta", "response.refusal.delta":
		if f.delta == "" {
			return nil
		}
		sl, err := d.slot(&f, "message")
		if err != nil {
			return err
		}
		return d.send(agent.Event{Kind: agent.TextDelta, Output: sl, Part: f.content, Text: strings.ToValidUTF8(f.delta, "\ufffd")})
	case "response.output_text.done", "response.refusal.done":
		sl, err := d.slot(&f, "message")
		if err != nil {
			return err
		}
		return d.send(agent.Event{Kind: agent.TextDone, Output: sl, Part: f.content, Text: strings.ToValidUTF8(f.text, "\ufffd")})
	case "response.content_part.added":
		return d.partAdded(&f)
	case "response.output_text.annotation.added":
		return d.annotation(&f)
	case "response.output_item.added":
		return d.itemAdded(&f)
	case "response.output_item.done":
		return d.itemDone(&f)
	case "response.reasoning_summary_text.delta", "response.reasoning_summary_text.done":
		return d.thought(&f)
	case "response.function_call_arguments.delta", "response.function_call_arguments.done":
		return d.arguments(&f)
	case "response.image_generation_call.partial_image":
		return d.partialImage(&f)
	case "response.completed", "response.incomplete", "response.failed", "response.cancelled":
		return d.terminal(f.kind, data)
	case "error":
		return parseError(0, data)
	case "":
		if f.failed {
			return parseError(0, data)
		}
	}
	return nil // an event that we have no use for, or one of a later version
}

// send hands an event on in the decoder's own memory.
func (d *decoder) send(ev agent.Event) error {
	d.ev = ev
	return d.emit(&d.ev)
}

// slot returns the slot that an event is about. One that was not announced is
// opened: not every provider announces.
func (d *decoder) slot(f *fields, kind string) (int, error) {
	if !f.hasOutput && len(d.slots) > 0 {
		return len(d.slots) - 1, nil
	}
	if i, ok := d.at[f.output]; ok {
		return i, nil
	}
	return d.open(f.output, kind)
}

func (d *decoder) open(output int, kind string) (int, error) {
	if len(d.slots) == maxItems {
		return 0, &providerError{message: fmt.Sprintf("more than %d output items", maxItems)}
	}
	i := len(d.slots)
	d.slots = append(d.slots, &slot{kind: kind, index: output})
	d.at[output] = i
	return i, nil
}

func (d *decoder) partAdded(f *fields) error {
	switch gjson.Get(f.part, "type").Str {
	case "output_text", "refusal":
	default:
		return nil // reasoning_text, or something of a later version
	}
	sl, err := d.slot(f, "message")
	if err != nil || d.slots[sl].kind != "message" {
		return err
	}
	return d.send(agent.Event{Kind: agent.PartStarted, Output: sl, Part: f.content})
}

func (d *decoder) itemAdded(f *fields) error {
	kind := gjson.Get(f.item, "type").Str
	if !f.hasOutput {
		f.output = len(d.slots)
	}
	sl, err := d.open(f.output, kind)
	if err != nil {
		return err
	}
	switch kind {
	case "message":
		return d.send(agent.Event{Kind: agent.MessageStarted, Output: sl})
	case "reasoning":
		return d.send(agent.Event{Kind: agent.ReasoningStarted, Output: sl})
	case "image_generation_call":
		return d.send(agent.Event{Kind: agent.ImageStarted, Output: sl})
	case "function_call":
		call := gjson.GetMany(f.item, "call_id", "name")
		d.slots[sl].call = agent.Call{ID: call[0].Str, Name: call[1].Str}
	}
	return nil
}

func (d *decoder) itemDone(f *fields) error {
	kind := gjson.Get(f.item, "type").Str
	i, known := d.at[f.output]
	if !f.hasOutput && len(d.slots) > 0 {
		i, known = len(d.slots)-1, true
	}
	if !known || d.slots[i].done || d.slots[i].kind != kind {
		var err error
		if i, err = d.open(f.output, kind); err != nil {
			return err
		}
	}
	return d.finish(i, f.item)
}

// finish takes the whole of an item.
func (d *decoder) finish(i int, item string) error {
	sl := d.slots[i]
	sl.done, sl.raw = true, json.RawMessage(item)
	switch sl.kind {
	case "message":
		return d.message(i, item)
	case "function_call":
		v := gjson.GetMany(item, "call_id", "name", "arguments")
		sl.call = agent.Call{ID: v[0].Str, Name: v[1].Str, Arguments: v[2].Str}
		if sl.call.Arguments == "" {
			sl.call.Arguments = sl.args.String()
		}
	case "image_generation_call":
		url := ""
		if b64 := gjson.Get(item, "result").Str; b64 != "" {
			url = imageURL(b64, gjson.Get(item, "output_format").Str)
		}
		return d.send(agent.Event{Kind: agent.ImageDone, Output: i, Image: url})
	}
	return nil
}

// message closes a message: every part that the item has is made whole, for a
// provider may have sent none of its text before.
func (d *decoder) message(i int, item string) error {
	for part, c := range gjson.Get(item, "content").Array() {
		text := c.Get("text").Str
		switch c.Get("type").Str {
		case "output_text":
		case "refusal":
			text = c.Get("refusal").Str
		default:
			continue
		}
		if err := d.send(agent.Event{Kind: agent.TextDone, Output: i, Part: part, Text: strings.ToValidUTF8(text, "\ufffd")}); err != nil {
			return err
		}
	}
	return d.send(agent.Event{Kind: agent.MessageDone, Output: i})
}

func (d *decoder) thought(f *fields) error {
	sl, err := d.slot(f, "reasoning")
	if err != nil {
		return err
	}
	kind, text := agent.ThoughtDelta, f.delta
	if strings.HasSuffix(f.kind, "done") {
		kind, text = agent.ThoughtDone, f.text
	}
	return d.send(agent.Event{Kind: kind, Output: sl, Part: f.index, Text: strings.ToValidUTF8(text, "\ufffd")})
}

// arguments collects the arguments of a call, which interleave with those of
// others; they count only if the item does not repeat them.
func (d *decoder) arguments(f *fields) error {
	i, err := d.slot(f, "function_call")
	if err != nil {
		return err
	}
	sl := d.slots[i]
	if f.kind == "response.function_call_arguments.done" {
		sl.args.Reset()
		f.delta = f.text
	}
	sl.args.WriteString(f.delta)
	return nil
}

func (d *decoder) partialImage(f *fields) error {
	sl, err := d.slot(f, "image_generation_call")
	if err != nil || f.image == "" {
		return err
	}
	return d.send(agent.Event{Kind: agent.ImagePartial, Output: sl, Image: imageURL(f.image, "")})
}

func imageURL(b64, format string) string {
	switch format {
	case "png", "jpeg", "webp":
	default:
		format = "png"
	}
	return "data:image/" + format + ";base64," + b64
}

func (d *decoder) annotation(f *fields) error {
	sl, err := d.slot(f, "message")
	if err != nil {
		return err
	}
	a := gjson.GetMany(f.annotation, "type", "end_index", "index", "url", "title", "filename")
	at := int(a[1].Num)
	if a[0].Str == agent.CitesFile {
		at = int(a[2].Num)
	}
	return d.send(agent.Event{Kind: agent.Annotated, Output: sl, Part: f.content, Annotation: &agent.Annotation{
		Kind: a[0].Str, Index: at, URL: a[3].Str, Title: a[4].Str, Filename: a[5].Str,
	}})
}

// terminal takes the event that ends an answer. Only it makes a success.
func (d *decoder) terminal(kind string, data []byte) error {
	var end struct {
		Response final `json:"response"`
	}
	if err := json.Unmarshal(data, &end); err != nil {
		return &providerError{message: "terminal event: " + err.Error()}
	}
	d.final = end.Response
	switch {
	case kind == "response.failed" || kind == "response.cancelled" || d.final.Status == "failed" || d.final.Status == "cancelled":
		wrapped, err := json.Marshal(map[string]json.RawMessage{"error": d.final.Error})
		if err != nil || len(d.final.Error) == 0 {
			return &providerError{message: kind + " without a reason"}
		}
		return parseError(0, wrapped)
	case kind == "response.incomplete" || d.final.Status == "incomplete":
		if d.final.Reason == nil || d.final.Reason.Reason == "" {
			d.final.Reason = &struct {
				Reason string `json:"reason"`
			}{"unknown"}
		}
	default:
		d.final.Reason = nil
	}
	d.ended = true
	return d.complete()
}

// complete adds what only the terminal event tells.
func (d *decoder) complete() error {
	for i, raw := range d.final.Output {
		item := string(raw)
		switch {
		case i < len(d.slots) && d.slots[i].done:
		case i < len(d.slots) && d.slots[i].kind == gjson.Get(item, "type").Str:
			if err := d.finish(i, item); err != nil {
				return err
			}
		case i >= len(d.slots):
			sl, err := d.open(i, gjson.Get(item, "type").Str)
			if err != nil {
				return err
			}
			if err := d.finish(sl, item); err != nil {
				return err
			}
		}
	}
	return nil
}

// response returns the answer as a whole.
func (d *decoder) response(model string) *agent.Response {
	r := &agent.Response{ID: d.final.ID, Model: or(d.final.Model, model)}
	if d.final.Reason != nil {
		r.Incomplete = d.final.Reason.Reason
	}
	if u := d.final.Usage; u != nil {
		r.Usage = chatkitd.Usage{Input: u.Input, Output: u.Output}
		if u.Details != nil {
			r.Usage.Cached = u.Details.Cached
		}
		if u.OutDetail != nil {
			r.Usage.Reasoning = u.OutDetail.Reasoning
		}
	}
	r.Calls, r.Output = d.replay()
	return r
}
