package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/fluent-siem/fluent-siem/internal/code"
	"github.com/fluent-siem/fluent-siem/internal/lease"
	"github.com/fluent-siem/fluent-siem/internal/ledger"
)

type server struct {
	http  *http.Server
	users int
}

// SocketName is the name of this process's socket in state_dir.
func SocketName() string { return fmt.Sprintf("fluent-siem-%d.sock", os.Getpid()) }

// Serve answers on a Unix socket in stateDir, which only the owner may use:
//
//	/metrics      Prometheus
//	/health       200 when all is well, 503 and what is wrong when not
//	/leases       what is under way, oldest first
//	/ledger       what became of each object, a line each; 404 when none is kept
//	/loglevel     GET shows, PUT sets debug, info, warn or error
//	/debug/pprof  profiles
//
// Every stage of the process may call it for the same directory; the last stop
// closes the socket.
func (p *Process) Serve(stateDir string) (stop func(), err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.served[stateDir]
	if s == nil {
		if s, err = p.listen(stateDir); err != nil {
			return nil, fmt.Errorf("state_dir: no socket for metrics and health: %w; records are loaded all the same", err)
		}
		p.served[stateDir] = s
	}
	s.users++
	stopped := false
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if stopped {
			return
		}
		stopped = true
		if s.users--; s.users == 0 {
			delete(p.served, stateDir)
			_ = s.http.Close()
			_ = os.Remove(filepath.Join(stateDir, SocketName()))
		}
	}, nil
}

func (p *Process) listen(dir string) (*server, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	removeDead(dir)
	path := filepath.Join(dir, SocketName())
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	// Bound under a name that nobody looks for, narrowed, then renamed: the
	// socket is never open to others.
	hidden := filepath.Join(dir, "."+SocketName())
	_ = os.Remove(hidden)
	l, err := net.Listen("unix", hidden)
	if err != nil {
		return nil, err
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := errors.Join(os.Chmod(hidden, 0o600), os.Rename(hidden, path)); err != nil {
		l.Close()
		return nil, err
	}
	s := &server{http: &http.Server{Handler: p.handler(dir), ReadHeaderTimeout: 10 * time.Second}}
	go func() {
		if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			slog.Error("the socket for metrics and health stopped; records are loaded all the same", "error", err, code.Socket.Attr())
		}
	}()
	return s, nil
}

// removeDead removes sockets of processes that are gone.
func removeDead(dir string) {
	paths, _ := filepath.Glob(filepath.Join(dir, "fluent-siem-*.sock"))
	for _, path := range paths {
		if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
			c.Close()
		} else {
			_ = os.Remove(path)
		}
	}
}

func (p *Process) handler(dir string) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(p.Metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		problems := p.Health()
		w.Header().Set("Content-Type", "application/json")
		if len(problems) > 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"healthy": len(problems) == 0, "problems": problems})
	})
	mux.HandleFunc("GET /leases", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"settled": p.Leases.Settled(), "open": openObjects(p.Leases)})
	})
	mux.HandleFunc("GET "+ledger.Path, func(w http.ResponseWriter, r *http.Request) {
		l := p.Ledgers.In(dir)
		if l == nil {
			http.NotFound(w, r)
			return
		}
		l.ServeHTTP(w, r)
	})
	mux.HandleFunc("GET /loglevel", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, strings.ToLower(p.level.Level().String()))
	})
	mux.HandleFunc("PUT /loglevel", func(w http.ResponseWriter, r *http.Request) {
		var text [16]byte
		n, _ := r.Body.Read(text[:])
		if err := p.level.UnmarshalText([]byte(strings.TrimSpace(string(text[:n])))); err != nil {
			http.Error(w, "send debug, info, warn or error", http.StatusBadRequest)
		}
	})
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}

// OpenObject is an object under way, as /leases shows it.
type OpenObject struct {
	Bucket   string            `json:"bucket"`
	Key      string            `json:"key"`
	LogType  string            `json:"log_type"`
	Since    time.Time         `json:"since"`
	LastSign time.Time         `json:"last_sign"`
	Read     uint64            `json:"read"`
	Verdicts map[string]uint64 `json:"verdicts"`
}

func openObjects(t *lease.Table) []OpenObject {
	all := []OpenObject{}
	for _, l := range t.Leases() {
		for _, o := range l.Objects() {
			totals := o.Totals()
			row := OpenObject{Bucket: o.Source.Bucket, Key: o.Source.Key, LogType: o.Source.LogType,
				Since: l.Opened(), LastSign: l.LastSign(), Read: totals.Read, Verdicts: map[string]uint64{}}
			for _, v := range lease.Outcomes() {
				row.Verdicts[v.String()] = totals.Of(v)
			}
			all = append(all, row)
		}
	}
	return all
}

// leaseCollector shows what is open.
type leaseCollector struct{ table *lease.Table }

var (
	descOpen    = prometheus.NewDesc("siem_leases_open", "Notifications held until every record has a verdict.", nil, nil)
	descOldest  = prometheus.NewDesc("siem_lease_oldest_seconds", "Age of the oldest notification held.", nil, nil)
	descObject  = prometheus.NewDesc("siem_object_oldest_seconds", "Time since S3 announced the oldest object of which a record has no verdict yet.", nil, nil)
	descSettled = prometheus.NewDesc("siem_leases_settled_total", "Notifications whose records all have a verdict.", nil, nil)
	descWaiting = prometheus.NewDesc("siem_records_outstanding", "Records read that have no verdict yet.", nil, nil)
)

func (c leaseCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- descOpen
	ch <- descOldest
	ch <- descObject
	ch <- descSettled
	ch <- descWaiting
}

func (c leaseCollector) Collect(ch chan<- prometheus.Metric) {
	leases := c.table.Leases()
	oldest, object, waiting := 0.0, 0.0, 0.0
	for _, l := range leases {
		oldest = max(oldest, time.Since(l.Opened()).Seconds())
		for _, o := range l.Objects() {
			waiting += float64(o.Totals().Outstanding())
			if at := o.Source.EventTime; !at.IsZero() {
				object = max(object, time.Since(at).Seconds())
			}
		}
	}
	ch <- prometheus.MustNewConstMetric(descOpen, prometheus.GaugeValue, float64(len(leases)))
	ch <- prometheus.MustNewConstMetric(descOldest, prometheus.GaugeValue, oldest)
	ch <- prometheus.MustNewConstMetric(descObject, prometheus.GaugeValue, object)
	ch <- prometheus.MustNewConstMetric(descSettled, prometheus.CounterValue, float64(c.table.Settled()))
	ch <- prometheus.MustNewConstMetric(descWaiting, prometheus.GaugeValue, waiting)
}
