package projections

import (
	"time"
)

// note changes what is told of the rebuild.
func (p *part) note(change func(*RebuildState)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	st := *p.rebuild // others may read the one before
	change(&st)
	p.rebuild = &st
}

// tell says how far the part is, and which phase begins, if one does.
func (p *part) tell(phase string) {
	b := p.b
	p.note(func(st *RebuildState) {
		if phase != "" {
			st.Phase = phase
		}
		st.Events, st.Error, st.Total, st.ETA = p.events, "", 0, 0
		took := b.s.now().Sub(st.Started).Seconds()
		if took > 0 {
			st.Rate = float64(p.events) / took
		}
		goal := max(p.limit.Commit, p.at.position.Commit)
		if p.events == 0 || goal == 0 {
			return
		}
		if b.s.dense {
			st.Total = int(goal) //nolint:gosec // a number of events
		}
		// In a log whose positions do not count its events they still grow with it:
		// how far along it the part is says how much is left, or about.
		if done := float64(p.at.position.Commit) / float64(goal); done < 1 {
			st.ETA = took * (1 - done) / done
		}
	})
	if phase != "" {
		b.s.reached(phase)
	}
	p.mu.Lock()
	phase = p.rebuild.Phase
	p.mu.Unlock()
	p.report(phase)
}

func (p *part) report(phase string) {
	b := p.b
	if b.progress == nil {
		return
	}
	b.telling.Lock()
	defer b.telling.Unlock()
	head := b.head
	if head.Compare(p.at.position) < 0 {
		head = p.at.position
	}
	b.progress(Progress{phase, p.events, p.at.position, head, time.Since(b.start)})
}
