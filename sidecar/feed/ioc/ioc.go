// Package ioc makes the table of indicators of compromise of many feeds, and
// makes it anew when one of them changed.
//
//	Tor, abuse.ch, OTX, MISP, TAXII, ──▶ copies ──▶ rows ──▶ table ──▶ filter
//	lists and STIX in S3 or files          │                   │
//	                                 state_dir/feeds      S3, for a fleet
//
// # Promises
//
//   - A table is made of every feed's last good copy; a feed that fails costs
//     freshness, and health says which, why and since when.
//   - A copy that could not be confirmed for Keep is left out, and an indicator
//     whose own time has passed, or that is older than its feed's MaxAge.
//   - The table is put in place as a whole; the one before stays as
//     FILE.previous. A table that would be empty replaces none that is not.
//   - API keys are in no log, no error and no file of ours.
package ioc

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/fluent-siem/fluent-siem/internal/code"
	"github.com/fluent-siem/fluent-siem/internal/indicator"
	"github.com/fluent-siem/fluent-siem/sidecar/feed"
	"github.com/fluent-siem/fluent-siem/sidecar/feed/parse"
)

const (
	// table is what health calls the making of the table.
	table = "indicators/table"
	// settle is how long to wait for other feeds before a table is made.
	settle = 2 * time.Second
	// rebuild is how often one is made though nothing changed: indicators expire.
	rebuild = 6 * time.Hour
	// told is how many rows that were left out of a feed are logged.
	told = 3
)

// maker makes tables.
type maker struct {
	cfg     Config
	env     feed.Env
	sources []source // as cfg.Feeds
	settle  time.Duration
	left    *prometheus.GaugeVec
}

// Run keeps the table of cfg fresh until ctx is done, and then returns nil.
func Run(ctx context.Context, cfg Config, env feed.Env, tasks *feed.Metrics) error {
	env.Metrics.MustRegister(&tableMetrics{cfg.File})
	g, ctx := errgroup.WithContext(ctx)
	if cfg.Take != "" {
		g.Go(func() error { return take(ctx, cfg, env, tasks) })
		return g.Wait()
	}
	m := newMaker(cfg, env)
	changed := make(chan struct{}, 1)
	for i, f := range cfg.Feeds {
		g.Go(func() error {
			return feed.Task{
				Name: "indicators/" + f.Name, Every: f.Interval, Jitter: cfg.Jitter, Last: m.sources[i].checked(),
				Do: func(ctx context.Context) (bool, error) {
					newer, err := m.sources[i].refresh(ctx, env.Client)
					if newer && err != nil { // part of it is newer
						signal(changed)
					}
					return newer, err
				},
				Changed: func() { signal(changed) },
			}.Run(ctx, env, tasks)
		})
	}
	g.Go(func() error { return m.run(ctx, changed) })
	return g.Wait()
}

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func newMaker(cfg Config, env feed.Env) *maker {
	m := &maker{cfg: cfg, env: env, settle: settle, left: prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "siem_indicators_left_out", Help: "Entries of a feed that the last table was made without, because they are no indicators that are looked up.",
	}, []string{"feed"})}
	env.Metrics.MustRegister(m.left)
	for _, f := range cfg.Feeds {
		m.sources = append(m.sources, f.open(filepath.Join(env.StateDir, "feeds"), env.Log))
	}
	return m
}

// run makes a table when a feed changed, and now and then.
func (m *maker) run(ctx context.Context, changed <-chan struct{}) error {
	ticker := time.NewTicker(rebuild)
	defer ticker.Stop()
	for _, s := range m.sources {
		if !s.checked().IsZero() {
			m.make(ctx) // feeds may have been added or taken away, or the table
			break
		}
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		case <-changed:
			timer := time.NewTimer(m.settle)
			select {
			case <-ctx.Done():
				timer.Stop()
				return nil
			case <-timer.C:
			}
			select { // what changed meanwhile is in this table too
			case <-changed:
			default:
			}
		}
		m.make(ctx)
	}
}

// make makes a table and says how it went.
func (m *maker) make(ctx context.Context) {
	began := time.Now()
	head, err := m.build(ctx, began)
	switch {
	case ctx.Err() != nil:
		return
	case err != nil:
		m.env.Log.Error("table of indicators not made; the one before stays in use", "file", m.cfg.File, "error", err, code.Indicators.Attr())
		m.env.Health(table, code.Indicators.In("degraded: "+err.Error()))
		return
	}
	m.env.Log.Info("table of indicators made", "file", m.cfg.File, "version", head.Version, "rows", head.Rows, "took", time.Since(began).Round(time.Millisecond))
	m.env.Health(table, "")
	if m.cfg.Publish != "" {
		if err := m.env.Client.Publish(ctx, m.cfg.File, m.cfg.Publish); err != nil && ctx.Err() == nil {
			m.env.Log.Error("table of indicators not published; the fleet stays with the one before", "to", m.cfg.Publish, "error", err, code.Publish.Attr())
			m.env.Health(table, code.Publish.In("degraded: "+err.Error()))
		}
	}
}

func (m *maker) build(ctx context.Context, now time.Time) (indicator.Head, error) {
	if err := os.MkdirAll(filepath.Dir(m.cfg.File), 0o700); err != nil {
		return indicator.Head{}, err
	}
	b := indicator.NewBuilder(m.cfg.File, now)
	defer b.Close()
	rows, due := 0, now.Add(7*24*time.Hour)
	for i, f := range m.cfg.Feeds {
		checked := m.sources[i].checked()
		if checked.IsZero() || f.Keep > 0 && now.Sub(checked) > f.Keep {
			continue // its task's health says so
		}
		if next := now.Add(f.Keep); next.Before(due) {
			due = next
		}
		left := 0
		oldest := ""
		if f.MaxAge > 0 {
			oldest = now.Add(-f.MaxAge).UTC().Format(time.RFC3339)
		}
		err := m.sources[i].rows(parse.Sink{
			Add: func(r *indicator.Row) error {
				if ctx.Err() != nil {
					return &indicator.BuildError{Err: ctx.Err()}
				}
				if seen := max(r.LastSeen, r.Modified, r.FirstSeen); oldest != "" && seen != "" && seen < oldest {
					return nil
				}
				rows++
				return b.Add(r)
			},
			Left: func(err error) {
				if left++; left <= told {
					m.env.Log.Debug("indicator left out", "feed", f.Name, "error", err)
				}
			},
		})
		m.left.WithLabelValues(f.Name).Set(float64(left))
		var fatal *indicator.BuildError
		if errors.As(err, &fatal) {
			return indicator.Head{}, err
		}
		if err != nil {
			m.env.Log.Warn("a feed's copy cannot be read to its end; what was read counts", "feed", f.Name, "error", err, code.FeedCopy.Attr())
		}
	}
	if rows == 0 {
		if old, err := indicator.OpenFile(m.cfg.File); err == nil && old.Len() > 0 {
			return indicator.Head{}, errors.New("no feed has an indicator; the table before stays in use")
		}
	}
	return b.Write(m.cfg.File, indicator.Options{ValidUntil: due, Keep: m.cfg.File + ".previous"})
}

// take keeps the table that another sidecar published.
func take(ctx context.Context, cfg Config, env feed.Env, tasks *feed.Metrics) error {
	to := feed.Copy{Path: cfg.File, Previous: true}
	return feed.Task{Name: table, Every: cfg.Interval, Jitter: cfg.Jitter, Last: to.Meta().Checked, Do: func(ctx context.Context) (bool, error) {
		return env.Client.Refresh(ctx, feed.Source{URL: cfg.Take}, to, func(path string, _ feed.Answer) (string, error) {
			_, err := indicator.OpenFile(path) // all of it is read
			return path, err
		})
	}}.Run(ctx, env, tasks)
}

// tableMetrics says what the table holds.
type tableMetrics struct{ file string }

var (
	descRows  = prometheus.NewDesc("siem_indicators", "Indicators in the table, by provider and type.", []string{"provider", "type"}, nil)
	descBuilt = prometheus.NewDesc("siem_indicators_built_timestamp_seconds", "When the table of indicators was made.", nil, nil)
	descBytes = prometheus.NewDesc("siem_indicators_bytes", "Size of the table of indicators.", nil, nil)
)

// Describe implements prometheus.Collector.
func (t *tableMetrics) Describe(ch chan<- *prometheus.Desc) {
	ch <- descRows
	ch <- descBuilt
	ch <- descBytes
}

// Collect implements prometheus.Collector.
func (t *tableMetrics) Collect(ch chan<- prometheus.Metric) {
	head, size, err := indicator.ReadHead(t.file)
	if err != nil {
		return // health says that there is none
	}
	for _, s := range head.Sources {
		ch <- prometheus.MustNewConstMetric(descRows, prometheus.GaugeValue, float64(s.Rows), s.Provider, s.Type)
	}
	ch <- prometheus.MustNewConstMetric(descBuilt, prometheus.GaugeValue, float64(head.Built.Unix()))
	ch <- prometheus.MustNewConstMetric(descBytes, prometheus.GaugeValue, float64(size))
}
