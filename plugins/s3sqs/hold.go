package s3sqs

import (
	"container/list"
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/lease"
)

// hold is our claim on one message, from its receipt to its end. The goroutine
// of [queue.handle] owns it; others end it by cancelling its context with a cause.
type hold struct {
	q        *queue
	id       string // the message's
	received time.Time
	attempt  int // how often the queue has delivered the message, from 1

	notification notification
	size         int           // bytes of the message
	rank         int           // of its log type in priority
	time         time.Time     // of its newest object
	urgent       bool          // fresh and of a type in priority; set when its reading begins
	at           int           // index in its lane; the gate's
	arrived      *list.Element // in lanes.arrival, nil when it has left; the gate's

	ctx      context.Context // ends with a cause when the claim does
	cancel   context.CancelCauseFunc
	lease    *lease.Lease
	accounts []*account // one for each object, in the message's order
	phase    atomic.Int32

	unappended atomic.Int64  // records that are in a buffer of ours
	appended   chan struct{} // a sign that unappended became 0

	mu      sync.Mutex
	receipt string    // the newest handle
	expires time.Time // when the message becomes visible unless extended
	next    time.Time // when it is extended
}

// The phases of a hold.
const (
	reading int32 = iota // or about to be
	waiting              // everything is read, verdicts are missing
	closing              // to be deleted
)

// took notes a receipt handle and how long the message is hidden from at on.
func (h *hold) took(receipt string, at time.Time, visibility time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if receipt != "" {
		h.receipt = receipt
	}
	h.expires = at.Add(visibility)
	h.next = at.Add(jitter(visibility / 2))
}

// extension is how long a message can be hidden from now on: SQS counts its
// limit from the receipt. One second is for rounding up.
func (h *hold) extension(now time.Time, visibility time.Duration) time.Duration {
	return min(visibility, maxTimeout-time.Second-now.Sub(h.received))
}

// due reports whether it is time to extend, and with which handle.
func (h *hold) due(now time.Time) (receipt string, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.receipt, !now.Before(h.next)
}

// later puts the next try to extend off, after a failed one.
func (h *hold) later(d time.Duration) {
	h.mu.Lock()
	h.next = time.Now().Add(d)
	h.mu.Unlock()
}

func (h *hold) handle() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.receipt
}

// sent counts records that the host has taken.
func (h *hold) sent(n int64) {
	if h.unappended.Add(-n) == 0 {
		select {
		case h.appended <- struct{}{}:
		default:
		}
	}
}

// jitter takes up to a fifth off d, so that what was received together is not
// extended together for ever.
func jitter(d time.Duration) time.Duration { return d - rand.N(d/5+1) }
