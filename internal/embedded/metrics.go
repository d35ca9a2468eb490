package embedded

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of a store. The names are part of the operating manual.
type metrics struct {
	appends *prometheus.CounterVec
	ok      prometheus.Counter
	events  prometheus.Counter
	latency prometheus.Histogram
	batch   prometheus.Histogram
	commit  prometheus.Histogram
	failed  prometheus.Counter

	registerer prometheus.Registerer
	registered []prometheus.Collector
}

// results are the values of the label "result".
var results = []string{"ok", "repeated", "conflict", "refused", "unavailable", "canceled"}

// newMetrics makes the metrics and registers them; a nil r keeps them private.
func newMetrics(r prometheus.Registerer, depth, bytes func() float64) (*metrics, error) {
	m := &metrics{
		appends: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chatkitd_embedded_appends_total", Help: "Appends by result.",
		}, []string{"result"}),
		events: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "chatkitd_embedded_events_total", Help: "Events made durable.",
		}),
		latency: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "chatkitd_embedded_append_seconds", Help: "Time from an append's call to its answer.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2, 16),
		}),
		batch: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "chatkitd_embedded_batch_events", Help: "Events in one commit.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 11),
		}),
		commit: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "chatkitd_embedded_commit_seconds", Help: "Time of one commit, fsync included.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2, 16),
		}),
		failed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "chatkitd_embedded_failed_commits_total", Help: "Commits that the disk or SQLite refused.",
		}),
	}
	for _, result := range results {
		m.appends.WithLabelValues(result)
	}
	m.ok = m.appends.WithLabelValues("ok")
	if r == nil {
		return m, nil
	}
	m.registerer = r
	queue := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "chatkitd_embedded_queue_appends", Help: "Appends that wait for the writer.",
	}, depth)
	waiting := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "chatkitd_embedded_queue_bytes", Help: "Bytes of the appends that wait for the writer.",
	}, bytes)
	for _, c := range []prometheus.Collector{m.appends, m.events, m.latency, m.batch, m.commit, m.failed, queue, waiting} {
		if err := r.Register(c); err != nil {
			m.unregister()
			return nil, fmt.Errorf("register the metrics of the event store: %w", err)
		}
		m.registered = append(m.registered, c)
	}
	return m, nil
}

// unregister lets another store of this process register its own.
func (m *metrics) unregister() {
	for _, c := range m.registered {
		m.registerer.Unregister(c)
	}
	m.registered = nil
}
