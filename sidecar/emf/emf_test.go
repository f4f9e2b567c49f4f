package emf

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/fluent-siem/fluent-siem/sidecar/series/seriestest"
)

const before = `
siem_process_up{process="7"} 1
siem_input_objects_total{log_type="cloudtrail",outcome="read",process="7"} 5
siem_input_records_total{log_type="cloudtrail",process="7"} 1000
`

const after = `
siem_process_up{process="7"} 1
siem_input_objects_total{log_type="cloudtrail",outcome="read",process="7"} 7
siem_input_objects_total{log_type="waf",outcome="read",process="7"} 0
siem_input_records_total{log_type="cloudtrail",process="7"} 1300
siem_input_object_bytes_total{log_type="cloudtrail",process="7"} 4096
siem_input_verdicts_total{log_type="cloudtrail",verdict="stored",process="7"} 200
siem_input_verdicts_total{log_type="cloudtrail",verdict="duplicate",process="7"} 60
siem_input_verdicts_total{log_type="cloudtrail",verdict="excluded",process="7"} 30
siem_input_verdicts_total{log_type="cloudtrail",verdict="dead-lettered",process="7"} 10
siem_output_stored_bytes_total{log_type="cloudtrail",process="7"} 12345
# TYPE siem_input_lag_seconds histogram
siem_input_lag_seconds_bucket{log_type="cloudtrail",process="7",le="+Inf"} 2
siem_input_lag_seconds_sum{log_type="cloudtrail",process="7"} 1.5
siem_input_lag_seconds_count{log_type="cloudtrail",process="7"} 2
# TYPE siem_output_request_seconds histogram
siem_output_request_seconds_bucket{process="7",le="+Inf"} 4
siem_output_request_seconds_sum{process="7"} 0.25
siem_output_request_seconds_count{process="7"} 4
`

// source answers with before first, then with after.
type source struct {
	mu    sync.Mutex
	asked int
}

func (s *source) metrics(t testing.TB) func(context.Context) []*dto.MetricFamily {
	return func(context.Context) []*dto.MetricFamily {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.asked++; s.asked == 1 {
			return seriestest.Families(t, before)
		}
		return seriestest.Families(t, after)
	}
}

// checkLines checks the two lines that stand for what grew.
func checkLines(t *testing.T, text string) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d lines, want one of cloudtrail and one of all:\n%s", len(lines), text)
	}
	var trail struct {
		AWS struct {
			Timestamp         int64
			CloudWatchMetrics []struct {
				Namespace  string
				Dimensions [][]string
				Metrics    []definition
			}
		} `json:"_aws"`
		Logtype, Service                                                      string
		InputLogFileSize, OutputDataSize, SuccessLogLoadCount                 float64
		ErrorLogLoadCount, ExcludedLogCount, TotalDurationTime, TotalLogCount float64
		TotalLogFileCount                                                     float64
	}
	if err := json.Unmarshal([]byte(lines[0]), &trail); err != nil {
		t.Fatal(err)
	}
	if m := trail.AWS.CloudWatchMetrics; trail.AWS.Timestamp < 1e12 || len(m) != 1 || m[0].Namespace != "SIEM" || len(m[0].Metrics) != len(metrics) ||
		strings.Join(m[0].Dimensions[0], " ") != "logtype service" || trail.Service != "es-loader" {
		t.Errorf("%s", lines[0])
	}
	if trail.Logtype != "cloudtrail" || trail.TotalLogFileCount != 2 || trail.TotalLogCount != 300 || trail.InputLogFileSize != 4096 || trail.OutputDataSize != 12345 ||
		trail.SuccessLogLoadCount != 260 || trail.ErrorLogLoadCount != 10 || trail.ExcludedLogCount != 30 || trail.TotalDurationTime != 1500 {
		t.Errorf("%s", lines[0])
	}
	if !strings.Contains(lines[1], `"EsResponseTime":250`) || strings.Contains(lines[1], "logtype") {
		t.Errorf("%s", lines[1])
	}
}

// TestLines: what grew is written once, the rest of it at the end.
func TestLines(t *testing.T) {
	var out bytes.Buffer
	ctx, end := context.WithCancel(t.Context())
	end() // one line at the end
	cfg := Defaults()
	if err := Run(ctx, cfg, Env{Health: func(_, problem string) {
		if problem != "" {
			t.Error(problem)
		}
	}, Metrics: new(source).metrics(t), Stdout: &out}); err != nil {
		t.Fatal(err)
	}
	checkLines(t, out.String())
}

// TestAnAgentThatIsAwayMissesNothing: the numbers are part of the next line.
func TestAnAgentThatIsAwayMissesNothing(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	cfg := Defaults()
	cfg.To, cfg.Interval = "tcp://"+address, time.Second
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	away := make(chan struct{})
	var once sync.Once
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, cfg, Env{Health: func(_, problem string) {
			if problem != "" {
				once.Do(func() { close(away) })
			}
		}, Metrics: new(source).metrics(t)})
	}()
	<-away
	if l, err = net.Listen("tcp", address); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		text.WriteString(lines.Text() + "\n")
	}
	end()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	checkLines(t, text.String())
}

// TestFileAndDatagrams: a file is for its owner only, a datagram is a line.
func TestFileAndDatagrams(t *testing.T) {
	cfg := Defaults()
	cfg.To = filepath.Join(t.TempDir(), "metrics.ndjson")
	run := func() {
		t.Helper()
		ctx, end := context.WithCancel(t.Context())
		end()
		if err := Run(ctx, cfg, Env{Health: func(_, problem string) {
			if problem != "" {
				t.Error(problem)
			}
		}, Metrics: new(source).metrics(t)}); err != nil {
			t.Fatal(err)
		}
	}
	run()
	text, err := os.ReadFile(cfg.To)
	if err != nil {
		t.Fatal(err)
	}
	checkLines(t, string(text))
	if info, err := os.Stat(cfg.To); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cfg.To = "udp://" + l.LocalAddr().String()
	run()
	lines := ""
	for range 2 {
		b := make([]byte, 64<<10)
		_ = l.SetReadDeadline(time.Now().Add(20 * time.Second))
		n, _, err := l.ReadFrom(b)
		if err != nil {
			t.Fatal(err)
		}
		lines += string(b[:n])
	}
	checkLines(t, lines)
}

func TestBadSettings(t *testing.T) {
	cfg := Config{To: "http://x", Namespace: "AWS/ES"}
	err := cfg.Validate()
	for _, want := range []string{"interval: 0s", "namespace: ", "to: "} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %s", err, want)
		}
	}
}
