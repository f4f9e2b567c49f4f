package status

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/fluent-siem/fluent-siem/internal/deadletter"
	"github.com/fluent-siem/fluent-siem/internal/throttle"
	"github.com/fluent-siem/fluent-siem/sidecar/series/seriestest"
)

const first = `
siem_process_up{process="7"} 1
siem_process_up{process="8"} 0
siem_input_records_total{log_type="cloudtrail",process="7"} 100
siem_output_lag_seconds_bucket{log_type="cloudtrail",process="7",le="1"} 10
siem_output_lag_seconds_bucket{log_type="cloudtrail",process="7",le="5"} 100
siem_output_lag_seconds_bucket{log_type="cloudtrail",process="7",le="+Inf"} 100
siem_output_lag_seconds_sum{log_type="cloudtrail",process="7"} 200
siem_output_lag_seconds_count{log_type="cloudtrail",process="7"} 100
`

// later: process 7 goes on, its output began anew; 8 answers for the first time;
// 9 was not there before.
const later = `
siem_process_up{process="7"} 1
siem_process_up{process="8"} 1
siem_input_records_total{log_type="cloudtrail",process="7"} 700
siem_input_records_total{log_type="cloudtrail",process="8"} 50000
siem_input_records_total{log_type="vpcflowlogs",process="7"} 60
siem_input_objects_total{log_type="cloudtrail",outcome="read",process="7"} 4
siem_input_verdicts_total{log_type="cloudtrail",verdict="stored",process="7"} 690
siem_input_verdicts_total{log_type="cloudtrail",verdict="dead-lettered",process="7"} 10
siem_input_queue_messages{queue="q",state="waiting",process="7"} 12
siem_output_documents_total{reason="stored",verdict="stored",process="7"} 120
# TYPE siem_output_lag_seconds histogram
siem_output_lag_seconds_bucket{log_type="cloudtrail",process="7",le="1"} 10
siem_output_lag_seconds_bucket{log_type="cloudtrail",process="7",le="5"} 300
siem_output_lag_seconds_bucket{log_type="cloudtrail",process="7",le="+Inf"} 300
siem_output_lag_seconds_sum{log_type="cloudtrail",process="7"} 800
siem_output_lag_seconds_count{log_type="cloudtrail",process="7"} 300
siem_feed_refreshes_total{feed="geoip/GeoLite2-City",result="failed"} 3
siem_feed_last_success_timestamp_seconds{feed="geoip/GeoLite2-City"} 1700000000
siem_geoip_build_timestamp_seconds{database="GeoLite2-City",type="GeoLite2-City"} 1690000000
siem_index_documents{index="log-x",tier="hot"} 5
`

// TestRatesAndQuantiles: rates are of the window, whatever a process did before
// it was seen.
func TestRatesAndQuantiles(t *testing.T) {
	text := strings.Replace(first, "siem_output_lag_seconds_bucket", "# TYPE siem_output_lag_seconds histogram\nsiem_output_lag_seconds_bucket", 1)
	dir := t.TempDir()
	if err := throttle.Write(dir, throttle.Manual, throttle.Order{Stop: true, Reason: "an upgrade"}); err != nil {
		t.Fatal(err)
	}
	letters := t.TempDir()
	box, err := deadletter.Open(deadletter.Config{Place: letters})
	if err != nil {
		t.Fatal(err)
	}
	if err := box.Write([]deadletter.Letter{{Class: "mapping_conflict", Reason: "failed to parse field [n]", Index: "log-x", LogType: "cloudtrail", Time: time.Now()}}); err != nil {
		t.Fatal(err)
	}
	if err := box.Close(); err != nil {
		t.Fatal(err)
	}
	m := NewMonitor(Source{
		Metrics: func(context.Context) []*dto.MetricFamily { return seriestest.Families(t, text) },
		Problems: func(context.Context) []Problem {
			return []Problem{{Component: "geoip/GeoLite2-City", Problem: "degraded: 401"}}
		},
		StateDir: func() string { return dir },
		Letters:  func() (*deadletter.Box, error) { return deadletter.Open(deadletter.Config{Place: letters}) },
	})
	if st := m.Status(t.Context()); len(st.History) != 0 || len(st.Types) != 0 {
		t.Errorf("before the first sample: %+v", st)
	}
	now := time.Now()
	m.sample(t.Context(), now)
	text = later
	m.sample(t.Context(), now.Add(Every))
	st := m.Status(t.Context())
	if st.Input.Records != 66 || st.Input.Waiting != 12 { // 600 + 60 in ten seconds
		t.Errorf("input: %+v", st.Input)
	}
	if st.Output.Verdicts["stored"] != 12 {
		t.Errorf("output: %+v", st.Output)
	}
	if len(st.Types) != 1 || st.Types[0].Verdicts["dead-lettered"] != 10 || st.Types[0].Rate != 60 {
		t.Errorf("types: %+v", st.Types)
	} else if p := st.Types[0]; p.P50 == nil || *p.P50 <= 1 || *p.P50 > 5 || *p.P99 <= *p.P50 {
		t.Errorf("quantiles: %v %v", p.P50, p.P99)
	}
	if len(st.Feeds) != 1 || st.Feeds[0].Problem != "degraded: 401" || st.Feeds[0].Failed != 3 || st.Feeds[0].Fresh.Unix() != 1700000000 {
		t.Errorf("feeds: %+v", st.Feeds)
	}
	if len(st.Tables) != 1 || len(st.Throttle) != 1 || st.Throttle[0].By != "operator" || len(st.Processes) != 2 {
		t.Errorf("tables %+v, throttle %+v, processes %+v", st.Tables, st.Throttle, st.Processes)
	}
	if len(st.History) != 2 || st.History[1].Records != 66 || st.History[1].P99 == nil || st.History[0].P50 != nil {
		t.Errorf("history: %+v", st.History)
	}
	for end := time.Now().Add(20 * time.Second); st.Letters.At.IsZero(); st = m.Status(t.Context()) {
		if time.Now().After(end) {
			t.Fatal("the letters are not counted")
		}
		time.Sleep(5 * time.Millisecond)
	}
	if g := st.Letters.Groups; len(g) != 1 || g[0].Count != 1 || g[0].Class != "mapping_conflict" {
		t.Errorf("letters: %+v", st.Letters)
	}
	if _, err := json.Marshal(st); err != nil {
		t.Error(err)
	}
}

// TestAnHourIsKept and no more.
func TestAnHourIsKept(t *testing.T) {
	m := NewMonitor(Source{
		Metrics:  func(context.Context) []*dto.MetricFamily { return nil },
		Problems: func(context.Context) []Problem { return nil },
		StateDir: t.TempDir,
	})
	begin := time.Now()
	for i := range 1000 {
		m.sample(t.Context(), begin.Add(time.Duration(i)*Every))
	}
	st := m.Status(t.Context())
	if got := st.History[len(st.History)-1].At.Sub(st.History[0].At); got > time.Hour || got < time.Hour-Every {
		t.Errorf("%v are kept", got)
	}
	if n := len(m.samples); n > int(rateOver/Every)+1 {
		t.Errorf("%d samples are kept", n)
	}
}
