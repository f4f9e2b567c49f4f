// Package process is what the stages of one process share: the lease table,
// the log types, the metrics, and the health that the Unix socket shows.
//
// # Promises
//
//   - There is one lease table for all inputs, filters and outputs of a process,
//     so a verdict is a method call.
//   - Health names what is wrong and what to do, for as long as it is wrong.
package process

import (
	"cmp"
	"log/slog"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fluent-siem/fluent-siem/filters/logtype"
	"github.com/fluent-siem/fluent-siem/internal/code"
	"github.com/fluent-siem/fluent-siem/internal/lease"
	"github.com/fluent-siem/fluent-siem/internal/ledger"
	"github.com/fluent-siem/fluent-siem/internal/settings"
)

// Process is shared by the stages. Its fields do not change after New.
type Process struct {
	// Leases has the books of everything that was read.
	Leases *lease.Table
	// LogTypes are the log types in use; the first stage that names a
	// logtypes_dir loads it.
	LogTypes *logtype.Registry
	// Metrics is what /metrics shows.
	Metrics *prometheus.Registry
	// Stopping is set while the host has paused the inputs, which is how a
	// shutdown begins: outputs then answer soon instead of waiting long.
	Stopping atomic.Bool
	// Ledgers are the files that keep what became of each object, by state_dir.
	Ledgers ledger.Shared

	level    slog.LevelVar
	mu       sync.Mutex
	health   map[string]string
	versions map[string]func() string
	served   map[string]*server
}

// New returns a Process with nothing in it, for one pipeline or one test.
func New() *Process {
	types, err := logtype.NewRegistry()
	if err != nil {
		// The shipped types are compiled in, and a test loads them: they parse.
		panic("shipped log types: " + err.Error())
	}
	p := &Process{
		Leases:   lease.NewTable(),
		LogTypes: types,
		Metrics:  prometheus.NewRegistry(),
		health:   map[string]string{},
		versions: map[string]func() string{"program": program},
		served:   map[string]*server{},
	}
	p.Metrics.MustRegister(leaseCollector{p.Leases})
	return p
}

// Shared returns the one Process that all plugins of this operating system
// process use.
var Shared = sync.OnceValue(New)

// Level is the level from which log lines are written; the socket changes it.
func (p *Process) Level() *slog.LevelVar { return &p.level }

// SetHealth says what is wrong with a component, and what to do; "" when it is
// fine again.
func (p *Process) SetHealth(component, problem string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if problem == "" {
		delete(p.health, component)
		return
	}
	p.health[component] = problem
}

// SetSettings notes what a stage was configured with, as a version; when there
// are several of its kind, the newest counts.
func (p *Process) SetSettings(of string, cfg any) {
	version := settings.Fingerprint(cfg)
	p.SetVersion(of, func() string { return version })
}

// SetVersion says how to learn which version of something is in use, such as a
// table or a configuration: a short word without blanks, "" for none. nil ends
// that. The ledger notes the versions with each object.
func (p *Process) SetVersion(of string, now func() string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now == nil {
		delete(p.versions, of)
		return
	}
	p.versions[of] = now
}

// Versions are the versions of everything that is in use now, as name=version,
// sorted, separated by blanks.
func (p *Process) Versions() string {
	p.mu.Lock()
	all := maps.Clone(p.versions)
	p.mu.Unlock()
	var list []string
	for _, of := range slices.Sorted(maps.Keys(all)) {
		if v := all[of](); v != "" {
			list = append(list, of+"="+v)
		}
	}
	return strings.Join(list, " ")
}

// program is the version of this program: its commit, where it was built from one.
var program = sync.OnceValue(func() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value[:min(12, len(s.Value))]
		}
	}
	return strings.Trim(info.Main.Version, "()")
})

// Problem is what is wrong with a component.
type Problem struct {
	Component string `json:"component"`
	Problem   string `json:"problem"`
}

// Health lists what is wrong, sorted by component; empty when all is well.
func (p *Process) Health() []Problem {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := []Problem{}
	for c, text := range p.health {
		all = append(all, Problem{c, text})
	}
	slices.SortFunc(all, func(a, b Problem) int { return cmp.Compare(a.Component, b.Component) })
	return all
}

// Register registers a collector, or returns the one that an earlier instance
// of the same stage registered.
func Register[C prometheus.Collector](p *Process, c C) C {
	err := p.Metrics.Register(c)
	if err == nil {
		return c
	}
	if are, ok := err.(prometheus.AlreadyRegisteredError); ok {
		if old, ok := are.ExistingCollector.(C); ok {
			return old
		}
	}
	slog.Error("metric not registered; it will not be shown", "error", err, code.Metric.Attr())
	return c
}
