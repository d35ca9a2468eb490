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
	behindDesc = prometheus.NewDesc("chatkitd_projections_lag_events",
		"Events of the log that are not applied yet, as far as the runner has seen the log; absent when positions do not count events.",
		[]string{"projection"}, nil)
	rateDesc = prometheus.NewDesc("chatkitd_projections_rate_events_per_second",
		"Events that are applied per second, over the last ten seconds or so.", []string{"projection"}, nil)
	rebuildDesc = prometheus.NewDesc("chatkitd_projections_rebuild_events",
		"Events that the rebuild under way has folded, 0 when there is none.", []string{"projection"}, nil)
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
	ch <- behindDesc
	ch <- rateDesc
	ch <- rebuildDesc
	ch <- upDesc
	ch <- watchersDesc
	ch <- cutDesc
}

// Collect implements [prometheus.Collector].
func (g gauges) Collect(ch chan<- prometheus.Metric) {
	for _, m := range g.s.models {
		g.collect(ch, m)
	}
	watching, cut := g.s.hub.counts()
	ch <- prometheus.MustNewConstMetric(watchersDesc, prometheus.GaugeValue, float64(watching))
	ch <- prometheus.MustNewConstMetric(cutDesc, prometheus.CounterValue, float64(cut))
}

func (g gauges) collect(ch chan<- prometheus.Metric, m *model) {
	now := g.s.now()
	m.mu.Lock()
	lag, up, rebuild, rate, pos := 0.0, 0.0, 0.0, m.rate.at(now), m.position
	if !m.caughtUp && !m.last.IsZero() {
		lag = max(0, now.Sub(m.last).Seconds())
	}
	if m.phase == Running {
		up = 1
	}
	if m.rebuild != nil && m.rebuild.Ended.IsZero() {
		rebuild = float64(m.rebuild.Events)
	}
	m.mu.Unlock()
	gauge := func(desc *prometheus.Desc, value float64) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, m.Name())
	}
	gauge(lagDesc, lag)
	if g.s.dense {
		gauge(behindDesc, float64(g.s.seen.lag(pos)))
	}
	gauge(rateDesc, rate)
	gauge(rebuildDesc, rebuild)
	gauge(upDesc, up)
}
