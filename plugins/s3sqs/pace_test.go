package s3sqs

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/throttle"
)

// TestStopsAndGoesOnByOrder: while an order says stop no message is received and
// no record handed on; afterwards everything comes, once.
func TestStopsAndGoesOnByOrder(t *testing.T) {
	r := newRig(t, 30, nil)
	r.start()
	r.put(key("before"), trail("before", 10))
	r.untilEmpty()
	if err := throttle.Write(r.cfg.StateDir, throttle.Manual, throttle.Order{Stop: true, Reason: "maintenance"}); err != nil {
		t.Fatal(err)
	}
	r.until("stop", func() bool { return strings.Contains(fmt.Sprint(r.p.Health()), "stopped: maintenance") })
	polled := r.aws.Requests("AmazonSQS.ReceiveMessage")
	r.until("end of the poll under way", func() bool { return r.aws.Requests("AmazonSQS.ReceiveMessage") <= polled+1 })
	for i := range 20 {
		r.put(key(fmt.Sprint(i)), trail(fmt.Sprint(i), 10))
	}
	// What a poll that was under way has brought is held, not handed on.
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) { // time in which nothing may come
		if n, _ := r.host.got(); n != 10 {
			t.Fatalf("%d records came while the input was stopped", n-10)
		}
	}
	if s := r.queue.Stats(); s.Visible+s.InFlight != 20 || s.InFlight > batch {
		t.Errorf("the queue has %d messages to receive and %d in flight", s.Visible, s.InFlight)
	}
	if err := throttle.Write(r.cfg.StateDir, throttle.Manual, throttle.Order{}); err != nil {
		t.Fatal(err)
	}
	r.untilEmpty()
	if n, all := r.host.got(); n != 210 || all != n {
		t.Errorf("%d records, %d different", all, n)
	}
	if !r.healthy() {
		t.Errorf("health still says %v", r.p.Health())
	}
}

// TestShareOfTheUsualRate: an order to take a share is one of what was read before.
func TestShareOfTheUsualRate(t *testing.T) {
	p := newPace()
	p.mu.Lock()
	p.usual = 8 << 20
	p.mu.Unlock()
	p.set(throttle.Order{Share: .25})
	began := time.Now()
	const n = 5 << 20 // the first megabyte is the burst
	for read := 0; read < n; read += 256 << 10 {
		if err := p.wait(t.Context(), 256<<10); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(began); took < 1900*time.Millisecond {
		t.Errorf("%d bytes took %v at a quarter of 8 MB a second", n, took)
	}
	p.set(throttle.Order{})
	if now := time.Now(); !p.limiter.AllowN(now, paceBurst) || !p.limiter.AllowN(now.Add(1), paceBurst) {
		t.Error("it is still held back when the order has ended")
	}
}
