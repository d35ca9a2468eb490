package agenttest

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Script writes the stream of one answer as OpenAI sends it.
type Script struct {
	b      strings.Builder
	seq    int
	output int
	items  []json.RawMessage
	id     string
}

// NewScript begins an answer.
func NewScript(id string) *Script {
	s := &Script{id: id}
	return s.Event("response.created", map[string]any{"response": s.response("in_progress")})
}

// Event writes any event.
func (s *Script) Event(kind string, fields map[string]any) *Script {
	ordered := struct {
		Type string `json:"type"`
		Seq  int    `json:"sequence_number"`
	}{kind, s.seq}
	s.seq++
	head, err := json.Marshal(ordered)
	if err != nil {
		panic(err)
	}
	data := string(head)
	if len(fields) > 0 {
		tail, err := json.Marshal(fields)
		if err != nil {
			panic(err)
		}
		data = data[:len(data)-1] + "," + string(tail[1:])
	}
	fmt.Fprintf(&s.b, "event: %s\ndata: %s\n\n", kind, data)
	return s
}

// Raw writes text as it is.
func (s *Script) Raw(text string) *Script {
	s.b.WriteString(text)
	return s
}

// Text writes a message whose text comes in these deltas.
func (s *Script) Text(deltas ...string) *Script { return s.Message("output_text", nil, deltas...) }

// Refusal writes a message that is a refusal.
func (s *Script) Refusal(deltas ...string) *Script { return s.Message("refusal", nil, deltas...) }

// Message writes a message of one part, annotations behind its text.
func (s *Script) Message(part string, annotations []map[string]any, deltas ...string) *Script {
	o, id, field, kind := s.output, fmt.Sprintf("msg_%s_%d", s.id, s.output), "text", "response.output_text"
	if part == "refusal" {
		field, kind = "refusal", "response.refusal"
	}
	s.output++
	at := map[string]any{"item_id": id, "output_index": o, "content_index": 0}
	with := func(more map[string]any) map[string]any {
		for k, v := range at {
			more[k] = v
		}
		return more
	}
	text := strings.Join(deltas, "")
	s.Event("response.output_item.added", map[string]any{"output_index": o, "item": map[string]any{
		"id": id, "type": "message", "status": "in_progress", "role": "assistant", "content": []any{},
	}})
	s.Event("response.content_part.added", with(map[string]any{"part": map[string]any{"type": part, field: "", "annotations": []any{}}}))
	for _, d := range deltas {
		s.Event(kind+".delta", with(map[string]any{"delta": d, "logprobs": []any{}, "obfuscation": "k3xT9q"}))
	}
	for i, a := range annotations {
		s.Event("response.output_text.annotation.added", with(map[string]any{"annotation_index": i, "annotation": a}))
	}
	s.Event(kind+".done", with(map[string]any{field: text}))
	whole := map[string]any{"type": part, field: text}
	s.Event("response.content_part.done", with(map[string]any{"part": whole}))
	return s.done(o, map[string]any{"id": id, "type": "message", "status": "completed", "role": "assistant", "content": []any{whole}})
}

// Reasoning writes a reasoning item with these thoughts, each in two deltas.
func (s *Script) Reasoning(thoughts ...string) *Script {
	o, id := s.output, fmt.Sprintf("rs_%s_%d", s.id, s.output)
	s.output++
	s.Event("response.output_item.added", map[string]any{"output_index": o, "item": map[string]any{"id": id, "type": "reasoning", "summary": []any{}, "encrypted_content": "part"}})
	var summary []any
	for i, t := range thoughts {
		at := map[string]any{"item_id": id, "output_index": o, "summary_index": i}
		half := len(t) / 2
		for _, d := range []string{t[:half], t[half:]} {
			s.Event("response.reasoning_summary_text.delta", map[string]any{"item_id": id, "output_index": o, "summary_index": i, "delta": d})
		}
		at["text"] = t
		s.Event("response.reasoning_summary_text.done", at)
		summary = append(summary, map[string]any{"type": "summary_text", "text": t})
	}
	return s.done(o, map[string]any{"id": id, "type": "reasoning", "summary": summary, "encrypted_content": "gAAAA-" + id})
}

// Call is a function call of a script.
type Call struct{ ID, Name, Arguments string }

// Calls writes parallel function calls: their arguments interleave, and the last
// is done first.
func (s *Script) Calls(calls ...Call) *Script {
	first := s.output
	s.output += len(calls)
	id := func(i int) string { return fmt.Sprintf("fc_%s_%d", s.id, first+i) }
	for i, c := range calls {
		s.Event("response.output_item.added", map[string]any{"output_index": first + i, "item": map[string]any{
			"id": id(i), "type": "function_call", "status": "in_progress", "call_id": c.ID, "name": c.Name, "arguments": "",
		}})
	}
	for part := range 2 {
		for i, c := range calls {
			half := len(c.Arguments) / 2
			delta := c.Arguments[:half]
			if part == 1 {
				delta = c.Arguments[half:]
			}
			s.Event("response.function_call_arguments.delta", map[string]any{"item_id": id(i), "output_index": first + i, "delta": delta})
		}
	}
	s.items = append(s.items, make([]json.RawMessage, first+len(calls)-len(s.items))...)
	for i := len(calls) - 1; i >= 0; i-- {
		c := calls[i]
		s.Event("response.function_call_arguments.done", map[string]any{"item_id": id(i), "output_index": first + i, "arguments": c.Arguments})
		s.done(first+i, map[string]any{"id": id(i), "type": "function_call", "status": "completed", "call_id": c.ID, "name": c.Name, "arguments": c.Arguments})
	}
	return s
}

func (s *Script) done(output int, item map[string]any) *Script {
	raw, err := json.Marshal(item)
	if err != nil {
		panic(err)
	}
	for len(s.items) <= output {
		s.items = append(s.items, nil)
	}
	s.items[output] = raw
	return s.Event("response.output_item.done", map[string]any{"output_index": output, "item": item})
}

func (s *Script) response(status string) map[string]any {
	items := s.items
	if items == nil {
		items = []json.RawMessage{}
	}
	return map[string]any{"id": "resp_" + s.id, "object": "response", "model": "scripted-1", "status": status, "output": items, "usage": nil, "error": nil, "incomplete_details": nil}
}

// Completed ends the answer well: 100 input tokens (20 cached), 50 output tokens
// (10 of them reasoning).
func (s *Script) Completed() Reply {
	r := s.response("completed")
	r["usage"] = map[string]any{
		"input_tokens": 100, "input_tokens_details": map[string]any{"cached_tokens": 20},
		"output_tokens": 50, "output_tokens_details": map[string]any{"reasoning_tokens": 10}, "total_tokens": 150,
	}
	return s.Event("response.completed", map[string]any{"response": r}).End()
}

// Incomplete ends the answer short.
func (s *Script) Incomplete(reason string) Reply {
	r := s.response("incomplete")
	r["incomplete_details"] = map[string]any{"reason": reason}
	r["usage"] = map[string]any{"input_tokens": 100, "output_tokens": 50}
	return s.Event("response.incomplete", map[string]any{"response": r}).End()
}

// Failed ends the answer with a failure.
func (s *Script) Failed(code, message string) Reply {
	r := s.response("failed")
	r["error"] = map[string]any{"code": code, "message": message}
	return s.Event("response.failed", map[string]any{"response": r}).End()
}

// End returns what was written so far, without a terminal event.
func (s *Script) End() Reply { return Reply{Chunks: []string{s.b.String()}} }

// Stream returns what was written so far, cut at its events, so that each is
// sent by itself.
func (s *Script) Stream() []string {
	return strings.SplitAfter(strings.TrimSuffix(s.b.String(), "\n\n")+"\n\n", "\n\n")
}

// String returns what was written so far.
func (s *Script) String() string { return s.b.String() }

// Turn returns the two replies of a whole turn: two
// parallel calls of add_task, then an answer of that many text deltas.
func Turn(deltas int) []Reply {
	words := make([]string, deltas)
	for i := range words {
		words[i] = fmt.Sprintf("word%02d ", i)
	}
	return []Reply{
		NewScript("a").Calls(
			Call{"call_1", "add_task", `{"title":"buy milk","description":null,"priority":null,"tags":null,"due_at":"2026-11-24"}`},
			Call{"call_2", "add_task", `{"title":"call Anna","description":null,"priority":"high","tags":["home"],"due_at":null}`},
		).Completed(),
		NewScript("b").Text(words...).Completed(),
	}
}
