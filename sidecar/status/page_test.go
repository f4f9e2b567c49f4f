package status

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/fluent-siem/fluent-siem/internal/deadletter"
	"github.com/fluent-siem/fluent-siem/internal/throttle"
	"github.com/fluent-siem/fluent-siem/sidecar/series/seriestest"
	"github.com/fluent-siem/fluent-siem/test/browser"
)

// wave grows, faster and slower by turns.
func wave(n int) int { return 5*n + int(40*math.Sin(float64(n)/9)) }

// busy is what a host that loads three log types says after n samples.
func busy(n int) string {
	var b strings.Builder
	fmt.Fprintln(&b, `siem_process_up{process="2711"} 1`)
	for i, logType := range []string{"cloudtrail", "vpcflowlogs", "alb"} {
		records := n*(9000+21000*i) + 700*wave(n+5*i)
		fmt.Fprintf(&b, "siem_input_objects_total{log_type=%q,outcome=\"read\",process=\"2711\"} %d\n", logType, n*(3+i))
		fmt.Fprintf(&b, "siem_input_records_total{log_type=%q,process=\"2711\"} %d\n", logType, records)
		fmt.Fprintf(&b, "siem_input_verdicts_total{log_type=%q,verdict=\"stored\",process=\"2711\"} %d\n", logType, records-n)
		fmt.Fprintf(&b, "siem_output_stored_bytes_total{log_type=%q,process=\"2711\"} %d\n", logType, records*900)
		fmt.Fprintf(&b, "siem_filter_records_total{log_type=%q,outcome=\"converted\",process=\"2711\"} %d\n", logType, records)
	}
	fmt.Fprintf(&b, "siem_input_verdicts_total{log_type=\"alb\",verdict=\"dead-lettered\",process=\"2711\"} %d\n", n)
	fmt.Fprintf(&b, "siem_input_queue_messages{queue=\"siem\",state=\"waiting\",process=\"2711\"} %d\n", 40+n%30)
	fmt.Fprintln(&b, `siem_object_oldest_seconds{process="2711"} 41`)
	fmt.Fprintln(&b, `siem_input_credit_used_bytes{input="s3_sqs.0",process="2711"} 41000000`)
	fmt.Fprintln(&b, `siem_input_credit_bytes{input="s3_sqs.0",process="2711"} 67108864`)
	fmt.Fprintf(&b, "siem_output_documents_total{reason=\"stored\",verdict=\"stored\",process=\"2711\"} %d\n", n*90000+700*(wave(n)+wave(n+5)+wave(n+10)))
	fmt.Fprintf(&b, "siem_output_documents_total{reason=\"mapping_conflict\",verdict=\"dead-lettered\",process=\"2711\"} %d\n", n)
	fmt.Fprintf(&b, "siem_output_requests_total{status=\"200\",process=\"2711\"} %d\n", n*40)
	fmt.Fprintln(&b, `siem_output_requests_in_flight{process="2711"} 5`)
	fmt.Fprintln(&b, `siem_output_requests_limit{process="2711"} 8`)
	fmt.Fprintln(&b, "# TYPE siem_output_lag_seconds histogram")
	for _, logType := range []string{"cloudtrail", "vpcflowlogs", "alb"} {
		for i, count := range []int{10 * n, 70*n + 3*wave(n), 99 * n, 100 * n} {
			fmt.Fprintf(&b, "siem_output_lag_seconds_bucket{log_type=%q,process=\"2711\",le=%q} %d\n", logType, []string{"60", "300", "900", "+Inf"}[i], count)
		}
		fmt.Fprintf(&b, "siem_output_lag_seconds_count{log_type=%q,process=\"2711\"} %d\n", logType, n*100)
		fmt.Fprintf(&b, "siem_output_lag_seconds_sum{log_type=%q,process=\"2711\"} %d\n", logType, n*20000)
	}
	fmt.Fprintln(&b, `siem_feed_refreshes_total{feed="indicators/tor",result="changed"} 4`)
	fmt.Fprintln(&b, `siem_feed_refreshes_total{feed="geoip/GeoLite2-City",result="failed"} 3`)
	fmt.Fprintf(&b, "siem_feed_last_success_timestamp_seconds{feed=\"indicators/tor\"} %d\n", time.Now().Add(-3*time.Hour).Unix())
	fmt.Fprintf(&b, "siem_geoip_build_timestamp_seconds{database=\"GeoLite2-City\",type=\"GeoLite2-City\"} %d\n", time.Now().Add(-100*time.Hour).Unix())
	return b.String()
}

// TestPage shows a busy host in Chromium: every part has what it should, what
// comes from outside stays text, and nothing is asked for elsewhere. With UPDATE=1
// it renews the picture of the manual.
func TestPage(t *testing.T) {
	letters, state := t.TempDir(), t.TempDir()
	box, err := deadletter.Open(deadletter.Config{Place: letters})
	if err != nil {
		t.Fatal(err)
	}
	const hostile = `failed to parse field [x] <img src=x onerror="document.title='taken over'">`
	if err := box.Write([]deadletter.Letter{{Class: "mapping_conflict", Reason: hostile, Index: "log-aws-elb-2024-06", LogType: "alb", Time: time.Now()}}); err != nil {
		t.Fatal(err)
	}
	if err := box.Close(); err != nil {
		t.Fatal(err)
	}
	if err := throttle.Write(state, throttle.Manual, throttle.Order{Stop: true, Reason: "an upgrade of the cluster", Since: time.Now().Add(-time.Minute)}); err != nil {
		t.Fatal(err)
	}
	n := 0
	m := NewMonitor(Source{
		Metrics: func(context.Context) []*dto.MetricFamily { n++; return seriestest.Families(t, busy(n)) },
		Problems: func(context.Context) []Problem {
			return []Problem{{Component: "geoip/GeoLite2-City", Problem: "degraded: the publisher answers 401: check account and licence key", Since: time.Now().Add(-time.Hour)}}
		},
		StateDir: func() string { return state },
		Letters:  func() (*deadletter.Box, error) { return deadletter.Open(deadletter.Config{Place: letters}) },
	})
	for i := range 200 {
		m.sample(t.Context(), time.Now().Add(time.Duration(i-200)*Every))
	}
	mux := http.NewServeMux()
	mux.Handle("GET /status", m)
	mux.HandleFunc("GET /{$}", Page)
	server := httptest.NewServer(mux)
	defer server.Close()
	p := browser.Open(t, server.URL+"/", 1280, 900)
	p.Until("dead letter", `document.querySelector("#letters td.long")`)
	text := browser.Eval[string](p, "document.body.innerText")
	for _, want := range []string{"1 problem", "1 of 1 agent processes answer", "held back", "check account and licence key", "credit 39.1 MiB of 64.0 MiB", "5 of 8 requests in flight",
		"cloudtrail", "vpcflowlogs", "failed to parse field [x] <img src=x onerror=", "an upgrade of the cluster", "indicators/tor", "3.0 h ago", "GeoLite2-City", "stored/s"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if title := browser.Eval[string](p, "document.title"); title != "fluent-siem" {
		t.Errorf("a dead letter has become part of the page: its title is %q", title)
	}
	for _, chart := range []string{"#rates .one", "#rates .two", "#lag .one", "#lag .two", "#waiting .one"} {
		if d := browser.Eval[string](p, fmt.Sprintf(`document.querySelector(%q).getAttribute("d")`, chart+"[d]")); strings.Count(d, "L") < 100 {
			t.Errorf("the line %s has %d pieces: %.60s", chart, strings.Count(d, "L"), d)
		}
	}
	picture := p.Picture()
	if wide := browser.Eval[bool](p, "document.documentElement.scrollWidth > document.documentElement.clientWidth"); wide {
		t.Error("the page is wider than the window")
	}
	if complaints := p.Complaints(); len(complaints) > 0 {
		t.Errorf("the page complains: %q", complaints)
	}
	if os.Getenv("UPDATE") == "1" {
		if err := os.WriteFile("../../conf/status.png", picture, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// It says so when the sidecar is gone.
	server.Close()
	p.Until("word that nobody answers", `document.querySelector("#health").textContent.includes("does not answer")`)
}
