package web_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chatkitd/chatkitd/web"
)

// sources are what dist is built from; scripts/source-sum.mjs has the same list.
var sources = []string{"index.html", "package-lock.json", "package.json", "public", "src", "tsconfig.json", "vite.config.ts"}

// TestDistIsBuiltFromSource fails when the source was changed without a build,
// or dist by hand.
func TestDistIsBuiltFromSource(t *testing.T) {
	got := fmt.Sprintf("source %s\ndist %s\n", sum(t, sources...), sum(t, "dist"))
	want, err := os.ReadFile("source.sum")
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("dist is not what its source builds: run `npm run build` in web and commit dist and source.sum\n got %q\nwant %q", got, want)
	}
}

// sum returns the hash over the names and contents of all files under paths.
func sum(t *testing.T, paths ...string) string {
	t.Helper()
	root := os.DirFS(".")
	var names []string
	for _, path := range paths {
		err := fs.WalkDir(root, path, func(name string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if !d.IsDir() && !strings.HasSuffix(name, ".test.ts") && !strings.HasSuffix(name, ".test.tsx") {
				names = append(names, name)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(names)
	all := sha256.New()
	for _, name := range names {
		content, err := fs.ReadFile(root, name)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(all, "%s\n%x\n", name, sha256.Sum256(content))
	}
	return fmt.Sprintf("%x", all.Sum(nil))
}

// maxSize is what the page may weigh in all, compressed as it is sent.
const maxSize = 60_000 // bytes

func TestThePageIsSmall(t *testing.T) {
	size := 0
	err := fs.WalkDir(web.Files(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(web.Files(), name)
		if err != nil {
			return err
		}
		var out bytes.Buffer
		w := gzip.NewWriter(&out)
		if _, err := w.Write(content); err != nil {
			return err
		}
		if err := w.Close(); err != nil {
			return err
		}
		size += out.Len()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if size > maxSize {
		t.Errorf("dist has %d bytes in gzip, want at most %d", size, maxSize)
	}
	t.Logf("dist has %d bytes in gzip", size)
}

// TestFilesHoldThePage follows index.html to every file that it names: all must
// be in the binary, and nothing may come from elsewhere or be inline, which the
// Content-Security-Policy would block.
func TestFilesHoldThePage(t *testing.T) {
	page, err := fs.ReadFile(web.Files(), "index.html")
	if err != nil {
		t.Fatal(err)
	}
	refs := regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllSubmatch(page, -1)
	if len(refs) < 3 {
		t.Errorf("index.html names %d files, want at least a script, a style sheet and an icon", len(refs))
	}
	for _, ref := range refs {
		name, ok := strings.CutPrefix(string(ref[1]), "/")
		if !ok {
			t.Errorf("%q is not a path from the root", ref[1])
			continue
		}
		if _, err := fs.Stat(web.Files(), name); errors.Is(err, fs.ErrNotExist) {
			t.Errorf("index.html names %s, which is not in dist", name)
		}
	}
	for _, inline := range []string{`<script>`, `<style`, ` style="`, ` onload="`} {
		if strings.Contains(string(page), inline) {
			t.Errorf("index.html holds %s, which the Content-Security-Policy blocks", inline)
		}
	}
}
