package ruleset

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fluent-siem/fluent-siem/internal/process"
)

// metrics are what /metrics shows of the places.
type metrics struct {
	rules   *prometheus.GaugeVec
	looks   *prometheus.CounterVec
	success *prometheus.GaugeVec
	failed  *prometheus.CounterVec
}

func newMetrics(p *process.Process) metrics {
	return metrics{
		rules: process.Register(p, prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "siem_exclude_rules", Help: "Exclusion rules in use, by the place they come from.",
		}, []string{"source"})),
		looks: process.Register(p, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "siem_exclude_refreshes_total", Help: "Looks at the places that exclusion rules come from, by outcome: changed, unchanged, failed.",
		}, []string{"source", "outcome"})),
		success: process.Register(p, prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "siem_exclude_refreshed_timestamp_seconds", Help: "When a place of exclusion rules was last read without an error.",
		}, []string{"source"})),
		failed: process.Register(p, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "siem_exclude_condition_errors_total", Help: "Documents on which an exclusion condition could not be evaluated; they were kept.",
		}, []string{"log_type"})),
	}
}

// looked counts a look at a place.
func (m metrics) looked(at *place, outcome string) {
	m.looks.WithLabelValues(at.name, outcome).Inc()
	m.rules.WithLabelValues(at.name).Set(float64(at.rules.Len()))
	if outcome != "failed" {
		m.success.WithLabelValues(at.name).SetToCurrentTime()
	}
}
