//go:build !linux

package rig

import "time"

// machine is what the processors have done so far, which is not known here.
type machine struct {
	at        time.Time
	all, ours time.Duration
}

func now() machine { return machine{at: time.Now()} }
