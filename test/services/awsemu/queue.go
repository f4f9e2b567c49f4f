package awsemu

import (
	"container/heap"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Hold is how long SQS lets a consumer keep one message at most, counted from
// its receipt: twelve hours. Config.Hold shortens it for tests.
const Hold = 12 * time.Hour

// Message is one message of a Queue.
type Message struct {
	ID            string
	Body          string
	MD5           string
	Sent          time.Time
	FirstReceived time.Time
	Received      int    // how often it was received
	Receipt       string // of the latest receipt, "" before the first

	received time.Time // the latest
	visible  time.Time // when it can be received (again)
	inFlight bool
	heapAt   int // index in Queue.hidden, -1 when not there
	attrs    map[string]any
}

// Stats counts what a Queue holds and has done.
type Stats struct {
	Visible  int // can be received now
	InFlight int // received, neither deleted nor visible again
	Delayed  int // sent with a delay that has not passed

	Sent, Received, Deleted, Extended, Expired, Redriven uint64
}

// Empty says that no message is left, in whatever state.
func (s Stats) Empty() bool { return s.Visible+s.InFlight+s.Delayed == 0 }

// Queue behaves as an SQS standard queue does, kept in memory.
type Queue struct {
	Name string

	mu         sync.Mutex
	timeout    time.Duration // VisibilityTimeout
	wait       time.Duration // ReceiveMessageWaitTimeSeconds
	hold       time.Duration
	dead       *Queue // dead-letter queue
	maxReceive int
	all        map[string]*Message
	ready      []*Message // receivable, oldest first; may hold deleted ones
	hidden     hidden     // in flight or delayed, by the time they become visible
	wake       chan struct{}
	serial     uint64
	stats      Stats
}

func newQueue(name string, hold time.Duration) *Queue {
	return &Queue{Name: name, timeout: 30 * time.Second, hold: hold, all: map[string]*Message{}, wake: make(chan struct{})}
}

// Send puts a message into the queue, receivable after delay.
func (q *Queue) Send(body string, delay time.Duration) *Message { return q.send(body, delay, nil) }

func (q *Queue) send(body string, delay time.Duration, attrs map[string]any) *Message {
	sum := md5.Sum([]byte(body))
	q.mu.Lock()
	defer q.mu.Unlock()
	q.serial++
	q.stats.Sent++
	now := time.Now()
	m := &Message{ID: fmt.Sprintf("%08x-0000-4000-8000-%012x", now.Unix(), q.serial), Body: body, MD5: hex.EncodeToString(sum[:]), Sent: now, visible: now.Add(delay), heapAt: -1, attrs: attrs}
	q.all[m.ID] = m
	if delay > 0 {
		heap.Push(&q.hidden, m)
	} else {
		q.ready = append(q.ready, m)
	}
	q.signal()
	return m
}

// signal wakes every long poll. The caller holds mu.
func (q *Queue) signal() {
	close(q.wake)
	q.wake = make(chan struct{})
}

// Receive takes up to n messages and hides them for timeout (0: visible again
// at once). It waits up to wait for the first. The messages are copies.
func (q *Queue) Receive(ctx context.Context, n int, timeout, wait time.Duration) []Message {
	deadline := time.Now().Add(wait)
	for {
		q.mu.Lock()
		now := time.Now()
		got := q.take(n, timeout, now)
		next, wake := deadline, q.wake
		if len(q.hidden) > 0 && q.hidden[0].visible.Before(next) {
			next = q.hidden[0].visible
		}
		q.mu.Unlock()
		if len(got) > 0 || !now.Before(deadline) || ctx.Err() != nil {
			return got
		}
		timer := time.NewTimer(time.Until(next))
		select {
		case <-wake:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

func (q *Queue) take(n int, timeout time.Duration, now time.Time) (got []Message) {
	q.expire(now)
	for len(got) < n && len(q.ready) > 0 {
		m := q.ready[0]
		q.ready = q.ready[1:]
		if q.all[m.ID] != m {
			continue // deleted while it was visible
		}
		if q.dead != nil && m.Received >= q.maxReceive {
			delete(q.all, m.ID)
			q.stats.Redriven++
			q.dead.send(m.Body, 0, m.attrs)
			continue
		}
		m.Received++
		q.stats.Received++
		m.received = now
		if m.Received == 1 {
			m.FirstReceived = now
		}
		m.Receipt = m.ID + "." + strconv.Itoa(m.Received)
		m.visible = now.Add(timeout)
		m.inFlight = true
		heap.Push(&q.hidden, m)
		got = append(got, *m)
	}
	return got
}

// expire makes what has been hidden long enough receivable again.
func (q *Queue) expire(now time.Time) {
	for len(q.hidden) > 0 && !q.hidden[0].visible.After(now) {
		m := heap.Pop(&q.hidden).(*Message)
		if m.inFlight {
			m.inFlight = false
			q.stats.Expired++
		}
		q.ready = append(q.ready, m)
	}
}

// Expire ends the visibility timeout of all messages in flight: whoever has them
// has them no longer.
func (q *Queue) Expire() {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	for _, m := range q.hidden {
		if m.inFlight {
			m.visible = now
		}
	}
	heap.Init(&q.hidden)
	q.expire(now)
	q.signal()
}

// Errors that SQS answers to a receipt handle.
var (
	errReceipt     = errors.New("ReceiptHandleIsInvalid")
	errNotInflight = errors.New("MessageNotInflight")
	errStale       = errors.New("the message does not exist or is not available for visibility timeout change")
	errHold        = errors.New("total VisibilityTimeout for the message is beyond the limit")
)

// find returns the message of a receipt handle; stale when it was received again since.
func (q *Queue) find(receipt string) (m *Message, stale bool, err error) {
	id, _, ok := strings.Cut(receipt, ".")
	if !ok {
		return nil, false, errReceipt
	}
	m = q.all[id]
	return m, m == nil || m.Receipt != receipt, nil
}

// Delete removes the message of a receipt handle. A handle from before a later
// receipt succeeds and deletes nothing, as on SQS.
func (q *Queue) Delete(receipt string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	m, stale, err := q.find(receipt)
	if err != nil || stale {
		return err
	}
	delete(q.all, m.ID)
	if m.heapAt >= 0 {
		heap.Remove(&q.hidden, m.heapAt)
	}
	q.stats.Deleted++
	q.signal() // for whoever waits until the queue is empty
	return nil
}

// Extend hides the message of a receipt handle for timeout from now; 0 gives it back.
func (q *Queue) Extend(receipt string, timeout time.Duration) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	q.expire(now)
	m, stale, err := q.find(receipt)
	switch {
	case err != nil:
		return err
	case stale:
		return errStale
	case !m.inFlight:
		return errNotInflight
	case now.Add(timeout).Sub(m.received) > q.hold:
		return errHold
	}
	q.stats.Extended++
	m.visible = now.Add(timeout)
	heap.Fix(&q.hidden, m.heapAt)
	if timeout == 0 {
		q.expire(now)
		q.signal()
	}
	return nil
}

// Purge deletes every message.
func (q *Queue) Purge() {
	q.mu.Lock()
	defer q.mu.Unlock()
	clear(q.all)
	q.ready, q.hidden = nil, nil
	q.signal()
}

// Stats counts the messages by state.
func (q *Queue) Stats() Stats {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.expire(time.Now())
	s := q.stats
	for _, m := range q.hidden {
		if m.inFlight {
			s.InFlight++
		} else {
			s.Delayed++
		}
	}
	s.Visible = len(q.all) - s.InFlight - s.Delayed
	return s
}

// WaitEmpty blocks until no message is left, or ctx is done.
func (q *Queue) WaitEmpty(ctx context.Context) error {
	for {
		q.mu.Lock()
		left, wake := len(q.all), q.wake
		q.mu.Unlock()
		if left == 0 {
			return nil
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return fmt.Errorf("queue %s still holds %d messages (%+v): %w", q.Name, left, q.Stats(), ctx.Err())
		}
	}
}

// hidden is a heap of messages by the time they become visible.
type hidden []*Message

func (h hidden) Len() int           { return len(h) }
func (h hidden) Less(i, j int) bool { return h[i].visible.Before(h[j].visible) }
func (h hidden) Swap(i, j int)      { h[i], h[j] = h[j], h[i]; h[i].heapAt, h[j].heapAt = i, j }
func (h *hidden) Push(x any) {
	m := x.(*Message)
	m.heapAt = len(*h)
	*h = append(*h, m)
}
func (h *hidden) Pop() any {
	last := len(*h) - 1
	m := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	m.heapAt = -1
	return m
}
