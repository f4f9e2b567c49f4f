package ecs

// count is what became of the records of a log type in a buffer.
type count struct {
	logType                  string
	converted, excluded, bad int
}

// count is that of a log type.
func (w *worker) count(logType string) *count {
	for i := range w.counts {
		if w.counts[i].logType == logType {
			return &w.counts[i]
		}
	}
	w.counts = append(w.counts, count{logType: logType})
	return &w.counts[len(w.counts)-1]
}

// flushCounts adds what was counted to the metrics.
func (w *worker) flushCounts() {
	for _, c := range w.counts {
		for outcome, n := range map[string]int{"converted": c.converted, "excluded": c.excluded, "unreadable": c.bad} {
			if n > 0 {
				w.f.records.WithLabelValues(c.logType, outcome).Add(float64(n))
			}
		}
	}
	w.counts = w.counts[:0]
	w.f.failed.Add(float64(w.c.uncomputed))
	w.f.cuts.Add(float64(w.c.cuts))
	w.c.uncomputed, w.c.cuts = 0, 0
	w.flushMatches()
}
