package opensearch

import (
	"bytes"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/fluent-siem/fluent-siem/internal/deadletter"
	"github.com/fluent-siem/fluent-siem/internal/lease"
)

// bulk is the documents of one request: their lines one after the other, and
// where each begins. It belongs to one goroutine, which gives it back with
// release. What it holds stays until each item has its verdict, so a retry
// sends the bytes that were sent before.
type bulk struct {
	lines   []byte
	items   []item
	refused []refusal // found unfit before anything was sent
	// verdicts is scratch space of judge.
	verdicts []lease.Verdict
}

// item is one document: its lines are bulk.lines[line:end], of which the
// document begins at doc.
type item struct {
	line, doc, end int32
	ordinal        int32 // place of the event in the chunk, from 0
	attempts       int32 // requests it was in
	create         bool  // its action is create
	newer          bool  // the document replaces an older version of itself
	record         uint64
	size           int64
	time           time.Time     // of the event
	unsure         time.Time     // when an attempt of ours last got no answer: it may be stored; zero: none
	before         time.Time     // since when this process reads its object, which was delivered before; zero: it was not
	object         *lease.Object // nil: no open lease waits for it
	envelope       []byte        // of the record, in the chunk; nil for none
	first          *original     // before the first repair; nil: not repaired
}

// original is where the lines of an item were before repairs, and what those were.
type original struct {
	line, doc, end int32
	repairs        []string
}

// restore undoes the repairs of an item.
func (it *item) restore() {
	if it.first != nil {
		it.line, it.doc, it.end = it.first.line, it.first.doc, it.first.end
	}
}

// refusal is an event that becomes no document: a dead letter at once.
type refusal struct {
	item
	letter deadletter.Letter
	final  lease.Outcome
}

var bulks = sync.Pool{New: func() any { return new(bulk) }}

func getBulk() *bulk { return bulks.Get().(*bulk) }

// release gives b back. Buffers that grew for a giant are not kept.
func (b *bulk) release() {
	if cap(b.lines) > 16<<20 {
		b.lines = nil
	}
	clear(b.items) // they point to leases and chunks
	b.lines, b.items, b.refused, b.verdicts = b.lines[:0], b.items[:0], nil, b.verdicts[:0]
	bulks.Put(b)
}

// cutLast takes the last item off b when b is larger than limit with it, and
// returns it in a bulk of its own, which is not from the pool. It returns nil
// when b is fine, or when the last item was refused.
func (b *bulk) cutLast(limit int64) *bulk {
	k := len(b.items) - 1
	if int64(len(b.lines)) <= limit || k < 1 {
		return nil
	}
	it := b.items[k]
	tail := &bulk{lines: append([]byte(nil), b.lines[it.line:it.end]...), items: []item{it}}
	b.lines, b.items = b.lines[:tail.items[0].line], b.items[:k]
	t := &tail.items[0]
	t.doc, t.end, t.line = t.doc-t.line, t.end-t.line, 0
	return tail
}

// take makes the only item of tail the first of b, which is empty.
func (b *bulk) take(tail *bulk) {
	b.lines = append(b.lines, tail.lines...)
	b.items = append(b.items, tail.items...)
}

// all numbers every item.
func (b *bulk) all() []int32 {
	list := make([]int32, len(b.items))
	for i := range list {
		list[i] = int32(i)
	}
	return list
}

func (b *bulk) bytesOf(list []int32) (n int) {
	for _, i := range list {
		n += int(b.items[i].end - b.items[i].line)
	}
	return n
}

// halves splits list where half of its bytes are, leaving neither side empty.
func (b *bulk) halves(list []int32) (left, right []int32) {
	half, n := b.bytesOf(list)/2, 0
	for k, i := range list {
		if n += int(b.items[i].end - b.items[i].line); n >= half {
			k = max(1, min(k+1, len(list)-1))
			return list[:k], list[k:]
		}
	}
	return list, nil
}

// writeTo writes the lines of the items in list.
func (b *bulk) writeTo(w io.Writer, list []int32) error {
	for k := 0; k < len(list); { // neighbours in one piece
		from := k
		for k++; k < len(list) && b.items[list[k]].line == b.items[list[k-1]].end; k++ {
		}
		if _, err := w.Write(b.lines[b.items[list[from]].line:b.items[list[k-1]].end]); err != nil {
			return err
		}
	}
	return nil
}

// buffer is a pooled bytes.Buffer.
type buffer struct{ bytes.Buffer }

var buffers = sync.Pool{New: func() any { return new(buffer) }}

func getBuffer() *buffer { return buffers.Get().(*buffer) }

func (b *buffer) release() {
	if b == nil || b.Cap() > 16<<20 {
		return
	}
	b.Reset()
	buffers.Put(b)
}

// payload is the body of one request. The transport may read it several times
// and, after an early answer, even when the request is over; so readers are
// counted, and the last one gives the memory back.
type payload struct {
	*buffer
	gzip bool
	refs atomic.Int32
}

var gzips = sync.Pool{New: func() any {
	w, err := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed)
	if err != nil {
		panic(err) // only for a level that does not exist
	}
	return w
}}

// payload renders the items in list. done must be called on it.
func (b *bulk) payload(list []int32, compress bool) *payload {
	p := &payload{buffer: getBuffer(), gzip: compress}
	p.refs.Store(1)
	if !compress {
		p.Grow(b.bytesOf(list))
		_ = b.writeTo(p.buffer, list) // a buffer takes everything
		return p
	}
	z := gzips.Get().(*gzip.Writer)
	z.Reset(p.buffer)
	_ = b.writeTo(z, list)
	_ = z.Close()
	gzips.Put(z)
	return p
}

// done ends the sender's use of p.
func (p *payload) done() {
	if p.refs.Add(-1) == 0 {
		p.buffer.release()
	}
}

func (p *payload) reader() io.ReadCloser {
	p.refs.Add(1)
	r := &payloadReader{p: p}
	r.Reset(p.Bytes())
	return r
}

type payloadReader struct {
	bytes.Reader
	p      *payload
	closed atomic.Bool
}

// Close gives the memory back; the transport may call it more than once.
func (r *payloadReader) Close() error {
	if r.closed.CompareAndSwap(false, true) {
		r.p.done()
	}
	return nil
}
