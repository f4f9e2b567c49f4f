// Package daemon is `fluent-siem sidecar`: the process beside the log agent that
// keeps its tables fresh and shows how everything is.
//
//	file ──▶ duties (feeds, …) ──▶ state_dir ◀── plugins
//	                │                              │ sockets
//	                └─▶ /healthz, /metrics, / ◀────┘
//
// # Promises
//
//   - The duties of one configuration run as one group and end as one. A changed
//     file is read whole; if it cannot be used the old configuration goes on,
//     and health says so.
//   - No duty is needed for records to be loaded: without the sidecar the
//     plugins work with the last tables.
//   - /healthz answers 200 as long as the process works, and names what is
//     degraded; restarting would not make a publisher well.
//   - /metrics has the metrics of every process whose socket is in state_dir,
//     with the label process. / is a page for people ([status]).
//   - A stop is clean: what is being fetched is given up, nothing half-made stays.
package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	dto "github.com/prometheus/client_model/go"
	"golang.org/x/sync/errgroup"

	"github.com/fluent-siem/fluent-siem/internal/code"
	"github.com/fluent-siem/fluent-siem/internal/deadletter"
	"github.com/fluent-siem/fluent-siem/internal/follow"
	"github.com/fluent-siem/fluent-siem/sidecar/feed"
	"github.com/fluent-siem/fluent-siem/sidecar/status"
)

// Options are the program's.
type Options struct {
	Log *slog.Logger
	// Level is set as the configuration says; nil: it says nothing.
	Level *slog.LevelVar
	// Version is what publishers and metrics see.
	Version string
	// Reload asks to read the file again, whether it changed or not.
	Reload <-chan os.Signal
	// Ready is called with the address of /healthz when everything runs.
	Ready func(addr net.Addr)
}

// daemon is one process.
type daemon struct {
	path    string
	o       Options
	monitor *status.Monitor // of all generations: the last hour survives a reload
	current atomic.Pointer[generation]
	addr    string
	server  *http.Server
}

// generation is what runs by one configuration.
type generation struct {
	cfg      *Config
	registry *prometheus.Registry
	health   *health
	began    time.Time
}

func newGeneration(cfg *Config) *generation {
	g := &generation{cfg: cfg, registry: prometheus.NewRegistry(), health: newHealth(), began: time.Now()}
	g.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), g.health)
	return g
}

// Run reads the file at path and does what it says until ctx is done; then it
// returns nil. An error means that it did not begin.
func Run(ctx context.Context, path string, o Options) error {
	cfg, err := Load(path)
	if err != nil {
		return err
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	d := &daemon{path: path, o: o}
	d.current.Store(newGeneration(cfg))
	d.monitor = status.NewMonitor(status.Source{
		Metrics:  func(ctx context.Context) []*dto.MetricFamily { return d.current.Load().metrics(ctx) },
		Problems: func(ctx context.Context) []status.Problem { return d.current.Load().problems(ctx) },
		StateDir: func() string { return d.current.Load().cfg.StateDir },
		Letters:  func() (*deadletter.Box, error) { return deadletter.Open(d.current.Load().cfg.cluster.Box()) },
	})
	if err := d.listen(cfg.Listen); err != nil {
		return err
	}
	defer func() { _ = d.server.Close() }()
	defer notify("STOPPING=1")
	ctx, end := context.WithCancel(ctx)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer end()
	watching.Go(func() { d.monitor.Run(ctx) })
	reload := d.watch(ctx)
	for ctx.Err() == nil {
		if cfg, err = d.run(ctx, cfg, reload); err != nil {
			return err
		}
	}
	return nil
}

// watch sends what is asked of the configuration: it changed, or somebody
// wants it read again.
func (d *daemon) watch(ctx context.Context) <-chan struct{} {
	changed := make(chan struct{}, 1)
	ask := func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	last, _ := identify(d.path)
	go follow.Dir(ctx, filepath.Dir(d.path), d.o.Log, func() {
		if now, err := identify(d.path); err == nil && now != last {
			last = now
			ask()
		}
	})
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-d.o.Reload:
				ask()
			}
		}
	}()
	return changed
}

func identify(path string) (follow.Identity, error) {
	info, err := os.Stat(path)
	if err != nil {
		return follow.Identity{}, err
	}
	return follow.Identify(path, info), nil
}

// run does what cfg says until ctx is done or there is another configuration
// that can be used, which it returns.
func (d *daemon) run(ctx context.Context, cfg *Config, reload <-chan struct{}) (next *Config, err error) {
	g := newGeneration(cfg)
	if d.o.Level != nil {
		d.o.Level.Set(cfg.level)
	}
	if err := os.MkdirAll(cfg.StateDir, 0o700); err != nil {
		return nil, fmt.Errorf("state_dir: %w", err)
	}
	aws, err := cfg.aws(ctx)
	if err != nil {
		return nil, err
	}
	env := feed.Env{Log: d.o.Log, Health: g.health.set, Metrics: g.registry, Gather: g.metrics, Client: cfg.client(aws, d.o.Version), AWS: aws, StateDir: cfg.StateDir}
	tasks := feed.NewMetrics(g.registry)
	duties, stop := context.WithCancel(ctx)
	defer stop()
	group, duties := errgroup.WithContext(duties)
	for _, duty := range cfg.duties {
		group.Go(func() error {
			if err := duty.run(duties, env, tasks); err != nil {
				return fmt.Errorf("%s: %w", duty.name, err)
			}
			return nil
		})
	}
	d.current.Store(g)
	ended := make(chan error, 1)
	go func() { ended <- group.Wait() }()
	d.o.Log.Info("sidecar runs", "file", d.path, "duties", len(cfg.duties), "state_dir", cfg.StateDir, "listen", d.addr)
	notify(fmt.Sprintf("READY=1\nSTATUS=%d duties", len(cfg.duties)))
	if d.o.Ready != nil {
		d.o.Ready(addr(d.addr))
	}
	for next == nil {
		select {
		case <-ctx.Done():
			return nil, <-ended
		case err := <-ended:
			if err == nil && ctx.Err() == nil && len(cfg.duties) == 0 {
				ended = nil // there is nothing to do but to show how the plugins are
				continue
			}
			return nil, err
		case <-reload:
			next = d.reload(g)
		}
	}
	notify(reloading())
	stop()
	if ended == nil {
		return next, nil
	}
	return next, <-ended
}

// reload reads the file; nil when what it says cannot be used.
func (d *daemon) reload(g *generation) *Config {
	cfg, err := Load(d.path)
	if err == nil && cfg.Listen != g.cfg.Listen {
		err = d.listen(cfg.Listen)
	}
	if err != nil {
		d.o.Log.Error("the changed configuration is refused; the old one goes on", "file", d.path, "error", err, code.Config.Attr())
		g.health.set("configuration", code.Config.In("the changed file is refused and the old one goes on: "+err.Error()))
		return nil
	}
	d.o.Log.Info("the changed configuration takes over", "file", d.path)
	return cfg
}

// listen serves at an address, in place of the one before.
func (d *daemon) listen(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	server := &http.Server{Handler: d.handler(), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	go func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			d.o.Log.Error("health and metrics are not served any more; the duties go on", "error", err, code.SidecarPort.Attr())
		}
	}()
	if d.server != nil {
		_ = d.server.Close()
	}
	d.server, d.addr = server, l.Addr().String()
	return nil
}

type addr string

func (addr) Network() string  { return "tcp" }
func (a addr) String() string { return string(a) }

// health is what is wrong.
type health struct {
	mu   sync.Mutex
	list map[string]status.Problem
}

func newHealth() *health { return &health{list: map[string]status.Problem{}} }

// set says what is wrong with a component; "" when it is fine again.
func (h *health) set(component, problem string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if problem == "" {
		delete(h.list, component)
		return
	}
	since := time.Now().UTC().Truncate(time.Second)
	if old, ok := h.list[component]; ok {
		since = old.Since
	}
	h.list[component] = status.Problem{Component: component, Problem: problem, Since: since}
}

// problems lists what is wrong, by component.
func (h *health) problems() []status.Problem {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := []status.Problem{}
	for _, p := range h.list {
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b status.Problem) int { return cmp.Compare(a.Component, b.Component) })
	return list
}

var descDegraded = prometheus.NewDesc("siem_sidecar_degraded", "1 for each component of the sidecar that is degraded; /healthz says why.", []string{"component"}, nil)

// Describe implements prometheus.Collector.
func (h *health) Describe(ch chan<- *prometheus.Desc) { ch <- descDegraded }

// Collect implements prometheus.Collector.
func (h *health) Collect(ch chan<- prometheus.Metric) {
	for _, p := range h.problems() {
		ch <- prometheus.MustNewConstMetric(descDegraded, prometheus.GaugeValue, 1, p.Component)
	}
}
