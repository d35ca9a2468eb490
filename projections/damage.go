package projections

import (
	"context"
	"fmt"
	"time"
)

// What is damaged once more is built anew later and later: the disk is failing.
const (
	firstRepair = time.Minute
	lastRepair  = time.Hour
)

// damaged is called when a file turns out to be damaged while it is read or
// written. The log is the truth: the runner gives the model empty tables in another
// file, and has them built.
func (s *Service) damaged(m *model, g generation, err error) {
	m.mu.Lock()
	if g != m.serving || m.broken { // other tables serve by now, or it is known
		m.mu.Unlock()
		return
	}
	m.broken, m.phase, m.caughtUp = true, Failed, false
	m.retryAt = time.Now()
	when := "now"
	if m.repairAt.After(m.retryAt) {
		m.retryAt = m.repairAt
		when = "at " + m.retryAt.Format(time.TimeOnly) + ", for it is not the first time: look after the disk"
	}
	m.failure = &Failure{
		Reason:   fmt.Sprintf("generation %d is damaged (%v); it is built anew from the log %s", g, err, when),
		Attempts: m.repairs + 1, Since: s.now(),
	}
	at := m.retryAt
	m.notify()
	m.mu.Unlock()
	s.log.Error("a read model is damaged and is built anew from the log", "projection", m.Name(), "generation", int64(g), "at", at, "error", err)
	s.lookAgain()
}

// repair gives empty tables to the models whose own are damaged, when their time
// has come. Of one that a job works on the job may bring better ones.
func (s *Service) repair(ctx context.Context) error {
	for _, m := range s.models {
		m.mu.Lock()
		due := m.broken && !time.Now().Before(m.retryAt)
		m.mu.Unlock()
		if !due || s.jobOf(m) != nil {
			continue
		}
		m.work.Lock()
		m.mu.Lock()
		skipped := m.skipped
		m.repairs++
		m.repairAt = time.Now().Add(min(firstRepair<<min(m.repairs-1, 10), lastRepair))
		m.mu.Unlock()
		err := s.renew(ctx, m, skipped)
		m.work.Unlock()
		if err != nil {
			return fmt.Errorf("projection %s: replace damaged tables: %w", m.Name(), err)
		}
	}
	return nil
}
