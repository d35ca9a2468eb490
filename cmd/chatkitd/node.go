package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/chatkitd/chatkitd"
)

// nodeFile holds the name of this server among those that share a log.
const nodeFile = "node"

const nodePrefix = "srv_"

// nodeID returns the name that the server of a data folder has for ever, and makes
// it at the first start. Whoever calls it has the lock of the folder.
func nodeID(dir string) (string, error) {
	path := filepath.Join(dir, nodeFile)
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		id := chatkitd.NewID(nodePrefix)
		err := writeWhole(path, func(w io.Writer) error {
			_, err := fmt.Fprintln(w, id)
			return err
		})
		return id, err
	}
	if err != nil {
		return "", fmt.Errorf("read the name of this server: %w", err)
	}
	id := strings.TrimSpace(string(raw))
	if !strings.HasPrefix(id, nodePrefix) || !chatkitd.ValidID(id) {
		return "", fmt.Errorf("%s does not hold the name of a server: delete it, and it is made anew", path)
	}
	return id, nil
}
