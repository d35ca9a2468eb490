package http

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/gofiber/fiber/v2"
)

// page is the web page, held in memory as it is sent.
type page struct {
	files map[string]*file // by path, without a leading slash
	index *file
	admin *file // index when there is no page of its own
}

type file struct {
	mediaType string
	etag      string
	immutable bool
	plain     []byte
	gzipped   []byte // nil when that is no gain
}

const (
	indexFile  = "index.html"
	adminFile  = "admin.html"
	gzipSuffix = ".gz"
)

// The page may load from its own origin only, and nothing may embed it.
const contentSecurityPolicy = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

var mediaTypes = map[string]string{
	".html":        "text/html; charset=utf-8",
	".js":          "text/javascript; charset=utf-8",
	".css":         "text/css; charset=utf-8",
	".json":        "application/json",
	".map":         "application/json",
	".webmanifest": "application/manifest+json",
	".svg":         "image/svg+xml",
	".png":         "image/png",
	".ico":         "image/x-icon",
	".woff2":       "font/woff2",
	".txt":         "text/plain; charset=utf-8",
}

// readPage reads a whole page. A nil fsys is an empty one.
func readPage(fsys fs.FS) (page, error) {
	p := page{files: make(map[string]*file)}
	if fsys == nil {
		return p, nil
	}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), ".") {
			return err
		}
		if base, ok := strings.CutSuffix(name, gzipSuffix); ok {
			if _, err := fs.Stat(fsys, base); err == nil {
				return nil // that file, compressed
			}
		}
		p.files[name], err = readFile(fsys, name)
		return err
	})
	if errors.Is(err, fs.ErrNotExist) { // dist was never built
		return page{files: make(map[string]*file)}, nil
	}
	p.index, p.admin = p.files[indexFile], p.files[adminFile]
	if p.admin == nil {
		p.admin = p.index
	}
	return p, err
}

// readFile reads a file and, if the build has made one, its compressed twin.
func readFile(fsys fs.FS, name string) (*file, error) {
	raw, err := fs.ReadFile(fsys, name)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(raw)
	f := &file{
		mediaType: mediaTypes[path.Ext(name)],
		etag:      `"` + hex.EncodeToString(sum[:12]) + `"`,
		immutable: strings.HasPrefix(name, "assets/"),
		plain:     raw,
	}
	if f.mediaType == "" {
		f.mediaType = "application/octet-stream"
	}
	packed, err := fs.ReadFile(fsys, name+gzipSuffix)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		packed, err = pack(raw)
	case err == nil:
		err = checkPacked(packed, raw)
	}
	if err != nil {
		return nil, fmt.Errorf("%s%s: %w", name, gzipSuffix, err)
	}
	if len(packed) < len(raw)*9/10 {
		f.gzipped = packed
	}
	return f, nil
}

func pack(raw []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(raw); err != nil {
		return nil, err
	}
	err = w.Close()
	return b.Bytes(), err
}

// checkPacked returns an error unless packed is raw: what is sent must not depend
// on whether the client takes gzip.
func checkPacked(packed, raw []byte) error {
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return err
	}
	got, err := io.ReadAll(io.LimitReader(r, int64(len(raw))+1))
	if err == nil && !bytes.Equal(got, raw) {
		err = errors.New("it is another file, compressed: build the page again")
	}
	return err
}

// getIndex answers GET / and /t/{id}.
func (s *Server) getIndex(r *request) error { return s.page.index.send(r.c) }

// getAdmin answers GET /admin. The page holds nothing secret: it asks the API.
func (s *Server) getAdmin(r *request) error { return s.page.admin.send(r.c) }

// getFile answers GET for each file of the page.
func (s *Server) getFile(r *request) error {
	return s.page.files[strings.TrimPrefix(r.route, "/")].send(r.c)
}

func (f *file) send(c *fiber.Ctx) error {
	c.Set(fiber.HeaderContentSecurityPolicy, contentSecurityPolicy)
	c.Set(fiber.HeaderReferrerPolicy, "no-referrer")
	c.Set(fiber.HeaderXFrameOptions, "DENY")
	c.Set("Cross-Origin-Opener-Policy", "same-origin")
	c.Set(fiber.HeaderETag, f.etag)
	if f.immutable {
		c.Set(fiber.HeaderCacheControl, "public, max-age=31536000, immutable")
	} else {
		c.Set(fiber.HeaderCacheControl, "no-cache")
	}
	c.Append(fiber.HeaderVary, fiber.HeaderAcceptEncoding)
	if strings.Contains(c.Get(fiber.HeaderIfNoneMatch), f.etag) {
		c.Status(fiber.StatusNotModified)
		return nil
	}
	c.Set(fiber.HeaderContentType, f.mediaType)
	body := f.plain
	if f.gzipped != nil && c.Request().Header.HasAcceptEncoding("gzip") {
		c.Set(fiber.HeaderContentEncoding, "gzip")
		body = f.gzipped
	}
	c.Response().SetBodyRaw(body) // never written to
	return nil
}
