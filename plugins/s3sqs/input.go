package s3sqs

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"sync"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/lease"
	"github.com/fluent-siem/fluent-siem/internal/process"
	"github.com/fluent-siem/fluent-siem/plugins/s3sqs/split"
)

// Sink is the host that the records go to.
type Sink interface {
	// Append hands over whole events of one tag and blocks until the host has
	// them; events is reused after it returns. An error means that the host does
	// not have them.
	Append(ctx context.Context, tag string, records int, events []byte) error
}

// Input is one instance of the plugin.
type Input struct {
	cfg      Config
	p        *process.Process
	log      *slog.Logger
	tag      string
	credit   *lease.Credit
	pace     *pace
	ignore   []*regexp.Regexp
	limits   split.Limits
	timing   timing
	metrics  *metrics
	lines    limiter
	failures failures

	mu     sync.Mutex
	paused bool
	gate   *gate // of the run under way
}

// timing are the durations that tests shorten.
type timing struct {
	poll    int32         // seconds of one long poll
	ceiling time.Duration // how long a message is held at most
	flush   time.Duration // how long a record waits in a buffer
	gather  time.Duration // how long a delete waits for others
	denied  time.Duration // first back-off of a message that cannot be read
	retry   time.Duration // first wait between two tries to fetch
	tries   int           // to fetch without a byte in between
	stall   time.Duration // without a byte until a connection counts as broken
	start   time.Duration // first wait when the start fails
	depth   time.Duration // between two questions how much waits in a queue; SQS takes up to a minute to know
}

// Option is the program's wish, or a test's.
type Option func(*Input)

// WithTag sets the beginning of the tags; the log type follows behind a dot.
// Default "siem".
func WithTag(prefix string) Option {
	return func(in *Input) {
		if prefix != "" {
			in.tag = prefix
		}
	}
}

// WithLogger makes the Input log to log instead of the default logger.
func WithLogger(log *slog.Logger) Option { return func(in *Input) { in.log = log } }

// New returns an Input that is ready to run. Only a configuration that cannot
// work is an error: queues, network and credentials may come later.
func New(cfg Config, p *process.Process, opts ...Option) (*Input, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("s3_sqs input:\n%w", err)
	}
	in := &Input{
		cfg: cfg, p: p, log: slog.Default(), tag: "siem",
		credit: lease.NewCredit(int64(cfg.MemoryLimit)),
		pace:   newPace(),
		limits: split.Limits{Record: int64(cfg.RecordLimit), Object: int64(cfg.ObjectLimit), Ratio: cfg.RatioLimit, Spool: int64(cfg.SpoolLimit)},
		timing: timing{
			poll:    20,
			ceiling: 12*time.Hour - 15*time.Minute,
			flush:   50 * time.Millisecond,
			gather:  50 * time.Millisecond,
			denied:  30 * time.Second,
			retry:   200 * time.Millisecond,
			tries:   6,
			stall:   30 * time.Second,
			start:   time.Second,
			depth:   30 * time.Second,
		},
	}
	for _, o := range opts {
		o(in)
	}
	for _, k := range cfg.IgnoreKeys {
		in.ignore = append(in.ignore, regexp.MustCompile(k)) // Validate has compiled it
	}
	in.metrics = newMetrics(p, in.tag, cfg, in.credit)
	p.SetSettings("s3_sqs", cfg)
	return in, nil
}

// Pause makes the Input receive no further messages and begin none. What was
// begun goes on.
func (in *Input) Pause() { in.setPaused(true) }

// Resume ends a Pause.
func (in *Input) Resume() { in.setPaused(false) }

func (in *Input) setPaused(paused bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.paused = paused
	if in.gate != nil {
		in.gate.pause(paused)
	}
}
