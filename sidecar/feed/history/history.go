// Package history keeps the tables of days past, for events that are loaded late
// or again.
//
//	geoip_dir, indicators_file, … ──▶ history/2006-01-02/ ──▶ filter with tables_of: event
//
// # Promises
//
//   - The folder of a day holds the tables that were in use at its end (UTC), as
//     far as the sidecar ran; each file is put in place as a whole.
//   - A database or table of indicators that did not change from one day to the
//     next lies on the disk once.
//   - Folders go when they are older than Keep, the oldest also when all take
//     more than Limit; the folder of today stays.
//   - A table that is missing or cannot be read costs its own copy only.
package history

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fluent-siem/fluent-siem/filters/enrich"
	"github.com/fluent-siem/fluent-siem/internal/code"
	"github.com/fluent-siem/fluent-siem/internal/settings"
	"github.com/fluent-siem/fluent-siem/sidecar/config"
	"github.com/fluent-siem/fluent-siem/sidecar/feed"
)

// Config is the section history.
type Config struct {
	// Dir is where the folders of days are: the history_dir of the filter. Default:
	// history in state_dir.
	Dir string `conf:"dir"`

	// Keep is for how long a day's tables are kept.
	Keep time.Duration `conf:"keep"`

	// Limit is how much all of them may take; the oldest days go first. A table of ten
	// million indicators takes 400 MB for each day on which it changed. 0: no limit.
	Limit settings.Bytes `conf:"limit"`

	// GeoipDir is the geoip_dir of the filter. Default: geoip in state_dir.
	GeoipDir string `conf:"geoip_dir"`

	// IndicatorsFile is the indicators_file of the filter. Default: indicators.ioc
	// in state_dir.
	IndicatorsFile string `conf:"indicators_file"`

	// ProxiesFile is the proxies_file of the filter. Default: proxies.txt in
	// state_dir.
	ProxiesFile string `conf:"proxies_file"`

	// AssetsDir is the assets_dir of the filter, if it has one. Files with rows that
	// are elsewhere are not kept.
	AssetsDir string `conf:"assets_dir"`
}

// Defaults returns what is used where the section says nothing.
func Defaults() Config { return Config{Keep: 30 * 24 * time.Hour, Limit: 20 << 30} }

// Load reads the section; stateDir is where things are if it does not say.
func Load(s *config.Section, stateDir string) (Config, error) {
	cfg := Defaults()
	err := s.Load(&cfg)
	for at, name := range map[*string]string{&cfg.Dir: "history", &cfg.GeoipDir: "geoip", &cfg.IndicatorsFile: "indicators.ioc", &cfg.ProxiesFile: "proxies.txt"} {
		if *at == "" {
			*at = filepath.Join(stateDir, name)
		}
	}
	return cfg, err
}

// Validate reports every problem at once.
func (c Config) Validate() error {
	var bad settings.Problems
	if c.Keep < 24*time.Hour {
		bad.Add("keep", "%v; write a day or more, like 720h", c.Keep)
	}
	return bad.Err()
}

const (
	// every is how often the tables are looked at.
	every = 5 * time.Minute
	// largestCopied is where a list or a table of assets is not kept.
	largestCopied = 64 << 20
)

// Run keeps tables until ctx is done, and then returns nil.
func Run(ctx context.Context, cfg Config, env feed.Env, _ *feed.Metrics) error {
	k := &keeper{cfg: cfg,
		days:  prometheus.NewGauge(prometheus.GaugeOpts{Name: "siem_history_days", Help: "Days whose tables are kept."}),
		bytes: prometheus.NewGauge(prometheus.GaugeOpts{Name: "siem_history_bytes", Help: "What the tables of all days kept take on the disk."}),
	}
	env.Metrics.MustRegister(k.days, k.bytes)
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for last := ""; ; {
		problem := ""
		if err := k.keep(time.Now()); err != nil {
			problem = code.History.In("degraded: tables of today are not kept: " + err.Error())
			if problem != last {
				env.Log.Error("tables of today are not kept; those of other days are", "dir", cfg.Dir, "error", err, code.History.Attr())
			}
		}
		last = problem
		env.Health("history", problem)
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

type keeper struct {
	cfg         Config
	days, bytes prometheus.Gauge
}

// keep brings the folder of now's day up to date, and removes what is too old or
// too much.
func (k *keeper) keep(now time.Time) error {
	day := filepath.Join(k.cfg.Dir, now.UTC().Format(time.DateOnly))
	var problems []error
	databases, _ := filepath.Glob(filepath.Join(k.cfg.GeoipDir, "*.mmdb"))
	for _, path := range databases {
		problems = append(problems, put(path, filepath.Join(day, enrich.KeptGeoIP, filepath.Base(path)), share))
	}
	problems = append(problems,
		put(k.cfg.IndicatorsFile, filepath.Join(day, enrich.KeptIndicators), share),
		put(k.cfg.ProxiesFile, filepath.Join(day, enrich.KeptProxies), duplicate))
	if k.cfg.AssetsDir != "" {
		problems = append(problems, k.keepAssets(filepath.Join(day, enrich.KeptAssets)))
	}
	return errors.Join(append(problems, k.prune(now))...)
}

// keepAssets keeps files of the folder of assets, rows before what describes them.
func (k *keeper) keepAssets(to string) error {
	entries, err := os.ReadDir(k.cfg.AssetsDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	slices.SortStableFunc(entries, func(a, b fs.DirEntry) int {
		return strings.Compare(filepath.Ext(a.Name()), filepath.Ext(b.Name())) // .csv and .json, then .yaml
	})
	var problems []error
	there := map[string]bool{}
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); ext == ".yaml" || ext == ".csv" || ext == ".json" {
			there[e.Name()] = true
			problems = append(problems, put(filepath.Join(k.cfg.AssetsDir, e.Name()), filepath.Join(to, e.Name()), duplicate))
		}
	}
	kept, _ := os.ReadDir(to)
	for _, e := range kept {
		if !there[e.Name()] && err == nil {
			problems = append(problems, os.Remove(filepath.Join(to, e.Name())))
		}
	}
	return errors.Join(problems...)
}

// put makes the file at to the same as the one at from, if there is one.
func put(from, to string, how func(from, temp, to string) (same bool, err error)) error {
	if _, err := os.Stat(from); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	temp := filepath.Join(filepath.Dir(to), "."+filepath.Base(to)+".new")
	_ = os.Remove(temp)
	defer os.Remove(temp)
	same, err := how(from, temp, to)
	if err != nil || same {
		return err
	}
	return os.Rename(temp, to)
}

// share makes a second name of a file that is only ever replaced, never changed;
// where the file system cannot, a copy.
func share(from, temp, to string) (same bool, err error) {
	is, err := os.Stat(from)
	if err != nil {
		return false, err
	}
	was, err := os.Stat(to)
	if err == nil && (os.SameFile(is, was) || is.Size() == was.Size() && is.ModTime().Equal(was.ModTime())) {
		return true, nil
	}
	if os.Link(from, temp) == nil {
		return false, nil
	}
	in, err := os.Open(from)
	if err != nil {
		return false, err
	}
	defer in.Close()
	out, err := os.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return false, err
	}
	_, err = io.Copy(out, in)
	if err = errors.Join(err, out.Close()); err == nil {
		err = os.Chtimes(temp, is.ModTime(), is.ModTime())
	}
	return false, err
}

// duplicate makes a copy of a file that somebody may change in place.
func duplicate(from, temp, to string) (same bool, err error) {
	if info, err := os.Stat(from); err != nil || info.Size() > largestCopied {
		return false, errors.Join(err, tooLarge(from, info))
	}
	text, err := os.ReadFile(from)
	if err != nil {
		return false, err
	}
	if old, err := os.ReadFile(to); err == nil && bytes.Equal(old, text) {
		return true, nil
	}
	return false, os.WriteFile(temp, text, 0o600)
}

func tooLarge(path string, info fs.FileInfo) error {
	if info == nil {
		return nil
	}
	return fmt.Errorf("%s has %d bytes, more than the %d that are kept of a list", path, info.Size(), largestCopied)
}

// prune removes days that are too old, or too much.
func (k *keeper) prune(now time.Time) error {
	entries, err := os.ReadDir(k.cfg.Dir)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	var days []string // the newest first
	for _, e := range slices.Backward(entries) {
		if _, err := time.Parse(time.DateOnly, e.Name()); err == nil && e.IsDir() {
			days = append(days, e.Name())
		}
	}
	oldest, today := now.Add(-k.cfg.Keep).UTC().Format(time.DateOnly), now.UTC().Format(time.DateOnly)
	var seen []fs.FileInfo
	total, kept := int64(0), 0
	full := false
	for _, day := range days {
		dir := filepath.Join(k.cfg.Dir, day)
		size := int64(0)
		err = errors.Join(err, filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			info, err := d.Info()
			if err == nil && !slices.ContainsFunc(seen, func(other fs.FileInfo) bool { return os.SameFile(info, other) }) {
				seen = append(seen, info)
				size += info.Size()
			}
			return err
		}))
		full = full || k.cfg.Limit > 0 && total+size > int64(k.cfg.Limit)
		if day != today && (day < oldest || full) {
			err = errors.Join(err, os.RemoveAll(dir))
			continue
		}
		total += size
		kept++
	}
	k.days.Set(float64(kept))
	k.bytes.Set(float64(total))
	return err
}
