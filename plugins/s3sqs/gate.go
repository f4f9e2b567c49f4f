package s3sqs

import (
	"context"
	"sync"
	"time"
)

// gate decides when a receiver may ask for messages, and which of those that are
// held is read next and when. It adapts how many are read at once: more while some
// wait and the pipeline has room, fewer when the pipeline is full or S3 says slow down.
type gate struct {
	in   *Input
	mu   sync.Mutex
	wake chan struct{} // closed and replaced when something changes

	lanes   lanes
	paused  bool
	active  int   // messages that are being read
	closing int   // messages that are done and not deleted yet
	bytes   int64 // of the objects that are being read, as announced
	limit   int   // of active
	wanted  bool  // a message was held up by the limit
	slow    bool  // S3 asked for fewer requests
	ceiling int
}

const (
	gateStart   = 4
	gateLeast   = 2
	gateUrgent  = 8                      // messages that are read beyond the limit when they are urgent
	gateWindow  = 512 << 20              // announced bytes being read; one object may be larger
	gateClosing = 1000                   // messages that wait for their delete: when none works, none is received
	gateHeld    = 8 << 20                // bytes of the messages of one queue that are held and not begun
	gateTick    = 250 * time.Millisecond // between two adaptations
	gateLook    = 10 * time.Millisecond  // how soon free credit is noticed
)

func newGate(in *Input) *gate {
	return &gate{in: in, wake: make(chan struct{}), limit: min(gateStart, in.cfg.MaxFetches), ceiling: in.cfg.MaxFetches,
		lanes: newLanes(len(in.cfg.Priority), in.cfg.FreshFor)}
}

// room blocks until the queue may be asked for messages, and returns for how many.
func (g *gate) room(ctx context.Context, q *queue) (n int, err error) {
	err = g.await(ctx, func() bool {
		n = g.in.cfg.LookAhead - q.ahead
		if g.free() {
			n += max(g.limit-g.active, 0)
		}
		return !g.shut() && n > 0 && q.aheadBytes < gateHeld
	})
	return n, err
}

// put adds a message to those that are to be read.
func (g *gate) put(h *hold) {
	g.change(func() {
		g.lanes.put(h)
		h.q.ahead++
		h.q.aheadBytes += h.size
	})
}

// drop takes a message away that is not to be read. It reports false when its
// reading has begun.
func (g *gate) drop(h *hold) (dropped bool) {
	g.change(func() { dropped = g.take(h) })
	return dropped
}

func (g *gate) take(h *hold) bool {
	if !g.lanes.take(h) {
		return false
	}
	h.q.ahead--
	h.q.aheadBytes -= h.size
	return true
}

// next blocks until a message may be read, and returns it. It counts as active
// until leave. Urgent ones have places of their own, and do not wait for credit
// before they begin.
func (g *gate) next(ctx context.Context) (h *hold, err error) {
	err = g.await(ctx, func() bool {
		if g.shut() {
			return false
		}
		now := time.Now()
		switch {
		case g.free() && g.active < g.limit:
			h = g.lanes.next(now)
		case g.active < g.limit+gateUrgent:
			h = g.lanes.urgent(now)
		}
		if h == nil {
			g.wanted = g.wanted || g.active >= g.limit && g.lanes.arrival.Len() > 0
			return false
		}
		h.urgent = h.rank < len(g.in.cfg.Priority) && g.lanes.isFresh(h, now)
		g.take(h)
		g.lanes.began()
		g.active++
		g.wakeAll()
		return true
	})
	return h, err
}

// await blocks until ready says so, which is called with the lock held.
func (g *gate) await(ctx context.Context, ready func() bool) error {
	for ctx.Err() == nil {
		g.mu.Lock()
		ok, wake := ready(), g.wake
		g.mu.Unlock()
		if ok {
			return nil
		}
		timer := time.NewTimer(gateLook)
		select {
		case <-wake:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
	return ctx.Err()
}

// shut reports whether nothing may be received or begun.
func (g *gate) shut() bool { return g.paused || g.in.pace.stopped() || g.closing >= gateClosing }

// free reports whether the pipeline has room for another object.
func (g *gate) free() bool {
	return g.bytes < gateWindow && g.in.credit.Used() < g.in.credit.Limit()/4*3
}

// leave says that the reading of a message is over.
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
	g.wakeAll()
	g.mu.Unlock()
}

func (g *gate) wakeAll() {
	close(g.wake)
	g.wake = make(chan struct{})
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
			for i, lane := range g.lanes.byRank {
				g.in.metrics.waiting[i].Set(float64(len(lane)))
			}
		})
	}
}
