package eventstoredb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/status"

	"github.com/chatkitd/chatkitd/events"
)

// metrics of a store. The names are part of the operating manual.
type metrics struct {
	appends         *prometheus.CounterVec
	latency         prometheus.Histogram
	retries         *prometheus.CounterVec
	searches        *prometheus.CounterVec
	resubscriptions prometheus.Counter

	registerer prometheus.Registerer
	registered []prometheus.Collector
}

// newMetrics makes the metrics and registers them; a nil r keeps them private.
func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		appends: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chatkitd_eventstoredb_appends_total", Help: "Appends by result.",
		}, []string{"result"}),
		latency: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "chatkitd_eventstoredb_append_seconds", Help: "Time from an append's call to its answer, attempts and pauses included.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 16),
		}),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chatkitd_eventstoredb_retries_total", Help: "Attempts that failed and were made again, by gRPC code or not_leader.",
		}, []string{"code"}),
		searches: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chatkitd_eventstoredb_discoveries_total", Help: "Searches for the leader by result.",
		}, []string{"result"}),
		resubscriptions: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "chatkitd_eventstoredb_resubscriptions_total", Help: "Subscriptions that ended and were made again.",
		}),
	}
	for _, result := range []string{"ok", "conflict", "refused", "unavailable", "canceled"} {
		m.appends.WithLabelValues(result)
	}
	for _, result := range []string{"ok", "failed"} {
		m.searches.WithLabelValues(result)
	}
	if r == nil {
		return m, nil
	}
	m.registerer = r
	for _, c := range []prometheus.Collector{m.appends, m.latency, m.retries, m.searches, m.resubscriptions} {
		if err := r.Register(c); err != nil {
			m.unregister()
			return nil, fmt.Errorf("register the metrics of the event store: %w", err)
		}
		m.registered = append(m.registered, c)
	}
	return m, nil
}

func (m *metrics) appended(took time.Duration, err error) {
	m.latency.Observe(took.Seconds())
	result := "refused"
	switch {
	case err == nil:
		result = "ok"
	case errors.Is(err, events.ErrWrongRevision):
		result = "conflict"
	case errors.Is(err, events.ErrUnavailable), errors.Is(err, events.ErrClosed):
		result = "unavailable"
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		result = "canceled"
	}
	m.appends.WithLabelValues(result).Inc()
}

func (m *metrics) retried(err error) {
	code := "not_leader"
	if _, moved := errors.AsType[*notLeaderError](err); !moved {
		code = "other"
		if s, ok := errors.AsType[interface {
			error
			GRPCStatus() *status.Status
		}](err); ok {
			code = s.GRPCStatus().Code().String()
		}
	}
	m.retries.WithLabelValues(code).Inc()
}

func (m *metrics) searched(ok bool) {
	if ok {
		m.searches.WithLabelValues("ok").Inc()
		return
	}
	m.searches.WithLabelValues("failed").Inc()
}

// unregister lets another store of this process register its own.
func (m *metrics) unregister() {
	for _, c := range m.registered {
		m.registerer.Unregister(c)
	}
	m.registered = nil
}
