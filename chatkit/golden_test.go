package chatkit_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/chatkitd/chatkitd/chatkit"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares got with testdata/golden/<name>.json. What stands there was
// accepted by the reference's own types: see the conformance folder.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", "golden", name+".json")
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, append(got, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("no golden file; go test -update writes it: %v", err)
	}
	if want = bytes.TrimSuffix(want, []byte("\n")); !bytes.Equal(got, want) {
		t.Errorf("%s\n got %s\nwant %s", path, got, want)
	}
}

// roundTrip checks that what was encoded is one line of JSON and is decoded to
// want.
func roundTrip[T any](t *testing.T, encoded []byte, decode func([]byte) (T, error), want T) {
	t.Helper()
	if !json.Valid(encoded) || bytes.ContainsAny(encoded, "\n\r") {
		t.Errorf("not one line of JSON: %q", encoded)
	}
	got, err := decode(encoded)
	if err != nil {
		t.Fatalf("decode %s: %v", encoded, err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("decoded %s\n got %#v\nwant %#v", encoded, got, want)
	}
}

func decodeAs[T any](raw []byte) (T, error) {
	var v T
	err := json.Unmarshal(raw, &v)
	return v, err
}

func TestGoldenEvents(t *testing.T) {
	t.Parallel()
	for _, s := range eventSamples() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			got, err := chatkit.EncodeEvent(s.value)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, "event/"+s.name, got)
			roundTrip(t, got, chatkit.DecodeEvent, s.value)
		})
	}
}

func TestGoldenItems(t *testing.T) {
	t.Parallel()
	for _, s := range itemSamples {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			got, err := chatkit.EncodeItem(s.value)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, "item/"+s.name, got)
			roundTrip(t, got, chatkit.DecodeItem, s.value)
		})
	}
}

func TestGoldenTasks(t *testing.T) {
	t.Parallel()
	for _, s := range taskSamples {
		got, err := s.value.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "task/"+s.name, got)
		roundTrip(t, got, decodeAs[chatkit.Task], s.value)
	}
}

func TestGoldenThreadsAndPages(t *testing.T) {
	t.Parallel()
	for _, s := range threadSamples {
		got, err := s.value.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "thread/"+s.name, got)
		roundTrip(t, got, decodeAs[chatkit.Thread], s.value)
	}
	threads := chatkit.Page[chatkit.Thread]{
		Data: []chatkit.Thread{threadSamples[1].value, threadSamples[2].value}, HasMore: true, After: "thr_1",
	}
	got, err := threads.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "page/threads", got)
	roundTrip(t, got, decodeAs[chatkit.Page[chatkit.Thread]], threads)

	items := chatkit.Page[json.RawMessage]{Data: []json.RawMessage{}}
	for _, s := range itemSamples {
		if chatkit.Hidden(s.value.Kind()) {
			continue
		}
		it, err := chatkit.EncodeItem(s.value)
		if err != nil {
			t.Fatal(err)
		}
		items.Data, items.After = append(items.Data, it), s.value.Base().ID
	}
	if got, err = items.MarshalJSON(); err != nil {
		t.Fatal(err)
	}
	golden(t, "page/items", got)
	roundTrip(t, got, decodeAs[chatkit.Page[json.RawMessage]], items)

	if got, err = (chatkit.Page[chatkit.Thread]{}).MarshalJSON(); err != nil {
		t.Fatal(err)
	}
	golden(t, "page/empty", got)
}

// TestEveryVariantHasASample finds the variants of each union in the source, so
// that a new one cannot be forgotten here.
func TestEveryVariantHasASample(t *testing.T) {
	t.Parallel()
	sampled := map[string]bool{}
	see := func(v any) { sampled[reflect.TypeOf(v).Name()] = true }
	for _, s := range eventSamples() {
		see(s.value)
	}
	for _, s := range itemSamples {
		see(s.value)
	}
	for _, s := range updateSamples {
		see(s.value)
	}
	for _, s := range goodRequests {
		see(s.want)
	}
	variants := variantsOf(t, "EventType", "Kind", "UpdateType", "RequestType")
	if len(variants) < 42 {
		t.Fatalf("found %d variants only: %v", len(variants), variants)
	}
	for _, name := range variants {
		if !sampled[name] {
			t.Errorf("%s has no sample", name)
		}
	}
}

// variantsOf returns the types of the package that have one of the methods.
func variantsOf(t *testing.T, methods ...string) []string {
	t.Helper()
	files, err := fs.Glob(os.DirFS("."), "*.go")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Recv == nil || !slices.Contains(methods, fn.Name.Name) {
				continue
			}
			if recv, ok := fn.Recv.List[0].Type.(*ast.Ident); ok {
				out = append(out, recv.Name)
			}
		}
	}
	return out
}
