package history

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fluent-siem/fluent-siem/filters/enrich"
	"github.com/fluent-siem/fluent-siem/internal/indicator"
	"github.com/fluent-siem/fluent-siem/sidecar/config"
	"github.com/fluent-siem/fluent-siem/sidecar/feed"
)

// place is a state_dir, and where its tables are kept.
type place struct {
	*testing.T
	dir string
	k   *keeper
}

func newPlace(t *testing.T, settings string) *place {
	t.Helper()
	p := &place{T: t, dir: t.TempDir()}
	s, err := config.Read(strings.NewReader("history:\n  assets_dir: "+filepath.Join(p.dir, "assets")+"\n"+settings), os.LookupEnv)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := Load(s.Section("history"), p.dir)
	if err != nil {
		t.Fatal(err)
	}
	p.k = &keeper{cfg: cfg, days: prometheus.NewGauge(prometheus.GaugeOpts{Name: "d"}), bytes: prometheus.NewGauge(prometheus.GaugeOpts{Name: "b"})}
	return p
}

// put replaces a file, as the sidecar does.
func (p *place) put(name, text string) {
	p.Helper()
	path := filepath.Join(p.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		p.Fatal(err)
	}
	if err := os.WriteFile(path+".temp", []byte(text), 0o600); err != nil {
		p.Fatal(err)
	}
	if err := os.Rename(path+".temp", path); err != nil {
		p.Fatal(err)
	}
}

func (p *place) read(name string) string {
	text, _ := os.ReadFile(filepath.Join(p.dir, "history", name))
	return string(text)
}

func (p *place) keep(day int) {
	p.Helper()
	if err := p.k.keep(time.Date(2024, 6, day, 12, 0, 0, 0, time.UTC)); err != nil {
		p.Error(err)
	}
}

func (p *place) days() []string {
	entries, _ := os.ReadDir(filepath.Join(p.dir, "history"))
	var list []string
	for _, e := range entries {
		list = append(list, e.Name()[len("2024-06-"):])
	}
	return list
}

// value is what a gauge shows.
func value(g prometheus.Gauge) float64 {
	r := prometheus.NewRegistry()
	r.MustRegister(g)
	families, err := r.Gather()
	if err != nil || len(families) != 1 {
		return -1
	}
	return families[0].GetMetric()[0].GetGauge().GetValue()
}

// TestADayHasItsLastTables: whatever is published within a day, the last counts;
// other days do not change, and what did not change takes no room.
func TestADayHasItsLastTables(t *testing.T) {
	p := newPlace(t, "")
	p.keep(1) // nothing is there yet
	p.put("geoip/GeoLite2-City.mmdb", "city 1")
	p.put("geoip/GeoLite2-City.mmdb.previous", "not wanted")
	p.put("indicators.ioc", "ioc 1")
	p.put("proxies.txt", "10.0.0.0/8")
	p.put("assets/a.yaml", "yaml 1")
	p.put("assets/a.csv", "csv 1")
	p.put("assets/b.csv", "csv 1")
	p.keep(1)
	p.put("indicators.ioc", "ioc 2")
	p.put("assets/a.csv", "csv 2")
	if err := os.Remove(filepath.Join(p.dir, "assets/b.csv")); err != nil {
		t.Fatal(err)
	}
	p.keep(1)
	p.keep(2)
	p.put("proxies.txt", "172.16.0.0/12")
	if err := os.WriteFile(filepath.Join(p.dir, "assets/a.csv"), []byte("csv 3"), 0o600); err != nil { // in place
		t.Fatal(err)
	}
	p.keep(2)
	for name, want := range map[string]string{
		"2024-06-01/geoip/GeoLite2-City.mmdb": "city 1", "2024-06-01/indicators.ioc": "ioc 2", "2024-06-01/proxies.txt": "10.0.0.0/8",
		"2024-06-01/assets/a.csv": "csv 2", "2024-06-01/assets/a.yaml": "yaml 1", "2024-06-01/assets/b.csv": "", "2024-06-01/geoip/GeoLite2-City.mmdb.previous": "",
		"2024-06-02/geoip/GeoLite2-City.mmdb": "city 1", "2024-06-02/indicators.ioc": "ioc 2", "2024-06-02/proxies.txt": "172.16.0.0/12", "2024-06-02/assets/a.csv": "csv 3",
	} {
		if got := p.read(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	one, _ := os.Stat(filepath.Join(p.dir, "history/2024-06-01/indicators.ioc"))
	if two, _ := os.Stat(filepath.Join(p.dir, "history/2024-06-02/indicators.ioc")); !os.SameFile(one, two) {
		t.Error("a table that did not change lies on the disk twice")
	}
	if days := value(p.k.days); days != 2 {
		t.Errorf("%v days", days)
	}
	if left, _ := filepath.Glob(filepath.Join(p.dir, "history/*/.*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// TestOldDaysGo by age, and by what all take; never today.
func TestOldDaysGo(t *testing.T) {
	p := newPlace(t, "  keep: 72h\n")
	for day := 1; day <= 6; day++ {
		p.put("proxies.txt", strings.Repeat("x", day))
		p.keep(day)
	}
	if want := []string{"03", "04", "05", "06"}; !slices.Equal(p.days(), want) {
		t.Errorf("%q, want %q", p.days(), want)
	}
	p = newPlace(t, "  limit: 1KB\n")
	for day := 1; day <= 5; day++ {
		p.put("indicators.ioc", strings.Repeat("x", 400))
		p.keep(day)
		p.keep(day) // of the same file, nothing more
	}
	if want := []string{"04", "05"}; !slices.Equal(p.days(), want) || value(p.k.bytes) != 800 {
		t.Errorf("%q, want %q; %v bytes", p.days(), want, value(p.k.bytes))
	}
	p.put("indicators.ioc", strings.Repeat("x", 4000))
	p.keep(6)
	if want := []string{"06"}; !slices.Equal(p.days(), want) {
		t.Errorf("%q, want %q", p.days(), want)
	}
}

// TestTheFilterReadsWhatIsKept, and health says what cannot be kept.
func TestTheFilterReadsWhatIsKept(t *testing.T) {
	p := newPlace(t, "")
	b := indicator.NewBuilder(filepath.Join(p.dir, "x"), time.Now())
	defer b.Close()
	if err := b.Add(&indicator.Row{Type: indicator.Domain, Value: "bad.example"}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Write(filepath.Join(p.dir, "indicators.ioc"), indicator.Options{}); err != nil {
		t.Fatal(err)
	}
	city, err := os.ReadFile("../../../filters/enrich/testdata/mmdb/GeoLite2-City-Test.mmdb")
	if err != nil {
		t.Fatal(err)
	}
	p.put("geoip/GeoLite2-City.mmdb", string(city))
	p.put("proxies.txt", "10.0.0.0/8\n")
	p.put("assets/a.yaml", "file: a.csv\nkey: id\njoin: [user.id]\nfill: {user.name: name}\n")
	p.put("assets/a.csv", "id,name\n1,one\n")
	p.keep(3)
	tables := enrich.OpenHistory(p.k.cfg.Dir, nil).Of(time.Date(2024, 6, 4, 0, 0, 0, 0, time.UTC))
	if tables == nil || tables.Geo == nil || tables.Indicators.Len() != 1 || tables.Proxies.Len() != 1 || tables.Assets.Table("a") == nil {
		t.Fatalf("%+v", tables)
	}
	for _, name := range []string{"geoip=GeoLite2-City@", "indicators=", "proxies=", "assets="} {
		if !strings.Contains(tables.Version(), name) {
			t.Errorf("%q is missing in %q", name, tables.Version())
		}
	}

	ctx, stop := context.WithCancel(t.Context())
	health := make(chan string, 10)
	ended := make(chan error)
	p.k.cfg.Dir = filepath.Join(p.dir, "proxies.txt") // no folder
	go func() {
		ended <- Run(ctx, p.k.cfg, feed.Env{Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(), Health: func(_, problem string) { health <- problem }}, nil)
	}()
	if got := <-health; !strings.Contains(got, "not a directory") {
		t.Error(got)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	s, err := config.Read(strings.NewReader("history:\n  keep: 1h\n"), os.LookupEnv)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Load(s.Section("history"), t.TempDir()); err == nil || !strings.Contains(err.Error(), "a day or more") {
		t.Error(err)
	}
}
