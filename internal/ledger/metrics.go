package ledger

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	written, failed, dropped, deleted prometheus.Counter
	size, waiting                     prometheus.Gauge
}

func newMetrics(r prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return register(r, prometheus.NewCounter(prometheus.CounterOpts{Namespace: "siem", Subsystem: "ledger", Name: name, Help: help}))
	}
	gauge := func(name, help string) prometheus.Gauge {
		return register(r, prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "siem", Subsystem: "ledger", Name: name, Help: help}))
	}
	return &metrics{
		written: counter("writes_total", "Entries written to the ledger."),
		failed:  counter("failed_writes_total", "Writes that the disk did not take; they are tried again."),
		dropped: counter("dropped_total", "Objects that are missing in the ledger because it could not be written for long."),
		deleted: counter("deleted_total", "Records deleted because of their age or the ledger's size."),
		size:    gauge("size_bytes", "Size of the ledger's file."),
		waiting: gauge("waiting", "Ended objects that are not written yet."),
	}
}

// register registers c, or returns the one of an earlier Ledger of the process.
func register[C prometheus.Collector](r prometheus.Registerer, c C) C {
	var are prometheus.AlreadyRegisteredError
	if errors.As(r.Register(c), &are) {
		if old, ok := are.ExistingCollector.(C); ok {
			return old
		}
	}
	return c
}
