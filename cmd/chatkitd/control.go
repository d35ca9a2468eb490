package main

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
)

// controlFile is the file in the data folder by which the commands of this
// program find the server that runs on it. Only its owner can read it.
const controlFile = "control.json"

// control says where a server is, and the token of its operator. It is never
// logged.
type control struct {
	URL   string `json:"url"`
	Token string `json:"token"`
	PID   int    `json:"pid"`
}

// newControlToken returns a token that nobody can guess.
func newControlToken() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// writeControl puts the file into the data folder, in place of one that a killed
// server left. It appears whole or not at all.
func writeControl(dir string, c control) (err error) {
	raw, err := json.Marshal(c)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(dir, controlFile+".*") // mode 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", controlFile, err)
	}
	_, err = tmp.Write(append(raw, '\n'))
	if err = errors.Join(err, tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), filepath.Join(dir, controlFile))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", controlFile, err), os.Remove(tmp.Name()))
	}
	return nil
}

// removeControl removes the file, unless it is another server's by now.
func removeControl(dir string, c control) error {
	now, ok, err := readControl(dir)
	if err != nil || !ok || now.Token != c.Token {
		return err
	}
	return os.Remove(filepath.Join(dir, controlFile))
}

// readControl returns what the file says, and whether there is one.
func readControl(dir string) (c control, ok bool, err error) {
	path := filepath.Join(dir, controlFile)
	raw, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return control{}, false, nil
	case errors.Is(err, fs.ErrPermission):
		return control{}, false, fmt.Errorf("only the user who runs the server may do this, or root: %w", err)
	case err != nil:
		return control{}, false, err
	}
	if err := json.Unmarshal(raw, &c); err != nil || c.URL == "" || c.Token == "" {
		return control{}, false, fmt.Errorf("%s is damaged; a server that is started again writes a new one", path)
	}
	return c, true, nil
}

// localURL is how this machine reaches a server that listens on addr.
func localURL(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "http://" + addr
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsUnspecified() {
		host = "127.0.0.1"
		if ip.Is6() {
			host = "::1"
		}
	}
	return "http://" + net.JoinHostPort(host, port)
}
