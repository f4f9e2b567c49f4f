package indexmetrics

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// series are the gauges of an index, by the statistic they show.
var series = []struct {
	path string
	desc *prometheus.Desc
}{
	{"primaries.docs.count", desc("documents", "Documents, without replicas.")},
	{"primaries.store.size_in_bytes", desc("primary_bytes", "Size, without replicas.")},
	{"total.store.size_in_bytes", desc("bytes", "Size, with replicas.")},
	{"primaries.indexing.index_total", desc("indexed_documents", "Documents indexed since the shards started, without replicas.")},
	{"total.search.query_total", desc("queries", "Queries of shards since they started.")},
	{"shards.total", desc("shards", "Shards, with replicas.")},
}

var shardStates = prometheus.NewDesc("siem_index_shard_states", "Shards by state.", []string{"state"}, nil)

func desc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("siem_index_"+name, help, []string{"index", "tier"}, nil)
}

// gauges are those of the last lines.
type gauges struct {
	mu   sync.Mutex
	last []prometheus.Metric
}

func newGauges() *gauges { return new(gauges) }

// Describe implements [prometheus.Collector].
func (g *gauges) Describe(ch chan<- *prometheus.Desc) {
	for _, s := range series {
		ch <- s.desc
	}
	ch <- shardStates
}

// Collect implements [prometheus.Collector].
func (g *gauges) Collect(ch chan<- prometheus.Metric) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, m := range g.last {
		ch <- m
	}
}

// set takes over the lines. The largest indexes, at most most, have series of
// their own.
func (g *gauges) set(lines []Line, most int) {
	type row struct {
		name, tier string
		values     []float64
	}
	var rows []row
	states := map[string]float64{}
	for _, line := range lines {
		os, _ := line["opensearch"].(object)
		if shard, ok := os["shard"].(object); ok {
			state, _ := shard["state"].(string)
			states[state]++
			continue
		}
		x, _ := os["index"].(object)
		r := row{values: make([]float64, len(series))}
		r.name, _ = x["name"].(string)
		r.tier, _ = x["storage_tier"].(string)
		for i, s := range series {
			r.values[i] = number(at(x, s.path))
		}
		rows = append(rows, r)
	}
	slices.SortFunc(rows, func(a, b row) int {
		if a.values[2] != b.values[2] { // bytes
			if a.values[2] > b.values[2] {
				return -1
			}
			return 1
		}
		return strings.Compare(a.name, b.name)
	})
	others := map[string][]float64{} // by tier
	var all []prometheus.Metric
	emit := func(name, tier string, values []float64) {
		for i, s := range series {
			all = append(all, prometheus.MustNewConstMetric(s.desc, prometheus.GaugeValue, values[i], name, tier))
		}
	}
	for i, r := range rows {
		if i < most {
			emit(r.name, r.tier, r.values)
			continue
		}
		if others[r.tier] == nil {
			others[r.tier] = make([]float64, len(series))
		}
		for j, v := range r.values {
			others[r.tier][j] += v
		}
	}
	for tier, values := range others {
		emit("other", tier, values)
	}
	for state, n := range states {
		all = append(all, prometheus.MustNewConstMetric(shardStates, prometheus.GaugeValue, n, state))
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.last = all
}

func at(o object, path string) any {
	var v any = o
	for key := range strings.SplitSeq(path, ".") {
		o, _ := v.(object)
		v = o[key]
	}
	return v
}

func number(v any) float64 {
	switch v := v.(type) {
	case float64:
		return v
	case int64:
		return float64(v)
	case int:
		return float64(v)
	case json.Number:
		f, _ := v.Float64() // 0 where it is none
		return f
	}
	return 0
}
