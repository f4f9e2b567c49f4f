package split

import (
	"bytes"
	"fmt"
)

// multi cuts text into records of several lines: a line that [Framing].FirstLine
// matches begins one. Lines before the first such line are skipped; when there
// is none in all of the text, the text is one bad record.
func (s *splitter) multi(w *window) error {
	m := &records{splitter: s, w: w, began: w.offset()}
	if s.depth == 0 {
		m.header = s.framing.HeaderLines
	}
	limit := int(s.lim.Record)
	w.most = 2*limit + windowSize
	inLine := false
	for {
		n, complete := m.line()
		if n == 0 {
			break
		}
		line := w.have()[m.at : m.at+n]
		switch {
		case m.header > 0:
			w.start += n
			if complete {
				m.header--
			}
		case !inLine && s.framing.FirstLine.Match(bytes.TrimRight(line, "\r\n")):
			if err := m.end(); err != nil {
				return err
			}
			m.open, m.any = true, true
			m.at = n
		case m.open || m.why != nil:
			m.at += n
		default:
			m.before(line)
			w.start += n
		}
		if inLine = !complete; m.at > limit {
			m.drop()
		}
	}
	if err := w.finish(); err != nil {
		if m.open {
			m.why = &Error{Truncated, m.began, "the object breaks off in the middle of a record"}
			if err := m.end(); err != nil {
				return err
			}
		}
		return err
	}
	if err := m.end(); err != nil {
		return err
	}
	if !m.any && len(m.junk) > 0 {
		s.number++
		s.result.Skipped -= m.skipped
		return s.bad(m.junk, &Error{NoRecord, 0, "no line of the text begins a record of this log type"})
	}
	return nil
}

// records is the state of multi: the record in hand begins at the window's
// start and has come to at.
type records struct {
	*splitter
	w       *window
	at      int
	open    bool   // there is one
	any     bool   // there was one
	kept    []byte // what is kept of one that is too long
	why     *Error // why it is bad
	header  int    // lines still to skip
	junk    []byte // what came before the first record
	skipped uint64 // lines of it
	began   int64  // offset of the record in hand
}

// line returns the length of the line at m.at, with its end, or of what is one
// byte too long for a record: that is not complete. 0: the text ends.
func (m *records) line() (n int, complete bool) {
	w, limit := m.w, int(m.lim.Record)
	for {
		b := w.have()[m.at:]
		if len(b) > limit {
			b = b[:limit+1]
		}
		if i := bytes.IndexByte(b[n:], '\n'); i >= 0 {
			return n + i + 1, true
		}
		if n = len(b); n > limit || !w.fill() {
			return n, false
		}
	}
}

// before notes a line that is before the first record.
func (m *records) before(line []byte) {
	if blank(line) {
		return
	}
	m.result.Skipped++
	m.skipped++
	m.junk = keep(m.junk, line)
}

// drop lets go of a record that has become too long, as far as it came.
func (m *records) drop() {
	m.kept = keep(m.kept, m.w.have()[:m.at])
	if m.why == nil {
		m.why = &Error{TooLong, m.began, fmt.Sprintf("a record of more than %d bytes", m.lim.Record)}
	}
	m.w.start += m.at
	m.at = 0
}

// end hands out the record in hand.
func (m *records) end() (err error) {
	text := m.w.have()[:m.at]
	switch {
	case m.why != nil:
		m.number++
		err = m.bad(trimEnd(keep(m.kept, text)), m.why)
	case m.open:
		m.number++
		err = m.good(trimEnd(text))
	}
	m.w.start += m.at
	m.at, m.open, m.kept, m.why, m.began = 0, false, nil, nil, m.w.offset()
	return err
}

// trimEnd cuts off white space and NUL bytes.
func trimEnd(b []byte) []byte {
	for len(b) > 0 && (isSpace(b[len(b)-1]) || b[len(b)-1] == 0) {
		b = b[:len(b)-1]
	}
	return b
}
