package split

import (
	"fmt"
	"io"
	"sync"
)

// window is the part of the text that is in memory: buf[start:end]. It grows
// with the record that begins at start.
type window struct {
	r          io.Reader
	s          *splitter
	buf        []byte
	start, end int
	off        int64 // offset of buf[0] in the text
	err        error // why there is no more; io.EOF at the end
	most       int   // how large buf may grow quickly; 0: for a record
}

const (
	windowSize = 128 << 10
	windowKeep = 1 << 20 // larger buffers are left to the collector
)

var windows = sync.Pool{New: func() any { b := make([]byte, windowSize); return &b }}

func newWindow(r io.Reader, s *splitter) *window {
	return &window{r: r, s: s, buf: *windows.Get().(*[]byte), off: s.result.Bytes}
}

func (w *window) free() {
	if cap(w.buf) <= windowKeep {
		b := w.buf
		windows.Put(&b)
	}
	w.buf = nil
}

// fill reads more behind end, and reports whether it did. It may move what lies
// between start and end: positions hold relative to start only.
func (w *window) fill() bool {
	if w.err != nil {
		return false
	}
	if w.start > 0 && (w.start == w.end || w.end == len(w.buf)) {
		w.off += int64(w.start)
		w.end = copy(w.buf, w.buf[w.start:w.end])
		w.start = 0
	}
	if w.end == len(w.buf) {
		// What is kept is never longer than a record that is one byte too long.
		most := max(int(w.s.lim.Record)+windowSize, w.most)
		grown := make([]byte, max(min(2*len(w.buf), most), len(w.buf)+4096))
		copy(grown, w.buf[:w.end])
		w.buf = grown
	}
	for range 100 {
		n, err := w.r.Read(w.buf[w.end:])
		w.end += n
		w.s.result.Bytes += int64(n)
		w.err = err
		if excess := w.s.result.Bytes - w.s.lim.Object; excess > 0 {
			w.s.result.Bytes -= excess
			w.end -= int(excess)
			w.err = &Error{Bomb, w.s.result.Bytes, fmt.Sprintf("more than %d bytes of text", w.s.lim.Object)}
			return int(excess) < n
		}
		if n > 0 {
			return true
		}
		if err != nil {
			return false
		}
	}
	w.err = io.ErrNoProgress
	return false
}

// have returns the text from start on.
func (w *window) have() []byte { return w.buf[w.start:w.end] }

// offset is where start lies in the text.
func (w *window) offset() int64 { return w.off + int64(w.start) }

// finish returns the error that ended the text, nil at its regular end.
func (w *window) finish() error {
	if w.err == io.EOF || w.err == nil {
		return nil
	}
	return w.s.corrupt(w.err)
}
