package http

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/chatkit"
)

const mimeJSON = "application/json"

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// writeJSON answers with v.
func writeJSON(c *fiber.Ctx, status int, v any) error {
	if m, ok := v.(json.Marshaler); ok {
		// Ours write what is to be sent; an encoder around them would read and copy
		// all of it once more, which for a page of items is a quarter of the work.
		raw, err := m.MarshalJSON()
		if err != nil {
			return err
		}
		c.Status(status).Set(fiber.HeaderContentType, mimeJSON)
		c.Response().SetBodyRaw(raw)
		return nil
	}
	b, _ := buffers.Get().(*bytes.Buffer)
	b.Reset()
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false) // the answer is never part of HTML, and nosniff says so
	if err := enc.Encode(v); err != nil {
		return err
	}
	c.Status(status).Set(fiber.HeaderContentType, mimeJSON)
	c.Response().SetBody(bytes.TrimSuffix(b.Bytes(), []byte("\n"))) // copies
	if b.Cap() <= 64<<10 {
		buffers.Put(b)
	}
	return nil
}

// body returns the JSON body of a request: a copy, as Immutable makes it. It is
// not decompressed: a small body must not become a large one.
func body(c *fiber.Ctx) ([]byte, error) {
	if given := c.Get(fiber.HeaderContentType); given != "" {
		media, params, err := mime.ParseMediaType(given)
		if err != nil || media != mimeJSON {
			return nil, chatkitd.Errorf(chatkitd.CodeUnsupportedMedia, "the Content-Type must be %s", mimeJSON)
		}
		if charset := params["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") {
			return nil, chatkitd.Errorf(chatkitd.CodeUnsupportedMedia, "the charset must be utf-8")
		}
	}
	if enc := c.Get(fiber.HeaderContentEncoding); enc != "" && !strings.EqualFold(enc, "identity") {
		return nil, chatkitd.Errorf(chatkitd.CodeUnsupportedMedia, "the body must not be compressed")
	}
	return c.BodyRaw(), nil
}

// decode reads a JSON object into v. Unknown fields are ignored; an error names
// the field.
func decode(raw []byte, v any) error {
	if !utf8.Valid(raw) {
		return chatkitd.Errorf(chatkitd.CodeInvalid, "the body is not UTF-8")
	}
	if trimmed := bytes.TrimLeft(raw, " \t\r\n"); len(trimmed) == 0 || trimmed[0] != '{' {
		return chatkitd.Errorf(chatkitd.CodeInvalid, "the body must be a JSON object")
	}
	if chatkit.TooDeep(raw) {
		return chatkitd.Errorf(chatkitd.CodeInvalid, "the body is nested too deep: at most %d brackets may be open at once", chatkit.MaxDepth)
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	if err := dec.Decode(v); err != nil {
		return explain(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return chatkitd.Errorf(chatkitd.CodeInvalid, "the body must hold one JSON object and nothing behind it")
	}
	return nil
}

// explain turns an error of encoding/json into words for a caller.
func explain(err error) error {
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return chatkitd.Errorf(chatkitd.CodeInvalid, "%s must be %s, not %s", e.Field, jsonName(e.Type.Kind().String()), e.Value).Because(err)
	}
	if e, ok := errors.AsType[*chatkitd.Error](err); ok {
		return e
	}
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return chatkitd.Errorf(chatkitd.CodeInvalid, "the body is not JSON: %v at byte %d", e, e.Offset).Because(err)
	}
	return chatkitd.Errorf(chatkitd.CodeInvalid, "the body is not JSON").Because(err)
}

func jsonName(kind string) string {
	switch kind {
	case "string":
		return "a string"
	case "bool":
		return "true or false"
	case "slice":
		return "a list"
	case "struct", "map":
		return "an object"
	}
	return "a number"
}
