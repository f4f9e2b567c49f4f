package s3sqs

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/fluent-siem/fluent-siem/test/services/awsemu"
)

func TestBackOffGrowsWithFailures(t *testing.T) {
	in := &Input{timing: timing{denied: 30 * time.Second}}
	for i, most := range []time.Duration{30, 60, 120, 240, 480, 960, 960} {
		most *= time.Second
		if d := in.backoff("a"); d > most || d < most*3/4 {
			t.Errorf("after failure %d: %v, want three quarters of %v to all of it", i+1, d, most)
		}
	}
	if d := in.backoff("b"); d > 30*time.Second {
		t.Errorf("another message waits %v", d)
	}
}

// TestFailuresAreBounded: what failed of late is remembered, and no more than that.
func TestFailuresAreBounded(t *testing.T) {
	var f failures
	for i := range 10 * remembered {
		if n := f.add("again"); n != i+1 {
			t.Fatalf("%d failures are remembered of %d", n, i+1)
		}
		f.add(fmt.Sprint(i))
		if n := len(f.now) + len(f.old); n > 2*remembered {
			t.Fatalf("%d messages are remembered", n)
		}
	}
}

// TestReceiptsAreNoFailures: a message that killed agents have received before
// is back as soon as a fresh one when its object cannot be had once.
func TestReceiptsAreNoFailures(t *testing.T) {
	r := newRig(t, 30, nil)
	end := r.aws.Fault(awsemu.Fault{Operation: "GetObject", Status: http.StatusForbidden, Code: "AccessDenied", Times: 1})
	r.put(key("a"), trail("a", 3))
	for range 8 {
		if got := r.queue.Receive(t.Context(), 1, 0, 0); len(got) != 1 {
			t.Fatal("no message")
		}
	}
	began := time.Now()
	r.start()
	r.until("end of the queue", func() bool { return r.queue.Stats().Empty() })
	if hits := end(); hits != 1 {
		t.Errorf("%d requests failed", hits)
	}
	if took := time.Since(began); took > 8*time.Second { // by receipts it would be 24 s at least
		t.Errorf("the second try came after %v", took)
	}
}
