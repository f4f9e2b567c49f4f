// Package status is the page that shows an operator how everything is, and the
// numbers behind it.
//
// # Promises
//
//   - The page is one document without anything from elsewhere, and its content
//     security policy keeps it so.
//   - It shows numbers, names and reasons; no record, and nothing of the
//     configuration that could be a secret.
//   - What it shows is sampled whether somebody looks or not, so the last hour is
//     there when somebody does.
//   - Looking costs little: the samples are shared, and dead letters are counted
//     in at most a twentieth of the time.
package status

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/fluent-siem/fluent-siem/internal/deadletter"
	"github.com/fluent-siem/fluent-siem/internal/throttle"
	"github.com/fluent-siem/fluent-siem/sidecar/series"
)

const (
	// Every is the time between two samples.
	Every = 10 * time.Second
	// rateOver is the time that rates and quantiles are of.
	rateOver = time.Minute
	// history is how many samples the charts show: an hour.
	history = int(time.Hour / Every)
)

// Source is where a Monitor looks.
type Source struct {
	// Metrics are those of /metrics: the plugins' with the label process.
	Metrics func(context.Context) []*dto.MetricFamily
	// Problems are those of /healthz; nil: nobody asks for them.
	Problems func(context.Context) []Problem
	// StateDir is the folder of the throttle's orders.
	StateDir func() string
	// Letters opens the place of dead letters; nil: it is not known.
	Letters func() (*deadletter.Box, error)
}

// Problem is what is wrong with a component.
type Problem struct {
	Component string    `json:"component"`
	Problem   string    `json:"problem"`
	Since     time.Time `json:"since,omitzero"`
}

// Status is what the page shows. Rates are per second, over the last minute;
// lags and latencies are seconds, over the last minute, absent where there was
// nothing to measure.
type Status struct {
	At        time.Time `json:"at"`
	Problems  []Problem `json:"problems"`
	Degraded  float64   `json:"degraded"` // parts of the sidecar that are
	Processes []Process `json:"processes"`
	Input     Input     `json:"input"`
	Filter    Filter    `json:"filter"`
	Output    Output    `json:"output"`
	Types     []Type    `json:"types"`
	Throttle  []Order   `json:"throttle"`
	Feeds     []Feed    `json:"feeds"`
	Tables    []Table   `json:"tables"`
	Letters   Letters   `json:"letters"`
	History   []Instant `json:"history"`
}

// Process is a process with plugins.
type Process struct {
	PID string `json:"pid"`
	Up  bool   `json:"up"`
}

// Input is what the inputs do.
type Input struct {
	Waiting      float64 `json:"waiting"` // messages in all queues
	Held         float64 `json:"held"`
	OldestObject float64 `json:"oldest_object"` // seconds since its announcement
	Objects      float64 `json:"objects"`
	Records      float64 `json:"records"`
	Bytes        float64 `json:"bytes"` // after decompression
	CreditUsed   float64 `json:"credit_used"`
	Credit       float64 `json:"credit"`
	// ThrottleShare is the part of its usual rate that the slowest input may take.
	ThrottleShare float64 `json:"throttle_share"`
	QueueErrors   float64 `json:"queue_errors"`
}

// Filter is what the filters do.
type Filter struct {
	Outcomes map[string]float64 `json:"outcomes"` // rates
}

// Output is what the outputs do.
type Output struct {
	Verdicts map[string]float64 `json:"verdicts"` // rates of documents
	Bytes    float64            `json:"bytes"`    // sent
	Requests float64            `json:"requests"`
	Retries  float64            `json:"retries"`
	InFlight float64            `json:"in_flight"`
	Limit    float64            `json:"limit"`
	Held     float64            `json:"held"` // documents that wait for a repair
	P50      *float64           `json:"p50"`  // of bulk requests
	P99      *float64           `json:"p99"`
}

// Type is a log type: totals since the processes began, and what it does now.
type Type struct {
	Name     string             `json:"name"`
	Objects  float64            `json:"objects"`
	Records  float64            `json:"records"`
	Verdicts map[string]float64 `json:"verdicts"`
	Bytes    float64            `json:"bytes"` // stored
	Rate     float64            `json:"rate"`  // records
	P50      *float64           `json:"p50"`   // from event to stored
	P99      *float64           `json:"p99"`
}

// Order is an order of the throttle.
type Order struct {
	By     string    `json:"by"` // sidecar or operator
	Text   string    `json:"text"`
	Since  time.Time `json:"since,omitzero"`
	Reason string    `json:"reason"`
}

// Feed is a source of the sidecar.
type Feed struct {
	Name    string    `json:"name"`
	Fresh   time.Time `json:"fresh,omitzero"` // when it was last known to be
	Failed  float64   `json:"failed"`         // refreshes
	Problem string    `json:"problem,omitempty"`
}

// Table is what events are enriched from.
type Table struct {
	Name  string    `json:"name"`
	Built time.Time `json:"built"`
}

// Letters are the open dead letters.
type Letters struct {
	At      time.Time          `json:"at,omitzero"` // when they were counted; zero: not yet, or nobody knows where they are
	Problem string             `json:"problem,omitempty"`
	Groups  []deadletter.Group `json:"groups"`
	Damaged int                `json:"damaged"` // files
}

// Instant is what the charts show of a moment.
type Instant struct {
	At      time.Time `json:"at"`
	Records float64   `json:"records"` // read, per second
	Stored  float64   `json:"stored"`
	Waiting float64   `json:"waiting"`
	P50     *float64  `json:"p50"` // from event to stored
	P99     *float64  `json:"p99"`
}

// Monitor samples a Source.
type Monitor struct {
	source Source

	mu      sync.Mutex
	samples series.Window // of the last minute
	history []Instant     // of the last hour
	letters Letters
	busy    bool      // letters are being counted
	due     time.Time // when they may be counted again
}

// NewMonitor returns a Monitor of a source.
func NewMonitor(s Source) *Monitor {
	return &Monitor{source: s, letters: Letters{Groups: []deadletter.Group{}}}
}

// Run samples until ctx is done.
func (m *Monitor) Run(ctx context.Context) {
	tick := time.NewTicker(Every)
	defer tick.Stop()
	for {
		m.sample(ctx, time.Now())
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// sample takes a sample, and the instant that it ends.
func (m *Monitor) sample(ctx context.Context, now time.Time) {
	s := series.New(now, m.source.Metrics(ctx))
	m.mu.Lock()
	defer m.mu.Unlock()
	m.samples = append(m.samples, s)
	for len(m.samples) > 2 && now.Sub(m.samples[1].At) >= rateOver {
		m.samples = m.samples[1:]
	}
	w := m.samples
	p50, p99 := w.Quantiles("siem_output_lag_seconds")
	m.history = append(m.history, Instant{At: now.UTC(), Records: w.Rate("siem_input_records_total"), P50: p50, P99: p99,
		Stored:  w.Rate("siem_output_documents_total", "verdict", "stored"),
		Waiting: s.Sum("siem_input_queue_messages", "state", "waiting")})
	m.history = m.history[max(0, len(m.history)-history):]
}

// Status is how everything is now.
func (m *Monitor) Status(ctx context.Context) Status {
	now := time.Now()
	st := Status{At: now.UTC(), Problems: []Problem{}, Throttle: m.orders(now), Processes: []Process{}, Types: []Type{}, Feeds: []Feed{}, Tables: []Table{}}
	if m.source.Problems != nil {
		st.Problems = m.source.Problems(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.count(now)
	st.Letters = m.letters
	if len(m.samples) == 0 {
		return st
	}
	w := m.samples
	s := w.Last()
	st.History = slices.Clone(m.history)
	st.Degraded = s.Sum("siem_sidecar_degraded")
	for _, pid := range s.Values("siem_process_up", "process") {
		st.Processes = append(st.Processes, Process{pid, s.Sum("siem_process_up", "process", pid) == 1})
	}
	st.Input = Input{
		Waiting:      s.Sum("siem_input_queue_messages", "state", "waiting"),
		Held:         s.Sum("siem_input_queue_messages", "state", "held"),
		OldestObject: s.Most("siem_object_oldest_seconds"),
		Objects:      w.Rate("siem_input_objects_total"),
		Records:      w.Rate("siem_input_records_total"),
		Bytes:        w.Rate("siem_input_text_bytes_total"),
		CreditUsed:   s.Sum("siem_input_credit_used_bytes"),
		Credit:       s.Sum("siem_input_credit_bytes"),
		QueueErrors:  w.Rate("siem_input_queue_errors_total"),

		ThrottleShare: s.Least("siem_input_throttle_share", 1),
	}
	st.Filter = Filter{w.Rates("siem_filter_records_total", "outcome")}
	st.Output = Output{
		Verdicts: w.Rates("siem_output_documents_total", "verdict"),
		Bytes:    w.Rate("siem_output_sent_bytes_total"),
		Requests: w.Rate("siem_output_requests_total"),
		Retries:  w.Rate("siem_output_retries_total"),
		InFlight: s.Sum("siem_output_requests_in_flight"),
		Limit:    s.Sum("siem_output_requests_limit"),
		Held:     s.Sum("siem_output_held_documents"),
	}
	st.Output.P50, st.Output.P99 = w.Quantiles("siem_output_request_seconds")
	for _, name := range s.Values("siem_input_objects_total", "log_type") {
		t := Type{Name: name, Objects: s.Sum("siem_input_objects_total", "log_type", name), Records: s.Sum("siem_input_records_total", "log_type", name),
			Bytes: s.Sum("siem_output_stored_bytes_total", "log_type", name), Rate: w.Rate("siem_input_records_total", "log_type", name), Verdicts: map[string]float64{}}
		for _, v := range s.Values("siem_input_verdicts_total", "verdict") {
			t.Verdicts[v] = s.Sum("siem_input_verdicts_total", "log_type", name, "verdict", v)
		}
		t.P50, t.P99 = w.Quantiles("siem_output_lag_seconds", "log_type", name)
		st.Types = append(st.Types, t)
	}
	slices.SortFunc(st.Types, func(a, b Type) int {
		return cmp.Or(cmp.Compare(b.Rate, a.Rate), cmp.Compare(b.Records, a.Records), cmp.Compare(a.Name, b.Name))
	})
	st.Feeds, st.Tables = feeds(s, st.Problems), tables(s)
	return st
}

// feeds are the sidecar's sources, those with a problem included that were never
// fresh.
func feeds(s series.Sample, problems []Problem) []Feed {
	list := []Feed{}
	for _, name := range s.Values("siem_feed_refreshes_total", "feed") {
		f := Feed{Name: name, Failed: s.Sum("siem_feed_refreshes_total", "feed", name, "result", "failed")}
		if at := s.Sum("siem_feed_last_success_timestamp_seconds", "feed", name); at > 0 {
			f.Fresh = time.Unix(int64(at), 0).UTC()
		}
		for _, p := range problems {
			if p.Component == name {
				f.Problem = p.Problem
			}
		}
		list = append(list, f)
	}
	return list
}

func tables(s series.Sample) []Table {
	list := []Table{}
	for _, name := range s.Values("siem_geoip_build_timestamp_seconds", "database") {
		list = append(list, Table{name, time.Unix(int64(s.Sum("siem_geoip_build_timestamp_seconds", "database", name)), 0).UTC()})
	}
	if at := s.Sum("siem_indicators_built_timestamp_seconds"); at > 0 {
		list = append(list, Table{"indicators", time.Unix(int64(at), 0).UTC()})
	}
	return list
}

// orders are those that hold inputs back.
func (m *Monitor) orders(now time.Time) []Order {
	list := []Order{}
	for by, file := range map[string]string{"sidecar": throttle.Automatic, "operator": throttle.Manual} {
		o, err := throttle.Read(m.source.StateDir(), file)
		switch {
		case err != nil:
			list = append(list, Order{By: by, Text: "the order cannot be read: " + err.Error()})
		case !o.Free(now):
			list = append(list, Order{By: by, Text: o.String(), Since: o.Since, Reason: o.Reason})
		}
	}
	slices.SortFunc(list, func(a, b Order) int { return cmp.Compare(a.By, b.By) })
	return list
}

// count begins to count the dead letters if it is time to; m.mu is held.
func (m *Monitor) count(now time.Time) {
	if m.source.Letters == nil || m.busy || now.Before(m.due) {
		return
	}
	m.busy = true
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
		defer cancel()
		letters := Letters{At: time.Now().UTC(), Groups: []deadletter.Group{}}
		box, err := m.source.Letters()
		if err == nil {
			var damage deadletter.Damage
			letters.Groups, damage, err = box.Groups(ctx, func(e *deadletter.Entry) bool { return !e.Closed() })
			letters.Damaged = len(damage.Files)
			_ = box.Close() // nothing was written
		}
		if err != nil {
			letters.Problem = err.Error()
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		m.letters, m.busy = letters, false
		m.due = time.Now().Add(max(Every, 20*time.Since(letters.At)))
	}()
}
