package web_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/web"
)

// sources are what dist is built from; scripts/source-sum.mjs has the same list.
var sources = []string{"admin.html", "index.html", "package-lock.json", "package.json", "public", "scripts", "src", "tsconfig.json", "vite.config.ts"}

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

// TestThePageKnowsEveryEvent compares the types that the operator's page offers
// with those that there are.
func TestThePageKnowsEveryEvent(t *testing.T) {
	raw, err := os.ReadFile("src/admin/filter.ts")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(raw), "export const types = [")
	list, _, _ = strings.Cut(list, "]")
	var got []string
	for _, m := range regexp.MustCompile(`'([^']+)'`).FindAllStringSubmatch(list, -1) {
		got = append(got, m[1])
	}
	slices.Sort(got)
	if want := events.Names(); !slices.Equal(got, want) {
		t.Errorf("the page offers %q\n          there are %q", got, want)
	}
}

// maxPage is what one page may weigh with all that it loads, maxAll what both
// weigh together, compressed as they are sent.
const (
	maxPage = 44_000   // bytes
	maxAll  = 60 << 10 // bytes
)

var pages = []string{"index.html", "admin.html"}

var reference = regexp.MustCompile(`(?:src|href)="/([^"]*)"`)

func TestThePagesAreSmall(t *testing.T) {
	sizes := map[string]int{}
	for _, page := range pages {
		all := zipped(t, page, sizes)
		for _, ref := range reference.FindAllSubmatch(read(t, page), -1) {
			all += zipped(t, string(ref[1]), sizes)
		}
		t.Logf("%s has %d bytes in gzip with what it loads", page, all)
		if all > maxPage {
			t.Errorf("%s has %d bytes in gzip with what it loads, want at most %d", page, all, maxPage)
		}
	}
	all := 0
	for _, size := range sizes {
		all += size
	}
	t.Logf("both have %d bytes in gzip", all)
	if all > maxAll {
		t.Errorf("both pages have %d bytes in gzip, want at most %d", all, maxAll)
	}
}

// zipped returns the size of a file as it is sent, and notes it.
func zipped(t *testing.T, name string, sizes map[string]int) int {
	t.Helper()
	packed := read(t, name+".gz")
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := io.ReadAll(r); err != nil || !bytes.Equal(plain, read(t, name)) {
		t.Errorf("%s.gz does not hold %s: %v", name, name, err)
	}
	sizes[name] = len(packed)
	return len(packed)
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	content, err := fs.ReadFile(web.Files(), name)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// TestFilesHoldThePages follows each page to every file that it names: all must
// be in the binary, and nothing may come from elsewhere or be inline, which the
// Content-Security-Policy would block.
func TestFilesHoldThePages(t *testing.T) {
	for _, name := range pages {
		page := read(t, name)
		refs := regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllSubmatch(page, -1)
		if len(refs) < 3 {
			t.Errorf("%s names %d files, want at least a script, a style sheet and an icon", name, len(refs))
		}
		for _, ref := range refs {
			file, ok := strings.CutPrefix(string(ref[1]), "/")
			if !ok {
				t.Errorf("%s: %q is not a path from the root", name, ref[1])
				continue
			}
			if _, err := fs.Stat(web.Files(), file); errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s names %s, which is not in dist", name, file)
			}
		}
		for _, inline := range []string{`<script>`, `<style`, ` style="`, ` onload="`} {
			if strings.Contains(string(page), inline) {
				t.Errorf("%s holds %s, which the Content-Security-Policy blocks", name, inline)
			}
		}
	}
}
