package pipeline

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fluent-siem/fluent-siem/internal/process"
)

// metrics are what the pipeline itself counts; its stages count the rest.
type metrics struct {
	waiting *prometheus.GaugeVec
	chunks  *prometheus.CounterVec
}

func newMetrics(p *process.Process) *metrics {
	return &metrics{
		waiting: process.Register(p, prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "siem_pipeline_waiting_bytes", Help: "Bytes of events between the filters and the end of the slowest output.",
		}, []string{"input"})),
		chunks: process.Register(p, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "siem_pipeline_chunks_total", Help: "Chunks by output and how a try ended: delivered, retried, dropped.",
		}, []string{"output", "result"})),
	}
}

// wait notes how much waits for the outputs of an input.
func (m *metrics) wait(input string, bytes int64) {
	if m != nil {
		m.waiting.WithLabelValues(input).Set(float64(bytes))
	}
}

// chunk counts the end of one try.
func (m *metrics) chunk(output, result string) {
	if m != nil {
		m.chunks.WithLabelValues(output, result).Inc()
	}
}
