package opensearch

import (
	"context"
	"sync"
	"time"
)

// limiter decides how many requests may be in flight: one more after a round
// of quick answers, a quarter fewer when the cluster refuses a whole request
// because it is busy, a tenth fewer when answers take much longer than they used
// to. Of a request that it refuses in part, each part pulls its way: where a
// single request already asks more shards than their queue holds, fewer requests
// would not help. It may be shared.
type limiter struct {
	max     float64
	changed func(limit float64, inFlight int) // for metrics

	mu       sync.Mutex
	limit    float64
	inFlight int
	waiting  []chan struct{}
	usual    float64   // seconds that an answer takes, moving average
	cut      time.Time // of the last decrease
}

func newLimiter(ceiling int, changed func(float64, int)) *limiter {
	return &limiter{max: float64(ceiling), limit: min(2, float64(ceiling)), changed: changed}
}

// acquire waits until one more request may be sent. release must follow.
func (l *limiter) acquire(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	l.mu.Lock()
	if l.inFlight < int(l.limit) {
		l.inFlight++
		l.changed(l.limit, l.inFlight)
		l.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	l.waiting = append(l.waiting, turn)
	l.mu.Unlock()
	select {
	case <-turn: // the place was taken for us
		return nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, w := range l.waiting {
		if w == turn {
			l.waiting = append(l.waiting[:i], l.waiting[i+1:]...)
			return context.Cause(ctx)
		}
	}
	l.inFlight-- // the turn came in the same moment: pass it on
	l.next()
	return context.Cause(ctx)
}

// release ends a request that took d; refused is the part of it that the cluster
// had too much to do for, from 0 to 1.
func (l *limiter) release(d time.Duration, refused float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	s := d.Seconds()
	// One cut for each round of requests: they all tell of the same moment.
	again := now.Sub(l.cut) > max(d, 100*time.Millisecond)
	switch {
	case refused == 1 && again:
		l.limit, l.cut = max(1, l.limit*0.75), now
	case refused == 1:
	case refused > 0:
		more := 0.0
		if l.inFlight >= int(l.limit) {
			more = (1 - refused) / l.limit
		}
		l.limit = min(l.max, max(1, l.limit+more-refused/3))
	case l.usual > 0 && s > 3*l.usual && s > 0.5 && again:
		l.limit, l.cut = max(1, l.limit*0.9), now
	case l.inFlight >= int(l.limit) && again:
		l.limit = min(l.max, l.limit+1/l.limit)
	}
	if refused == 0 {
		if l.usual == 0 {
			l.usual = s
		}
		l.usual += 0.1 * (s - l.usual) / l.limit // a tenth for each round
	}
	l.inFlight--
	l.next()
}

// next lets those in who fit.
func (l *limiter) next() {
	for len(l.waiting) > 0 && l.inFlight < int(l.limit) {
		close(l.waiting[0])
		l.waiting = l.waiting[1:]
		l.inFlight++
	}
	l.changed(l.limit, l.inFlight)
}
