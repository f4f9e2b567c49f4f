package s3sqs

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/fluent-siem/fluent-siem/test/services/awsemu"
)

// withBacklog makes the queue "old" and lets the input move old messages to it.
func withBacklog(t *testing.T, change func(*Config)) (r *rig, old *awsemu.Queue) {
	t.Helper()
	r = newRig(t, 4, change)
	if err := r.aws.CreateQueue("old", map[string]string{"VisibilityTimeout": "4"}); err != nil {
		t.Fatal(err)
	}
	r.cfg.BacklogQueueURL = r.aws.QueueURL("old")
	return r, r.aws.Queue("old")
}

// TestABacklogIsMoved: with room for few messages and a backlog of many, fresh
// ones are seen at once, for the old ones have left their queue; these are read,
// each once.
func TestABacklogIsMoved(t *testing.T) {
	const n, fresh = 2000, 10
	r, old := withBacklog(t, func(c *Config) {
		c.LookAhead = 20
		c.MaxFetches = 4
		c.MemoryLimit = 1 << 20
	})
	r.host.judge = false
	r.backlog(n, time.Hour)
	for i := range fresh { // behind all of it
		r.put(key(fmt.Sprint(i)), trail(fmt.Sprint(i), 1))
	}
	r.start()
	r.until("full pipeline", func() bool { return r.host.waiting() >= 100 })
	if before := r.slowly(2*time.Millisecond, fresh); before > n/2 {
		t.Errorf("the fresh records were stored after %d of %d others", before-fresh, n)
	}
	// Each receiver may bring ten when there was room for one.
	if held, most := r.counter("waiting_messages", "siem", "other"), 20.+4+maxReceivers*batch; held == 0 || held > most {
		t.Errorf("%v messages of the backlog wait here, want some and %v at most", held, most)
	}
	r.host.set(func() { r.host.judge = true })
	r.host.release(n)
	r.untilEmpty()
	r.until("end of the backlog", func() bool { return old.Stats().Empty() })
	if different, all := r.host.got(); different != n+fresh || all != different {
		t.Errorf("%d records came, %d different, want %d", all, different, n+fresh)
	}
	if moved := r.counter("messages_moved_total", "siem"); moved != n || old.Stats().Sent != n {
		t.Errorf("%v messages were moved, want %d", moved, n)
	}
}

// TestABacklogThatCannotBeMoved is read where it is.
func TestABacklogThatCannotBeMoved(t *testing.T) {
	r, old := withBacklog(t, nil)
	end := r.aws.Fault(awsemu.Fault{Operation: "AmazonSQS.SendMessageBatch", Status: http.StatusForbidden, Code: "AccessDenied"})
	r.backlog(30, time.Hour)
	r.start()
	r.untilEmpty()
	if different, all := r.host.got(); different != 30 || all != 30 {
		t.Errorf("%d records, %d different, want 30", all, different)
	}
	if end() == 0 || old.Stats().Sent != 0 || r.counter("messages_moved_total", "siem") != 0 {
		t.Error("messages were moved")
	}
	if r.log.line("cannot be moved", "nothing is lost", "sqs:SendMessage", "FS2015") == "" {
		t.Errorf("the log does not say so:\n%.3000s", r.log)
	}
}

// TestWhatWaitsGoesBack: a stop gives back what was not begun, at once.
func TestWhatWaitsGoesBack(t *testing.T) {
	const n = 500
	r := newRig(t, 60, func(c *Config) {
		c.LookAhead = n
		c.MaxFetches = 2
		c.DrainTimeout = 0
	})
	release := make(chan struct{})
	r.host.hook = func() { <-release }
	r.backlog(n, time.Hour)
	r.start()
	r.until("all held", func() bool { return r.queue.Stats().InFlight == n })
	r.cancel()
	r.until("all but what is being handed over back", func() bool { return r.queue.Stats().Visible >= n-2 })
	close(release)
	r.stop()
	if s := r.queue.Stats(); s.InFlight != 0 {
		t.Errorf("%d messages are hidden after a stop", s.InFlight)
	}
}

// TestWhatWasDeliveredBeforeIsNotMoved: another agent may have stored a part of
// it, which only the number of its deliveries tells, and a message that is moved has
// a new one.
func TestWhatWasDeliveredBeforeIsNotMoved(t *testing.T) {
	r, old := withBacklog(t, nil)
	r.backlog(1, time.Hour)
	if got := r.queue.Receive(t.Context(), 1, time.Minute, 0); len(got) != 1 {
		t.Fatalf("%d messages", len(got))
	}
	r.queue.Expire()
	r.start()
	r.untilEmpty()
	if different, _ := r.host.got(); different != 1 || old.Stats().Sent != 0 {
		t.Errorf("%d records, %d messages moved, want 1 and 0", different, old.Stats().Sent)
	}
}
