package chatkit_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"unicode/utf8"

	"github.com/chatkitd/chatkitd/chatkit"
)

// seed adds the golden files that match a pattern.
func seed(f *testing.F, pattern string) {
	f.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "golden", pattern))
	if err != nil || len(files) == 0 {
		f.Fatalf("no golden files match %s (%v)", pattern, err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
}

// stable checks that what is decoded is encoded and decoded again without a
// change. The first round brings raw JSON into one form; where the stored value
// is one that no client takes, encoding refuses it.
func stable[T any](t *testing.T, stored []byte, decode func([]byte) (T, error), encode func(T) ([]byte, error)) {
	t.Helper()
	first, err := decode(stored)
	if err != nil {
		return
	}
	once, err := encode(first)
	if err != nil {
		return
	}
	if !json.Valid(once) || !utf8.Valid(once) || bytes.ContainsAny(once, "\n\r") {
		t.Fatalf("not one line of JSON: %q", once)
	}
	second, err := decode(once)
	if err != nil {
		t.Fatalf("decode of what was encoded: %v\n%s", err, once)
	}
	twice, err := encode(second)
	if err != nil {
		t.Fatalf("encode of what was decoded: %v\n%s", err, once)
	}
	if !bytes.Equal(once, twice) {
		t.Errorf("encoded differently\n1: %s\n2: %s", once, twice)
	}
	third, err := decode(twice)
	if err != nil || !reflect.DeepEqual(second, third) {
		t.Errorf("decoded differently (%v)\n1: %#v\n2: %#v", err, second, third)
	}
}

func FuzzDecodeEvent(f *testing.F) {
	seed(f, "event/*.json")
	f.Fuzz(func(t *testing.T, stored []byte) { stable(t, stored, chatkit.DecodeEvent, chatkit.EncodeEvent) })
}

func FuzzDecodeItem(f *testing.F) {
	seed(f, "item/*.json")
	f.Fuzz(func(t *testing.T, stored []byte) {
		stable(t, stored, chatkit.DecodeItem, func(it chatkit.Item) ([]byte, error) { return chatkit.EncodeItem(it) })
	})
}

func FuzzDecodeRequest(f *testing.F) {
	for _, tt := range goodRequests {
		f.Add([]byte(tt.body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		req, err := chatkit.DecodeRequest(body)
		if err != nil {
			refused, ok := errors.AsType[*chatkit.RequestError](err)
			if !ok || refused.Message == "" || !utf8.ValidString(refused.Message) {
				t.Fatalf("refused by %#v", err)
			}
			return
		}
		// What was read is a request again, and the same one.
		again, err := json.Marshal(map[string]any{
			"type": req.Params.RequestType(), "params": req.Params, "metadata": req.Metadata,
		})
		if err != nil {
			t.Fatalf("encode %#v: %v", req, err)
		}
		got, err := chatkit.DecodeRequest(again)
		if err != nil {
			t.Fatalf("decode %s: %v", again, err)
		}
		if !reflect.DeepEqual(got.Params, req.Params) && !sameJSON(t, got.Params, req.Params) {
			t.Errorf("got %#v, want %#v", got.Params, req.Params)
		}
	})
}

// sameJSON reports whether two values are equal but for the form of the JSON
// that they keep.
func sameJSON(t *testing.T, a, b any) bool {
	t.Helper()
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}
