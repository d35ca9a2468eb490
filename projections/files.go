package projections

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
)

// CatalogFile is the file in the folder of the read models that names the
// generation of each that serves. It and the files of the generations may be
// deleted while nothing runs: they are built anew from the log.
const CatalogFile = "readmodels.db"

// generation numbers the tables that a projection has had. Each has a file of its
// own, so that a rebuild and what serves share no lock, and an old one is dropped by
// deleting it.
type generation int64

func (g generation) path(dir, name string) string {
	return filepath.Join(dir, fmt.Sprintf("readmodels-%s-%d.db", name, g))
}

var generationFile = regexp.MustCompile(`^readmodels-(.+)-(\d+)\.db$`)

// listFiles calls do with every generation that a folder holds.
func listFiles(dir string, do func(name string, g generation)) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if parts := generationFile.FindStringSubmatch(e.Name()); parts != nil {
			if g, err := strconv.ParseInt(parts[2], 10, 64); err == nil {
				do(parts[1], generation(g))
			}
		}
	}
	return nil
}

// removeFile deletes a database and what belongs to it.
func removeFile(path string) error {
	var errs []error
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// syncFolder makes the names in a folder durable.
func syncFolder(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // the folder of the read models
	if err != nil {
		return err
	}
	err = d.Sync()
	return errors.Join(err, d.Close())
}
