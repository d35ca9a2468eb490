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
	for _, o := range []outcomeKind{turnCompleted, turnFailed, turnCancelled, turnInterrupted} {
		m.turns.WithLabelValues(string(o))
	}
	if reg == nil {
		return m, nil
	}
	cs := []prometheus.Collector{m.commands, m.turns, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "chatkitd_actors_turns", Help: "Turns that run now.",
	}, func() float64 { return float64(s.Turns()) })}
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
