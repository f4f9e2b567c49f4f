package enrich

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/code"
	"github.com/fluent-siem/fluent-siem/internal/indicator"
)

// What the folder of a day, named like 2006-01-02 (UTC), holds of the tables that
// were in use at its end.
const (
	KeptGeoIP      = "geoip"
	KeptIndicators = "indicators.ioc"
	KeptProxies    = "proxies.txt"
	KeptAssets     = "assets"
)

// Tables are one version of each table; what is nil is not there.
type Tables struct {
	Geo        *GeoTables
	Indicators *Indicators
	Proxies    *Proxies
	Assets     *Assets
}

// Version names the versions of all, as name=version separated by blanks.
func (t *Tables) Version() string {
	var list []string
	for _, v := range []struct{ of, version string }{
		{"geoip", t.Geo.Version()}, {"indicators", t.Indicators.Version()}, {"proxies", t.Proxies.Version()}, {"assets", t.Assets.version()},
	} {
		if v.version != "" {
			list = append(list, v.of+"="+v.version)
		}
	}
	return strings.Join(list, " ")
}

// Or takes from other what t lacks.
func (t Tables) Or(other *Tables) Tables {
	if t.Geo == nil {
		t.Geo = other.Geo
	}
	if t.Indicators == nil {
		t.Indicators = other.Indicators
	}
	if t.Proxies == nil {
		t.Proxies = other.Proxies
	}
	if t.Assets == nil {
		t.Assets = other.Assets
	}
	return t
}

const (
	// openDays is how many days' tables are open at once: an object has records
	// of one day or two.
	openDays = 3
	// relook is how often the folder is read for days that are new or gone.
	relook = time.Minute
)

// History has the tables of days past, from a folder with one for each day, as
// the sidecar keeps them. It may be shared.
type History struct {
	dir string
	log *slog.Logger
	now func() time.Time

	mu     sync.Mutex
	looked time.Time
	days   []string // sorted
	open   []keptDay
	told   map[string]bool
}

type keptDay struct {
	day    string
	tables *Tables
}

// OpenHistory reads tables below dir when they are asked for. The folder may be
// missing, and come later.
func OpenHistory(dir string, log *slog.Logger) *History {
	if log == nil {
		log = slog.Default()
	}
	return &History{dir: dir, log: log, now: time.Now, told: map[string]bool{}}
}

// Of returns the tables of a time's day, or of the last day before that has
// some. nil: the day has not ended, or none is kept. What cannot be read is nil
// in the result, and is told once a day.
func (h *History) Of(t time.Time) *Tables {
	day := t.UTC().Format(time.DateOnly)
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.now()
	if day >= now.UTC().Format(time.DateOnly) {
		return nil
	}
	if now.Sub(h.looked) >= relook || h.looked.IsZero() {
		h.look(now)
	}
	i, found := slices.BinarySearch(h.days, day)
	if !found {
		if i--; i < 0 {
			return nil
		}
	}
	return h.tables(h.days[i])
}

func (h *History) look(now time.Time) {
	h.looked = now
	entries, err := os.ReadDir(h.dir)
	if err != nil {
		h.tell(fmt.Sprintf("tables of days past cannot be read, the newest are used: %v", err))
		return // the days of before may be there still
	}
	h.days = h.days[:0]
	for _, e := range entries {
		if _, err := time.Parse(time.DateOnly, e.Name()); err == nil && e.IsDir() {
			h.days = append(h.days, e.Name())
		}
	}
	slices.Sort(h.days)
	h.open = slices.DeleteFunc(h.open, func(k keptDay) bool { return !slices.Contains(h.days, k.day) })
}

// tables opens those of a day that is kept.
func (h *History) tables(day string) *Tables {
	for i, k := range h.open {
		if k.day == day {
			copy(h.open[1:], h.open[:i]) // the last used is the first
			h.open[0] = k
			return k.tables
		}
	}
	t := h.read(filepath.Join(h.dir, day))
	if len(h.open) == openDays {
		h.open = h.open[:openDays-1]
	}
	h.open = slices.Insert(h.open, 0, keptDay{day, t})
	h.log.Info("tables of a day past in use", "day", day, "versions", t.Version())
	return t
}

func (h *History) read(dir string) *Tables {
	t := new(Tables)
	wrong := func(what string, err error) {
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			h.tell(fmt.Sprintf("%s of %s cannot be used, the newest are: %v", what, dir, err))
		}
	}
	if t.Geo = h.sameGeo(dir); t.Geo != nil { // it is open already
	} else if _, err := os.Stat(filepath.Join(dir, KeptGeoIP)); err == nil {
		g := newGeo(filepath.Join(dir, KeptGeoIP), slog.New(slog.DiscardHandler))
		g.refresh()
		if now := g.current.Load(); now.Version() != "" {
			t.Geo = now
		} else {
			wrong("GeoIP", errors.New(g.Problem()))
		}
	}
	table, err := indicator.OpenFile(filepath.Join(dir, KeptIndicators))
	if wrong("indicators", err); err == nil {
		t.Indicators = table
	}
	f, err := os.Open(filepath.Join(dir, KeptProxies))
	if err == nil {
		defer f.Close()
		t.Proxies, _, err = LoadProxies(f)
	}
	wrong("proxies", err)
	if _, err := os.Stat(filepath.Join(dir, KeptAssets)); err == nil {
		assets, err := LoadAssets(filepath.Join(dir, KeptAssets))
		if wrong("assets", err); len(assets.Tables) > 0 {
			t.Assets = assets
		}
	}
	return t
}

// sameGeo returns the databases of an open day whose files those in dir are, too: the
// sidecar gives a file that stays for days a name in each, and they are large.
func (h *History) sameGeo(dir string) *GeoTables {
	for _, k := range h.open {
		if k.tables.Geo != nil && sameFiles(filepath.Join(h.dir, k.day, KeptGeoIP), filepath.Join(dir, KeptGeoIP)) {
			return k.tables.Geo
		}
	}
	return nil
}

// sameFiles reports whether two folders have the same files under the same names.
func sameFiles(a, b string) bool {
	of, err := os.ReadDir(a)
	others, problem := os.ReadDir(b)
	if err != nil || problem != nil || len(of) == 0 || len(of) != len(others) {
		return false
	}
	for _, e := range of {
		one, err := os.Stat(filepath.Join(a, e.Name()))
		other, problem := os.Stat(filepath.Join(b, e.Name()))
		if err != nil || problem != nil || !os.SameFile(one, other) {
			return false
		}
	}
	return true
}

// tell logs a text once.
func (h *History) tell(text string) {
	if !h.told[text] {
		if len(h.told) > 1000 {
			clear(h.told)
		}
		h.told[text] = true
		h.log.Warn(text, code.File.Attr())
	}
}
