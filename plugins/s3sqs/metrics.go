package s3sqs

import (
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fluent-siem/fluent-siem/internal/lease"
	"github.com/fluent-siem/fluent-siem/internal/process"
)

// metrics are counted once per chunk or object, not per record.
type metrics struct {
	received, messages, queueErrors    *prometheus.CounterVec
	objects, records, bad, skipped     *prometheus.CounterVec
	objectBytes, textBytes, verdicts   *prometheus.CounterVec
	lag                                *prometheus.HistogramVec
	unbalanced                         *prometheus.CounterVec
	resumed, continued, refused, parts prometheus.Counter
	fetchLimit, creditUsed, creditSize prometheus.Gauge
	throttle                           prometheus.Gauge
	waiting                            []prometheus.Gauge // by rank
	moved                              *prometheus.CounterVec
	depth                              *prometheus.GaugeVec
}

func newMetrics(p *process.Process, instance string, cfg Config, credit *lease.Credit) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return process.Register(p, prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "siem", Subsystem: "input", Name: name, Help: help}, labels))
	}
	m := &metrics{
		received:    counter("messages_received_total", "Messages taken from a queue.", "queue"),
		messages:    counter("messages_total", "Messages that are done, by result: deleted, given_back, overdue, unbalanced, unknown, lost, handed_over, stopped.", "queue", "result"),
		queueErrors: counter("queue_errors_total", "Calls to a queue that failed.", "queue", "call"),
		objects: counter("objects_total", "Objects, by outcome: read, parted, no_records, empty, folder, ignored, unclaimed, gone; read in part: truncated, corrupt, bomb, binary, unsupported; "+
			"to come again: denied, archived, misplaced, changed, transient.", "log_type", "outcome"),
		records:     counter("records_total", "Records handed to the host, bad ones included.", "log_type"),
		bad:         counter("bad_records_total", "Records that are none, by reason: too_long, not_json, truncated.", "log_type", "reason"),
		skipped:     counter("values_without_records_total", "JSON values that have no records under the log type's key.", "log_type"),
		objectBytes: counter("object_bytes_total", "Bytes fetched.", "log_type"),
		textBytes:   counter("text_bytes_total", "Bytes after decompression.", "log_type"),
		verdicts:    counter("verdicts_total", "Records of deleted messages, by verdict.", "log_type", "verdict"),
		lag: process.Register(p, prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "siem", Subsystem: "input", Name: "lag_seconds",
			Help: "From the announcement of an object until each of its records had a verdict.", Buckets: []float64{.5, 1, 2, 5, 10, 30, 60, 300, 1800, 7200, 43200}}, []string{"log_type"})),
		resumed:    counter("fetches_resumed_total", "Connections to S3 that broke and were resumed.").WithLabelValues(),
		unbalanced: counter("unbalanced_objects_total", "Objects whose books did not balance when every record had a verdict: a bug; their messages were given back.", "log_type"),
		continued:  counter("objects_continued_total", "Objects whose reading went on where it was interrupted.").WithLabelValues(),
		moved:      counter("messages_moved_total", "Messages of objects that are not fresh, moved to the backlog queue.", "queue"),
		parts:      counter("parts_announced_total", "Parts of large objects that were announced to a queue.").WithLabelValues(),
		refused:    counter("appends_refused_total", "Buffers that the host did not take at once.").WithLabelValues(),
	}
	m.depth = process.Register(p, prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "siem", Subsystem: "input", Name: "queue_messages",
		Help: "Messages in a queue as SQS estimates them, by state: waiting, held (by any agent), delayed."}, []string{"queue", "state"}))
	gauge := func(name, help string) prometheus.Gauge {
		return process.Register(p, prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "siem", Subsystem: "input", Name: name, Help: help}, []string{"input"})).WithLabelValues(instance)
	}
	m.fetchLimit = gauge("fetch_limit", "How many objects are read at once, at most, now.")
	m.creditUsed = gauge("credit_used_bytes", "Credit that records without a verdict hold.")
	m.throttle = gauge("throttle_share", "The part of its usual rate that the input may take: 1 all it can, 0 stopped.")
	m.throttle.Set(1)
	waiting := process.Register(p, prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "siem", Subsystem: "input", Name: "waiting_messages",
		Help: "Messages that are held and not begun, by the pattern of priority that their log type fits, or other."}, []string{"input", "priority"}))
	for _, pattern := range append(slices.Clone(cfg.Priority), "other") {
		m.waiting = append(m.waiting, waiting.WithLabelValues(instance, pattern))
	}
	m.creditSize = gauge("credit_bytes", "memory_limit.")
	m.creditSize.Set(float64(credit.Limit()))
	return m
}

// limiter keeps one kind of log line from filling the log: ten a minute.
type limiter struct {
	mu    sync.Mutex
	lines map[string]*burst
}

type burst struct {
	since time.Time
	n     int
}

const (
	linesPer   = time.Minute
	linesMost  = 10
	linesKinds = 1000
)

// allow reports whether another line of a kind may be written.
func (l *limiter) allow(kind string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	b := l.lines[kind]
	if b == nil || now.Sub(b.since) > linesPer {
		if l.lines == nil || len(l.lines) > linesKinds {
			l.lines = map[string]*burst{}
		}
		b = &burst{since: now}
		l.lines[kind] = b
	}
	b.n++
	return b.n <= linesMost
}
