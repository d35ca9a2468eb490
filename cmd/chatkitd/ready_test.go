package main

import (
	"errors"
	"testing"
)

type fakeModels struct{ behind, unserved, halted error }

func (m *fakeModels) Behind() error   { return m.behind }
func (m *fakeModels) Unserved() error { return m.unserved }
func (m *fakeModels) Halted() error   { return m.halted }

// TestReadiness has read models that catch up once, and may lag, halt and break
// later.
func TestReadiness(t *testing.T) {
	behind, halted, damaged := errors.New("behind"), errors.New("halted"), errors.New("damaged")
	m := &fakeModels{}
	r := &readiness{models: m}
	for i, step := range []struct{ behind, unserved, halted, notReady error }{
		{behind, nil, nil, behind},
		{behind, nil, halted, behind},
		{nil, nil, halted, nil}, // the others are there
		{behind, nil, nil, nil},
		{behind, damaged, halted, damaged}, // nobody is served by it
		{nil, nil, nil, nil},
	} {
		m.behind, m.unserved, m.halted = step.behind, step.unserved, step.halted
		if err := r.caughtUp(t.Context()); !errors.Is(err, step.notReady) {
			t.Errorf("step %d: caught up: %v, want %v", i, err, step.notReady)
		}
		if err := r.running(t.Context()); !errors.Is(err, step.halted) {
			t.Errorf("step %d: running: %v, want %v", i, err, step.halted)
		}
	}
}
