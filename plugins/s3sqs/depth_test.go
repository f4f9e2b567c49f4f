package s3sqs

import (
	"fmt"
	"testing"
	"time"
)

// TestDepthOfTheQueue: the metric follows the queue, and is gone once nobody asks.
func TestDepthOfTheQueue(t *testing.T) {
	r := newRig(t, 30, nil)
	r.host.judge = false
	r.start(func(t *timing) { t.depth = 20 * time.Millisecond })
	for i := range 7 {
		r.put(key(fmt.Sprint(i)), trail(fmt.Sprint(i), 1))
	}
	held := func(n float64) func() bool {
		return func() bool { return r.counter("queue_messages", "siem", "held") == n }
	}
	r.until("seven messages held", held(7))
	r.until("records", func() bool { return r.host.waiting() == 7 })
	r.host.release(5)
	r.until("two messages held", held(2))
	r.stop()
	if n := r.counter("queue_messages", "siem", "held"); n != 0 {
		t.Errorf("%v messages are shown for a queue that nobody asks", n)
	}
}
