package s3sqs

import (
	"context"
	"net"
	"sync"
)

// conns are the connections of some clients, which end with them. The SDK keeps
// idle ones and has no way to be told that nobody needs them any more: they would
// outlive a reload.
type conns struct {
	mu     sync.Mutex
	open   map[*conn]struct{}
	closed bool
}

// conn is one that takes itself off the list when it ends.
type conn struct {
	net.Conn
	of *conns
}

type dial func(ctx context.Context, network, address string) (net.Conn, error)

// through returns d, with its connections on the list.
func (c *conns) through(d dial) dial {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		one, err := d(ctx, network, address)
		if err != nil {
			return nil, err
		}
		listed := &conn{one, c}
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.closed {
			_ = one.Close() // the run has ended meanwhile
			return nil, net.ErrClosed
		}
		if c.open == nil {
			c.open = map[*conn]struct{}{}
		}
		c.open[listed] = struct{}{}
		return listed, nil
	}
}

// close ends every connection, and those that are about to come.
func (c *conns) close() {
	c.mu.Lock()
	all := c.open
	c.open, c.closed = nil, true
	c.mu.Unlock()
	for one := range all {
		_ = one.Conn.Close() // what it says is no news: nobody needs it
	}
}

func (c *conn) Close() error {
	c.of.mu.Lock()
	delete(c.of.open, c)
	c.of.mu.Unlock()
	return c.Conn.Close()
}
