package feed

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

// watched counts what a reader brings.
type watched struct {
	in io.Reader
	n  atomic.Int64
}

func (w *watched) Read(b []byte) (int, error) {
	n, err := w.in.Read(b)
	w.n.Add(int64(n))
	return n, err
}

// stopWhenSlow ends a download that brings less than least bytes in a time of
// length slow: a publisher that sends a byte a minute would hold us for ever.
func (w *watched) stopWhenSlow(ctx context.Context, slow time.Duration, least int64, stop context.CancelCauseFunc) {
	ticker := time.NewTicker(slow)
	defer ticker.Stop()
	before := int64(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			now := w.n.Load()
			if now-before < least {
				stop(fmt.Errorf("it is too slow: %d bytes in %v", now-before, slow))
				return
			}
			before = now
		}
	}
}
