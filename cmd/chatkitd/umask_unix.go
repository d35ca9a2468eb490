//go:build unix

package main

import "syscall"

// ownerOnly makes every file that this process creates readable by its owner
// alone: the data folder holds everybody's conversations, and one that was there
// before may be open to others.
func ownerOnly() { syscall.Umask(0o077) }
