package opensearch

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fluent-siem/fluent-siem/internal/process"
)

// metrics are shared by all outputs of a process.
type metrics struct {
	documents *prometheus.CounterVec // by verdict and class
	requests  *prometheus.CounterVec // by status
	retries   prometheus.Counter
	seconds   prometheus.Histogram
	lag       *prometheus.HistogramVec // by log type
	lookedUp  *prometheus.CounterVec   // by result
	stored    *prometheus.CounterVec   // by log type
	raw, sent prometheus.Counter
	inFlight  prometheus.Gauge
	limit     prometheus.Gauge
	held      prometheus.Gauge
	unwritten prometheus.Counter
	repairs   *prometheus.CounterVec // by class, index and field
}

func newMetrics(p *process.Process) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return process.Register(p, prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help}))
	}
	gauge := func(name, help string) prometheus.Gauge {
		return process.Register(p, prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help}))
	}
	vector := func(name, help string, labels ...string) *prometheus.CounterVec {
		return process.Register(p, prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels))
	}
	return &metrics{
		documents: vector("siem_output_documents_total",
			"Documents by verdict and reason. Only stored, duplicate, dead-lettered and unreadable are final.", "verdict", "reason"),
		requests: vector("siem_output_requests_total",
			"Bulk requests by HTTP status, or by what went wrong where none came.", "status"),
		retries: counter("siem_output_retries_total", "Documents sent once more."),
		seconds: process.Register(p, prometheus.NewHistogram(prometheus.HistogramOpts{Name: "siem_output_request_seconds",
			Help: "How long bulk requests take.", Buckets: prometheus.ExponentialBuckets(0.01, 2.5, 10)})),
		lag: process.Register(p, prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "siem_output_lag_seconds",
			Help:    "From the time of an event until the cluster had stored it; a search finds it at most the index's refresh_interval later. log_type is empty for events of other inputs.",
			Buckets: []float64{1, 5, 15, 60, 300, 900, 3600, 14400, 86400, 604800}}, []string{"log_type"})),
		stored:   vector("siem_output_stored_bytes_total", "Bytes of documents that were stored, by log type; empty for events of other inputs.", "log_type"),
		raw:      counter("siem_output_raw_bytes_total", "Bytes of bulk bodies before compression."),
		sent:     counter("siem_output_sent_bytes_total", "Bytes of bulk bodies as sent."),
		inFlight: gauge("siem_output_requests_in_flight", "Bulk requests that wait for an answer."),
		limit:    gauge("siem_output_requests_limit", "How many bulk requests may be in flight, as adapted to the cluster."),
		held:     gauge("siem_output_held_documents", "Documents that wait until something is repaired, in chunks being worked on."),
		repairs: vector("siem_output_repairs_total",
			"Documents changed so that they fit the mapping, by class of the refusal, index without its date, and field.", "class", "index", "field"),
		lookedUp: vector("siem_output_looked_up_documents_total",
			"Documents looked for in a time-series collection before they were to be sent again, by result: found, missing.", "result"),
		unwritten: counter("siem_output_dead_letter_errors_total", "Dead letters that could not be written; their documents are kept."),
	}
}
