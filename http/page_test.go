package http_test

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"

	chatkitdhttp "github.com/chatkitd/chatkitd/http"
	"github.com/chatkitd/chatkitd/http/auth"
)

// packed compresses a text, with a comment that the server's own would not have.
func packed(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Comment = "of the build"
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestPageThatTheBuildHasCompressed(t *testing.T) {
	style := strings.Repeat("a { color: red }\n", 50)
	s := start(t, &fake{}, func(o *chatkitdhttp.Options) {
		o.Page = fstest.MapFS{"a.css": {Data: []byte(style)}, "a.css.gz": {Data: packed(t, style)}, "b.gz": {Data: []byte("of its own")}}
	})
	c := s.client(t, "")
	if resp := c.Do(t, "GET", "/a.css", nil); resp.Status != http.StatusOK || string(resp.Body) != style {
		t.Errorf("plain: got %d %s", resp.Status, resp.Body)
	}
	resp := c.Do(t, "GET", "/a.css", nil, "Accept-Encoding", "gzip")
	if resp.Header.Get("Content-Encoding") != "gzip" || !bytes.Contains(resp.Body, []byte("of the build")) {
		t.Errorf("compressed: got %v %q", resp.Header, resp.Body)
	}
	for path, want := range map[string]int{"/a.css.gz": 404, "/b.gz": 200} {
		if got := c.Do(t, "GET", path, nil).Status; got != want {
			t.Errorf("%s: got %d, want %d", path, got, want)
		}
	}
}

func TestPageWhoseCompressedFileIsAnother(t *testing.T) {
	v, err := auth.New(auth.Config{Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	for name, bad := range map[string][]byte{"of other text": packed(t, "old"), "longer": packed(t, "newer"), "not gzip": []byte("new"), "cut off": packed(t, "new")[:20]} {
		f := &fake{}
		_, err := chatkitdhttp.New(chatkitdhttp.Options{
			Auth: v, Tasks: f, TaskReader: f, Threads: f, ThreadReader: f,
			Page: fstest.MapFS{"a.css": {Data: []byte("new")}, "a.css.gz": {Data: bad}},
		})
		if err == nil || !strings.Contains(err.Error(), "a.css.gz") {
			t.Errorf("%s: New returned %v", name, err)
		}
	}
}
