package main

import (
	"sync"
	"time"
)

// pace bounds what an input hands over, because Fluent Bit's engine does not
// leave an input's ring before it is empty: an input that refills it as fast as
// the filters work gets no flush, no metrics, no answer to SIGTERM, and memory
// without bound.
//
// Appends come in batches. A batch is at most batchBuffers or batchBytes; the
// next begins when the filter, which is in this process, has seen every buffer
// of it and the engine had settle to find the ring empty. Without our filter in
// the pipeline (or with the pipeline paused) there is no such sign: then the
// next batch begins after a time.
//
// A batch has more buffers than the part of the ring that wakes the engine at
// once (5 % of 1,024, thread.ring_buffer.window); smaller ones wait for its next
// look, up to 250 ms.
type pace struct {
	mu      sync.Mutex
	sent    int // buffers of this batch
	seen    int // of these, seen by the filter
	bytes   int // of this batch
	moved   time.Time
	filters map[string]uintptr // by tag: the first filter that sees it; a chain of filters counts a buffer once
	sign    chan struct{}      // something was seen
}

const (
	batchBuffers = 64
	batchBytes   = 16 << 20
	// settle is what the engine needs after the filter returned: it copies the
	// buffer into a chunk (1–2 ms a MB) and finds the ring empty.
	settle = 10 * time.Millisecond
	// patience without a sign: long where the filter is known to sign.
	patienceWithFilter = 10 * time.Second
	patienceWithout    = time.Second
)

func newPace() *pace {
	return &pace{filters: make(map[string]uintptr), sign: make(chan struct{}, 1), moved: time.Now()}
}

// append is called before a buffer of n bytes is handed over: a filter may see
// it before the host's append returns.
func (p *pace) append(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent++
	p.bytes += n
	p.moved = time.Now()
}

// undo says that the host did not take the last buffer.
func (p *pace) undo() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent = max(p.sent-1, p.seen)
}

// saw says that a filter has seen a buffer.
func (p *pace) saw(tag string, filter uintptr) {
	p.mu.Lock()
	first, known := p.filters[tag]
	if !known {
		p.filters[tag] = filter
	}
	if known && first != filter {
		p.mu.Unlock()
		return
	}
	p.seen = min(p.seen+1, p.sent)
	p.moved = time.Now()
	p.mu.Unlock()
	select {
	case p.sign <- struct{}{}:
	default:
	}
}

// touch restarts the patience: the host's engine was not to be expected to move.
func (p *pace) touch() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.moved = time.Now()
}

// delay returns how long to wait before the next append: 0 is not at all. A
// sign may end the wait.
func (p *pace) delay(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	rested := now.Sub(p.moved)
	if p.seen == p.sent && rested >= settle {
		p.sent, p.seen, p.bytes = 0, 0, 0
	}
	if p.sent < batchBuffers && p.bytes < batchBytes {
		return 0
	}
	patience := patienceWithout
	switch {
	case p.seen == p.sent:
		patience = settle
	case len(p.filters) > 0:
		patience = patienceWithFilter
	}
	if rested >= patience {
		p.sent, p.seen, p.bytes = 0, 0, 0
		return 0
	}
	return patience - rested
}

// ready waits until the next append may come; false when end came first.
func (p *pace) ready(end <-chan time.Time, closed <-chan struct{}) bool {
	for {
		d := p.delay(time.Now())
		if d == 0 {
			return true
		}
		select {
		case <-time.After(d):
		case <-p.sign:
		case <-end:
			return false
		case <-closed:
			return false
		}
	}
}
