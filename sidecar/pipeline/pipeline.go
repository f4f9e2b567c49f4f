// Package pipeline runs a Fluent Bit configuration without Fluent Bit: our
// three plugins and the outputs stdout, file and null, in one process.
//
//	input ─▶ filters, in order ─▶ chunks, one per input and tag ─▶ every output that matches
//	  ▲  Append blocks                 ≤ 2 MB, sent each flush        queue, workers, retries
//	  └───────────────────── bytes on their way, at most mem_buf_limit ────────────┘
//
// The rules are Fluent Bit's: tags and their wildcards, match_regex, flush,
// grace, workers, retry_limit and its back-off. Two things are different, both
// to lose nothing: an input whose bytes exceed mem_buf_limit (default
// [DefaultMemory]) waits inside Append instead of being paused when it is too
// late, and nothing is dropped between input and output because a ring is full.
//
// # Promises
//
//   - Each output that matches a chunk gets it, in the order in which chunks of
//     one tag were filled while it needs no retry.
//   - A chunk is given up only when its retries are exhausted or when grace is
//     over, and then a log line says how many bytes and what became of them.
//   - When the context ends, inputs stop first, what is on its way is delivered
//     within grace, and only then outputs are closed. What an input has taken
//     back (unresolved leases) is not waited for.
//   - A panic in a stage is an error of that call. The pipeline goes on.
//
// Not promised: chunks are held in memory only (storage.* settings are read and
// ignored). Events of the s3_sqs input do not need more, because their
// notification stays in the queue until each record has its verdict.
package pipeline

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/code"
	"github.com/fluent-siem/fluent-siem/internal/process"
	"github.com/fluent-siem/fluent-siem/internal/settings"
	"github.com/fluent-siem/fluent-siem/sidecar/hostconfig"
)

// DefaultMemory bounds the bytes of filtered events, of one input, that no
// output has taken yet. The input's setting mem_buf_limit changes it.
const DefaultMemory settings.Bytes = 32 << 20

// chunkSize is the size at which Fluent Bit closes a chunk.
const chunkSize = 2_000_000

// Pipeline is one configuration, ready to run once.
type Pipeline struct {
	service service
	routes  []*route // one per input
	filters []*filter
	outputs []*delivery
	log     *slog.Logger
	options options
}

type options struct {
	log      *slog.Logger
	stopping func(bool)
	metrics  *metrics
	wait     func(attempt int) time.Duration
}

// Option is the program's, or a test's.
type Option func(*options)

// WithLog sends log lines to l instead of [slog.Default].
func WithLog(l *slog.Logger) Option { return func(o *options) { o.log = l } }

// WithStopping has f called with true when inputs begin to stop, so that
// outputs do not wait long, and with false when the pipeline starts.
func WithStopping(f func(bool)) Option { return func(o *options) { o.stopping = f } }

// WithMetrics has the pipeline count what it does among the metrics of pr.
func WithMetrics(pr *process.Process) Option {
	return func(o *options) { o.metrics = newMetrics(pr) }
}

// WithRetryWait replaces Fluent Bit's back-off; attempt counts from 1.
func WithRetryWait(f func(attempt int) time.Duration) Option {
	return func(o *options) { o.wait = f }
}

// New makes the stages that file names, of the plugins in kit. The error names
// every problem and the line it is in; nothing runs then.
func New(file *hostconfig.File, kit Kit, opts ...Option) (*Pipeline, error) {
	p := &Pipeline{}
	for _, opt := range opts {
		opt(&p.options)
	}
	if p.log = p.options.log; p.log == nil {
		p.log = slog.Default()
	}
	b := builder{file: file, kit: kit, p: p}
	b.build()
	for _, w := range b.warnings { // first: they may explain the problems
		p.log.Warn(w.Text, "at", w.At.String(), code.Doubtful.Attr())
	}
	if err := file.Fail(b.problems); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// Run runs the pipeline until ctx is done, then stops it gracefully within the
// service's grace. The error, if any, says what could not be delivered.
func (p *Pipeline) Run(ctx context.Context) error {
	if p.options.stopping != nil {
		p.options.stopping(false)
	}
	detached := context.WithoutCancel(ctx)
	inputs, stopInputs := context.WithCancel(detached)
	outputs, stopOutputs := context.WithCancel(detached)
	defer stopInputs()
	defer stopOutputs()

	var workers, readers sync.WaitGroup
	for _, d := range p.outputs {
		d.start(outputs, &workers)
	}
	flushing := make(chan struct{})
	workers.Go(func() { p.flushLoop(flushing) })
	for _, r := range p.routes {
		r.life = inputs
		readers.Go(r.run)
	}
	p.log.Info("pipeline started", "inputs", len(p.routes), "filters", len(p.filters), "outputs", len(p.outputs))

	<-ctx.Done()
	began := time.Now()
	p.log.Info("pipeline stopping", "grace", settings.FormatDuration(p.service.grace))
	err := p.drain(stopInputs, &readers)
	for _, d := range p.outputs {
		d.shut()
	}
	stopOutputs()
	close(flushing)
	if !within(2*time.Second, workers.Wait) {
		p.log.Error("an output does not return from its call, which is a bug in it; it is left behind", code.SlowStop.Attr())
	}
	p.Close()
	p.log.Info("pipeline stopped", "after", time.Since(began).Round(time.Millisecond))
	return err
}

// drain stops the inputs and delivers what is on its way, all within grace. In
// its first part inputs begin nothing new and may finish what they are at; in
// the second they are stopped, and give their leases back.
func (p *Pipeline) drain(stopInputs func(), readers *sync.WaitGroup) error {
	if p.options.stopping != nil {
		p.options.stopping(true)
	}
	grace := p.service.grace
	end := time.After(grace)
	second := time.After(max(grace/2, grace-10*time.Second))
	for _, r := range p.routes {
		r.pause()
	}
	for first := true; first && p.busy(); {
		p.flush()
		p.hurry()
		select {
		case <-second:
			first = false
		case <-time.After(20 * time.Millisecond):
		}
	}
	stopInputs()
	stopped := make(chan struct{})
	go func() {
		readers.Wait()
		close(stopped)
	}()
	for inputs := true; inputs || p.undelivered(mine) > 0; {
		p.flush()
		p.hurry()
		select {
		case <-end:
			if inputs {
				p.log.Warn("an input did not stop within grace; its notifications return to their queue when their visibility timeout is over", code.SlowStop.Attr())
			}
			return p.left()
		case <-stopped:
			inputs, stopped = false, nil
		case <-time.After(20 * time.Millisecond):
		}
	}
	return p.left()
}

// left says what was not delivered. That is an error only if it is lost.
func (p *Pipeline) left() error {
	if n := p.undelivered(theirs); n > 0 {
		p.log.Warn("not everything was delivered; nothing is lost: the notifications were given back and come again", "bytes", n, code.NotOver.Attr())
	}
	if n := p.undelivered(mine); n > 0 {
		return fmt.Errorf("grace of %s is over, and %d bytes in memory are lost, because no output took them and nobody holds them any more; set a longer grace, or see above why the output refused them",
			settings.FormatDuration(p.service.grace), n)
	}
	return nil
}

// quiet is how long an input that was paused appends nothing when it has
// finished what it was at.
const quiet = 100 * time.Millisecond

// busy tells whether events are on their way, or were a moment ago.
func (p *Pipeline) busy() bool {
	for _, r := range p.routes {
		if time.Since(time.Unix(0, r.appended.Load())) < quiet {
			return true
		}
	}
	return p.undelivered(mine)+p.undelivered(theirs) > 0
}

// Whose task it is not to lose what waits for an output.
const (
	theirs = true  // the input's: it holds the events' notifications until they are stored
	mine   = false // the pipeline's
)

// undelivered is how many bytes of that kind wait for an output.
func (p *Pipeline) undelivered(held bool) (n int64) {
	for _, r := range p.routes {
		if r.held == held {
			n += r.memory.Used()
		}
	}
	return n
}

func (p *Pipeline) flushLoop(done <-chan struct{}) {
	tick := time.NewTicker(p.service.flush)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
			p.flush()
		}
	}
}

// flush sends every open chunk on its way.
func (p *Pipeline) flush() {
	for _, r := range p.routes {
		r.flush()
		p.options.metrics.wait(r.name, r.memory.Used())
	}
}

// hurry makes every waiting retry at once.
func (p *Pipeline) hurry() {
	for _, d := range p.outputs {
		d.hurry()
	}
}

// Close closes the stages of a pipeline that never ran; Run does it by itself.
func (p *Pipeline) Close() {
	for _, f := range p.filters {
		f.stage.Close()
	}
	for _, d := range p.outputs {
		if err := d.stage.Close(); err != nil {
			p.log.Error("output did not close cleanly", "output", d.name, "error", err, code.OutputEnd.Attr())
		}
	}
}

// within calls f and reports whether it returned in time.
func within(limit time.Duration, f func()) bool {
	done := make(chan struct{})
	go func() {
		f()
		close(done)
	}()
	select {
	case <-done:
		return true
	case <-time.After(limit):
		return false
	}
}

// panicError is what became of a panic.
type panicError struct {
	what  string
	value any
	stack []byte
}

func (e *panicError) Error() string {
	return fmt.Sprintf("%s panicked, which is a bug in it: %v\n%s", e.what, e.value, e.stack)
}

// guard turns a panic of f into an error.
func guard(what string, f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &panicError{what, v, debug.Stack()}
		}
	}()
	return f()
}
