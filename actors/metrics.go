package actors

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/chatkitd/chatkitd"
)

// metrics are the numbers of the actors. Labels are names of commands, codes and
// outcomes, never ids.
type metrics struct {
	commands *prometheus.CounterVec
	turns    *prometheus.HistogramVec

	conflicts prometheus.Counter
	catchUps  *prometheus.CounterVec
	takeovers prometheus.Counter
	voids     prometheus.Counter
	says      *prometheus.CounterVec
}

func newMetrics(s *System, reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		commands: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chatkitd_actors_commands_total", Help: "Commands by name and code; the code of a success is ok.",
		}, []string{"command", "code"}),
		turns: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "chatkitd_actors_turn_duration_seconds", Help: "Turns by how they ended.",
			Buckets: []float64{.01, .05, .1, .5, 1, 5, 15, 60, 300},
		}, []string{"outcome"}),
	}
	m.conflicts = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "chatkitd_actors_conflicts_total", Help: "Appends that another process was faster than; they are decided again.",
	})
	m.catchUps = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "chatkitd_actors_catch_ups_total", Help: "Looks for what other processes appended to an actor's stream, by whether there was anything.",
	}, []string{"found"})
	m.takeovers = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "chatkitd_actors_takeovers_total", Help: "Turns of other processes that were closed because nothing was heard of them.",
	})
	m.voids = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "chatkitd_actors_voids_total", Help: "Tool calls that were made impossible because their turn ended without an answer of them.",
	})
	m.says = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "chatkitd_actors_node_events_total", Help: "Events that this process appended about itself, by outcome.",
	}, []string{"outcome"})
	for _, found := range []string{"yes", "no"} {
		m.catchUps.WithLabelValues(found)
	}
	for _, outcome := range []string{"ok", "failed"} {
		m.says.WithLabelValues(outcome)
	}
	for _, o := range []outcomeKind{turnCompleted, turnFailed, turnCancelled, turnInterrupted} {
		m.turns.WithLabelValues(string(o))
	}
	if reg == nil {
		return m, nil
	}
	cs := []prometheus.Collector{m.commands, m.turns, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "chatkitd_actors_turns", Help: "Turns that run now.",
	}, func() float64 { return float64(s.Turns()) })}
	if s.opts.Shared {
		cs = append(cs, m.conflicts, m.catchUps, m.takeovers, m.voids, m.says,
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Name: "chatkitd_actors_turns_elsewhere", Help: "Open turns of other processes that this one knows of.",
			}, func() float64 { open, _ := s.peers.count(); return float64(open) }),
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Name: "chatkitd_actors_turns_watched", Help: "Turns of other processes that are followed for readers here.",
			}, func() float64 { _, watched := s.peers.count(); return float64(watched) }))
	}
	for kind, h := range map[string]*Host{"user": s.users, "thread": s.threads} {
		labels := prometheus.Labels{"kind": kind}
		cs = append(
			cs,
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "chatkitd_actors_live", Help: "Live actors.", ConstLabels: labels},
				func() float64 { return float64(h.live.Load()) }),
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "chatkitd_actors_messages", Help: "Messages that wait or are being handled.", ConstLabels: labels},
				func() float64 { return float64(h.waiting.Load()) }),
			prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "chatkitd_actors_activations_total", Help: "Actors activated.", ConstLabels: labels},
				func() float64 { return float64(h.activations.Load()) }),
			prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "chatkitd_actors_panics_total", Help: "Panics recovered in actors.", ConstLabels: labels},
				func() float64 { return float64(h.panics.Load()) }),
		)
	}
	var errs []error
	for _, c := range cs {
		errs = append(errs, reg.Register(c))
	}
	return m, errors.Join(errs...)
}

func (m *metrics) command(name string, err error) {
	code := "ok"
	if err != nil {
		code = string(chatkitd.CodeOf(publicError(err)))
	}
	m.commands.WithLabelValues(name, code).Inc()
}

func (m *metrics) conflict() {
	if m != nil {
		m.conflicts.Inc()
	}
}

func (m *metrics) caughtUp(found bool) {
	if m == nil {
		return
	}
	label := "no"
	if found {
		label = "yes"
	}
	m.catchUps.WithLabelValues(label).Inc()
}

func (m *metrics) takeover() { m.takeovers.Inc() }

func (m *metrics) void() { m.voids.Inc() }

// said counts an event of the node's own stream.
func (m *metrics) said(err error) {
	label := "ok"
	if err != nil {
		label = "failed"
	}
	m.says.WithLabelValues(label).Inc()
}

func (m *metrics) turn(outcome string, d time.Duration) {
	m.turns.WithLabelValues(outcome).Observe(d.Seconds())
}

func taskCommandName(cmd chatkitd.TaskCommand) string {
	switch cmd.(type) {
	case chatkitd.AddTask:
		return "add_task"
	case chatkitd.UpdateTask:
		return "update_task"
	case chatkitd.CompleteTask:
		return "complete_task"
	case chatkitd.DeleteTask:
		return "delete_task"
	}
	return "unknown"
}

func threadCommandName(cmd chatkitd.ThreadCommand) string {
	switch cmd.(type) {
	case chatkitd.RenameThread:
		return "rename_thread"
	case chatkitd.DeleteThread:
		return "delete_thread"
	case chatkitd.GiveFeedback:
		return "give_feedback"
	case chatkitd.CancelTurn:
		return "cancel_turn"
	}
	return "unknown"
}

func turnCommandName(cmd chatkitd.TurnCommand) string {
	switch cmd.(type) {
	case chatkitd.CreateThread:
		return "create_thread"
	case chatkitd.AddUserMessage:
		return "add_user_message"
	case chatkitd.RetryAfterItem:
		return "retry_after_item"
	}
	return "unknown"
}
