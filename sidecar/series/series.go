// Package series reads samples of Prometheus metrics: sums over labels, and what
// grew between two of them.
//
// # Promises
//
//   - Growth is what happened while somebody looked: a process that is seen for
//     the first time, or again after it did not answer, has grown by nothing; a
//     counter that began anew has grown by its value.
package series

import (
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
)

// Sample is the value of every series of ours at a time.
type Sample struct {
	At     time.Time
	series map[string][]series // by name
}

type series struct {
	labels []*dto.LabelPair // sorted by name
	key    string           // of the labels
	value  float64          // of a histogram its sum
	hist   *dto.Histogram
}

// New takes over metrics, those of single indexes excepted, of which there may be
// thousands.
func New(at time.Time, families []*dto.MetricFamily) Sample {
	s := Sample{at, map[string][]series{}}
	for _, f := range families {
		name := f.GetName()
		if !strings.HasPrefix(name, "siem_") || strings.HasPrefix(name, "siem_index_") {
			continue
		}
		for _, m := range f.Metric {
			x := series{labels: slices.Clone(m.Label), hist: m.Histogram}
			slices.SortFunc(x.labels, func(a, b *dto.LabelPair) int { return strings.Compare(a.GetName(), b.GetName()) })
			for _, l := range x.labels {
				x.key += l.GetName() + "=" + l.GetValue() + "\x00"
			}
			x.value = m.GetCounter().GetValue() + m.GetGauge().GetValue() + m.GetUntyped().GetValue() + m.GetHistogram().GetSampleSum()
			s.series[name] = append(s.series[name], x)
		}
	}
	return s
}

func (x *series) label(name string) (string, bool) {
	for _, l := range x.labels {
		if l.GetName() == name {
			return l.GetValue(), true
		}
	}
	return "", false
}

// has reports whether the labels are those of want: name, value, name, value, …
func (x *series) has(want []string) bool {
	for i := 0; i < len(want); i += 2 {
		if v, ok := x.label(want[i]); !ok || v != want[i+1] {
			return false
		}
	}
	return true
}

// Sum adds up the series of a name that have the labels.
func (s Sample) Sum(name string, labels ...string) (total float64) {
	for _, x := range s.series[name] {
		if x.has(labels) {
			total += x.value
		}
	}
	return total
}

// Most is the largest value of a name.
func (s Sample) Most(name string) (most float64) {
	for _, x := range s.series[name] {
		most = max(most, x.value)
	}
	return most
}

// Least is the smallest value of a name, none where there is no value.
func (s Sample) Least(name string, none float64) (least float64) {
	for i, x := range s.series[name] {
		if i == 0 || x.value < least {
			least = x.value
		}
	}
	if len(s.series[name]) == 0 {
		return none
	}
	return least
}

// Values are the values of a label, sorted.
func (s Sample) Values(name, label string) []string {
	seen := map[string]bool{}
	for _, x := range s.series[name] {
		if v, ok := x.label(label); ok {
			seen[v] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// Window is some samples, the oldest first; at least one.
type Window []Sample

// Last is the newest sample.
func (w Window) Last() Sample { return w[len(w)-1] }

// before is the value of a series at the beginning of the window: 0 for one that
// was not there or that began anew since. A process whose first answer is the
// last sample has done nothing in the window, whatever it had done before.
func (w Window) before(name string, x series) (value float64, hist *dto.Histogram) {
	process, ofProcess := x.label("process")
	for _, s := range w {
		if ofProcess && s.Sum("siem_process_up", "process", process) == 0 {
			continue
		}
		for _, old := range s.series[name] {
			if old.key == x.key && old.value <= x.value && old.hist.GetSampleCount() <= x.hist.GetSampleCount() {
				return old.value, old.hist
			}
		}
		return 0, nil
	}
	return x.value, x.hist
}

// Length is the time from the first sample to the last.
func (w Window) Length() time.Duration { return w.Last().At.Sub(w[0].At) }

// Growth is what counters of a name grew by, those that have the labels. Of a
// histogram it is the growth of its sum.
func (w Window) Growth(name string, labels ...string) (growth float64) {
	for _, x := range w.Last().series[name] {
		if x.has(labels) {
			before, _ := w.before(name, x)
			growth += x.value - before
		}
	}
	return growth
}

// Rate is Growth per second; 0 in a window without length.
func (w Window) Rate(name string, labels ...string) float64 {
	if w.Length() <= 0 {
		return 0
	}
	return w.Growth(name, labels...) / w.Length().Seconds()
}

// Rates are those of a counter by a label.
func (w Window) Rates(name, label string) map[string]float64 {
	all := map[string]float64{}
	for _, v := range w.Last().Values(name, label) {
		all[v] = w.Rate(name, label, v)
	}
	return all
}

// Quantiles are the median and the 99th percentile of what a histogram saw in
// the window, interpolated in its buckets; nil where it saw nothing.
func (w Window) Quantiles(name string, labels ...string) (p50, p99 *float64) {
	var bounds, counts []float64 // cumulative
	var total float64
	for _, x := range w.Last().series[name] {
		if !x.has(labels) || x.hist == nil {
			continue
		}
		_, old := w.before(name, x)
		total += float64(x.hist.GetSampleCount() - old.GetSampleCount())
		for i, b := range x.hist.Bucket {
			if math.IsInf(b.GetUpperBound(), 1) {
				break
			}
			if i == len(bounds) {
				bounds, counts = append(bounds, b.GetUpperBound()), append(counts, 0)
			}
			counts[i] += float64(b.GetCumulativeCount())
			if old != nil && i < len(old.Bucket) {
				counts[i] -= float64(old.Bucket[i].GetCumulativeCount())
			}
		}
	}
	if total == 0 || len(bounds) == 0 {
		return nil, nil
	}
	at := func(q float64) *float64 {
		rank, low, below := q*total, 0., 0.
		for i, n := range counts {
			if n >= rank && n > below {
				v := low + (bounds[i]-low)*(rank-below)/(n-below)
				return &v
			}
			low, below = bounds[i], n
		}
		return &low // more than the last bound: nobody knows how much
	}
	return at(.5), at(.99)
}
