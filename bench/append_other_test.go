//go:build !linux

package bench

import "os"

// datasync makes f durable: there is no fdatasync here.
func datasync(f *os.File) error { return f.Sync() }
