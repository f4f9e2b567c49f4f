package s3sqs

import (
	"context"
	"sync"
	"time"
)

// gate decides when a receiver may ask for messages: only for what can start
// now. It adapts how many objects are read at once: more while receivers wait
// and the pipeline has room, fewer when the pipeline is full or S3 says slow down.
type gate struct {
	in   *Input
	mu   sync.Mutex
	wake chan struct{} // closed and replaced when something changes

	paused  bool
	active  int   // messages that are being read
	closing int   // messages that are done and not deleted yet
	bytes   int64 // of the objects that are being read, as announced
	limit   int   // of active
	wanted  bool  // a receiver was held up by the limit
	slow    bool  // S3 asked for fewer requests
	ceiling int
}

const (
	gateStart   = 4
	gateLeast   = 2
	gateWindow  = 512 << 20              // announced bytes being read; one object may be larger
	gateClosing = 1000                   // messages that wait for their delete: when none works, none is received
	gateTick    = 250 * time.Millisecond // between two adaptations
	gateLook    = 10 * time.Millisecond  // how soon free credit is noticed
)

func newGate(in *Input) *gate {
	return &gate{in: in, wake: make(chan struct{}), limit: min(gateStart, in.cfg.MaxFetches), ceiling: in.cfg.MaxFetches}
}

// wait blocks until at least one message could start, and returns how many could.
func (g *gate) wait(ctx context.Context) (int, error) {
	for {
		g.mu.Lock()
		wake := g.wake
		free := g.limit - g.active
		switch {
		case g.paused || g.in.pace.stopped() || g.bytes >= gateWindow || g.closing >= gateClosing:
		case free <= 0:
			g.wanted = true
		case g.in.credit.Used() < g.in.credit.Limit()/4*3:
			g.mu.Unlock()
			return free, nil
		}
		g.mu.Unlock()
		timer := time.NewTimer(gateLook)
		select {
		case <-wake:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return 0, ctx.Err()
		}
		timer.Stop()
	}
}

// enter and leave enclose the reading of one message.
func (g *gate) enter() { g.change(func() { g.active++ }) }
func (g *gate) leave() { g.change(func() { g.active-- }) }

// begin and end enclose the reading of one object of n bytes.
func (g *gate) begin(n int64) { g.change(func() { g.bytes += n }) }
func (g *gate) end(n int64)   { g.change(func() { g.bytes -= n }) }

// close and closed enclose the delete of one message.
func (g *gate) close()  { g.change(func() { g.closing++ }) }
func (g *gate) closed() { g.change(func() { g.closing-- }) }

func (g *gate) pause(p bool) { g.change(func() { g.paused = p }) }

// slower says that S3 asks for fewer requests.
func (g *gate) slower() { g.change(func() { g.slow = true }) }

func (g *gate) change(f func()) {
	g.mu.Lock()
	f()
	close(g.wake)
	g.wake = make(chan struct{})
	g.mu.Unlock()
}

// adapt moves the limit until ctx is done.
func (g *gate) adapt(ctx context.Context) {
	for sleep(ctx, gateTick) {
		used, size := g.in.credit.Used(), g.in.credit.Limit()
		g.change(func() {
			switch {
			case g.slow:
				g.limit /= 2
			case used > size/10*9:
				g.limit -= g.limit/8 + 1
			case g.wanted && used < size/2:
				g.limit += g.limit/2 + 1
			}
			g.limit = max(min(g.limit, g.ceiling), min(gateLeast, g.ceiling))
			g.slow, g.wanted = false, false
			g.in.metrics.fetchLimit.Set(float64(g.limit))
			g.in.metrics.creditUsed.Set(float64(used))
		})
	}
}
