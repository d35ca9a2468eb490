package main

import (
	"context"
	"sync/atomic"
)

// readModels is what readiness asks; it must not cost anything, since probes come
// at any rate.
type readModels interface {
	Behind() error   // those that catch up
	Unserved() error // those that have nothing to answer with
	Halted() error   // those that an operator has to look after
}

// readiness is the checks of the read models.
type readiness struct {
	models readModels
	done   atomic.Bool
}

// caughtUp is the check that the read models have once, since the start, come to
// the end of the log. One that is halted is not waited for: the server is of use
// without it. Later a burst of writes may put them behind for a moment, which is
// no reason to send people away; tables that were found damaged are one, until
// others are built in their place.
func (r *readiness) caughtUp(context.Context) error {
	if r.done.Load() {
		return r.models.Unserved()
	}
	if err := r.models.Behind(); err != nil {
		return err
	}
	r.done.Store(true)
	return nil
}

// running is the check that none is halted.
func (r *readiness) running(context.Context) error { return r.models.Halted() }
