package opensearch

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func testLimiter(ceiling int) (*limiter, *atomic.Int64) {
	var inFlight atomic.Int64
	return newLimiter(ceiling, func(_ float64, n int) { inFlight.Store(int64(n)) }), &inFlight
}

// rounds lets many send through l; answers take d, and every busy-th says that
// the cluster is busy (0: none).
func rounds(t *testing.T, l *limiter, d, total time.Duration, busy int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), total)
	defer cancel()
	var n atomic.Int64
	done := make(chan struct{})
	const senders = 30
	for range senders {
		go func() {
			defer func() { done <- struct{}{} }()
			for l.acquire(ctx) == nil {
				time.Sleep(d)
				l.release(d, wholly(busy > 0 && n.Add(1)%int64(busy) == 0))
			}
		}()
	}
	for range senders {
		<-done
	}
}

// Quick answers raise the limit to its ceiling, busy ones bring it down, and it
// comes back.
func TestLimitAdapts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, inFlight := testLimiter(20)
		rounds(t, l, 50*time.Millisecond, 10*time.Second, 0)
		if l.limit != 20 {
			t.Errorf("after quick answers the limit is %v", l.limit)
		}
		rounds(t, l, 50*time.Millisecond, 10*time.Second, 2)
		if l.limit > 3 {
			t.Errorf("of a busy cluster, the limit is %v", l.limit)
		}
		rounds(t, l, 50*time.Millisecond, 10*time.Second, 0)
		if l.limit != 20 {
			t.Errorf("afterwards the limit is %v", l.limit)
		}
		if l.inFlight != 0 || inFlight.Load() != 0 || len(l.waiting) != 0 {
			t.Errorf("%d in flight, %d wait, at the end", l.inFlight, len(l.waiting))
		}
	})
}

// Answers that take much longer than usual lower the limit.
func TestLimitFallsWhenAnswersGetSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := testLimiter(20)
		rounds(t, l, 200*time.Millisecond, 20*time.Second, 0)
		before := l.limit
		rounds(t, l, 2*time.Second, 5*time.Second, 0)
		if l.limit >= before {
			t.Errorf("the limit was %v and is %v", before, l.limit)
		}
	})
}

// Never more are in flight than the limit allows, and a place that is given
// to somebody who has just gone away is not lost.
func TestLimitIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := testLimiter(1)
		if err := l.acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan error)
		go func() { gone <- l.acquire(ctx) }()
		synctest.Wait()
		cancel()
		l.release(time.Millisecond, 0) // the place and the end come together
		if err := <-gone; err == nil {
			l.release(time.Millisecond, 0)
		}
		if err := l.acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		if l.inFlight != 1 || len(l.waiting) != 0 {
			t.Errorf("%d in flight, %d wait", l.inFlight, len(l.waiting))
		}
	})
}

func TestBackoff(t *testing.T) {
	for n := range 100 {
		d := backoff(n, 100*time.Millisecond, 5*time.Second)
		whole := min(100*time.Millisecond<<min(n, 20), 5*time.Second)
		if d < whole/2 || d > whole {
			t.Errorf("after %d failures %v", n, d)
		}
	}
}
