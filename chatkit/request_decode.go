package chatkit

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// The codes of a [RequestError].
const (
	CodeInvalidRequest     = "invalid_request"     // malformed; the same bytes will never do
	CodeUnsupportedRequest = "unsupported_request" // a type that is not served
)

// MaxDepth is how deep the brackets of a request may be nested.
const MaxDepth = 100

// RequestError says why a request was refused. Message is for the caller: it
// names the field and says what to do.
type RequestError struct {
	Code    string // CodeInvalidRequest or CodeUnsupportedRequest
	Param   string // path of the field at fault, such as "params.thread_id"; empty for the body as a whole
	Message string
}

func (e *RequestError) Error() string { return e.Code + ": " + e.Message }

// invalid returns the refusal of the field param; message continues "<param> ".
func invalid(param, message string) *RequestError {
	return &RequestError{Code: CodeInvalidRequest, Param: param, Message: param + " " + message}
}

// invalidBody returns the refusal of a body as a whole.
func invalidBody(format string, args ...any) *RequestError {
	return &RequestError{Code: CodeInvalidRequest, Message: fmt.Sprintf(format, args...)}
}

// DecodeRequest reads the body of POST /chatkit, or returns a *[RequestError].
//
// Unknown fields are ignored, null is the same as absent, the last of duplicate
// fields counts. A body that is not UTF-8, that nests deeper than [MaxDepth] or
// that has anything behind its one object is refused. The size of the body, of a
// message and of ids is for the server to limit.
func DecodeRequest(body []byte) (Request, error) {
	r := &reader{}
	top, err := members(body)
	if err != nil {
		return Request{}, err
	}
	f := fields{reader: r, raw: top}
	kind := f.text("type", true)
	if r.err != nil {
		r.err.Message += `: send {"type": "threads.create", "params": {…}} or another request type`
		return Request{}, r.err
	}
	read, ok := readers[kind]
	if !ok {
		return Request{}, &RequestError{
			Code: CodeUnsupportedRequest, Param: "type",
			Message: "this server does not serve requests of type " + strconv.Quote(clip(kind)),
		}
	}
	req := Request{Params: read(f.object("params", false)), Metadata: f.data("metadata")}
	if r.err != nil {
		return Request{}, r.err
	}
	return req, nil
}

// members returns the fields of a whole body.
func members(body []byte) (map[string]json.RawMessage, error) {
	if !utf8.Valid(body) {
		return nil, invalidBody("the body is not UTF-8: encode it as UTF-8")
	}
	if TooDeep(body) {
		return nil, invalidBody("the body is nested too deep: at most %d brackets may be open at once", MaxDepth)
	}
	var top map[string]json.RawMessage
	err := json.Unmarshal(body, &top)
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return nil, invalidBody("the body is not JSON: %v at byte %d", syntax, syntax.Offset)
	}
	if err != nil || top == nil {
		return nil, invalidBody("the body must be a JSON object with a type and params")
	}
	return top, nil
}

// TooDeep reports whether more than [MaxDepth] brackets are open anywhere in
// raw, which need not be JSON.
func TooDeep(raw []byte) bool {
	depth, inString := 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > MaxDepth {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// clip shortens what a client sent before it is shown back.
func clip(s string) string {
	const limit = 64
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	return string([]rune(s)[:limit]) + "…"
}

// readers read the params of each request type that is served.
var readers = map[string]func(fields) Params{
	ThreadsCreate{}.RequestType(): func(p fields) Params {
		return ThreadsCreate{Input: p.input()}
	},
	ThreadsAddUserMessage{}.RequestType(): func(p fields) Params {
		return ThreadsAddUserMessage{ThreadID: p.text("thread_id", true), Input: p.input()}
	},
	ThreadsRetryAfterItem{}.RequestType(): func(p fields) Params {
		return ThreadsRetryAfterItem{ThreadID: p.text("thread_id", true), ItemID: p.text("item_id", true)}
	},
	ThreadsGetByID{}.RequestType(): func(p fields) Params {
		return ThreadsGetByID{ThreadID: p.text("thread_id", true)}
	},
	ThreadsList{}.RequestType(): func(p fields) Params {
		limit, order, after := p.page()
		return ThreadsList{Limit: limit, Order: order, After: after}
	},
	ItemsList{}.RequestType(): func(p fields) Params {
		thread := p.text("thread_id", true)
		limit, order, after := p.page()
		return ItemsList{ThreadID: thread, Limit: limit, Order: order, After: after}
	},
	ThreadsUpdate{}.RequestType(): func(p fields) Params {
		return ThreadsUpdate{ThreadID: p.text("thread_id", true), Title: p.text("title", true)}
	},
	ThreadsDelete{}.RequestType(): func(p fields) Params {
		return ThreadsDelete{ThreadID: p.text("thread_id", true)}
	},
	ItemsFeedback{}.RequestType(): func(p fields) Params {
		return ItemsFeedback{
			ThreadID: p.text("thread_id", true),
			ItemIDs:  p.texts("item_ids", true),
			Kind:     p.choice("kind", true, FeedbackPositive, FeedbackNegative),
		}
	},
}

// page reads what asks for a page of a list.
func (f fields) page() (limit int, order, after string) {
	order = f.choice("order", false, OrderAsc, OrderDesc)
	if order == "" {
		order = OrderDesc
	}
	return f.count("limit"), order, f.text("after", false)
}

// input reads a user's message. The reference demands attachments and
// inference_options; here their absence is the same as nothing chosen.
func (f fields) input() UserMessageInput {
	in := f.object("input", true)
	if in.raw == nil {
		return UserMessageInput{}
	}
	elems := in.list("content", true)
	content := make([]UserContent, len(elems))
	for i, raw := range elems {
		if f.err != nil {
			return UserMessageInput{} // one mistake is enough; there may be 100,000
		}
		path := in.at("content") + "[" + strconv.Itoa(i) + "]"
		content[i] = fields{reader: f.reader, path: path, raw: f.members(path, raw)}.content()
	}
	options := in.object("inference_options", false)
	out := UserMessageInput{
		Content:          content,
		Attachments:      in.texts("attachments", false),
		QuotedText:       in.text("quoted_text", false),
		InferenceOptions: InferenceOptions{Model: options.text("model", false)},
	}
	if _, ok := options.value("tool_choice", false); ok {
		out.InferenceOptions.ToolChoice = &ToolChoice{ID: options.object("tool_choice", false).text("id", true)}
	}
	return out
}

// content reads one part of a user's message.
func (f fields) content() UserContent {
	c := UserContent{Type: f.choice("type", true, TypeInputText, TypeInputTag), Text: f.text("text", true)}
	if c.Type == TypeInputTag {
		c.ID = f.text("id", true)
		c.Data = orEmptyMap(f.data("data"))
		c.Group = f.text("group", false)
		c.Interactive = f.flag("interactive")
	}
	return c
}
