// Package emf writes the numbers of the loader in CloudWatch's embedded metric
// format, under the names that SIEM on Amazon OpenSearch Service gave them, so
// that alarms and dashboards made for it go on.
//
// # Promises
//
//   - Each line is the growth since the line before; nothing is counted twice, and
//     what a process did before the sidecar saw it is not counted.
//   - A destination that does not take a line delays it: what it would have said
//     is part of the next one.
//
// The format is that of "Specification: Embedded metric format" of the Amazon
// CloudWatch user guide.
package emf

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/fluent-siem/fluent-siem/internal/code"
	"github.com/fluent-siem/fluent-siem/internal/settings"
	"github.com/fluent-siem/fluent-siem/sidecar/series"
)

// Config is the section cloudwatch_metrics.
type Config struct {
	// To is where lines go: stdout, a file that is appended to, or an endpoint of
	// the CloudWatch agent as tcp://127.0.0.1:25888 or udp://127.0.0.1:25888.
	To string `conf:"to"`

	// Interval is the time between two lines of a log type.
	Interval time.Duration `conf:"interval"`

	// Namespace is the metrics' namespace in CloudWatch.
	Namespace string `conf:"namespace"`

	// Service is the value of the dimension service.
	Service string `conf:"service"`

	// LogGroup is the log group that the agent is asked to write to. Empty: as the
	// agent's configuration says.
	LogGroup string `conf:"log_group"`
}

// Defaults returns what is used where the section says nothing: the names of the
// original.
func Defaults() Config {
	return Config{To: "stdout", Interval: time.Minute, Namespace: "SIEM", Service: "es-loader"}
}

// Validate reports every problem at once.
func (c Config) Validate() error {
	var bad settings.Problems
	if c.Interval < time.Second {
		bad.Add("interval", "%s is too short; a minute is what CloudWatch keeps", c.Interval)
	}
	if c.Namespace == "" || strings.HasPrefix(c.Namespace, "AWS/") {
		bad.Add("namespace", "%q; it must not be empty, and those that begin with AWS/ are reserved", c.Namespace)
	}
	if u, err := url.Parse(c.To); c.To == "" || strings.Contains(c.To, "://") && (err != nil || u.Scheme != "tcp" && u.Scheme != "udp" || u.Port() == "") {
		bad.Add("to", "%q; use stdout, a file, tcp://HOST:PORT or udp://HOST:PORT", c.To)
	}
	return bad.Err()
}

// metric is one of the original's; grown says by how much it grew for a log type.
type metric struct {
	name, unit string
	grown      func(w series.Window, logType string) float64
}

func counter(name string, labels ...string) func(series.Window, string) float64 {
	return func(w series.Window, logType string) float64 {
		return w.Growth(name, append([]string{"log_type", logType}, labels...)...)
	}
}

// metrics are the original's of a log type. A duplicate is a success, as it was
// there: the index has the document. TotalDurationTime is the time from an
// object's announcement to its last verdict, added up.
var metrics = []metric{
	{"InputLogFileSize", "Bytes", counter("siem_input_object_bytes_total")},
	{"OutputDataSize", "Bytes", counter("siem_output_stored_bytes_total")},
	{"SuccessLogLoadCount", "Count", func(w series.Window, logType string) float64 {
		return counter("siem_input_verdicts_total", "verdict", "stored")(w, logType) + counter("siem_input_verdicts_total", "verdict", "duplicate")(w, logType)
	}},
	{"ErrorLogLoadCount", "Count", counter("siem_input_verdicts_total", "verdict", "dead-lettered")},
	{"ExcludedLogCount", "Count", counter("siem_input_verdicts_total", "verdict", "excluded")},
	{"CountedLogCount", "Count", counter("siem_exclude_matches_total", "action", "count")},
	{"TotalDurationTime", "Milliseconds", func(w series.Window, logType string) float64 {
		return 1000 * counter("siem_input_lag_seconds")(w, logType)
	}},
	{"TotalLogFileCount", "Count", counter("siem_input_objects_total")},
	{"TotalLogCount", "Count", counter("siem_input_records_total")},
}

// response is of all log types together: requests carry several.
var response = metric{"EsResponseTime", "Milliseconds", func(w series.Window, _ string) float64 {
	return 1000 * w.Growth("siem_output_request_seconds")
}}

// Env is what the duty gets from the program around it.
type Env struct {
	Health func(component, problem string)
	// Metrics are those of /metrics.
	Metrics func(context.Context) []*dto.MetricFamily
	// Stdout is where lines go with To "stdout".
	Stdout io.Writer
}

// Run is the duty of the sidecar. It writes until ctx is done, and once more then.
func Run(ctx context.Context, cfg Config, env Env) error {
	tick := time.NewTicker(cfg.Interval)
	defer tick.Stop()
	window := series.Window{series.New(time.Now(), env.Metrics(ctx))}
	for ended := false; !ended; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			ended = true
		}
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		window = append(window[:1], series.New(time.Now(), env.Metrics(last)))
		err := cfg.write(last, lines(cfg, window), env.Stdout)
		cancel()
		if err != nil {
			env.Health("cloudwatch_metrics", code.MetricLines.In("degraded: "+err.Error()+"; the numbers are part of the next line"))
			continue
		}
		env.Health("cloudwatch_metrics", "")
		window = window[1:]
	}
	return nil
}

// write sends text, whole or not at all where that can be had.
func (c Config) write(ctx context.Context, text []byte, stdout io.Writer) error {
	if len(text) == 0 {
		return nil
	}
	var to io.WriteCloser
	switch u, _ := url.Parse(c.To); { // Validate has read it
	case c.To == "stdout":
		_, err := stdout.Write(text)
		return err
	case strings.Contains(c.To, "://"):
		conn, err := new(net.Dialer).DialContext(ctx, u.Scheme, u.Host)
		if err != nil {
			return err
		}
		if deadline, ok := ctx.Deadline(); ok {
			_ = conn.SetDeadline(deadline)
		}
		if to = conn; u.Scheme == "udp" { // a datagram is a line
			defer conn.Close()
			for line := range bytes.Lines(text) {
				if _, err := conn.Write(line); err != nil {
					return err
				}
			}
			return nil
		}
	default:
		f, err := os.OpenFile(c.To, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		to = f
	}
	_, err := to.Write(text)
	if e := to.Close(); err == nil {
		err = e
	}
	return err
}

// lines are one for each log type that did something, and one for all.
func lines(cfg Config, w series.Window) (text []byte) {
	for _, logType := range w.Last().Values("siem_input_objects_total", "log_type") {
		if logType == "" {
			continue // nobody claims those objects
		}
		text = appendLine(text, cfg, w, logType, metrics)
	}
	return appendLine(text, cfg, w, "", []metric{response})
}

type definition struct {
	Name string
	Unit string
}

// appendLine appends a line with the metrics of a log type, unless none grew.
func appendLine(dst []byte, cfg Config, w series.Window, logType string, list []metric) []byte {
	dimensions := []string{"service"}
	line := map[string]any{"service": cfg.Service}
	if logType != "" {
		dimensions = []string{"logtype", "service"}
		line["logtype"] = logType
	}
	var definitions []definition
	grew := false
	for _, m := range list {
		value := m.grown(w, logType)
		grew = grew || value != 0
		line[m.name] = value
		definitions = append(definitions, definition{m.name, m.unit})
	}
	if !grew {
		return dst
	}
	about := map[string]any{
		"Timestamp":         w.Last().At.UnixMilli(),
		"CloudWatchMetrics": []any{map[string]any{"Namespace": cfg.Namespace, "Dimensions": [][]string{dimensions}, "Metrics": definitions}},
	}
	if cfg.LogGroup != "" {
		about["LogGroupName"] = cfg.LogGroup
	}
	line["_aws"] = about
	text, err := json.Marshal(line)
	if err != nil { // a number that JSON has not: impossible for counters
		panic(fmt.Sprintf("embedded metrics: %v", err))
	}
	return append(append(dst, text...), '\n')
}
