package split

import (
	"bytes"
	"fmt"
)

// lines cuts text at line feeds, and records of CSV at those outside quotes. A
// carriage return before one belongs to it. NUL bytes at the begin of a line, as
// files that were allocated in advance end with, are no text.
func (s *splitter) lines(w *window) error {
	header := s.framing.Kind == CSV && s.depth == 0 // still to come
	named := []byte(s.framing.HeaderPrefix)
	if len(named) > 0 {
		header = false
	}
	skip := 0
	if s.framing.Kind == Lines && s.depth == 0 {
		skip = s.framing.HeaderLines
	}
	limit := int(s.lim.Record)
	for {
		n := s.lineEnd(w)
		line := w.have()
		if n < 0 && len(line) == 0 {
			return w.finish()
		}
		s.number++
		if s.framing.Last != 0 && s.number > s.framing.Last {
			return errStop
		}
		complete := n >= 0
		if complete {
			line = line[:n]
		}
		if len(line) > limit {
			if err := s.longLine(w, n); err != nil {
				return err
			}
			continue
		}
		next := len(line)
		if complete {
			next++
		}
		if k := len(line) - 1; k >= 0 && (line[k] == '\r' || line[k] == 0) {
			line = bytes.TrimRight(line[:k], "\x00")
		}
		var err error
		switch {
		case !complete && w.finish() != nil:
			err = s.bad(line, &Error{Truncated, w.offset(), "the object breaks off in the middle of a line"})
		case skip > 0:
			skip--
		case blank(line):
		case len(named) > 0 && s.depth == 0 && bytes.HasPrefix(line, named):
			s.rename(line[len(named):])
		case header && !(s.framing.Headless && !isHeader(line)):
			header = false
			s.head = &Head{Kind: CSV, Header: bytes.Clone(line), Layers: s.head.Layers}
		default:
			header = false
			err = s.good(line)
		}
		if err != nil {
			return err
		}
		if s.framing.Quote != 0 { // lines within the record
			s.number += uint64(bytes.Count(line, []byte{'\n'}))
		}
		w.start += next
	}
}

// rename begins the records under another header, unless it is the same.
func (s *splitter) rename(header []byte) {
	if header = bytes.TrimSpace(header); !bytes.Equal(header, s.head.Header) {
		s.head = &Head{Kind: CSV, Header: bytes.Clone(header), Layers: s.head.Layers}
	}
}

// lineEnd returns how far from the window's start the line break is that ends
// the record there, or -1 when it is not in the window: then the record is too
// long or the text's last.
func (s *splitter) lineEnd(w *window) int {
	limit := int(s.lim.Record)
	scanned := 0
	for {
		b := w.have()
		for len(b) > 0 && b[0] == 0 && scanned == 0 {
			b = b[1:]
			w.start++
		}
		if i := bytes.IndexByte(b[scanned:], '\n'); i >= 0 {
			n := scanned + i
			if s.framing.Quote == 0 || bytes.IndexByte(b[:n], s.framing.Quote) < 0 {
				return n
			}
			return s.quotedEnd(w, n)
		}
		if scanned = len(b); scanned > limit || !w.fill() {
			return -1
		}
	}
}

// quotedEnd is lineEnd for a record whose first line, up to first, has a quote.
func (s *splitter) quotedEnd(w *window, first int) int {
	limit := int(s.lim.Record)
	if s.broken >= mostBroken || first > limit {
		return first
	}
	for last := false; ; last = !w.fill() {
		b := w.have()
		full := len(b) > limit
		if full {
			b = b[:limit+1]
		}
		n, ok := s.rowEnd(b, last && !full)
		switch {
		case !ok || n < 0 && (full || last): // quotes that are not those of RFC 4180
			s.broken++
			return first
		case n == len(b): // the text's last record
			return -1
		case n >= 0:
			return n
		}
	}
}

// longLine makes a bad record of the line at w.start and moves behind it. n is
// its length where its end is in the window, else -1.
func (s *splitter) longLine(w *window, n int) error {
	why := &Error{TooLong, w.offset(), fmt.Sprintf("a line of more than %d bytes", s.lim.Record)}
	if err := s.bad(w.have()[:s.lim.Record], why); err != nil {
		return err
	}
	for n < 0 {
		w.start = w.end
		if !w.fill() {
			return w.finish()
		}
		n = bytes.IndexByte(w.have(), '\n')
	}
	w.start += n + 1
	return nil
}

// blank reports whether there is only white space.
func blank(line []byte) bool {
	for _, c := range line {
		if c != ' ' && (c < '\t' || c > '\r') && c != 0 {
			return false
		}
	}
	return true
}
