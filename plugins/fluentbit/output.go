package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/code"
	"github.com/fluent-siem/fluent-siem/internal/event"
	"github.com/fluent-siem/fluent-siem/internal/process"
)

// What a flush answers. Anything else, and failed itself, drops the chunk.
const (
	flushFailed = 0
	flushDone   = 1
	flushRetry  = 2
)

const (
	// flushWithin bounds a flush: the host waits for it when it stops.
	flushWithin = 30 * time.Second
	// flushStopping is the bound while the host seems to be stopping.
	flushStopping = 4 * time.Second
	// complainEvery keeps a cluster that is down from filling the log.
	complainEvery = 10 * time.Second
)

// writer is what an output instance needs of [opensearch.Writer].
type writer interface {
	Write(ctx context.Context, tag string, chunk []byte) error
	Close() error
}

// output is one instance. Until open has succeeded it is degraded: every chunk
// is to be retried.
type output struct {
	name string
	open func() (writer, error)

	ctx    context.Context
	cancel context.CancelFunc
	opened sync.WaitGroup

	workers workers

	mu     sync.Mutex
	writer writer

	complained atomic.Int64 // when, in Unix nanoseconds
	silent     atomic.Int64 // retries since
}

// newOutput opens the writer, now if it can, else in the background.
func newOutput(name string, open func() (writer, error)) *output {
	o := &output{name: name, open: open}
	o.workers.init()
	o.ctx, o.cancel = context.WithCancel(context.Background())
	if !o.tryOpen() {
		o.opened.Add(1)
		go o.keepOpening()
	}
	return o
}

func (o *output) tryOpen() bool {
	w, err := o.open()
	if err != nil {
		problem := fmt.Sprintf("%s cannot start: %v", o.name, err)
		process.Shared().SetHealth(o.name, code.Restarted.In(problem))
		slog.Error(problem+"; its chunks wait and it is tried again", code.Restarted.Attr())
		return false
	}
	process.Shared().SetHealth(o.name, "")
	o.mu.Lock()
	defer o.mu.Unlock()
	o.writer = w
	return true
}

func (o *output) keepOpening() {
	defer o.opened.Done()
	for wait := time.Second; ; wait = min(2*wait, time.Minute) {
		select {
		case <-time.After(wait):
		case <-o.ctx.Done():
			return
		}
		if guard("start of "+o.name, false, o.tryOpen) {
			return
		}
	}
}

// flush writes one chunk and says what the host shall do with it. The chunk is
// the host's memory.
func (o *output) flush(tag string, chunk []byte) int {
	o.mu.Lock()
	w := o.writer
	o.mu.Unlock()
	err := errNotStarted
	if w != nil {
		within := flushWithin
		if process.Shared().Stopping.Load() {
			within = flushStopping
		}
		ctx, cancel := context.WithTimeout(o.ctx, within)
		defer cancel()
		defer context.AfterFunc(engine.running(), cancel)()
		err = guard("flush of "+o.name, errBug, func() error { return w.Write(ctx, tag, chunk) })
	}
	if err == nil {
		return flushDone
	}
	o.complain(tag, err)
	// A reload waits without a limit for chunks that are to be retried. Those
	// of an input of ours come again: it gives its notifications back.
	if reloading.Load() && leased(chunk) {
		return flushFailed
	}
	return flushRetry
}

// complain logs that a chunk is to be retried, at most once in a while.
func (o *output) complain(tag string, err error) {
	now, last := time.Now().UnixNano(), o.complained.Load()
	if now-last < int64(complainEvery) || !o.complained.CompareAndSwap(last, now) {
		o.silent.Add(1)
		return
	}
	slog.Warn("a chunk is not stored yet and will be retried", "output", o.name, "tag", tag, "error", err, "also", o.silent.Swap(0), code.ChunkWaits.Attr())
}

// leased tells whether the events of a chunk come from an input of ours.
func leased(chunk []byte) bool {
	for len(chunk) > 0 {
		ev, rest, err := event.Next(chunk)
		if err != nil {
			return false
		}
		if !ev.Group {
			return ev.HasOrigin
		}
		chunk = rest
	}
	return false
}

// exit closes the writer; no flush is under way then.
func (o *output) exit() {
	o.cancel()
	o.workers.exit()
	o.opened.Wait()
	o.mu.Lock()
	w := o.writer
	o.writer = nil
	o.mu.Unlock()
	process.Shared().SetHealth(o.name, "")
	if w == nil {
		return
	}
	if err := w.Close(); err != nil {
		slog.Warn("the output did not close cleanly; every chunk it confirmed is stored", "output", o.name, "error", err, code.OutputEnd.Attr())
	}
}
