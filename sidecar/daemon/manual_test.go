package daemon

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fluent-siem/fluent-siem/internal/settings/settingstest"
	"github.com/fluent-siem/fluent-siem/outputs/opensearch"
	"github.com/fluent-siem/fluent-siem/sidecar/emf"
	"github.com/fluent-siem/fluent-siem/sidecar/feed/assets"
	"github.com/fluent-siem/fluent-siem/sidecar/feed/geoip"
	"github.com/fluent-siem/fluent-siem/sidecar/feed/history"
	"github.com/fluent-siem/fluent-siem/sidecar/feed/ioc"
	"github.com/fluent-siem/fluent-siem/sidecar/feed/proxies"
	"github.com/fluent-siem/fluent-siem/sidecar/indexmetrics"
	"github.com/fluent-siem/fluent-siem/sidecar/status"
	"github.com/fluent-siem/fluent-siem/sidecar/throttle"
)

const intro = `# The sidecar's file

Made from the source by ` + "`UPDATE=1 go test ./sidecar/daemon`" + `; do not edit.

` + "`fluent-siem sidecar -c FILE`" + ` keeps the tables that the plugins follow fresh. [sidecar.yaml](sidecar.yaml) is a file that
works once its variables are set. ` + "`${NAME}`" + ` in a value is that variable of the environment. A change of the file is taken
while the sidecar runs, if it can be used; SIGHUP has it read again. A section that is not there is a duty that is not done.

` + "`/healthz`" + ` answers 200 as long as the process works: ` + "`status`" + ` is ok or degraded, ` + "`problems`" + ` says what, why and since when,
of the sidecar and of every plugin process with a socket in state_dir. ` + "`/metrics`" + ` has the metrics of all of them, with the
label process; [metrics.md](metrics.md) lists them. ` + "`/`" + ` is a page for people: the flow with its rates, the lag of the last hour,
each log type, dead letters, throttle, feeds. With systemd, use ` + "`Type=notify`" + `.

![The status page of a host that loads three log types](status.png)
`

// TestManual keeps conf/sidecar.md true; with UPDATE=1 it writes it.
func TestManual(t *testing.T) {
	const path = "../../conf/sidecar.md"
	var b strings.Builder
	b.WriteString(intro)
	for _, part := range []struct {
		title, source string
		defaults      any
	}{
		{"Top of the file", "config.go", Defaults()},
		{"geoip", "../feed/geoip/config.go", geoip.Defaults()},
		{"geoip: each of the list sources", "../feed/geoip/config.go", geoip.SourceConfig{}},
		{"indicators", "../feed/ioc/config.go", ioc.Defaults()},
		{"indicators: each of the list feeds", "../feed/ioc/config.go", ioc.FeedConfig{}},
		{"proxies", "../feed/proxies/proxies.go", proxies.Defaults()},
		{"assets", "../feed/assets/assets.go", assets.Defaults()},
		{"assets: each of the list files", "../feed/assets/assets.go", assets.FileConfig{}},
		{"history: the tables of days past", "../feed/history/history.go", history.Defaults()},
		{"opensearch: the cluster, with the settings of the output", "../../outputs/opensearch/config.go", opensearch.Defaults()},
		{"throttle", "../throttle/config.go", throttle.Defaults()},
		{"cloudwatch_metrics", "../emf/emf.go", emf.Defaults()},
		{"status_index", "../status/index.go", status.IndexDefaults()},
		{"index_metrics", "../indexmetrics/run.go", indexmetrics.Defaults()},
	} {
		table, err := settingstest.Table(part.source, part.defaults)
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString("\n## " + part.title + "\n\n" + table)
	}
	settingstest.CheckFile(t, path, b.String(), "the source says")
}

// TestIndexMetricsNeedACluster, and take it from the section opensearch.
func TestIndexMetricsNeedACluster(t *testing.T) {
	for text, want := range map[string]string{
		"index_metrics:\n  interval: 30m\n":                                                   "index_metrics needs the section opensearch",
		"opensearch:\n  endpoint: https://search.example:9200\nindex_metrics:\n  to: s3\n":    "bucket",
		"opensearch:\n  endpoint: https://search.example:9200\nindex_metrics:\n  series: 5\n": "",
	} {
		path := filepath.Join(t.TempDir(), "sidecar.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := Load(path)
		switch {
		case want == "":
			if err != nil || len(cfg.duties) != 1 || cfg.duties[0].name != "index_metrics" {
				t.Errorf("%q: %+v %v", text, cfg, err)
			}
		case err == nil || !strings.Contains(err.Error(), want):
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// TestTheShippedFileCanBeUsed reads conf/sidecar.yaml.
func TestTheShippedFileCanBeUsed(t *testing.T) {
	for _, name := range []string{"MAXMIND_ACCOUNT", "MAXMIND_LICENCE_KEY", "OTX_API_KEY", "IOC_FOLDER"} {
		t.Setenv(name, "s3://value")
	}
	t.Setenv("OPENSEARCH_URL", "https://search.example.internal:9200")
	if cfg, err := Load("../../conf/sidecar.yaml"); err != nil || len(cfg.duties) != 5 {
		t.Errorf("%+v, %v", cfg, err)
	}
}
