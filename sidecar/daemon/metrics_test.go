package daemon

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metricsql"
	"github.com/goccy/go-yaml"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fluent-siem/fluent-siem/filters/ecs"
	"github.com/fluent-siem/fluent-siem/filters/exclude/ruleset"
	"github.com/fluent-siem/fluent-siem/internal/ledger"
	"github.com/fluent-siem/fluent-siem/internal/process"
	"github.com/fluent-siem/fluent-siem/internal/settings/settingstest"
	"github.com/fluent-siem/fluent-siem/outputs/opensearch"
	"github.com/fluent-siem/fluent-siem/plugins/s3sqs"
	"github.com/fluent-siem/fluent-siem/sidecar/feed"
	"github.com/fluent-siem/fluent-siem/sidecar/pipeline"
)

// shown is a metric of ours.
type shown struct {
	name, help string
	labels     []string
}

var descText = regexp.MustCompile(`^Desc\{fqName: "(siem_[a-z_]+)", help: ("(?:[^"\\]|\\.)*"), .*variableLabels: \{([a-z_,]*)\}\}$`)

// described are the metrics that a collector can have, whether they have a value
// or not.
func described(t *testing.T, process bool, c prometheus.Collector, list map[string]shown) {
	t.Helper()
	descs := make(chan *prometheus.Desc)
	go func() {
		c.Describe(descs)
		close(descs)
	}()
	for d := range descs {
		if !strings.Contains(d.String(), `fqName: "siem_`) {
			continue // of the runtime
		}
		m := descText.FindStringSubmatch(d.String())
		if m == nil {
			t.Fatalf("%s cannot be read", d)
		}
		s := shown{name: m[1], labels: strings.FieldsFunc(m[3], func(r rune) bool { return r == ',' })}
		if err := json.Unmarshal([]byte(m[2]), &s.help); err != nil {
			t.Fatal(err)
		}
		if process {
			s.labels = append(s.labels, "process")
		}
		list[s.name] = s
	}
}

// everyMetric makes every part that has metrics.
func everyMetric(t *testing.T) (plugins, sidecar map[string]shown) {
	t.Helper()
	dir := t.TempDir()
	log := slog.New(slog.DiscardHandler)
	p := process.New()
	in := s3sqs.Defaults()
	in.QueueURL = []string{"https://sqs.eu-west-1.amazonaws.com/123456789012/siem"}
	if _, err := s3sqs.New(in, p); err != nil {
		t.Fatal(err)
	}
	ecsConfig := ecs.Defaults()
	ecsConfig.ExtensionsFile = filepath.Join(dir, "extensions.yaml") // it may come later
	filter, err := ecs.New(ecsConfig, p)
	if err != nil {
		t.Fatal(err)
	}
	defer filter.Close()
	rules, err := ruleset.Open(ruleset.Config{Interval: time.Hour}, p, log)
	if err != nil {
		t.Fatal(err)
	}
	defer rules.Close()
	out := opensearch.Defaults()
	out.Endpoint, out.DeadLetters = []string{"https://search.example:9200"}, filepath.Join(dir, "dead")
	writer, err := opensearch.New(out, p)
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	_, closeLedger := p.Ledgers.Open(dir, ledger.Config{}, ledger.WithMetrics(p.Metrics))
	defer closeLedger()
	pipeline.WithMetrics(p)
	plugins = map[string]shown{"siem_process_up": {"siem_process_up", "Whether a process that has a socket in state_dir answers.", []string{"process"}}}
	described(t, true, p.Metrics, plugins)

	file := filepath.Join(dir, "sidecar.yaml")
	text := "state_dir: " + filepath.Join(dir, "state") + "\nopensearch: {endpoint: \"https://search.example:9200\"}\nthrottle: {}\nindex_metrics: {}\ncloudwatch_metrics: {}\nstatus_index: {}\nproxies: {}\nhistory: {}\nassets: {}\n" +
		"geoip: {sources: [{name: x, url: /x}]}\nindicators: {feeds: [{name: x, url: /x, format: text}]}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.duties) != len(sections) {
		t.Errorf("%d of %d duties are asked for their metrics", len(cfg.duties), len(sections))
	}
	g := newGeneration(cfg)
	ended, end := context.WithCancel(t.Context())
	end()
	aws, err := cfg.aws(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	env := feed.Env{Log: log, Health: g.health.set, Metrics: g.registry, Gather: g.metrics, Client: cfg.client(aws, "test"), AWS: aws, StateDir: cfg.StateDir}
	tasks := feed.NewMetrics(g.registry)
	for _, d := range cfg.duties {
		if err := d.run(ended, env, tasks); err != nil {
			t.Errorf("%s: %v", d.name, err)
		}
	}
	sidecar = map[string]shown{}
	described(t, false, g.registry, sidecar)
	return plugins, sidecar
}

const metricsIntro = `# Metrics

Made from the source by ` + "`UPDATE=1 go test ./sidecar/daemon`" + `; do not edit.

The sidecar's ` + "`/metrics`" + ` has all of them; each process with plugins has its own on its socket in state_dir, for hosts without a
sidecar (` + "`curl --unix-socket /var/lib/fluent-siem/fluent-siem-PID.sock http://p/metrics`" + `). Beside them are those of the Go
runtime. [prometheus/alerts.yaml](prometheus/alerts.yaml) has alerts, [prometheus/grafana.json](prometheus/grafana.json) a dashboard;
the section cloudwatch_metrics of [the sidecar's file](sidecar.md) writes the most important for CloudWatch. Names that end in
_total are counters; _seconds with the label le are histograms.
`

// TestMetricsPage keeps conf/metrics.md true; with UPDATE=1 it writes it.
func TestMetricsPage(t *testing.T) {
	plugins, sidecar := everyMetric(t)
	var b strings.Builder
	b.WriteString(metricsIntro)
	for _, part := range []struct {
		title string
		list  map[string]shown
	}{{"Of the plugins", plugins}, {"Of the sidecar", sidecar}} {
		b.WriteString("\n## " + part.title + "\n\n| metric | labels | meaning |\n|---|---|---|\n")
		var all []shown
		for _, s := range part.list {
			all = append(all, s)
		}
		slices.SortFunc(all, func(a, b shown) int { return cmp.Compare(a.name, b.name) })
		for _, s := range all {
			if !strings.HasSuffix(s.help, ".") {
				t.Errorf("%s: its help is no sentence: %q", s.name, s.help)
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", s.name, strings.Join(s.labels, ", "), s.help)
		}
	}
	const path = "../../conf/metrics.md"
	settingstest.CheckFile(t, path, b.String(), "the source says")
}

// check finds what an expression names that does not exist.
func check(t *testing.T, where, expr string, known map[string]shown) {
	t.Helper()
	e, err := metricsql.Parse(expr)
	if err != nil {
		t.Errorf("%s: %v: %s", where, err, expr)
		return
	}
	named := 0
	metricsql.VisitAll(e, func(e metricsql.Expr) {
		m, ok := e.(*metricsql.MetricExpr)
		if !ok {
			return
		}
		for _, filters := range m.LabelFilterss {
			var metric shown
			for _, f := range filters {
				if f.Label != "__name__" {
					continue
				}
				named++
				name := f.Value
				if metric, ok = known[name]; !ok {
					for _, suffix := range []string{"_bucket", "_sum", "_count"} {
						if base, cut := strings.CutSuffix(name, suffix); cut && !ok {
							metric, ok = known[base]
						}
					}
				}
				if !ok {
					t.Errorf("%s: there is no metric %s", where, name)
				}
			}
			for _, f := range filters {
				if f.Label != "__name__" && f.Label != "instance" && f.Label != "job" && !slices.Contains(metric.labels, f.Label) {
					t.Errorf("%s: %s has no label %s", where, metric.name, f.Label)
				}
			}
		}
	})
	if named == 0 {
		t.Errorf("%s names no metric: %s", where, expr)
	}
}

// TestAlertsAndDashboardNameWhatIsThere: each expression can be read, and names
// metrics and labels that exist.
func TestAlertsAndDashboardNameWhatIsThere(t *testing.T) {
	plugins, sidecar := everyMetric(t)
	known := map[string]shown{}
	for _, list := range []map[string]shown{plugins, sidecar} {
		for name, s := range list {
			known[name] = s
		}
	}
	text, err := os.ReadFile("../../conf/prometheus/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var rules struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(text, &rules); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			n++
			check(t, r.Alert, r.Expr, known)
			if r.Labels["severity"] == "" || r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
				t.Errorf("%s says too little", r.Alert)
			}
		}
	}
	if text, err = os.ReadFile("../../conf/prometheus/grafana.json"); err != nil {
		t.Fatal(err)
	}
	var board struct {
		Title  string
		Panels []struct {
			Title   string
			Type    string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	panels := 0
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			panels++
			check(t, "panel "+p.Title, strings.ReplaceAll(target.Expr, "$__rate_interval", "5m"), known)
		}
	}
	if n < 10 || panels < 10 {
		t.Errorf("%d alerts and %d expressions of panels are read", n, panels)
	}
}
