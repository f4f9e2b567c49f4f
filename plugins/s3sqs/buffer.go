package s3sqs

import (
	"context"
	"sync"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/event"
	"github.com/fluent-siem/fluent-siem/internal/lease"
)

const (
	// bufferSize is how many bytes of events one Append hands over, about. The
	// host holds several copies of a buffer while it becomes documents, four to
	// twelve times as large: at 1 MiB they cost 80 MB more than at this size.
	bufferSize = 256 << 10
	// chunkSize is how many bytes of events one object gathers before they go
	// to the buffer of their tag, which many objects share.
	chunkSize = 128 << 10
	// smallSize is how many bytes in S3 an object has at most whose records hardly
	// fill a part of a chunk: many such wait for the host at the same time.
	smallSize = 4 << 10
	// appendTries is how often a buffer is offered to a host that refuses it.
	appendTries = 6
)

// chunk gathers events of one object. Its goroutine owns it.
type chunk struct {
	events []byte
	n      int
	size   int64 // credit they need
}

var chunks = sync.Pool{New: func() any { return &chunk{events: make([]byte, 0, chunkSize+16<<10)} }}

func (c *chunk) free() {
	if cap(c.events) >= chunkSize && cap(c.events) <= 2*chunkSize {
		*c = chunk{events: c.events[:0]}
		chunks.Put(c)
	}
}

// credit is what a record of n bytes counts for: the document made of it holds
// the text, its parts once more under their own names and as ECS, and about a
// kilobyte of keys. (Per record and document: CloudTrail 690 and 2,400 bytes, VPC
// flow 110 and 1,300, ALB 570 and 3,000.)
func credit(n int) int64 { return int64(3*n) + 1<<10 }

// add appends one record and what it was wrapped in; bad says why it is none,
// or is nil.
func (c *chunk) add(o *lease.Object, at time.Time, number uint64, size int64, envelope, raw []byte, bad *event.Refusal) {
	origin := event.Origin{Object: o.ID, Record: number, Size: size}
	switch {
	case bad != nil:
		c.events = event.AppendRefusal(c.events, at, origin, *bad, raw)
	case envelope != nil:
		c.events = event.AppendEnveloped(c.events, at, origin, envelope, raw)
	default:
		c.events = event.AppendRecord(c.events, at, origin, raw)
	}
	c.n++
}

// buffers are the events that wait for the host, by tag.
type buffers struct {
	ctx   context.Context // ends when the host is not asked any more
	in    *Input
	sink  Sink
	some  chan struct{} // a sign that something waits
	mu    sync.Mutex
	byTag map[string]*buffer
}

// buffer is what waits under one tag. Appending holds its lock: who comes next
// waits, which is how a full host holds up reading.
type buffer struct {
	mu     sync.Mutex
	tag    string
	events []byte
	n      int
	since  time.Time
	owners map[*hold]int64 // records of each
	size   int64           // credit to return when the host has them (queued)
}

func newBuffers(ctx context.Context, in *Input, sink Sink) *buffers {
	return &buffers{ctx: ctx, in: in, sink: sink, some: make(chan struct{}, 1), byTag: map[string]*buffer{}}
}

func (bs *buffers) get(tag string) *buffer {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	b := bs.byTag[tag]
	if b == nil {
		b = &buffer{tag: tag, owners: map[*hold]int64{}}
		bs.byTag[tag] = b
	}
	return b
}

// add puts a chunk's events into the buffer of a tag, and that to the host when
// it is full. Credit for them was taken; size of it returns when the host has
// them.
func (bs *buffers) add(h *hold, b *buffer, c *chunk, size int64) {
	h.unappended.Add(int64(c.n))
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.n > 0 && len(b.events)+len(c.events) > bufferSize {
		bs.send(b)
	}
	if b.n == 0 {
		b.since = time.Now()
		select {
		case bs.some <- struct{}{}:
		default:
		}
	}
	b.events = append(b.events, c.events...)
	b.n += c.n
	b.size += size
	b.owners[h] += int64(c.n)
	if len(b.events) >= bufferSize {
		bs.send(b)
	}
}

// send hands a buffer to the host. When the host does not take it, the messages
// it came from are given back. The caller holds b.mu.
func (bs *buffers) send(b *buffer) {
	var err error
	for try := range appendTries {
		if err = bs.sink.Append(bs.ctx, b.tag, b.n, b.events); err == nil || bs.abandoned(b) {
			break
		}
		bs.in.metrics.refused.Inc()
		if !sleep(bs.ctx, 100*time.Millisecond<<try) {
			break
		}
	}
	for h, n := range b.owners {
		if err != nil {
			h.cancel(&unsent{err})
		}
		h.sent(n)
	}
	bs.in.credit.Give(b.size)
	if cap(b.events) > 4*bufferSize {
		b.events = nil
	}
	b.events, b.n, b.size = b.events[:0], 0, 0
	clear(b.owners)
}

// abandoned reports whether nobody waits for the buffer any more.
func (bs *buffers) abandoned(b *buffer) bool {
	for h := range b.owners {
		if h.ctx.Err() == nil {
			return false
		}
	}
	return true
}

// tick sends what has waited long enough, until ctx is done; what is left then
// is dropped, as nobody holds its messages any more. When credit runs out,
// waiting long would only keep others from going on.
func (bs *buffers) tick(ctx context.Context) {
	for {
		select {
		case <-bs.some:
		case <-ctx.Done():
			return
		}
		for left := true; left; {
			if !sleep(ctx, bs.in.timing.flush/10) {
				return
			}
			left = bs.sweep()
		}
	}
}

// sweep sends the buffers whose time has come, and reports whether others wait.
func (bs *buffers) sweep() (left bool) {
	long := bs.in.timing.flush
	if bs.in.credit.Used() > bs.in.credit.Limit()/8*7 {
		long /= 10
	}
	bs.mu.Lock()
	all := make([]*buffer, 0, len(bs.byTag))
	for _, b := range bs.byTag {
		all = append(all, b)
	}
	bs.mu.Unlock()
	for _, b := range all {
		if !b.mu.TryLock() { // it is being filled or sent
			left = true
			continue
		}
		if b.n > 0 && time.Since(b.since) >= long {
			bs.send(b)
		}
		left = left || b.n > 0
		b.mu.Unlock()
	}
	return left
}
