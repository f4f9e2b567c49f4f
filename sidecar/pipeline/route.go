package pipeline

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/code"
	"github.com/fluent-siem/fluent-siem/internal/lease"
)

// filter is a stage and what it wants to see.
type filter struct {
	name    string
	stage   Filter
	pattern pattern
}

// route is an input and the way of its events to the outputs. It is the
// input's [Sink].
type route struct {
	name    string // of the plugin, for the log
	tag     string // of events that come without one
	input   Input
	memory  *lease.Credit // bytes that no output has taken yet
	held    bool          // the input holds what its events came from until they are stored
	log     *slog.Logger
	filters []*filter
	outputs []*delivery

	appended atomic.Int64    // when Append was called last, Unix nanoseconds
	life     context.Context // of the input: when it ends, Append waits no longer

	mu   sync.Mutex
	tags map[string]*lane
}

// run runs the input until ctx is done. An input that ends before is started
// again, less and less eagerly.
func (r *route) run() {
	ctx := r.life
	const longest = time.Minute
	for wait := time.Second; ; wait = min(2*wait, longest) {
		began := time.Now()
		err := guard("input "+r.name, func() error { return r.input.Run(ctx, r) })
		if ctx.Err() != nil {
			if err != nil && ctx.Err() != err {
				r.log.Error("input stopped with an error", "error", err, code.Restarted.Attr())
			}
			return
		}
		if time.Since(began) > longest {
			wait = time.Second
		}
		r.log.Error("input ended too early; it is started again", "error", err, "wait", wait, code.Restarted.Attr())
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

func (r *route) pause() {
	if p, ok := r.input.(Pauser); ok {
		p.Pause()
	}
}

// lane returns what is known about tag.
func (r *route) lane(tag string) *lane {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l := r.tags[tag]; l != nil {
		return l
	}
	l := &lane{tag: tag}
	for _, f := range r.filters {
		if f.pattern.matches(tag) {
			l.filters = append(l.filters, f)
		}
	}
	for _, d := range r.outputs {
		if d.pattern.matches(tag) {
			l.outputs = append(l.outputs, d)
		}
	}
	if len(l.outputs) == 0 {
		r.log.Warn("no output matches this tag: its events are dropped, and the notifications they came from are not deleted; correct the match of an output", "tag", tag, code.NoOutput.Attr())
	}
	if r.tags == nil {
		r.tags = map[string]*lane{}
	}
	r.tags[tag] = l
	return l
}

// scratch are the buffers between filters.
var scratch = sync.Pool{New: func() any { return new([2][]byte) }}

// Append sends events through the filters into the chunk of their tag.
func (r *route) Append(ctx context.Context, tag string, _ int, buf []byte) error {
	if tag == "" {
		tag = r.tag
	}
	r.appended.Store(time.Now().UnixNano())
	l := r.lane(tag)
	spare := scratch.Get().(*[2][]byte)
	defer scratch.Put(spare)
	free := 0 // the spare buffer that buf is not in
	for _, f := range l.filters {
		err := guard("filter "+f.name, func() error {
			out, changed := f.stage.Process(spare[free][:0], tag, buf)
			if changed {
				buf, spare[free] = out, out
				free = 1 - free
			}
			return nil
		})
		if err != nil {
			r.log.Error("events were not taken; they come again", "tag", tag, "error", err, code.NotTaken.Attr())
			return err
		}
	}
	if len(l.outputs) == 0 {
		return nil
	}
	for len(buf) > 0 {
		part := cut(buf)
		buf = buf[len(part):]
		if err := r.take(ctx, int64(len(part))); err != nil {
			return err
		}
		l.add(part, r.memory)
	}
	return nil
}

// take takes memory for n bytes. It waits until there is room, ctx is done, or
// the input must end: an input may rely on an answer then.
func (r *route) take(ctx context.Context, n int64) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(r.life, cancel)()
	if err := r.memory.Take(ctx, n); err != nil {
		return fmt.Errorf("the outputs had no room for %d bytes until the input was stopped: %w", n, err)
	}
	return nil
}

// flush sends the open chunks of all tags.
func (r *route) flush() {
	r.mu.Lock()
	lanes := make([]*lane, 0, len(r.tags))
	for _, l := range r.tags {
		lanes = append(lanes, l)
	}
	r.mu.Unlock()
	for _, l := range lanes {
		l.mu.Lock()
		l.send(r.memory)
		l.mu.Unlock()
	}
}
