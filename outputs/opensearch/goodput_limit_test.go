package opensearch

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// tinyNode is a node of two threads whose write queue holds two more. A request
// is a task for each of its shards.
type tinyNode struct {
	threads, places chan struct{}
	task            time.Duration
}

// bulk returns how many tasks were refused.
func (n *tinyNode) bulk(tasks int) (refused int) {
	const way = 2 * time.Millisecond
	time.Sleep(way)
	done := make(chan struct{}, tasks)
	for range tasks {
		select {
		case n.places <- struct{}{}:
			go func() {
				n.threads <- struct{}{}
				time.Sleep(n.task)
				<-n.threads
				<-n.places
				done <- struct{}{}
			}()
		default:
			refused++
		}
	}
	for range tasks - refused {
		<-done
	}
	time.Sleep(way)
	return refused
}

// goodputOf is how many requests a second are stored in a minute, with so many
// in flight; 0 lets the limiter decide.
func goodputOf(t *testing.T, shards, fixed int) (rate float64) {
	synctest.Test(t, func(t *testing.T) {
		n := &tinyNode{make(chan struct{}, 2), make(chan struct{}, 4), 20 * time.Millisecond / time.Duration(shards)}
		l := newLimiter(8, func(float64, int) {})
		if fixed > 0 {
			l = fixedLimiter(fixed)
		}
		const minute = time.Minute
		ctx, cancel := context.WithTimeout(t.Context(), minute)
		defer cancel()
		const senders = 16
		stored := make(chan int)
		for range senders {
			go func() {
				sum := 0
				defer func() { stored <- sum }()
				for {
					for left, tries := shards, 0; left > 0; tries++ {
						if tries > 0 {
							time.Sleep(backoff(tries-1, 100*time.Millisecond, 5*time.Second))
						}
						if l.acquire(ctx) != nil {
							return
						}
						begun := time.Now()
						refused := n.bulk(left)
						l.release(time.Since(begun), float64(refused)/float64(left))
						if refused < left {
							tries = 0
						}
						sum += left - refused
						left = refused
					}
				}
			}()
		}
		tasks := 0
		for range senders {
			tasks += <-stored
		}
		rate = float64(tasks) / float64(shards) / minute.Seconds()
	})
	return rate
}

// fixedLimiter lets n requests be in flight, whatever becomes of them.
func fixedLimiter(n int) *limiter {
	l := newLimiter(n, nil)
	l.limit = float64(n)
	l.changed = func(float64, int) { l.limit = float64(n) } // called under its lock
	return l
}

// TestLimitFindsTheBestGoodput: a node refuses whole requests (one shard), or
// parts of each (as many shards as its queue cannot hold). What is found stores
// at least nine tenths of what the best fixed number does.
func TestLimitFindsTheBestGoodput(t *testing.T) {
	for _, shards := range []int{1, 2, 3, 6, 12} {
		t.Run(fmt.Sprintf("%d shards", shards), func(t *testing.T) {
			best, which := 0.0, 0
			for _, n := range []int{1, 2, 3, 4, 6, 8} {
				if rate := goodputOf(t, shards, n); rate > best {
					best, which = rate, n
				}
			}
			found := goodputOf(t, shards, 0)
			t.Logf("%.1f requests/s, %.0f %% of what %d in flight store", found, 100*found/best, which)
			if found < 0.9*best {
				t.Errorf("it stores %.1f requests/s, %d in flight store %.1f", found, which, best)
			}
		})
	}
}
