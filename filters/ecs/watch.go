package ecs

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fluent-siem/fluent-siem/internal/code"
	"github.com/fluent-siem/fluent-siem/internal/process"
)

// lookAtTables is how often health and metrics learn how the tables are.
const lookAtTables = 10 * time.Second

// watched is a table whose state health and metrics show.
type watched struct {
	name    string
	problem func() string      // why the newest file is not in use; "": it is
	made    func() []tableMade // what is in use
}

// tableMade is when a table was made, and until when it is good; zero: nobody
// says.
type tableMade struct {
	what      string // for people
	made, due time.Time
}

// tableMetrics are about tables.
type tableMetrics struct {
	made, degraded *prometheus.GaugeVec
}

func newTableMetrics(p *process.Process) tableMetrics {
	return tableMetrics{
		process.Register(p, prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "siem_filter_table_made_timestamp_seconds", Help: "When a table that the filter uses was made: of GeoIP the oldest of its databases.",
		}, []string{"table"})),
		process.Register(p, prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "siem_filter_table_degraded", Help: "1 for a table whose newest file is missing, refused or too old; health says why.",
		}, []string{"table"})),
	}
}

// watchTables tells health and metrics how the tables are, until ctx is done.
func (f *Filter) watchTables(ctx context.Context) {
	ticker := time.NewTicker(lookAtTables)
	defer ticker.Stop()
	told := map[string]string{}
	for {
		for i := range f.engine.watched {
			w := &f.engine.watched[i]
			problem := f.tableProblem(w, time.Now())
			if old := told[w.name]; problem != old {
				told[w.name] = problem
				if problem == "" {
					f.log.Info("a table is as it should be again", "table", w.name)
				} else {
					f.log.Warn("a table is not as it should be; events are enriched with what there is", "table", w.name, "problem", problem, code.Stale.Attr())
				}
			}
			degraded := 0.0
			if problem != "" {
				degraded, problem = 1, code.Stale.In(problem)
			}
			f.process.SetHealth("ecs "+w.name, problem)
			f.tables.degraded.WithLabelValues(w.name).Set(degraded)
		}
		select {
		case <-ctx.Done():
			for _, w := range f.engine.watched {
				f.process.SetHealth("ecs "+w.name, "")
			}
			return
		case <-ticker.C:
		}
	}
}

// tableProblem says what is wrong with a table, "" for nothing.
func (f *Filter) tableProblem(w *watched, now time.Time) string {
	problem := w.problem()
	var oldest time.Time
	for _, t := range w.made() {
		if !t.made.IsZero() && (oldest.IsZero() || t.made.Before(oldest)) {
			oldest = t.made
		}
		if problem != "" {
			continue
		}
		switch {
		case f.cfg.StaleAfter > 0 && !t.made.IsZero() && now.Sub(t.made) > f.cfg.StaleAfter:
			problem = fmt.Sprintf("%s is of %s, older than stale_after; see whether what refreshes it runs", t.what, t.made.UTC().Format(time.DateOnly))
		case f.cfg.StaleAfter > 0 && !t.due.IsZero() && now.After(t.due):
			problem = fmt.Sprintf("%s is of %s, and a newer one was due on %s; see whether what refreshes it runs", t.what, t.made.UTC().Format(time.DateOnly), t.due.UTC().Format(time.DateOnly))
		}
	}
	if !oldest.IsZero() {
		f.tables.made.WithLabelValues(w.name).Set(float64(oldest.Unix()))
	}
	return problem
}
