// Package web holds the pages of chatkitd, built, as files in the binary. Their
// source is TypeScript in src; `npm run build` writes dist and source.sum, which
// are committed, so that nothing but Go is needed to build the program.
package web

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

// Files returns the built pages: index.html, and under assets/ files whose
// names hold a hash of their content, so that they may be cached for ever.
func Files() fs.FS {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // the path is constant and valid
	}
	return files
}
