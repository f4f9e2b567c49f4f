package s3sqs

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/fluent-siem/fluent-siem/internal/throttle"
)

// pace holds the reading of records back as an order says. What is usual for an
// input is what it read in a second of late, counted while it was free.
type pace struct {
	limiter *rate.Limiter

	mu    sync.Mutex
	go_   chan struct{} // closed while reading is allowed at all
	stop  bool
	order throttle.Order
	read  int64   // bytes since the last tick
	usual float64 // bytes a second
}

const (
	paceTick  = time.Second
	paceBurst = 1 << 20
	paceLeast = 64 << 10 // bytes a second: less than that is stopped
	// paceMemory is how many seconds a tick's rate is remembered for: a share is
	// one of what the last minute was like.
	paceMemory = 60
)

func newPace() *pace {
	open := make(chan struct{})
	close(open)
	return &pace{limiter: rate.NewLimiter(rate.Inf, paceBurst), go_: open}
}

// set puts an order into force.
func (p *pace) set(o throttle.Order) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.order = o
	switch {
	case o.Stop && !p.stop:
		p.stop, p.go_ = true, make(chan struct{})
	case !o.Stop && p.stop:
		p.stop = false
		close(p.go_)
	}
	p.limiter.SetLimit(p.limit())
}

// limit is the rate of the order in force.
func (p *pace) limit() rate.Limit {
	if p.order.Share == 0 {
		return rate.Inf
	}
	return rate.Limit(max(p.order.Share*p.usual, paceLeast))
}

// tick counts what is usual until ctx is done.
func (p *pace) tick(ctx context.Context) {
	for sleep(ctx, paceTick) {
		p.mu.Lock()
		if now := float64(p.read) / paceTick.Seconds(); p.order.Share == 0 && !p.stop {
			// The fastest of late: an idle input is no slow one.
			p.usual = max(now, p.usual*(1-1./paceMemory))
		}
		p.read = 0
		p.mu.Unlock()
	}
}

// stopped reports whether nothing may be taken.
func (p *pace) stopped() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stop
}

// wait blocks until n more bytes may be read.
func (p *pace) wait(ctx context.Context, n int64) error {
	p.mu.Lock()
	allowed := p.go_
	p.read += n
	p.mu.Unlock()
	select {
	case <-allowed:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	for n > 0 {
		step := min(n, paceBurst)
		if err := p.limiter.WaitN(ctx, int(step)); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return err
		}
		n -= step
	}
	return nil
}
