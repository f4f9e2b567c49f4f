package lease

import (
	"context"
	"sync"
)

// Credit bounds the bytes of records that have no verdict: it is the
// memory_limit of one input instance.
type Credit struct {
	limit int64

	mu    sync.Mutex
	used  int64
	queue []*taker // first come, first served
}

type taker struct {
	n     int64
	ready chan struct{}
}

// NewCredit returns a credit of limit bytes.
func NewCredit(limit int64) *Credit { return &Credit{limit: limit} }

// Limit is the size of the credit in bytes.
func (c *Credit) Limit() int64 { return c.limit }

// Used is how many bytes are taken now.
func (c *Credit) Used() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.used
}

// Take waits until n bytes are free and takes them. What is larger than the
// whole credit waits until nothing else is taken, and then passes alone.
// It returns ctx's error when ctx ends first; nothing is taken then.
func (c *Credit) Take(ctx context.Context, n int64) error {
	c.mu.Lock()
	if len(c.queue) == 0 && c.fits(n) {
		c.used += n
		c.mu.Unlock()
		return nil
	}
	t := &taker{n: n, ready: make(chan struct{})}
	c.queue = append(c.queue, t)
	c.mu.Unlock()
	select {
	case <-t.ready:
		return nil
	case <-ctx.Done():
		c.mu.Lock()
		defer c.mu.Unlock()
		select {
		case <-t.ready: // both at once: the bytes are ours, hand them back
			c.used -= n
		default:
			for i, q := range c.queue {
				if q == t {
					c.queue = append(c.queue[:i], c.queue[i+1:]...)
					break
				}
			}
		}
		c.serve()
		return ctx.Err()
	}
}

// Give returns n bytes.
func (c *Credit) Give(n int64) {
	if n == 0 {
		return
	}
	c.mu.Lock()
	c.used -= n
	c.serve()
	c.mu.Unlock()
}

func (c *Credit) fits(n int64) bool { return c.used == 0 || c.used+n <= c.limit }

func (c *Credit) serve() {
	for len(c.queue) > 0 && c.fits(c.queue[0].n) {
		t := c.queue[0]
		c.queue = c.queue[1:]
		c.used += t.n
		close(t.ready)
	}
}
