package openai

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/chatkitd/chatkitd/agent"
	"github.com/chatkitd/chatkitd/tools"
)

// request is the body of POST /responses. The SDK's parameters say the same at
// many times the cost; the schemas of the tools alone would be encoded anew in
// each round.
type request struct {
	Model        string     `json:"model"`
	Instructions string     `json:"instructions,omitempty"`
	Input        []any      `json:"input"`
	ToolChoice   any        `json:"tool_choice,omitempty"`
	Parallel     bool       `json:"parallel_tool_calls"`
	Store        bool       `json:"store"` // never: the conversation is ours
	Stream       bool       `json:"stream"`
	Include      []string   `json:"include,omitempty"`
	Reasoning    *reasoning `json:"reasoning,omitempty"`
}

type reasoning struct {
	Summary string `json:"summary"`
}

type inputMessage struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

type inputCall struct {
	Type      string `json:"type"`
	CallID    string `json:"call_id"`
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

type inputOutput struct {
	Type   string `json:"type"`
	CallID string `json:"call_id"`
	Output string `json:"output"`
}

// encode returns the body of a request.
func (m *Model) encode(req *agent.Request) ([]byte, error) {
	body := request{
		Model: or(req.Model, m.opts.Model), Instructions: req.Instructions,
		Input: make([]any, 0, len(req.Input)), Parallel: true, Stream: true,
	}
	for _, in := range req.Input {
		switch {
		case in.Raw != nil:
			body.Input = append(body.Input, in.Raw)
		case in.Call != nil:
			body.Input = append(body.Input, inputCall{"function_call", in.Call.ID, in.Call.Name, in.Call.Arguments})
		case in.Output != nil:
			body.Input = append(body.Input, inputOutput{"function_call_output", in.Output.ID, in.Output.Output})
		default:
			body.Input = append(body.Input, inputMessage{in.Role, in.Text})
		}
	}
	defs, err := m.tools.encode(req.Tools, m.opts.Strict != Off)
	if err != nil {
		return nil, err
	}
	if req.ToolChoice != "" {
		body.ToolChoice = map[string]string{"type": "function", "name": req.ToolChoice}
	}
	if m.opts.Reasoning != Off && (m.opts.Reasoning == On || thinks(body.Model)) {
		body.Reasoning = &reasoning{Summary: "auto"}
		body.Include = []string{"reasoning.encrypted_content"}
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body); err != nil {
		return nil, fmt.Errorf("encode the request to the model: %w", err)
	}
	if len(defs) == 0 {
		return buf.Bytes(), nil
	}
	// Put in as they are: the encoder would check and compact them each time.
	buf.Truncate(bytes.LastIndexByte(buf.Bytes(), '}'))
	buf.WriteString(`,"tools":`)
	buf.Write(defs)
	buf.WriteByte('}')
	return buf.Bytes(), nil
}

// toolsJSON keeps the encoded definitions: they are the same in every request.
type toolsJSON struct {
	mu   sync.Mutex
	of   []tools.Definition
	json json.RawMessage
}

func (t *toolsJSON) encode(defs []tools.Definition, strict bool) (json.RawMessage, error) {
	if len(defs) == 0 {
		return nil, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.of) == len(defs) && &t.of[0] == &defs[0] {
		return t.json, nil
	}
	type function struct {
		Type        string          `json:"type"`
		Name        string          `json:"name"`
		Description string          `json:"description"`
		Parameters  json.RawMessage `json:"parameters"`
		Strict      bool            `json:"strict"`
	}
	out := make([]function, len(defs))
	for i, d := range defs {
		out[i] = function{"function", d.Name, d.Description, d.Parameters, false}
		if strict && d.Strict != nil {
			out[i].Parameters, out[i].Strict = d.Strict, true
		}
	}
	b, err := json.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("encode the tools: %w", err)
	}
	t.of, t.json = defs, b
	return b, nil
}
