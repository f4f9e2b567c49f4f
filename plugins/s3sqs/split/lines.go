package split

import (
	"bytes"
	"fmt"
)

// lines cuts text at line feeds. A carriage return before one belongs to it.
func (s *splitter) lines(w *window) error {
	header := s.framing.Kind == CSV && s.depth == 0 // still to come
	skip := 0
	if s.framing.Kind == Lines && s.depth == 0 {
		skip = s.framing.HeaderLines
	}
	limit := int(s.lim.Record)
	for {
		// Find the end of the line that begins at w.start.
		n, scanned := -1, 0
		for {
			b := w.have()
			if i := bytes.IndexByte(b[scanned:], '\n'); i >= 0 {
				n = scanned + i
				break
			}
			if scanned = len(b); scanned > limit || !w.fill() {
				break
			}
		}
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
		if k := len(line) - 1; k >= 0 && line[k] == '\r' {
			line = line[:k]
		}
		var err error
		switch {
		case !complete && w.finish() != nil:
			err = s.bad(line, &Error{Truncated, w.offset(), "the object breaks off in the middle of a line"})
		case skip > 0:
			skip--
		case blank(line):
		case header:
			header = false
			s.head = &Head{Kind: CSV, Header: bytes.Clone(line), Layers: s.head.Layers}
		default:
			err = s.good(line)
		}
		if err != nil {
			return err
		}
		w.start += next
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
		if c != ' ' && (c < '\t' || c > '\r') {
			return false
		}
	}
	return true
}
