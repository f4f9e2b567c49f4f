package extend

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	"github.com/fluent-siem/fluent-siem/extension"
	"github.com/fluent-siem/fluent-siem/internal/code"
)

// Outcome says what an extension made of a document.
type Outcome uint8

// The outcomes.
const (
	Failed    Outcome = iota // Reason says why; on_failure says what becomes of it
	Changed                  // Document takes its place
	Unchanged                // it stays as it was
	Dropped                  // it is not wanted; Reason says why
)

var outcomes = [...]string{"failed", "changed", "unchanged", "dropped"}

func (o Outcome) String() string { return outcomes[o] }

// Result is what became of a document.
type Result struct {
	Outcome  Outcome
	Document []byte
	Reason   string
}

const (
	// BatchBytes is how large a batch of several documents is at most.
	BatchBytes = 2 << 20
	// LargestDocument is the largest that is given to an extension, in bytes, and
	// the largest that is taken from it.
	LargestDocument = 8 << 20
	// longestReason is how much of an extension's reason is kept, in bytes.
	longestReason = 300
)

// Transformer changes documents of some log types. It is safe for concurrent use.
type Transformer struct {
	Config    TransformerConfig
	log       *slog.Logger
	processes []*supervisor
	next      atomic.Uint32
	metrics   *metrics

	calls  sync.RWMutex // held for reading by each call
	closed bool
}

// Env is what an extension gets from the program around it.
type Env struct {
	Log *slog.Logger
	// Health says what is wrong with a component; "" when it is fine again.
	Health func(component, problem string)
	// Metrics registers a collector, or returns the one that is registered already.
	Metrics func(prometheus.Collector) prometheus.Collector
}

// metrics are those of all extensions.
type metrics struct {
	documents *prometheus.CounterVec
	restarts  *prometheus.CounterVec
	calls     *prometheus.HistogramVec
}

func newMetrics(register func(prometheus.Collector) prometheus.Collector) *metrics {
	return &metrics{
		documents: register(prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "siem_extension_documents_total", Help: "Documents that were given to an extension, by what became of them.",
		}, []string{"extension", "outcome"})).(*prometheus.CounterVec),
		restarts: register(prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "siem_extension_restarts_total", Help: "How often an extension was started again.",
		}, []string{"extension"})).(*prometheus.CounterVec),
		calls: register(prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "siem_extension_call_seconds", Help: "How long an extension took for a batch.", Buckets: prometheus.ExponentialBuckets(0.001, 4, 8),
		}, []string{"extension"})).(*prometheus.HistogramVec),
	}
}

// NewTransformer starts an extension. That it cannot be started is no error: its
// documents fail, health says so, and it is tried again.
func NewTransformer(cfg TransformerConfig, env Env) *Transformer {
	t := &Transformer{Config: cfg, log: env.Log.With("extension", cfg.Name), metrics: newMetrics(env.Metrics)}
	for _, o := range outcomes {
		t.metrics.documents.WithLabelValues(cfg.Name, o)
	}
	restarts := t.metrics.restarts.WithLabelValues(cfg.Name)
	for i := range cfg.Processes {
		component := "extension/" + cfg.Name
		if cfg.Processes > 1 {
			component = fmt.Sprintf("%s/%d", component, i+1)
		}
		t.processes = append(t.processes, supervise(cfg.Config, t.log, func(problem string) { env.Health(component, problem) }, restarts.Inc))
	}
	return t
}

// Await waits until every process is ready or could not be started.
func (t *Transformer) Await(ctx context.Context) {
	for _, s := range t.processes {
		s.await(ctx)
	}
}

// Close ends the extension when the calls that are under way are answered, or
// their time limit is over. Later ones fail.
func (t *Transformer) Close() {
	t.calls.Lock()
	t.closed = true
	t.calls.Unlock()
	for _, s := range t.processes {
		s.stop()
	}
	for _, s := range t.processes {
		s.close()
	}
}

// Transform returns what becomes of each document, in their order. It takes no
// longer than Config.Timeout.
func (t *Transformer) Transform(ctx context.Context, logType string, documents [][]byte) []Result {
	results, _ := t.try(ctx, logType, documents)
	return results
}

// try is Transform; ok is false if the extension was closed.
func (t *Transformer) try(ctx context.Context, logType string, documents [][]byte) (_ []Result, ok bool) {
	t.calls.RLock()
	defer t.calls.RUnlock()
	began := time.Now()
	if t.closed {
		return fail(documents, errClosed), false
	}
	results, err := t.transform(ctx, logType, documents)
	if err != nil {
		results = fail(documents, err)
	}
	t.metrics.calls.WithLabelValues(t.Config.Name).Observe(time.Since(began).Seconds())
	var counts [len(outcomes)]int
	reason := ""
	for i := range results {
		counts[results[i].Outcome]++
		if results[i].Outcome == Failed {
			reason = results[i].Reason
		}
	}
	for o, n := range counts {
		if n > 0 {
			t.metrics.documents.WithLabelValues(t.Config.Name, outcomes[o]).Add(float64(n))
		}
	}
	if n := counts[Failed]; n > 0 { // one line a batch
		t.log.Warn("an extension failed with documents; they go the way of on_failure", "log_type", logType, "documents", n, "on_failure", string(t.Config.OnFailure), "error", reason, code.Untransformed.Attr())
	}
	return results, true
}

// fail is the result of documents whose call failed.
func fail(documents [][]byte, err error) []Result {
	results := make([]Result, len(documents))
	for i := range results {
		results[i].Reason = cut(status.Convert(err).Message())
	}
	return results
}

// pick is the process whose turn it is, or the next one that runs.
func (t *Transformer) pick() *supervisor {
	turn := int(t.next.Add(1) % uint32(len(t.processes)))
	for i := range t.processes {
		if s := t.processes[(turn+i)%len(t.processes)]; s.up() {
			return s
		}
	}
	return t.processes[turn]
}

func (t *Transformer) transform(ctx context.Context, logType string, documents [][]byte) ([]Result, error) {
	for _, d := range documents {
		if len(d) > LargestDocument {
			return nil, fmt.Errorf("a document of %d bytes is too large for an extension", len(d))
		}
	}
	process := t.pick()
	var response *extension.TransformResponse
	err := process.call(ctx, func(ctx context.Context, conn grpc.ClientConnInterface) (err error) {
		response, err = extension.NewTransformerClient(conn).Transform(ctx, &extension.TransformRequest{LogType: logType, Documents: documents}, grpc.MaxCallRecvMsgSize(largestMessage))
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(response.Results) != len(documents) {
		return nil, fmt.Errorf("it returned %d results for %d documents", len(response.Results), len(documents))
	}
	results := make([]Result, len(documents))
	for i, r := range response.Results {
		switch o := r.GetOutcome().(type) {
		case *extension.Result_Document:
			results[i] = Result{Outcome: Changed, Document: o.Document}
			if len(o.Document) > LargestDocument {
				results[i] = Result{Reason: fmt.Sprintf("its document has %d bytes, more than %d", len(o.Document), LargestDocument)}
			}
		case *extension.Result_Unchanged:
			results[i].Outcome = Unchanged
		case *extension.Result_Drop:
			results[i] = Result{Outcome: Dropped, Reason: cut(o.Drop)}
		case *extension.Result_Error:
			results[i].Reason = "it says: " + cut(o.Error)
		default:
			results[i].Reason = "its result says nothing"
		}
	}
	return results, nil
}

// cut is a reason as logs and documents show it.
func cut(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), longestReason)], "")
}
