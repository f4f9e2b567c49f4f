package s3sqs

import (
	"context"
	"testing"
	"time"

	"github.com/fluent-siem/fluent-siem/test/services/awsemu"
)

// TestAHangingExtensionCostsNoHold: a call that is not answered is given up in
// time for another, so the message does not become visible.
func TestAHangingExtensionCostsNoHold(t *testing.T) {
	r := newRig(t, 8, nil)
	r.host.judge = false
	end := r.aws.Fault(awsemu.Fault{Operation: "AmazonSQS.ChangeMessageVisibilityBatch", Times: 1, Delay: time.Minute})
	r.put(key("a"), trail("a", 5))
	r.start()
	r.until("an extension after the one that hangs", func() bool { return r.queue.Stats().Extended > 0 || r.queue.Stats().Received > 1 })
	if hits, s := end(), r.queue.Stats(); hits != 1 || s.Received != 1 {
		t.Errorf("%d extensions hung, and the message was received %d times, want once each", hits, s.Received)
	}
	r.host.set(func() { r.host.judge = true })
	r.host.release(5)
	r.untilEmpty()
}

// TestAStoppedInputBeginsNothing, even with room and messages in hand.
func TestAStoppedInputBeginsNothing(t *testing.T) {
	r := newRig(t, 30, nil)
	in, err := New(r.cfg, r.p)
	if err != nil {
		t.Fatal(err)
	}
	g := newGate(in)
	g.put(&hold{q: &queue{}})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if h, err := g.next(ctx); err == nil {
		t.Errorf("it begins %p", h)
	}
}

// TestNoExtensionBeyondTwelveHours after the receipt: SQS refuses it, and a hold
// that is good would count as lost.
func TestNoExtensionBeyondTwelveHours(t *testing.T) {
	now := time.Now()
	for _, c := range []struct{ held, visibility, want time.Duration }{
		{time.Minute, 30 * time.Second, 30 * time.Second},
		{11 * time.Hour, 2 * time.Hour, time.Hour - time.Second},
		{6 * time.Hour, 12 * time.Hour, 6*time.Hour - time.Second},
	} {
		h := &hold{received: now.Add(-c.held)}
		if got := h.extension(now, c.visibility); got != c.want {
			t.Errorf("held for %v, visibility %v: extended by %v, want %v", c.held, c.visibility, got, c.want)
		}
	}
}
