package config

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// DevSecretFile is the name of the file in the data folder that holds the
// secret of development.
const DevSecretFile = "dev-jwt-secret"

// DevSecret returns the JWT secret of the data folder dir, and makes a random
// one when there is none, so that tokens outlive a restart. Only its owner can
// read the file. Of several processes that begin at once one wins, and all
// return its secret. A file that others can read, or that holds less than
// [MinSecret] bytes, is an error.
func DevSecret(dir string) (Secret, error) {
	path := filepath.Join(dir, DevSecretFile)
	s, err := readSecret(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return s, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make the data folder: %w", err)
	}
	if err := writeSecret(path); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("keep the secret of development: %w", err)
	}
	return readSecret(path)
}

// writeSecret writes a random secret to path. The file appears whole or not at
// all: a link, unlike a rename, fails when another process was first.
func writeSecret(path string) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(path), DevSecretFile+".*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(tmp.Name())) }()
	var b [48]byte
	_, _ = rand.Read(b[:]) // never fails
	_, err = tmp.WriteString(base64.StdEncoding.EncodeToString(b[:]) + "\n")
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Link(tmp.Name(), path)
}

func readSecret(path string) (Secret, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return "", fmt.Errorf("%s can be read by others (mode %#o): run chmod 600 on it", path, mode)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	s := strings.TrimSpace(string(b))
	if len(s) < MinSecret {
		return "", fmt.Errorf("%s holds less than %d bytes: delete it, and a new secret is made", path, MinSecret)
	}
	return Secret(s), nil
}
