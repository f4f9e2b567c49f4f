package pipeline

import (
	"sync"
	"sync/atomic"

	"github.com/fluent-siem/fluent-siem/internal/event"
	"github.com/fluent-siem/fluent-siem/internal/lease"
)

// lane is what is known about one tag, found out once, and its open chunk.
type lane struct {
	filters []*filter
	outputs []*delivery
	tag     string

	mu   sync.Mutex // order of chunks: held from cutting one until outputs have it
	open []byte     // the chunk being filled
}

// chunk is a buffer on its way to one or several outputs.
type chunk struct {
	tag    string
	data   []byte
	memory *lease.Credit
	left   atomic.Int32 // outputs that are not done with it
	held   atomic.Bool  // somebody may still read data: it must not be used again
}

// release says that one output is done with c, well or not.
func (c *chunk) release() {
	if c.left.Add(-1) == 0 {
		c.memory.Give(int64(len(c.data)))
		if !c.held.Load() {
			recycle(c.data)
		}
	}
}

// large is the size from which on buffers are used again. Below, a tag with
// little traffic would keep two megabytes for a few lines.
const large = 256 << 10

// buffers are empty, with room for chunkSize bytes.
var buffers sync.Pool

// recycle takes a buffer that nobody uses any more.
func recycle(b []byte) {
	if cap(b) == chunkSize {
		b = b[:0]
		buffers.Put(&b)
	}
}

// room returns b with room for n more bytes.
func room(b []byte, n int) []byte {
	need := len(b) + n
	if need <= cap(b) || need <= large || need > chunkSize {
		return b // append knows best
	}
	p, ok := buffers.Get().(*[]byte)
	if !ok {
		fresh := make([]byte, 0, chunkSize)
		p = &fresh
	}
	return append(*p, b...)
}

// cut returns the events at the start of buf that fit into one chunk, at least
// one. What is no event ends the cutting: outputs report it.
func cut(buf []byte) []byte {
	if len(buf) <= chunkSize {
		return buf
	}
	end := 0
	for end < len(buf) {
		_, rest, err := event.Next(buf[end:])
		if err != nil {
			return buf
		}
		next := len(buf) - len(rest)
		if next > chunkSize && end > 0 {
			break
		}
		end = next
	}
	return buf[:end]
}

// add puts events for which memory was taken into the open chunk.
func (l *lane) add(events []byte, memory *lease.Credit) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.open)+len(events) > chunkSize {
		l.send(memory)
	}
	l.open = append(room(l.open, len(events)), events...)
	if len(l.open) >= chunkSize {
		l.send(memory)
	}
}

// send closes the open chunk. l.mu is held.
func (l *lane) send(memory *lease.Credit) {
	if len(l.open) == 0 {
		return
	}
	c := &chunk{tag: l.tag, data: l.open, memory: memory}
	if cap(l.open) == chunkSize && 2*len(l.open) < chunkSize { // it may wait long: it shall not take more than it says
		c.data = append([]byte(nil), l.open...)
		recycle(l.open)
	}
	c.left.Store(int32(len(l.outputs)))
	l.open = nil
	for _, d := range l.outputs {
		d.put(&parcel{chunk: c})
	}
}
