package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/fluent-siem/fluent-siem/sidecar/status"
)

// Health is what /healthz says.
type Health struct {
	Status   string           `json:"status"` // ok or degraded
	Since    time.Time        `json:"since"`  // when this configuration was taken
	Problems []status.Problem `json:"problems"`
}

func (d *daemon) handler() http.Handler {
	mux := http.NewServeMux()
	// answer calls with what runs now.
	answer := func(pattern string, with func(g *generation, w http.ResponseWriter, r *http.Request)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { with(d.current.Load(), w, r) })
	}
	answer("GET /healthz", func(g *generation, w http.ResponseWriter, r *http.Request) {
		h := Health{Status: "ok", Since: g.began.UTC().Truncate(time.Second), Problems: g.problems(r.Context())}
		if len(h.Problems) > 0 {
			h.Status = "degraded"
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(h)
	})
	answer("GET /metrics", func(g *generation, w http.ResponseWriter, r *http.Request) {
		promhttp.HandlerFor(g.gatherer(r.Context()), promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError}).ServeHTTP(w, r)
	})
	mux.Handle("GET /status", d.monitor)
	mux.HandleFunc("GET /{$}", status.Page)
	return mux
}

// gatherer has the metrics of the sidecar and of the processes beside it.
func (g *generation) gatherer(ctx context.Context) prometheus.Gatherer {
	return prometheus.Gatherers{g.registry, prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) { return gather(ctx, g.cfg.StateDir) })}
}

// metrics are those that can be had; what cannot is seen in siem_process_up.
func (g *generation) metrics(ctx context.Context) []*dto.MetricFamily {
	families, _ := g.gatherer(ctx).Gather()
	return families
}

// problems are those of the sidecar and of the processes beside it.
func (g *generation) problems(ctx context.Context) []status.Problem {
	return append(g.health.problems(), plugins(ctx, g.cfg.StateDir)...)
}

// The limits of asking a process.
const (
	askedWithin   = 2 * time.Second
	largestAnswer = 16 << 20
)

// sockets are those of the processes beside us, by the number of the process.
func sockets(stateDir string) map[string]string {
	list := map[string]string{}
	paths, _ := filepath.Glob(filepath.Join(stateDir, "fluent-siem-*.sock")) // the pattern is fine
	for _, path := range paths {
		process := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), "fluent-siem-"), ".sock")
		if process != fmt.Sprint(os.Getpid()) {
			list[process] = path
		}
	}
	return list
}

// askAll asks every process at once and calls each for every answer, one at a
// time.
func askAll(ctx context.Context, stateDir, path string, each func(process string, code int, body []byte, err error)) {
	var mu sync.Mutex
	var asked sync.WaitGroup
	for process, socket := range sockets(stateDir) {
		asked.Go(func() {
			code, body, err := ask(ctx, socket, path)
			mu.Lock()
			defer mu.Unlock()
			each(process, code, body, err)
		})
	}
	asked.Wait()
}

func ask(ctx context.Context, socket, path string) (code int, body []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, askedWithin)
	defer cancel()
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://process"+path, nil)
	if err != nil {
		return 0, nil, err
	}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, largestAnswer+1))
	if len(body) > largestAnswer {
		err = errors.New("its answer is too long")
	}
	return resp.StatusCode, body, err
}

// plugins says what the processes beside us say is wrong with them.
func plugins(ctx context.Context, stateDir string) (list []status.Problem) {
	askAll(ctx, stateDir, "/health", func(process string, _ int, body []byte, err error) {
		var h struct{ Problems []status.Problem }
		if err == nil {
			err = json.Unmarshal(body, &h)
		}
		if err != nil {
			list = append(list, status.Problem{Component: "process " + process, Problem: "does not answer: " + err.Error()})
		}
		for _, p := range h.Problems {
			p.Component = "process " + process + ": " + p.Component
			list = append(list, p)
		}
	})
	return list
}

// gather returns the metrics of the processes beside us, each with the label
// process. A process that does not answer has none, and siem_process_up is 0.
func gather(ctx context.Context, stateDir string) ([]*dto.MetricFamily, error) {
	families := map[string]*dto.MetricFamily{}
	up := &dto.MetricFamily{Name: ptr("siem_process_up"), Help: ptr("Whether a process that has a socket in state_dir answers."), Type: dto.MetricType_GAUGE.Enum()}
	askAll(ctx, stateDir, "/metrics", func(process string, code int, body []byte, err error) {
		label := &dto.LabelPair{Name: ptr("process"), Value: &process}
		answers := 0.0
		parser := expfmt.NewTextParser(model.UTF8Validation)
		own, parseErr := parser.TextToMetricFamilies(bytes.NewReader(body))
		if err == nil && parseErr == nil && code == http.StatusOK {
			answers = 1
			for name, family := range own {
				for _, m := range family.Metric {
					m.Label = append(m.Label, label)
				}
				if all := families[name]; all == nil {
					families[name] = family
				} else if all.GetType() == family.GetType() {
					all.Metric = append(all.Metric, family.Metric...)
				}
			}
		}
		up.Metric = append(up.Metric, &dto.Metric{Label: []*dto.LabelPair{label}, Gauge: &dto.Gauge{Value: &answers}})
	})
	var list []*dto.MetricFamily
	if len(up.Metric) > 0 {
		list = append(list, up)
	}
	for name, family := range families {
		if !strings.HasPrefix(name, "go_") && !strings.HasPrefix(name, "process_") { // ours have these names
			list = append(list, family)
		}
	}
	return list, nil
}

func ptr[T any](v T) *T { return &v }
