package http

import (
	"time"

	"github.com/gofiber/fiber/v2/middleware/adaptor"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are the server's own. Their labels are route patterns, methods and
// classes of status: never an id or a user.
type metrics struct {
	requests    *prometheus.CounterVec
	duration    *prometheus.HistogramVec
	streams     *prometheus.CounterVec
	frames      prometheus.Counter
	bytes       prometheus.Counter
	connections prometheus.Gauge
	refused     prometheus.Counter
}

// newMetrics makes the metrics and registers them, unless reg is nil.
func newMetrics(reg prometheus.Registerer, open *slots) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chatkitd_http_requests_total", Help: "Requests answered; a stream counts when it ends.",
		}, []string{"method", "route", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "chatkitd_http_request_duration_seconds", Help: "Time from the headers of a request to the end of its handler; of a stream, to its end.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 60, 600},
		}, []string{"route"}),
		streams: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chatkitd_http_streams_total", Help: "Streams that ended, by how: complete, client_gone, write_failed, shutdown, failed.",
		}, []string{"end"}),
		frames: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "chatkitd_http_stream_frames_total", Help: "Events sent on streams; heartbeats are not counted.",
		}),
		bytes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "chatkitd_http_stream_bytes_total", Help: "Bytes sent on streams, heartbeats included.",
		}),
		connections: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "chatkitd_http_connections", Help: "Open connections.",
		}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "chatkitd_http_refused_connections_total", Help: "Connections refused because as many were open as may be.",
		}),
	}
	for _, end := range []streamEnd{endComplete, endGone, endWrite, endShutdown, endFailed} {
		m.streams.WithLabelValues(string(end))
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{
		m.requests, m.duration, m.streams, m.frames, m.bytes, m.connections, m.refused,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "chatkitd_http_open_streams", Help: "Open streams.",
		}, func() float64 { return float64(open.count()) }),
	} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) request(method, route string, status int, took time.Duration) {
	m.requests.WithLabelValues(method, route, statusClass(status)).Inc()
	m.duration.WithLabelValues(route).Observe(took.Seconds())
}

func statusClass(status int) string {
	if status < 100 || status > 599 {
		return "other"
	}
	return string([]byte{'0' + byte(status/100), 'x', 'x'}) //nolint:gosec // 1 to 5
}

// metricsHandler answers GET /metrics, to anyone who may connect: the numbers
// are sums over all users.
func (s *Server) metricsHandler() handler {
	h := adaptor.HTTPHandler(promhttp.HandlerFor(s.opts.Gatherer, promhttp.HandlerOpts{}))
	return func(r *request) error { return h(r.c) }
}
