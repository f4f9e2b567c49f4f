package pipeline

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/code"
)

// noLimit is a delivery.limit that never gives up.
const noLimit = -1

// delivery is an output, its queue, and its workers.
type delivery struct {
	name    string
	stage   Output
	pattern pattern
	workers int
	limit   int // retries after the first try, or noLimit
	wait    func(attempt int) time.Duration
	log     *slog.Logger
	metrics *metrics

	mu      sync.Mutex
	filled  sync.Cond // of mu: queue or shutting changed
	queue   []*parcel
	waiting map[*parcel]*time.Timer // for their retry
	hurried bool                    // the pipeline stops: retries wait a second at most
	closed  bool
}

// parcel is a chunk on its way to one output.
type parcel struct {
	chunk *chunk
	tries int
}

// start runs the workers until [delivery.shut]; calls of the output get ctx.
func (d *delivery) start(ctx context.Context, workers *sync.WaitGroup) {
	d.filled.L = &d.mu
	d.waiting = map[*parcel]*time.Timer{}
	for range d.workers {
		workers.Go(func() {
			for p := d.take(); p != nil; p = d.take() {
				d.deliver(ctx, p)
			}
		})
	}
}

// put queues a chunk. It never blocks: the memory of the route is the bound.
func (d *delivery) put(p *parcel) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.waiting, p)
	d.queue = append(d.queue, p)
	d.filled.Signal()
}

// take waits for the next chunk. It returns nil when there will be none.
func (d *delivery) take() *parcel {
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.queue) == 0 && !d.closed {
		d.filled.Wait()
	}
	if d.closed {
		return nil
	}
	p := d.queue[0]
	d.queue[0] = nil
	d.queue = d.queue[1:]
	return p
}

// deliver tries once, and arranges for the next try if that fails.
func (d *delivery) deliver(ctx context.Context, p *parcel) {
	err := guard("output "+d.name, func() error { return d.stage.Write(ctx, p.chunk.tag, p.chunk.data) })
	if err == nil {
		d.metrics.chunk(d.name, "delivered")
		p.chunk.release()
		return
	}
	var bug *panicError
	if errors.As(err, &bug) { // what the output has begun may still go on
		p.chunk.held.Store(true)
	}
	p.tries++
	log := d.log.With("tag", p.chunk.tag, "bytes", len(p.chunk.data), "tries", p.tries, "error", err)
	if d.limit != noLimit && p.tries > d.limit {
		d.metrics.chunk(d.name, "dropped")
		log.Error("retries are exhausted and the chunk is dropped; a notification it came from is not deleted and comes again. Set retry_limit: no_limits to keep trying", code.ChunkDropped.Attr())
		p.chunk.release()
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	wait := d.wait(p.tries)
	if d.hurried {
		wait = min(wait, time.Second)
	}
	d.metrics.chunk(d.name, "retried")
	log.Warn("output did not take the chunk; it is tried again", "wait", wait, code.ChunkWaits.Attr())
	d.waiting[p] = time.AfterFunc(wait, func() { d.put(p) })
}

// hurry makes every retry that waits now, once, and later ones within a second.
func (d *delivery) hurry() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.hurried {
		return
	}
	d.hurried = true
	for p, timer := range d.waiting {
		if timer.Stop() {
			delete(d.waiting, p)
			d.queue = append(d.queue, p)
			d.filled.Signal()
		}
	}
}

// shut ends the workers after what they do now.
func (d *delivery) shut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	for _, timer := range d.waiting {
		timer.Stop()
	}
	d.filled.Broadcast()
}

// backOff is how long Fluent Bit waits before a retry: a random time between
// base and base·2ⁿ, the latter at most limit, and a second more.
func backOff(base, limit time.Duration) func(attempt int) time.Duration {
	return func(attempt int) time.Duration {
		most := min(base<<min(attempt, 20), limit)
		if most <= base {
			return base + time.Second
		}
		return base + rand.N(most-base) + time.Second
	}
}
