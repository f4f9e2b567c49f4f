package ecs

import (
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/indicator"
	"github.com/fluent-siem/fluent-siem/internal/process"
)

// The ledger's versions name the settings and every table that a document may
// be made with, and each changes with what it names.
func TestEveryTableHasAVersion(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cfg := Defaults()
	cfg.GeoipDir = "../enrich/testdata/mmdb"
	cfg.ExcludeFile = put("rules.csv", "log_type,field,pattern,pattern_type,comment\ncloudtrail,eventName,List.*,regex,noise\n")
	cfg.ProxiesFile = put("proxies.txt", "10.0.0.0/8\n")
	cfg.AssetsDir = filepath.Join(dir, "assets")
	if err := os.Mkdir(cfg.AssetsDir, 0o700); err != nil {
		t.Fatal(err)
	}
	put("assets/net.yaml", "file: net.csv\nkey: net\nby: network\njoin: [source.ip]\nfill: {.network.name: name}\n")
	put("assets/net.csv", "net,name\n10.0.0.0/8,inside\n")
	cfg.IndicatorsFile = filepath.Join(dir, "indicators")
	b := indicator.NewBuilder(cfg.IndicatorsFile, time.Now())
	defer b.Close()
	if err := b.Add(&indicator.Row{Type: indicator.Domain, Value: "bad.example"}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Write(cfg.IndicatorsFile, indicator.Options{}); err != nil {
		t.Fatal(err)
	}
	versions := func() map[string]string {
		t.Helper()
		p := process.New()
		f, err := New(cfg, p, WithLogger(slog.New(slog.DiscardHandler)))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		got := map[string]string{}
		for _, v := range strings.Fields(p.Versions()) {
			name, version, ok := strings.Cut(v, "=")
			if !ok || !regexp.MustCompile(`^[^\s=]{4,}$`).MatchString(version) {
				t.Errorf("%q is no version", v)
			}
			got[name] = version
		}
		return got
	}
	before := versions()
	for _, name := range []string{"ecs", "log_types", "geoip", "exclusions", "indicators", "assets", "proxies"} {
		if before[name] == "" {
			t.Errorf("the versions lack %s: %v", name, before)
		}
	}
	put("proxies.txt", "10.0.0.0/8\n192.0.2.1\n")
	put("assets/net.csv", "net,name\n10.0.0.0/8,outside\n")
	cfg.ExcludeTrial = true
	after := versions()
	for _, name := range []string{"ecs", "assets", "proxies"} {
		if after[name] == before[name] {
			t.Errorf("the version of %s stays %s when it changes", name, after[name])
		}
	}
	for _, name := range []string{"log_types", "geoip", "exclusions", "indicators"} {
		if after[name] != before[name] {
			t.Errorf("the version of %s is another, %s after %s, and nothing of it has changed", name, after[name], before[name])
		}
	}
}
