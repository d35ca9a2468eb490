package openai

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/chatkitd/chatkitd"
)

// maxErrorBody bounds what is read of a refusal, in bytes.
const maxErrorBody = 64 << 10

// refusal is what the provider last answered instead of a stream. The SDK's
// error loses the status when the body is not as OpenAI writes it.
type refusal struct {
	status int
	body   []byte
}

// watch is a middleware: it bounds the body of a refusal and keeps it.
func (r *refusal) watch(req *http.Request, next func(*http.Request) (*http.Response, error)) (*http.Response, error) {
	*r = refusal{}
	res, err := next(req)
	if err != nil || res.StatusCode < 400 {
		return res, err
	}
	body, _ := io.ReadAll(io.LimitReader(res.Body, maxErrorBody)) // a part will do
	_ = res.Body.Close()
	r.status, r.body = res.StatusCode, body
	res.Body = io.NopCloser(bytes.NewReader(body))
	return res, nil
}

// providerError is what a provider says went wrong.
type providerError struct {
	status  int // of HTTP; 0 in a stream
	code    string
	kind    string
	param   string
	message string
}

func (e *providerError) Error() string {
	return fmt.Sprintf("provider: status %d, code %q, type %q, param %q: %s", e.status, e.code, e.kind, e.param, e.message)
}

// parseError reads an error as providers write them: an object, a string, a
// detail, or no JSON at all.
func parseError(status int, body []byte) *providerError {
	e := &providerError{status: status}
	var outer struct {
		Error   json.RawMessage `json:"error"`
		Detail  json.RawMessage `json:"detail"`
		Message string          `json:"message"`
		Code    any             `json:"code"`
		Type    string          `json:"type"`
		Param   any             `json:"param"`
	}
	if json.Unmarshal(body, &outer) != nil {
		e.message = clip(string(body))
		return e
	}
	var inner struct {
		Message string `json:"message"`
		Code    any    `json:"code"`
		Type    string `json:"type"`
		Param   any    `json:"param"`
	}
	var text string
	switch {
	case json.Unmarshal(outer.Error, &inner) == nil && (inner.Message != "" || inner.Code != nil || inner.Type != ""):
		e.message, e.code, e.kind, e.param = inner.Message, word(inner.Code), inner.Type, word(inner.Param)
	case json.Unmarshal(outer.Error, &text) == nil && text != "":
		e.message = text
	default:
		e.message, e.code, e.kind, e.param = outer.Message, word(outer.Code), outer.Type, word(outer.Param)
	}
	if e.message == "" {
		e.message = string(body)
	}
	e.message = clip(e.message)
	return e
}

func word(v any) string {
	if v == nil {
		return ""
	}
	return clip(fmt.Sprint(v))
}

func clip(s string) string {
	const most = 500
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strings.ToValidUTF8(s, "")
}

// refused turns a request that brought no stream into an error for people.
func (m *Model) refused(parent context.Context, seen *refusal, err error) error {
	switch {
	case parent.Err() != nil:
		return parent.Err()
	case seen.status != 0:
		return m.classify(parseError(seen.status, seen.body))
	}
	return m.unreachable(err)
}

func (m *Model) unreachable(err error) error {
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return m.failure(chatkitd.CodeTimeout, "The model service did not answer in time. Please try again.", err)
	}
	return m.failure(chatkitd.CodeUnavailable, "The model service cannot be reached at the moment. Please try again later.", err)
}

// broken turns a stream that ended without a terminal event into an error.
func (m *Model) broken(parent, ctx context.Context, err error) error {
	switch {
	case parent.Err() != nil:
		return parent.Err()
	case errors.Is(context.Cause(ctx), errIdle):
		return m.failure(chatkitd.CodeTimeout, "The model service stopped answering. Please try again.", errIdle)
	case errors.Is(err, errLineTooLong):
		return m.failure(chatkitd.CodeUnavailable, "The model's answer is too large to show.", err)
	case errors.Is(err, io.EOF):
		err = errors.New("openai: the stream ended without a terminal event")
	}
	return m.failure(chatkitd.CodeUnavailable, "The connection to the model service was lost before the answer was complete. Please try again.", err)
}

// classify says in words for people what a provider's error means for them.
func (m *Model) classify(e *providerError) error {
	all := strings.ToLower(e.code + " " + e.kind + " " + e.message)
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(all, w) {
				return true
			}
		}
		return false
	}
	code, text := chatkitd.CodeUnavailable, "The model service failed. Please try again later."
	switch {
	case has("insufficient_quota", "exceeded your current quota", "billing"):
		text = "The quota at the model service is used up. The operator of this server has to look after it."
	case e.status == http.StatusTooManyRequests, has("rate_limit", "rate limit"):
		code, text = chatkitd.CodeRateLimited, "The model service is receiving too many requests. Please wait a moment and try again."
	case e.status == http.StatusUnauthorized, has("invalid_api_key", "incorrect api key"):
		text = "The model service refused this server's key. The operator has to correct it."
	case e.status == http.StatusForbidden:
		text = "The model service does not permit this server to do that. The operator has to look after it."
	case has("content_filter", "content_policy", "content management policy"):
		code, text = chatkitd.CodeInvalid, "The model service refused this message by its content filter."
	case has("context_length", "context length", "maximum context", "too many tokens"), e.status == http.StatusRequestEntityTooLarge:
		code, text = chatkitd.CodeTooLarge, "This conversation is too long for the model. Please start a new chat."
	case has("model_not_found"), e.status == http.StatusNotFound && has("model"):
		text = "The model service does not know the model that this server asks for. The operator has to correct it."
	case e.status == http.StatusNotFound, e.status == http.StatusMethodNotAllowed:
		text = "The model service does not offer the Responses API at its address. The operator has to correct it."
	case e.status >= 400 && e.status < 500 && e.status != http.StatusRequestTimeout && e.status != http.StatusConflict:
		text = "The model service did not accept the request. The operator finds the reason in the log."
	case e.status >= 500, has("server_error", "overloaded", "server_overloaded"):
		text = "The model service is overloaded or down. Please try again in a moment."
	}
	return m.failure(code, text, e)
}

// failure returns an error whose cause, for the log, does not show the key.
func (m *Model) failure(code chatkitd.Code, text string, cause error) error {
	if k := m.opts.APIKey; k != "" && strings.Contains(cause.Error(), k) {
		cause = errors.New(strings.ReplaceAll(cause.Error(), k, "[key]"))
	}
	return chatkitd.Errorf(code, "%s", text).Because(cause)
}
