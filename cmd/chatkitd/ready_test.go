package main

import (
	"errors"
	"testing"
)

type fakeModels struct{ behind, halted error }

func (m *fakeModels) Behind() error { return m.behind }
func (m *fakeModels) Halted() error { return m.halted }

// TestReadiness has read models that catch up once, and may lag and halt later.
func TestReadiness(t *testing.T) {
	behind, halted := errors.New("behind"), errors.New("halted")
	m := &fakeModels{}
	r := &readiness{models: m}
	for i, step := range []struct{ behind, halted, notReady error }{
		{behind, nil, behind},
		{behind, halted, behind},
		{nil, halted, nil}, // the others are there
		{behind, nil, nil},
		{nil, nil, nil},
	} {
		m.behind, m.halted = step.behind, step.halted
		if err := r.caughtUp(t.Context()); !errors.Is(err, step.notReady) {
			t.Errorf("step %d: caught up: %v, want %v", i, err, step.notReady)
		}
		if err := r.running(t.Context()); !errors.Is(err, step.halted) {
			t.Errorf("step %d: running: %v, want %v", i, err, step.halted)
		}
	}
}
