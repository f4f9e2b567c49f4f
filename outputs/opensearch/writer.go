// Package opensearch delivers events to an OpenSearch cluster. It is the last
// step of the pipeline:
//
//	object → record → event → document
//	                          ────────
//
// An event becomes the two lines of a document (documents.add); documents fill
// a bulk request (bulk); each item of the answer gets a [Verdict] from one table
// (itemRules); what the cluster refuses for good becomes a dead letter
// (package deadletter). [Writer] ties them together.
//
// # Promises
//
//   - Write returns nil only when each document of the chunk has a final
//     verdict: stored, there already (duplicate), or kept as a dead letter that is durable.
//   - A bad document harms no other: a request that is refused for one of its
//     documents is halved until the one is found.
//   - What may still succeed is never given up: a busy cluster, a full disk, a
//     lost connection, a wrong password keep documents waiting, and health says
//     for what.
//   - A sick index holds up no other: documents for others are delivered
//     first, then the chunk goes back to the host, which offers it again. What has
//     its verdict by then is not sent again.
//   - A document that is sent twice is stored once, because its id is the same
//     every time. A collection of type timeseries refuses ids: there, documents of a
//     request whose answer was lost are looked for before they are sent again.
//   - Bulk bodies in memory stay below Config.Requests × Config.BulkSize, and
//     as much again while they are sent (less with compression). A document larger
//     than BulkSize travels alone.
//   - No password, key or signature is in a log line or an error.
//
// # Stored or duplicate
//
// A conflict (409) on create says that the document is there. When an earlier
// attempt of ours got no answer, it is counted as stored: most likely it was that
// attempt. Otherwise it is a duplicate. The books balance either way.
//
// # Concurrency
//
// A Writer may be shared by any number of goroutines; each of its calls works
// on one chunk, in one or several requests.
//
// What the package does not promise: order, and that a chunk whose bytes are
// the same as those of one that is being retried, times included, is not taken
// for it.
package opensearch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/code"
	"github.com/fluent-siem/fluent-siem/internal/deadletter"
	"github.com/fluent-siem/fluent-siem/internal/process"
)

// Writer delivers chunks of events.
type Writer struct {
	cfg     Config
	p       *process.Process
	log     *slog.Logger
	name    string // in health
	client  *client
	limit   *limiter
	letters *deadletter.Box
	keep    func([]deadletter.Letter) error // into letters; returns when they are durable
	metrics *metrics
	trouble troubles
	voice   voice
	fixes   fixes
	memo    memo
	slots   chan struct{} // one for each bulk in memory
	size    atomic.Int64  // of a bulk; BulkSize, until a request was too large
	stopped atomic.Int64  // unix nanoseconds since when the host is stopping, 0 = it is not
	alone   atomic.Int32  // documents refused as a whole request each, since one was stored
	life    context.Context
	close   context.CancelCauseFunc
}

var errClosed = errors.New("the output is closed")

// Option is the program's or a test's wish, as opposed to the operator's.
type Option func(*Writer)

// WithLogger makes the Writer log to l.
func WithLogger(l *slog.Logger) Option { return func(w *Writer) { w.log = l } }

// WithTransport makes the Writer send its requests through t; the settings for
// TLS then have no effect.
func WithTransport(t http.RoundTripper) Option { return func(w *Writer) { w.client.base = t } }

// WithDeadLetters has f keep dead letters in place of what Config names; f
// returns nil when they are durable.
func WithDeadLetters(f func([]deadletter.Letter) error) Option {
	return func(w *Writer) { w.keep = f }
}

// New returns a Writer that is ready to use, also when the cluster is not
// there or a file is missing: both may come. cfg is the operator's; options are
// the program's, and a test's.
func New(cfg Config, p *process.Process, opts ...Option) (*Writer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("output opensearch_bulk:\n%w", err)
	}
	box, err := deadletter.Open(cfg.Box())
	if err != nil { // Validate has parsed it
		return nil, fmt.Errorf("output opensearch_bulk: dead_letters: %w", err)
	}
	m := newMetrics(p)
	w := &Writer{
		cfg:     cfg,
		p:       p,
		log:     slog.Default(),
		name:    "output opensearch_bulk " + hostOf(cfg.Endpoint[0]),
		client:  &client{cfg: cfg},
		letters: box,
		keep:    box.Write,
		metrics: m,
		slots:   make(chan struct{}, cfg.Requests),
	}
	w.size.Store(int64(cfg.BulkSize))
	var lastLimit, lastInFlight float64
	p.SetSettings("opensearch_bulk", cfg)
	w.limit = newLimiter(cfg.Requests, func(limit float64, inFlight int) { // called under the limiter's lock
		m.limit.Add(limit - lastLimit)
		m.inFlight.Add(float64(inFlight) - lastInFlight)
		lastLimit, lastInFlight = limit, float64(inFlight)
	})
	for _, opt := range opts {
		opt(w)
	}
	w.life, w.close = context.WithCancelCause(context.Background())
	w.client.warn = func(err error) {
		w.say("files", slog.LevelWarn, "changed files cannot be used; what they held before stays in use", "error", err, code.File.Attr())
	}
	w.voice.log = w.log
	w.trouble.report = func(problem string) { p.SetHealth(w.name, problem) }
	if !cfg.Verify {
		w.log.Warn("the cluster's certificate is not checked (verify: off): whoever is in between can read and change everything; set ca_file instead",
			"endpoint", strings.Join(cfg.Endpoint, ","), code.Unverified.Attr())
	}
	if open := cfg.clearText(); open != "" {
		w.log.Warn("the login to the cluster goes over a connection that is not encrypted: whoever is in between can read and change everything; write https:// in endpoint",
			"endpoint", open, code.ClearText.Attr())
	}
	if cfg.Collection == timeSeries && !cfg.asks() {
		w.log.Warn("a collection of type timeseries refuses ids: when the answer to a request is lost, its documents may be stored twice; set lookup_delay", code.TwiceStored.Attr())
	}
	return w, nil
}

func hostOf(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return endpoint
	}
	return u.Host
}

// Write delivers the events of chunk. With nil, each document has its final
// verdict. With an error, some have none yet, and the chunk is to be offered
// again, unchanged: those that have one are skipped then. The error is a
// [*RetryError], or ctx's. chunk is not used after Write has returned.
func (w *Writer) Write(ctx context.Context, tag string, chunk []byte) error {
	if w.life.Err() != nil {
		return fmt.Errorf("output opensearch_bulk: %w; the chunk was not looked at", errClosed)
	}
	w.trouble.sweep()
	j := w.begin(ctx, tag, chunk)
	defer j.end()
	return j.run(chunk)
}

// Close releases connections and files. Calls of Write that are under way
// return an error soon, which loses nothing. It may be called twice.
func (w *Writer) Close() error {
	if w.life.Err() != nil {
		return nil
	}
	w.close(errClosed)
	w.client.close()
	w.trouble.report("")
	return w.letters.Close()
}

// stopping returns since when the host has paused its inputs; ok is false when
// it has not.
func (w *Writer) stopping() (since time.Time, ok bool) {
	if !w.p.Stopping.Load() {
		w.stopped.Store(0)
		return time.Time{}, false
	}
	w.stopped.CompareAndSwap(0, time.Now().UnixNano())
	return time.Unix(0, w.stopped.Load()), true
}

// RetryError says that documents of a chunk have no final verdict yet.
type RetryError struct {
	Waiting int    // documents without a verdict
	Total   int    // documents in the chunk
	Reason  string // of the last answer
}

func (e *RetryError) Error() string {
	return fmt.Sprintf("%d of %d documents have no verdict yet (%s); nothing is lost, the chunk is to be tried again", e.Waiting, e.Total, e.Reason)
}

// backoff is how long to wait after the n-th failure in a row (from 0): twice
// as long each time, between base and ceiling, of which a part is chance so that
// many do not come back together.
func backoff(n int, base, ceiling time.Duration) time.Duration {
	d := min(base<<min(n, 20), ceiling)
	return d/2 + rand.N(d/2+1)
}
