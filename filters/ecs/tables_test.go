package ecs

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluent-siem/fluent-siem/filters/logtype"
	"github.com/fluent-siem/fluent-siem/internal/indicator"
	"github.com/fluent-siem/fluent-siem/internal/lease"
	"github.com/fluent-siem/fluent-siem/internal/process"
)

// writeTable writes a table of indicators with one, of a name.
func writeTable(t *testing.T, path, name string, made time.Time, o indicator.Options) {
	t.Helper()
	b := indicator.NewBuilder(path, made)
	defer b.Close()
	if err := b.Add(&indicator.Row{Type: indicator.IPv4, Value: "81.2.69.142", Name: name}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Write(path, o); err != nil {
		t.Fatal(err)
	}
}

// TestTablesOfTheEventsDay: an event is enriched with the tables of its own day
// where they are kept, says which, and what a day lacks comes from the newest.
func TestTablesOfTheEventsDay(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	keep := func(folder, name string, made time.Time) {
		t.Helper()
		put(folder+"/assets/net.yaml", "file: net.csv\nkey: net\nby: network\njoin: [source.ip]\nfill: {.network.name: name}\n")
		put(folder+"/assets/net.csv", "net,name\n81.2.69.0/24,"+name+"\n")
		writeTable(t, filepath.Join(dir, folder, "indicators.ioc"), name, made, indicator.Options{})
	}
	day := time.Date(2024, 6, 10, 0, 0, 0, 0, time.UTC)
	keep("history/2024-06-10", "first", day)
	keep("history/2024-06-12", "second", day.AddDate(0, 0, 2))
	put("history/2024-06-12/proxies.txt", "10.0.0.0/8\n")
	put("history/2024-06-13/proxies.txt", "10.0.0.0/8\n")
	put("history/2024-06-14/indicators.ioc", "damaged")
	put("history/notes/x", "")
	keep("now", "newest", day.AddDate(0, 0, 90))
	for _, name := range []string{"GeoLite2-City.mmdb", "GeoLite2-ASN.mmdb"} {
		text, err := os.ReadFile(filepath.Join("../enrich/testdata/mmdb", strings.Replace(name, ".mmdb", "-Test.mmdb", 1)))
		if err != nil {
			t.Fatal(err)
		}
		put("history/2024-06-12/geoip/"+name, string(text))
	}
	lt, err := logtype.Parse("t.yaml", []byte("name: t\nkey: t\nformat: json\nprovider: none\nindex: {name: log-t}\ntime: [{field: at, layout: iso8601}]\necs: {source.ip: src}\ngeo: [source]\nioc: {ip: [source.ip]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	cfg := Defaults()
	cfg.AssetsDir, cfg.IndicatorsFile = filepath.Join(dir, "now/assets"), filepath.Join(dir, "now/indicators.ioc")
	cfg.HistoryDir, cfg.TablesOf = filepath.Join(dir, "history"), "event"
	announced := "" // how the object was
	convert := func(cfg Config, at string) (doc struct {
		Source struct {
			Network struct{ Name string }
			Geo     struct {
				City string `json:"city_name"`
			}
		}
		Threat struct{ Matched struct{ Names []string } }
		Siem   struct{ Tables string }
	}) {
		t.Helper()
		f, err := New(cfg, process.New(), WithLogger(slog.New(slog.DiscardHandler)))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		c := f.engine.NewConverter()
		o, err := c.Object(lt, lease.Source{Key: "t", TablesOf: announced})
		if err == nil {
			err = c.Convert(o, 1, nil, []byte(fmt.Sprintf(`{"at":%q,"src":"81.2.69.142"}`, at)))
		}
		if err == nil {
			err = json.Unmarshal(c.AppendJSON(nil), &doc)
		}
		if err != nil {
			t.Fatal(err)
		}
		return doc
	}
	for _, c := range []struct{ at, name, city, tables string }{
		{"2024-06-09T23:59:59Z", "newest", "", "indicators=20240908T"},          // before what is kept
		{"2024-06-10T00:00:00Z", "first", "", "indicators=20240610T"},           //
		{"2024-06-11T12:00:00Z", "first", "", "indicators=20240610T"},           // the last day before
		{"2024-06-12T23:59:59Z", "second", "London", "indicators=20240612T"},    //
		{"2024-06-13T00:00:00Z", "newest", "", "indicators=20240908T"},          // what that day lacks
		{"2024-06-14T00:00:00Z", "newest", "", "indicators=20240908T"},          // what is damaged
		{time.Now().Format(time.RFC3339), "newest", "", "indicators=20240908T"}, // today
	} {
		doc := convert(cfg, c.at)
		if doc.Source.Network.Name != c.name || len(doc.Threat.Matched.Names) != 1 || doc.Threat.Matched.Names[0] != c.name ||
			doc.Source.Geo.City != c.city || !strings.Contains(doc.Siem.Tables, c.tables) || !strings.Contains(doc.Siem.Tables, "assets=") {
			t.Errorf("%s: %+v, want %+v", c.at, doc, c)
		}
		if strings.Contains(doc.Siem.Tables, "geoip=GeoLite2-City@") != (c.city != "") {
			t.Errorf("%s: %s", c.at, doc.Siem.Tables)
		}
	}
	cfg.TablesOf, announced = "newest", "event"
	if doc := convert(cfg, "2024-06-12T00:00:00Z"); doc.Source.Network.Name != "second" || !strings.Contains(doc.Siem.Tables, "indicators=20240612T") {
		t.Errorf("a backfill asks for it: %+v", doc)
	}
	announced = ""
	if doc := convert(cfg, "2024-06-12T00:00:00Z"); doc.Source.Network.Name != "newest" || !strings.HasPrefix(doc.Siem.Tables, "indicators=20240908T") {
		t.Errorf("an indicator matches: %+v", doc)
	}
	cfg.TableVersions = OfNone
	if doc := convert(cfg, "2024-06-12T00:00:00Z"); doc.Source.Network.Name != "newest" || doc.Siem.Tables != "" {
		t.Errorf("nobody wants to know: %+v", doc)
	}
	cfg.TableVersions, cfg.IndicatorsFile = OfMatches, ""
	if doc := convert(cfg, "2024-06-12T00:00:00Z"); doc.Source.Network.Name != "newest" || doc.Siem.Tables != "" {
		t.Errorf("no indicator matches: %+v", doc)
	}
	cfg.TableVersions = OfAll
	if doc := convert(cfg, "2024-06-12T00:00:00Z"); doc.Source.Network.Name != "newest" || !strings.HasPrefix(doc.Siem.Tables, "assets=") {
		t.Errorf("asked for versions only: %+v", doc)
	}
	if err := (Config{DocumentID: Natural, Emit: "record", ExcludeRefresh: time.Minute, TablesOf: "yesterday", TableVersions: "on"}).Validate(); err == nil || !strings.Contains(err.Error(), "use newest or event") || !strings.Contains(err.Error(), "use matches, all or none") {
		t.Error(err)
	}
}

// TestHealthKnowsTheTables: what is missing, refused or too old is in health and
// metrics, until it is not.
func TestHealthKnowsTheTables(t *testing.T) {
	now := time.Now()
	dir := t.TempDir()
	fresh, overdue, old := filepath.Join(dir, "fresh"), filepath.Join(dir, "overdue"), filepath.Join(dir, "old")
	writeTable(t, fresh, "x", now.Add(-time.Hour), indicator.Options{ValidUntil: now.Add(time.Hour)})
	writeTable(t, overdue, "x", now.Add(-48*time.Hour), indicator.Options{ValidUntil: now.Add(-time.Hour)})
	writeTable(t, old, "x", now.Add(-31*24*time.Hour), indicator.Options{})
	for _, c := range []struct {
		file  string
		after time.Duration
		want  string // beginning of what is wrong
	}{
		{fresh, 30 * 24 * time.Hour, ""},
		{overdue, 30 * 24 * time.Hour, "the table of indicators is of " + now.Add(-48*time.Hour).UTC().Format(time.DateOnly) + ", and a newer one was due"},
		{overdue, 0, ""},
		{old, 30 * 24 * time.Hour, "the table of indicators is of " + now.Add(-31*24*time.Hour).UTC().Format(time.DateOnly) + ", older than stale_after"},
		{old, 40 * 24 * time.Hour, ""},
		{filepath.Join(dir, "missing"), 0, "stat "},
		{"tables_test.go", 0, "tables_test.go is refused"},
	} {
		cfg := Defaults()
		cfg.IndicatorsFile, cfg.StaleAfter = c.file, c.after
		p := process.New()
		var log strings.Builder
		f, err := New(cfg, p, WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		if err != nil {
			t.Fatal(err)
		}
		await(t, func() bool { return gauge(t, p, "siem_filter_table_degraded", "indicators") >= 0 })
		health := fmt.Sprint(p.Health())
		if degraded := gauge(t, p, "siem_filter_table_degraded", "indicators"); (degraded == 1) != (c.want != "") || !strings.Contains(health, c.want) || c.want == "" && len(p.Health()) > 0 {
			t.Errorf("%s after %v: %v, %s", c.file, c.after, degraded, health)
		}
		if made := gauge(t, p, "siem_filter_table_made_timestamp_seconds", "indicators"); c.file == fresh && made != float64(now.Add(-time.Hour).Unix()) {
			t.Errorf("made: %v", made)
		}
		f.Close()
		if len(p.Health()) != 0 {
			t.Errorf("after the end: %v", p.Health())
		}
		if strings.Contains(log.String(), "code=FS3008") != (c.want != "") {
			t.Errorf("logged: %s", log.String())
		}
	}
}

// TestATableRecovers: health is well again when the file is.
func TestATableRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var problem atomic.Value
		problem.Store("gone")
		p := process.New()
		f := &Filter{cfg: Defaults(), process: p, log: slog.New(slog.DiscardHandler), tables: newTableMetrics(p), engine: &Engine{}}
		f.engine.watched = []watched{{"x", func() string { return problem.Load().(string) }, undated}}
		f.watch.Go(func() { f.watchTables(t.Context()) })
		synctest.Wait()
		if len(p.Health()) != 1 {
			t.Error(p.Health())
		}
		problem.Store("")
		time.Sleep(lookAtTables)
		synctest.Wait()
		if len(p.Health()) != 0 {
			t.Error(p.Health())
		}
	})
}

// await waits until ok.
func await(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not come")
		}
	}
}

// gauge is the value of a metric with the label table, -1 when it is not there.
func gauge(t *testing.T, p *process.Process, name, table string) float64 {
	t.Helper()
	families, err := p.Metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() == name && m.GetLabel()[0].GetValue() == table {
				return m.GetGauge().GetValue()
			}
		}
	}
	return -1
}
