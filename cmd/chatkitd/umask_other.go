//go:build !unix

package main

// ownerOnly does nothing where files inherit the rights of their folder.
func ownerOnly() {}
