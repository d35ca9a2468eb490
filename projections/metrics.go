package projections

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the package's own; each label is the name of a projection.
type metrics struct {
	applied  *prometheus.CounterVec
	batches  *prometheus.HistogramVec
	failures *prometheus.CounterVec
	waits    prometheus.Histogram
}

var (
	lagDesc = prometheus.NewDesc("chatkitd_projections_lag_seconds",
		"Age of the last event that was applied, 0 when there is nothing more to apply.", []string{"projection"}, nil)
	upDesc = prometheus.NewDesc("chatkitd_projections_running",
		"1 while the projection runs, 0 while it has failed, is paused or rebuilt.", []string{"projection"}, nil)
	watchersDesc = prometheus.NewDesc("chatkitd_projections_watchers",
		"Task lists that are being followed.", nil, nil)
	cutDesc = prometheus.NewDesc("chatkitd_projections_watchers_cut_total",
		"Followers that were cut off because they were too slow.", nil, nil)
)

func newMetrics(r prometheus.Registerer, s *Service) (*metrics, error) {
	m := &metrics{
		applied: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chatkitd_projections_applied_events_total", Help: "Events that were applied, those that change nothing included.",
		}, []string{"projection"}),
		batches: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "chatkitd_projections_batch_seconds", Help: "Time to apply and commit a batch.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2, 14),
		}, []string{"projection"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chatkitd_projections_failures_total", Help: "Batches that could not be applied.",
		}, []string{"projection"}),
		waits: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "chatkitd_projections_wait_seconds", Help: "Time that queries waited for their user's own writes, when they had to.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2, 16),
		}),
	}
	for _, model := range s.models {
		m.applied.WithLabelValues(model.Name())
		m.batches.WithLabelValues(model.Name())
		m.failures.WithLabelValues(model.Name())
	}
	if r == nil {
		return m, nil
	}
	return m, errors.Join(r.Register(m.applied), r.Register(m.batches), r.Register(m.failures),
		r.Register(m.waits), r.Register(gauges{s}))
}

// gauges are read when they are asked for: the lag of a projection that stands
// still grows.
type gauges struct{ s *Service }

// Describe implements [prometheus.Collector].
func (g gauges) Describe(ch chan<- *prometheus.Desc) {
	ch <- lagDesc
	ch <- upDesc
	ch <- watchersDesc
	ch <- cutDesc
}

// Collect implements [prometheus.Collector].
func (g gauges) Collect(ch chan<- prometheus.Metric) {
	for _, m := range g.s.models {
		m.mu.Lock()
		lag, up := 0.0, 0.0
		if !m.caughtUp && !m.last.IsZero() {
			lag = max(0, g.s.now().Sub(m.last).Seconds())
		}
		if m.phase == Running {
			up = 1
		}
		m.mu.Unlock()
		ch <- prometheus.MustNewConstMetric(lagDesc, prometheus.GaugeValue, lag, m.Name())
		ch <- prometheus.MustNewConstMetric(upDesc, prometheus.GaugeValue, up, m.Name())
	}
	watching, cut := g.s.hub.counts()
	ch <- prometheus.MustNewConstMetric(watchersDesc, prometheus.GaugeValue, float64(watching))
	ch <- prometheus.MustNewConstMetric(cutDesc, prometheus.CounterValue, float64(cut))
}
